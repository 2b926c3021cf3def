"""Calls functions of ours on untrusted text in another process, under limits of memory and time.

Parsers of Python take memory and time that no length of the text bounds well: `import a.a.a` with
40,000 parts takes 1.7 GB. Here the worst text ends a process that has nothing else to lose.
"""

import atexit
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from llm_erm.bounded_process import (
    LENGTH,
    MEMORY_BYTES,
    REPLY_BYTES,
    SECONDS,
    WALL_SECONDS,
    pack,
    unpack,
)
from llm_erm.errors import LLMERMError
from llm_erm.interpreter import needed_environment

LIMITS = f"{SECONDS:g} seconds and {MEMORY_BYTES // 2**30} GB"
"""What one call may take, in words."""

# Defines the package without running it: its __init__ is for those who have its dependencies.
_BOOTSTRAP = """
import sys, types
sys.modules["llm_erm"] = types.ModuleType("llm_erm")
sys.modules["llm_erm"].__path__ = [sys.argv[1]]
from llm_erm.bounded_process import main
main()
"""


class UnreadableError(Exception):
    """The call exceeded a limit, or no reply came for another reason."""


def call(function: Callable[..., object], *arguments: str | bool) -> object:
    """Returns what a function returns for these arguments, as far as JSON can express it.

    It may be called from several threads at once. The reply is untrusted, since a fault of the
    parser could let the text choose it: callers check its shape.

    Args:
        function: A function at the top level of one of our modules that needs nothing but the
            standard library.
        arguments: What it is given.

    Raises:
        UnreadableError: It took too long or too much memory, or it failed.
        LLMERMError: The process cannot start.
    """
    return _PROCESS.exchange(pack([function.__module__, function.__qualname__, *arguments]))


class _Process:
    """The process of this one, which starts with the first call, and again after each failure."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def exchange(self, request: bytes) -> object:
        """Returns the reply to a request."""
        with self._lock:
            for _ in range(2):  # what ended it may have had nothing to do with the request
                process = self._running()
                try:
                    return _exchange(process, request)
                except (OSError, EOFError):
                    if self._end() == -getattr(signal, "SIGPROF", 0):
                        break
                except BaseException:  # such as Ctrl-C: the reply to this must not answer the next
                    self._end()
                    raise
        raise UnreadableError

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self._end()
        if self._process is None:
            # Known before it is ready, so that a fork meanwhile closes its end of the pipe.
            self._process = _started()
            try:
                _wait_until_ready(self._process)
            except BaseException:
                self._end()
                raise
        return self._process

    def _end(self) -> int | None:
        """Ends the process and returns its exit status; None if there was none."""
        process, self._process = self._process, None
        if process is None:
            return None
        _close(process)
        return process.returncode

    def close(self) -> None:
        """Ends the process, whatever it does: a thread may still wait for a reply."""
        self._end()

    def forget(self) -> None:
        """Leaves the process to the parent that this process was forked from."""
        self._lock = threading.Lock()
        process, self._process = self._process, None
        if process is not None:
            for stream in (process.stdin, process.stdout, process.stderr):
                cast("Any", stream).close()
            process.returncode = 0  # it is no child of this process, which must not wait for it


def _started() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-s", "-S", "-W", "ignore", "-c", _BOOTSTRAP]
    return subprocess.Popen(  # noqa: S603 - our own interpreter, fixed arguments
        [*command, str(Path(__file__).parent)],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=needed_environment(),
        start_new_session=True,  # Ctrl-C is not for it; it ends with its parent, by the pipe's end
    )


def _wait_until_ready(process: subprocess.Popen[bytes]) -> None:
    with cast("Any", process.stderr) as stderr:
        try:
            if _reply(process) == "ready":
                return
        except (OSError, EOFError):
            pass
        process.kill()  # so that what it said ends
        said = stderr.read().decode("utf-8", "replace").strip()
    raise LLMERMError(
        f"{sys.executable} could not be started to read programs ("
        f"{said.splitlines()[-1] if said else 'the process ended'}); it needs CPython with "
        "llm-erm installed for it, and memory for another process."
    )


def _close(process: subprocess.Popen[bytes]) -> None:
    process.kill()  # it has nothing to lose, and if it has ended, its status stays what it is
    process.wait()
    for stream in (process.stdin, process.stdout):
        cast("Any", stream).close()


def _exchange(process: subprocess.Popen[bytes], request: bytes) -> object:
    stdin, left = cast("Any", process.stdin), memoryview(request)
    while left:
        left = left[stdin.write(left) :]
    return _reply(process)


def _reply(process: subprocess.Popen[bytes]) -> object:
    """Returns the next reply.

    Raises:
        EOFError: There is none, or it is not as it should be.
    """
    (length,) = LENGTH.unpack(_read(process, LENGTH.size))
    if length > REPLY_BYTES:
        raise EOFError
    try:
        return unpack(_read(process, length))
    except (ValueError, RecursionError):
        raise EOFError from None


def _read(process: subprocess.Popen[bytes], size: int) -> bytes:
    stdout, parts = cast("Any", process.stdout), []
    while size:
        # Its CPU time is limited there; a process that was stopped or is blocked uses none.
        if sys.platform != "win32":
            poll = select.poll()
            poll.register(stdout, select.POLLIN)
            if not poll.poll(1000 * WALL_SECONDS):
                raise EOFError
        if not (part := stdout.read(size)):
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


_PROCESS = _Process()
atexit.register(_PROCESS.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_PROCESS.forget)
