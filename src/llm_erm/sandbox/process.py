"""The parent's handle on a zygote process."""

import contextlib
import marshal
import os
import platform
import select
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_erm.errors import LLMERMError
from llm_erm.execution import Limits
from llm_erm.interpreter import needed_environment
from llm_erm.sandbox import library, protocol
from llm_erm.sandbox.payload import anonymous_file, printable

# Defines the package without running it: its __init__ would load numpy and the whole library into
# the memory that every child is copied from.
BOOTSTRAP = """
import sys, types
for name, folder in (("llm_erm", sys.argv[1]), ("llm_erm.sandbox", sys.argv[1] + "/sandbox")):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder]
from llm_erm.sandbox.zygote import main
main(sys.argv[2:])
"""
# The complete environment of the zygote, so that nothing of the user's reaches a candidate. (The
# flag -I would do so too, but would also ignore the hash seed.) The hash seed and the time zone are
# fixed so that a verdict is the same in every run and on every machine. OpenBLAS must not start
# threads, which do not survive a fork.
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "TZ": "UTC0",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
START_SECONDS = 120.0
# Wall time is only a backstop for programs that are neither idle nor given CPU time.
WALL_FACTOR = 20
WALL_EXTRA_SECONDS = 30


class ZygoteLostError(Exception):
    """The zygote ended, which no candidate should be able to cause."""


@dataclass(frozen=True)
class Ending:
    """How a child ended.

    Attributes:
        status: The wait status, as in wait(2).
        killer: One of ``protocol.KILLED_BY``.
        cpu_seconds: User and system time of the child.
    """

    status: int
    killer: str
    cpu_seconds: float


@dataclass(frozen=True)
class ZygoteKind:
    """What distinguishes zygotes from each other.

    Attributes:
        base: bare (for programs that import nothing), standard (the standard library) or science
            (also numpy and sympy).
        hash_seed: Seed of string hashes, which determine the order of sets.
    """

    base: str = "bare"
    hash_seed: int = 0


class ZygoteProcess:
    """A zygote process, in which one candidate runs at a time.

    Attributes:
        kind: What it was started with.
        level: The isolation level that its self-test found.
        missing: What keeps the level from being ``strong``, one sentence per reason.
        room: CPU seconds and bytes of memory that the machine's limits leave a candidate; None
            without a limit.
    """

    def __init__(self, kind: ZygoteKind) -> None:
        """Starts the process and blocks until its imports and its self-test are done."""
        self.kind = kind
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        folders = library.package_folders() if kind.base == "science" else []
        modules = [] if kind.base == "bare" else [library.archive(kind.base)]
        needed = needed_environment()
        errors = anonymous_file("llm-erm-errors", b"")
        try:
            with theirs:
                command = [sys.executable, "-P", "-s", "-S", "-c", BOOTSTRAP]
                command += [str(Path(__file__).parent.parent), str(theirs.fileno()), *needed]
                self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, fixed arguments
                    command,
                    env=needed | ENVIRONMENT | {"PYTHONHASHSEED": str(kind.hash_seed)},
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
            with contextlib.suppress(ConnectionError):  # it has ended, which the answer will show
                described = marshal.dumps((kind.base, folders, platform.machine()))
                socket.send_fds(self._socket, [described], modules)
            self.level, self.missing, self.room = self._first_answer(errors)
        finally:
            os.close(errors)

    def _first_answer(self, errors: int) -> Any:  # noqa: ANN401 - what the zygote's own code wrote
        self._socket.settimeout(START_SECONDS)
        try:
            answer = self._socket.recv(2**16)
        except TimeoutError:
            answer = b"it did not answer"
        except OSError:
            answer = b""
        self._socket.settimeout(None)
        if answer.startswith(protocol.READY):
            return marshal.loads(answer.removeprefix(protocol.READY))  # noqa: S302 - as above
        self.close()
        reason = answer.removeprefix(protocol.FAILED).decode("utf-8", "replace")
        printed = os.pread(errors, 2**16, 0).decode("utf-8", "replace").strip().splitlines()
        reason = printable(reason or (printed[-1] if printed else ""))
        raise LLMERMError(
            f"The sandbox could not start {sys.executable} "
            f"({reason or 'the process ended without a message'}); it needs CPython on Linux with "
            "llm-erm installed for it. If the message names a library or a module, start Python "
            "as you do in a shell where it works, or reinstall it."
        )

    def start(self, job: int, shared: int, count: int, limits: Limits) -> None:
        """Starts one candidate; ``ending`` returns when it is dead."""
        seconds = limits.seconds_per_candidate
        wall = WALL_FACTOR * seconds + WALL_EXTRA_SECONDS
        numbers = (count, limits.seconds_per_call, seconds, wall, limits.memory_bytes)
        self._send(protocol.REQUEST.pack(protocol.RUN, *numbers), job, shared)

    def fileno(self) -> int:
        """Returns the descriptor that becomes readable once ``ending`` has a result."""
        return self._socket.fileno()

    def stop_at(self, count: int) -> None:
        """Ends the candidate once it has tried that many inputs."""
        self._send(protocol.REQUEST.pack(protocol.STOP, count, 0, 0, 0, 0))

    def ending(self, timeout: float | None = None) -> Ending | None:
        """Returns how the candidate ended, or None if it is still running after the timeout."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        if not poll.poll(None if timeout is None else timeout * 1000):
            return None
        try:
            answer = self._socket.recv(protocol.MESSAGE_BYTES)
        except OSError:
            answer = b""
        if answer.startswith(protocol.FAILED):
            reason = answer.removeprefix(protocol.FAILED).decode()
            raise LLMERMError(
                f"The sandbox could not start a process for a program ({reason}); raise the limit "
                "on processes (ulimit -u, or the container's), free memory, or use fewer workers."
            )
        if len(answer) != protocol.REPLY.size:
            raise ZygoteLostError
        status, killer, seconds = protocol.REPLY.unpack(answer)
        return Ending(status, protocol.KILLED_BY[killer], seconds)

    def _send(self, request: bytes, *files: int) -> None:
        try:
            socket.send_fds(self._socket, [request], files)
        except OSError:
            raise ZygoteLostError from None

    def interrupt(self) -> None:
        """Ends the process from another thread: who waits for ``ending`` gets no answer."""
        with contextlib.suppress(OSError):  # it has ended by itself
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Ends the process and whatever runs in it."""
        self._socket.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
