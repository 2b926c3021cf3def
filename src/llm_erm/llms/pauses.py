"""Tells how long the calls of a model wait before they are sent again, all of them as one."""

import time

from llm_erm.llms.faults import CallFailedError
from llm_erm.llms.llm import Paused, Tell

_BUSY = (429, 503)

NOTABLE_SECONDS = 1.0
"""A pause that is longer than the one told by less than this is not told."""


class Pauses:
    """What the calls to one model wait for; hundreds may wait at once."""

    def __init__(self) -> None:
        self._ends: dict[object, float] = {}
        self._told = 0.0

    def begin(self, call: object, seconds: float, failure: CallFailedError, tell: Tell) -> None:
        """Notes that a call waits, and tells so unless others wait about as long."""
        end = self._ends[call] = time.monotonic() + seconds
        if end > self._told + NOTABLE_SECONDS:
            self._told = end
            tell(Paused(seconds, _why(failure)))

    def end(self, call: object, tell: Tell) -> None:
        """Notes that a call no longer waits, if it did, and tells so if it was the last one."""
        if self._ends.pop(call, None) is not None and not self._ends:
            self._told = 0.0
            tell(Paused(0.0))


def _why(failure: CallFailedError) -> str:
    status = "" if failure.status is None else f" ({failure.status})"
    if failure.pause_seconds is not None:
        return f"the server asked for a pause{status}"
    if failure.kind == "unreachable":
        return "the server cannot be reached"
    if failure.status in _BUSY:
        return f"the server is busy{status}"
    return f"the server did not answer{status}"
