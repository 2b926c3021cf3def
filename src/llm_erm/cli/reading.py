"""Estimates how long a model still reads a long prompt."""

import numpy as np


class Reading:
    """The parts of a prompt that a model has read, and when.

    Attention makes each part take longer than the one before, by how much depends on the model. So
    the time per token is fitted by a line that neither falls nor begins below zero.
    """

    def __init__(self, started: float) -> None:
        """Begins to read.

        Args:
            started: The time in seconds.
        """
        self._tokens = [0]
        self._times = [started]

    def seconds_left(self, tokens: int, total: int, now: float) -> float | None:
        """Returns about how long the rest takes; None before the second part.

        Args:
            tokens: Number of tokens read so far.
            total: Number of tokens in the prompt.
            now: The time in seconds.
        """
        if tokens > self._tokens[-1]:
            self._tokens.append(tokens)
            self._times.append(now)
        # The first part also waits for the weights to be read from disk.
        read = np.array(self._tokens[1:] if len(self._tokens) > 2 else self._tokens, dtype=float)
        times = np.array(self._times[-len(read) :])
        if len(read) < 2:
            return None
        rates = np.diff(times) / np.diff(read)
        middles = (read[1:] + read[:-1]) / 2
        rise = np.polyfit(middles, rates, 1)[0] if len(rates) > 1 else 0.0
        rise = min(max(0.0, rise), rates.mean() / middles.mean())
        ahead = (tokens + total) / 2 - middles.mean()
        return float((total - tokens) * (rates.mean() + rise * ahead))
