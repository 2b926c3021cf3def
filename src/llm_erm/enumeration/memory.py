"""How much a search may still take, of memory, time and programs."""

import math
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from llm_erm.errors import InputError

Reason = Literal["seconds", "memory", "programs", "bits"]
"""The limit that ended a search."""

MARGIN_BYTES = 96 * 2**20
"""Left free for what lives briefly: blocks of columns, sorted errors, the verification."""


class LimitReachedError(Exception):
    """The search has spent one of its limits; what it found so far stands."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


@dataclass
class Memory:
    """Bytes that may still be taken.

    Attributes:
        limit: Bytes in all.
        used: Bytes taken so far.
    """

    limit: int
    used: int = 0

    @property
    def left(self) -> int:
        """Bytes that are left."""
        return max(self.limit - self.used, 0)

    def take(self, count: int) -> None:
        """Takes bytes.

        Raises:
            LimitReachedError: There are not so many left.
        """
        if count > self.left:
            raise LimitReachedError("memory")
        self.used += count

    def give(self, count: int) -> None:
        """Gives bytes back."""
        self.used -= count


def memory_for(process_bytes: int) -> Memory:
    """Returns what a search may take so that this process stays below ``process_bytes``.

    Raises:
        InputError: The process takes nearly as much already.
    """
    resident = resident_bytes()
    limit = process_bytes - resident - MARGIN_BYTES
    if limit < MARGIN_BYTES:
        least = (resident + 2 * MARGIN_BYTES) // 2**20 + 1
        raise InputError(
            f"A search within {process_bytes // 2**20} MiB is not possible: the interpreter and "
            f"its libraries take {resident // 2**20} MiB; give at least {least} MiB."
        )
    return Memory(limit)


def resident_bytes() -> int:
    """Returns the memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@dataclass
class Clock:
    """Time of a search.

    Attributes:
        most_seconds: Wall time that it may last.
        started: When it began, on the monotonic clock.
        most_cpu: CPU time of this process at which it ends as well.
    """

    most_seconds: float
    started: float = field(default_factory=time.monotonic)
    most_cpu: float = math.inf

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self.seconds > self.most_seconds or time.process_time() > self.most_cpu

    def hurry(self, cpu_seconds: float) -> None:
        """Leaves it so much more CPU time, from the first call on."""
        if self.most_cpu == math.inf:
            self.most_cpu = time.process_time() + cpu_seconds

    def check(self) -> None:
        """Raises LimitReachedError once the time is up."""
        if self.over:
            raise LimitReachedError("seconds")
