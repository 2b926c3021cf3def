"""Decides when a candidate has exceeded a limit, from the time that it ran and slept.

If both are measured per process, the decision does not depend on other load on the machine.
"""

from __future__ import annotations

import time

IDLE_SECONDS = 2.0
"""Sleep allowed per call beyond its CPU limit, so that late polling does not count against it."""


class Meter:
    """The limits of one candidate and its progress.

    Attributes:
        tick: Seconds between checks.
        began: When the candidate started, on the monotonic clock.
    """

    def __init__(self, call_seconds: float, total_seconds: float, wall_seconds: float) -> None:
        self.tick = max(0.002, min(0.05, call_seconds / 10, total_seconds / 10))
        self.began = time.monotonic()
        self._call_seconds = call_seconds
        self._total_seconds = total_seconds
        self._deadline = self.began + wall_seconds
        self._progress = -1
        self._marked = (0.0, 0.0)

    def verdict(self, progress: int, ran: float, slept: float) -> str:
        """Returns the limit that ends the candidate now, or ``nobody``.

        Args:
            progress: 0 before its first call, then 1 plus the number of inputs it has tried.
            ran: CPU seconds since it started.
            slept: Seconds since then in which it could have run but was asleep.
        """
        if progress != self._progress:
            self._progress, self._marked = progress, (ran, slept)
        if ran > self._total_seconds:
            return "candidate limit"
        if progress > 0 and ran - self._marked[0] > self._call_seconds:
            return "call limit"
        if (
            slept - self._marked[1] > self._call_seconds + IDLE_SECONDS
            or slept > self._total_seconds + IDLE_SECONDS
        ):
            return "idle"
        return "wall limit" if time.monotonic() > self._deadline else "nobody"
