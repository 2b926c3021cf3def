"""Decides when a candidate has exceeded a limit, from the time that it ran and slept.

If both are measured per process, the decision does not depend on other load on the machine.
"""

from __future__ import annotations

import time

IDLE_SECONDS = 2.0
"""Sleep allowed per call beyond its CPU limit, so that late polling does not count against it."""
LONGEST_GAP_TICKS, LONGEST_GAP_SECONDS = 2, 1.0
"""Most that the time between two checks counts as sleep, in ticks, and as wall time. A longer gap
means that the whole machine was paused or overloaded, which says nothing about the candidate."""


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
        self._wall_left = wall_seconds
        self._checked = self.began
        self._progress = -1
        self._marked = (0.0, 0.0)

    def sleep(self, seconds: float) -> float:
        """Returns how much of the time since the last check counts as sleep.

        Args:
            seconds: The part of it in which the candidate neither ran nor waited for a processor;
                below 0 if it had waited before, which was not known then.
        """
        return min(seconds, LONGEST_GAP_TICKS * self.tick)

    def verdict(self, progress: int, ran: float, slept: float) -> str:
        """Returns the limit that ends the candidate now, or ``nobody``.

        Args:
            progress: 0 before its first call, then 1 plus the number of inputs it has tried.
            ran: CPU seconds since it started.
            slept: Seconds since then in which it could have run but was asleep.
        """
        now = time.monotonic()
        self._wall_left -= min(now - self._checked, LONGEST_GAP_SECONDS)
        self._checked = now
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
        return "wall limit" if self._wall_left < 0 else "nobody"
