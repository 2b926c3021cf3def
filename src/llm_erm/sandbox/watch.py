"""Watches one child until it is dead, and kills it when it passes a limit."""

import array
import os
import select
import signal
import socket
import time

from llm_erm.sandbox import protocol

IDLE_SECONDS = 2.0


def receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    """Returns the next request and its descriptors; an empty request means the end."""
    request, ancillary, _, _ = connection.recvmsg(
        protocol.REQUEST.size, socket.CMSG_SPACE(2 * array.array("i").itemsize)
    )
    files = array.array("i")
    for _, _, data in ancillary:
        files.frombytes(data)
    return request, files.tolist()


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
        request, files = receive(connection)
        for file in files:
            os.close(file)
        if not request:
            os.kill(self.child, signal.SIGKILL)
            raise SystemExit
        self.stop_at = protocol.REQUEST.unpack(request)[1] + 1
