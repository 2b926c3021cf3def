"""The process that reads untrusted text: one call at a time, under limits of memory and time.

It uses only the standard library, so that it starts fast. A call that exceeds a limit ends the
process, without a reply; whatever the call's function raises does so too.
"""

import contextlib
import faulthandler
import importlib
import json
import mmap
import os
import signal
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

SECONDS = 5.0
"""CPU time of one call, where the system measures it."""

WALL_SECONDS = 12 * SECONDS
"""Wall time of one call, which is also spent waiting for a processor."""

MEMORY_BYTES = 2**30
"""Address space of the process beyond what it takes at its start, where the system limits it."""

KEPT_BYTES = 2**27
"""A process that holds more memory ends after its reply; it may never return it otherwise."""

REPLY_BYTES = 2**21
"""Size of the longest reply."""

LENGTH = struct.Struct("<Q")
"""Length of a message, which precedes it."""

_STATM = "/proc/self/statm"
_PAGE_BYTES = mmap.PAGESIZE


def pack(message: object) -> bytes:
    """Returns a message as it goes through the pipe; lone surrogates stay what they are."""
    content = json.dumps(message, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return LENGTH.pack(len(content)) + content


def unpack(content: bytes) -> object:
    """Returns the message that :func:`pack` was given, without its length.

    Raises:
        ValueError: It is no message.
        RecursionError: It is nested too deeply.
    """
    return json.loads(content.decode("utf-8", "surrogatepass"))


def main() -> None:
    """Answers calls until the other end of the pipe is closed."""
    calls, replies = sys.stdin.buffer, sys.stdout.buffer
    memory = _Memory()
    _limit(memory.taken()[0])
    _reply(replies, "ready")
    while head := calls.read(LENGTH.size):
        called: object = unpack(calls.read(*LENGTH.unpack(head)))
        assert isinstance(called, list)
        module, name, *arguments = called
        function = getattr(importlib.import_module(module), name)
        with _timed():
            result = function(*arguments)
        _reply(replies, result)
        if memory.taken()[1] > KEPT_BYTES:
            break
    os._exit(0)


def _reply(replies: BinaryIO, message: object) -> None:
    replies.write(pack(message))
    replies.flush()


@contextlib.contextmanager
def _timed() -> Iterator[None]:
    """Ends the process if the block takes too long; no handler of ours could, within a parser."""
    if sys.platform == "win32":
        faulthandler.dump_traceback_later(WALL_SECONDS, exit=True)
        yield
        faulthandler.cancel_dump_traceback_later()
    else:
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        yield
        signal.setitimer(signal.ITIMER_PROF, 0)


def _limit(taken: int) -> None:
    """Limits this process, which takes that many bytes of address space."""
    if sys.platform == "win32":
        return
    import resource

    # What started this process may ignore or block the signal, which would be inherited.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGPROF])
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if taken:
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        limits = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_AS, (min([taken + MEMORY_BYTES, *limits]), hard))


class _Memory:
    """The memory of this process, where the system tells it at little cost."""

    def __init__(self) -> None:
        there = sys.platform == "linux" and Path(_STATM).exists()
        self._file = os.open(_STATM, os.O_RDONLY) if there else None

    def taken(self) -> tuple[int, int]:
        """Returns the bytes of address space, and those that are in use; 0 where unknown."""
        if self._file is None:
            return 0, 0
        pages = os.pread(self._file, 200, 0).split()
        return int(pages[0]) * _PAGE_BYTES, int(pages[1]) * _PAGE_BYTES
