"""Decides when a candidate has passed a limit, from the time that it ran and that it slept.

Neither depends on what else the machine is doing, as long as both are measured so.
"""

from __future__ import annotations

import time

IDLE_SECONDS = 2.0
"""Sleep that a call is granted beyond its CPU limit: a late look must not count against it."""


class Meter:
    """The limits of one candidate and how far it has gone.

    Attributes:
        tick: Seconds between two looks.
        began: When it started, by the monotonic clock.
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
        """Returns who must end the candidate now, most often nobody.

        Args:
            progress: 0 before its first call, and then 1 more than the inputs it has tried.
            ran: CPU seconds since it started.
            slept: Seconds since then in which it could have run and did not want to.
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
