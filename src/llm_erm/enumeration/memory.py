"""The memory and time limits of a search."""

import math
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from llm_erm.errors import InputError

Reason = Literal["seconds", "memory", "programs", "bits"]
"""The limit that ended a search."""

MARGIN_BYTES = 96 * 2**20
"""Left free for temporary data: blocks of columns, sorted errors, the verification."""


class LimitReachedError(Exception):
    """The search has reached one of its limits; what it has found so far remains valid."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


@dataclass
class Memory:
    """An account of the bytes that a search may take.

    Attributes:
        limit: Total number of bytes.
        used: Number of bytes taken so far.
    """

    limit: int
    used: int = 0

    @property
    def left(self) -> int:
        """Number of bytes left."""
        return max(self.limit - self.used, 0)

    def take(self, count: int) -> None:
        """Takes bytes.

        Raises:
            LimitReachedError: If fewer are left.
        """
        if count > self.left:
            raise LimitReachedError("memory")
        self.used += count

    def release(self, count: int) -> None:
        """Returns bytes taken before."""
        self.used -= count


def memory_for(process_bytes: int) -> Memory:
    """Returns the memory that a search may take while this process stays below ``process_bytes``.

    Raises:
        InputError: If the process already takes nearly as much.
    """
    resident = resident_bytes()
    limit = process_bytes - resident - MARGIN_BYTES
    if limit < MARGIN_BYTES:
        least = (resident + 2 * MARGIN_BYTES) // 2**20 + 1
        raise InputError(
            f"A search within {process_bytes // 2**20} MiB is not possible: the interpreter and "
            f"its libraries take {resident // 2**20} MiB; allow at least {least} MiB.",
            setting="max_memory_mb",
        )
    return Memory(limit)


def peak_bytes() -> int:
    """Returns the peak memory of this process, not counting the process that started it."""
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # The peak that getrusage knows on Linux includes that of the process that started this one.
    status = Path("/proc/self/status").read_text()
    return next(
        int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")
    )


def resident_bytes() -> int:
    """Returns the memory that this process currently holds."""
    import psutil

    return int(psutil.Process().memory_info().rss)


@dataclass
class Clock:
    """The time limit of a search.

    Attributes:
        max_seconds: Wall time that the search may last.
        started: When it started, on the monotonic clock.
        cpu_deadline: CPU time of this process, in seconds, at which it ends as well.
    """

    max_seconds: float
    started: float = field(default_factory=time.monotonic)
    cpu_deadline: float = math.inf

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self.seconds > self.max_seconds or time.process_time() > self.cpu_deadline

    def limit_cpu(self, seconds: float) -> None:
        """Ends the search after this much more CPU time; only the first call has an effect."""
        if self.cpu_deadline == math.inf:
            self.cpu_deadline = time.process_time() + seconds

    def check(self) -> None:
        """Raises LimitReachedError once the time is up."""
        if self.over:
            raise LimitReachedError("seconds")
