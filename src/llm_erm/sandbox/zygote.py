"""The zygote: imports once, then forks one child a candidate and watches it until it is dead.

It reads neither source nor inputs: they lie in an anonymous file that only the child opens, so
nothing of one candidate stays in the memory that the next one's child is copied from.
"""

import array
import contextlib
import gc
import importlib
import mmap
import os
import resource
import select
import signal
import socket
import sys
import time
import traceback
from importlib.machinery import ModuleSpec, PathFinder
from typing import NoReturn

from llm_erm.sandbox import protocol, worker

STANDARD_MODULES = """
    __future__ abc array ast base64 binascii bisect calendar cmath codecs collections
    collections.abc colorsys contextlib copy ctypes csv dataclasses datetime decimal difflib enum
    errno fractions functools gc graphlib hashlib heapq hmac html inspect io itertools json keyword
    math numbers operator os pathlib pprint queue random re reprlib secrets signal statistics string
    struct sys textwrap threading time timeit tokenize traceback types typing unicodedata uuid
    warnings weakref zlib
"""
SCIENCE_MODULES = ("numpy", "numpy.linalg", "numpy.random", "numpy.fft", "sympy", "sympy.ntheory")
IDLE_SECONDS = 2.0


class ExtraFinder:
    """Finds the packages of the given folders after everything else."""

    def __init__(self, folders: list[str]) -> None:
        self.folders = folders

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Returns the spec of a top-level package in the folders, or None."""
        return PathFinder.find_spec(name, self.folders) if path is None else None


def main(arguments: list[str]) -> None:
    """Serves one connection until the other end closes it.

    Args:
        arguments: The socket's descriptor, the kind, and the folders of third-party packages.
    """
    connection = socket.socket(fileno=int(arguments[0]))
    try:
        _import_modules(arguments[1], arguments[2:])
        connection.send(protocol.READY)
    except BaseException:
        connection.send(protocol.FAILED + traceback.format_exc()[-4000:].encode())
        raise
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    gc.disable()
    gc.collect()
    gc.freeze()
    while True:
        request, files = _receive(connection)
        if not request:
            return
        if request[:1] == protocol.RUN:
            connection.send(_serve(connection, request, *files))


def _import_modules(kind: str, folders: list[str]) -> None:
    for name in STANDARD_MODULES.split():
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    if kind == protocol.SCIENCE:
        sys.meta_path.append(ExtraFinder(folders))
        for name in SCIENCE_MODULES:
            importlib.import_module(name)


def _receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    request, ancillary, _, _ = connection.recvmsg(
        protocol.REQUEST.size, socket.CMSG_SPACE(2 * array.array("i").itemsize)
    )
    files = array.array("i")
    for _, _, data in ancillary:
        files.frombytes(data)
    return request, files.tolist()


def _serve(connection: socket.socket, request: bytes, job: int, shared: int) -> bytes:
    """Runs one candidate and returns the reply."""
    _, count, call_seconds, total_seconds, wall_seconds, memory = protocol.REQUEST.unpack(request)
    child = os.fork()
    if child == 0:
        _become_child(job, shared, total_seconds, memory)
    os.close(job)
    try:
        watch = Watch(child, shared, count, call_seconds, total_seconds, wall_seconds)
        status, seconds, killer = watch.until_dead(connection)
    finally:
        os.close(shared)
    return protocol.REPLY.pack(status, protocol.KILLED_BY.index(killer), seconds)


def _become_child(job: int, shared: int, total_seconds: float, memory: int) -> NoReturn:
    try:
        with mmap.mmap(job, 0, access=mmap.ACCESS_READ) as content:
            text = content[:]
        out = mmap.mmap(shared, 0)
        os.closerange(3, 4096)
        used = 0
        with open("/proc/self/statm") as file:  # noqa: PTH123
            used = int(file.read().split()[0]) * mmap.PAGESIZE
        seconds = int(total_seconds) + 2
        for kind, limit in (
            (resource.RLIMIT_AS, used + memory),
            (resource.RLIMIT_CPU, seconds),
            (resource.RLIMIT_FSIZE, 0),
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_NOFILE, 64),
        ):
            resource.setrlimit(kind, (limit, limit))
        worker.run(text, out)
    finally:
        os._exit(1)


class Watch:
    """Kills a child that passes a limit; counts the child's CPU time, not the clock's."""

    def __init__(
        self,
        child: int,
        shared: int,
        count: int,
        call_seconds: float,
        total_seconds: float,
        wall_seconds: float,
    ) -> None:
        self.child = child
        self.shared = shared
        self.count = count
        self.call_seconds = call_seconds
        self.total_seconds = total_seconds
        self.tick = max(0.002, min(0.05, call_seconds / 10, total_seconds / 10))
        self.idle_ticks = int(max(IDLE_SECONDS, 2 * call_seconds) / self.tick)
        self.deadline = time.monotonic() + wall_seconds
        # The CPU clock of another process, as clock_getcpuclockid(3) computes it on Linux.
        self.clock = ~child << 3 | 2
        self.stop_at: int | None = None

    def until_dead(self, connection: socket.socket) -> tuple[int, float, str]:
        """Returns the wait status, the CPU seconds and who killed the child."""
        progress, marked, last, idle = -1, 0.0, -1.0, 0
        killer = "nobody"
        while True:
            signal.sigtimedwait((signal.SIGCHLD,), self.tick)
            pid, status, usage = os.wait4(self.child, os.WNOHANG)
            if pid:
                return status, usage.ru_utime + usage.ru_stime, killer
            if killer != "nobody":
                continue
            seconds = time.clock_gettime(self.clock)
            idle = idle + 1 if seconds == last else 0
            last = seconds
            now = self._progress()
            if now != progress:
                progress, marked = now, seconds
            killer = self._verdict(connection, progress, seconds, seconds - marked, idle)
            if killer != "nobody":
                os.kill(self.child, signal.SIGKILL)

    def _verdict(
        self, connection: socket.socket, progress: int, total: float, call: float, idle: int
    ) -> str:
        self._listen(connection)
        if self.stop_at is not None and progress >= self.stop_at:
            return "request"
        if total > self.total_seconds:
            return "candidate limit"
        if progress > 0 and call > self.call_seconds:
            return "call limit"
        if idle >= self.idle_ticks:
            return "idle"
        return "wall limit" if time.monotonic() > self.deadline else "nobody"

    def _progress(self) -> int:
        """Returns the number of inputs that were tried, as the child tells it."""
        content = os.pread(self.shared, protocol.HEADER_BYTES + self.count, 0)
        _, _, invalid, load_seconds = protocol.HEAD.unpack_from(content)
        if load_seconds == 0:
            return 0
        pending = content.count(protocol.PENDING, protocol.HEADER_BYTES)
        return 1 + self.count - pending + int(invalid)

    def _listen(self, connection: socket.socket) -> None:
        """Ends the child and itself when the parent is gone; takes a request to stop early."""
        if not select.select([connection], [], [], 0)[0]:
            return
        request, files = _receive(connection)
        for file in files:
            os.close(file)
        if not request:
            os.kill(self.child, signal.SIGKILL)
            raise SystemExit
        self.stop_at = protocol.REQUEST.unpack(request)[1] + 1
