"""Watches one child until it is dead, and kills it if it exceeds a limit.

The limits apply to the child's own CPU time and to the time that it sleeps: elapsed time minus the
time in which it ran or waited for a processor. Neither depends on other load on the machine.
"""

import contextlib
import os
import select
import signal
import socket
import struct
import time

from llm_erm.sandbox import protocol
from llm_erm.sandbox.meter import Meter


class Line:
    """The watcher's end of the connection to its parent.

    It also monitors the parent's process, since a fork of the parent would keep the connection
    open after the parent's death.

    Attributes:
        connection: To the parent.
        parent: A descriptor of the parent's process, or None if there is none.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)
        self.parent: int | None = None
        with contextlib.suppress(OSError):
            self.parent = os.pidfd_open(os.getppid())
            self._poll.register(self.parent, select.POLLIN)

    def close(self) -> None:
        """Closes the descriptors in this process; the parent's end stays open."""
        self.connection.close()
        if self.parent is not None:
            os.close(self.parent)

    def receive(self, wait_seconds: float | None = None) -> tuple[bytes, list[int]] | None:
        """Returns the next request and its descriptors, or None if none arrives in that time.

        Raises:
            SystemExit: If the parent is gone.
        """
        events = self._poll.poll(None if wait_seconds is None else wait_seconds * 1000)
        if not events:
            return None
        if any(file == self.parent for file, _ in events):
            raise SystemExit
        request, ancillary, _, _ = self.connection.recvmsg(
            protocol.REQUEST.size, socket.CMSG_SPACE(2 * struct.calcsize("i"))
        )
        if not request:
            raise SystemExit
        return request, [
            file for _, _, data in ancillary for (file,) in struct.iter_unpack("i", data)
        ]


class Scheduler:
    """Gives access to a child's scheduling statistics; opened while /proc is still accessible."""

    def __init__(self) -> None:
        self.proc: int | None = None
        self.children: int | None = None
        with contextlib.suppress(OSError):
            self.proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
            # Process ids in /proc need not be those of this namespace.
            this = os.readlink("thread-self", dir_fd=self.proc)
            self.children = os.open(f"{this}/children", os.O_RDONLY, dir_fd=self.proc)

    def open_child(self) -> int | None:
        """Returns a descriptor of the candidate's scheduling statistics, or None.

        The watcher's children are the zygote and then, if there is one, the candidate.
        """
        with contextlib.suppress(OSError, ValueError):
            if self.children is not None:
                _, child = os.pread(self.children, 100, 0).split()
                return os.open(f"{child.decode()}/schedstat", os.O_RDONLY, dir_fd=self.proc)
        return None


def seconds_waited(figures: int | None) -> float | None:
    """Returns the seconds that a child waited for a processor, or None if unknown."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        if figures is not None:
            nanoseconds = int(os.pread(figures, 100, 0).split()[1])
            return nanoseconds / 1e9
    return None


class Watch:
    """Watches one child until it is dead."""

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
        self.meter = Meter(call_seconds, total_seconds, wall_seconds)
        # The CPU clock of another process, as clock_getcpuclockid(3) computes it on Linux.
        self.clock = ~child << 3 | 2
        self.stop_at: int | None = None
        self.checked, self.ran, self.waited = self.meter.began, 0.0, 0.0
        self.slept = 0.0

    def until_dead(self, line: Line, scheduler: Scheduler) -> tuple[int, float, str]:
        """Returns the wait status, the CPU seconds and why the child was killed."""
        killer, figures = "nobody", None
        while True:
            signal.sigtimedwait((signal.SIGCHLD,), self.meter.tick)
            pid, status, usage = os.wait4(self.child, os.WNOHANG)
            if pid:
                if figures is not None:
                    os.close(figures)
                return status, usage.ru_utime + usage.ru_stime, killer
            figures = figures or scheduler.open_child()
            if killer == "nobody":
                self._listen(line)
                killer = self._verdict(figures)
                if killer != "nobody":
                    os.kill(self.child, signal.SIGKILL)

    def _verdict(self, figures: int | None) -> str:
        """Returns the reason to kill the child now, or ``nobody``."""
        try:
            ran = time.clock_gettime(self.clock)
        except OSError:  # it has just died
            return "nobody"
        self._count_sleep(ran, seconds_waited(figures))
        progress = self._progress()
        if self.stop_at is not None and progress > self.stop_at:
            return "request"
        return self.meter.verdict(progress, ran, self.slept)

    def _count_sleep(self, ran: float, waited: float | None) -> None:
        """Adds the time since the last check in which the child could have run but was asleep."""
        now = time.monotonic()
        if waited is None:
            asleep = self.meter.tick if ran == self.ran else 0.0
        else:
            asleep = (now - self.checked) - (ran - self.ran) - (waited - self.waited)
            self.waited = waited
        self.checked, self.ran = now, ran
        self.slept = max(0.0, self.slept + self.meter.sleep(asleep))

    def _progress(self) -> int:
        """Returns the child's claimed progress; see ``protocol.progress``."""
        content = os.pread(self.shared, protocol.HEADER_BYTES + self.count, 0)
        return protocol.progress(content, self.count)

    def _listen(self, line: Line) -> None:
        """Receives a request to stop early; kills the child if the parent is gone."""
        try:
            received = line.receive(0)
        except SystemExit:
            os.kill(self.child, signal.SIGKILL)
            raise
        if received is not None:
            request, files = received
            for file in files:
                os.close(file)
            self.stop_at = protocol.REQUEST.unpack(request)[1]
