"""The zygote: imports once, then forks one child per candidate and watches it until it is dead.

It reads neither source nor inputs: they are in an anonymous file that only the child opens, so no
trace of a candidate remains in the memory that the next one's child is copied from.
"""

from __future__ import annotations

import gc
import marshal
import mmap
import os
import signal
import socket

from llm_erm.sandbox import imports, namespaces, protocol, selftest, syscalls, worker
from llm_erm.sandbox.lockdown import PR_SET_PDEATHSIG, Lockdown, prctl
from llm_erm.sandbox.watch import Line, Scheduler, Watch

TYPE_CHECKING = False  # typing is large, and everything imported here is copied with every child
if TYPE_CHECKING:
    from typing import NoReturn


def main(arguments: list[str]) -> None:
    """Serves one connection until the other end closes it.

    Args:
        arguments: The descriptor of the socket, on which the parent sends what to import.
    """
    connection = socket.socket(fileno=int(arguments[0]))
    try:
        wanted = marshal.loads(connection.recv(2**16))  # noqa: S302 - the parent wrote it
        zygote = Zygote(Line(connection), *wanted)
    except BaseException as error:
        connection.send(protocol.FAILED + worker.describe(error).encode())
        raise
    zygote.serve()


class Zygote:
    """One process of the sandbox, isolated from the machine once constructed."""

    def __init__(self, line: Line, base: str, folders: list[str], wanted: list[str]) -> None:
        self.line = line
        outsider = os.getppid()
        modules = imports.import_all(base, folders, wanted)
        machine = syscalls.machine()
        unshared = machine is not None and namespaces.enter() is None
        self.pid = os.getpid()
        self.scheduler = Scheduler()
        namespaces.be_first_to_go()
        self.sizes = os.open("/proc/self/statm", os.O_RDONLY)
        if machine is not None:
            namespaces.empty_root(machine, mounted=unshared)
            namespaces.drop_privileges(machine)
        self.lockdown = Lockdown()
        self.level, missing = selftest.examine(self.lockdown, outsider)
        line.connection.send(protocol.READY + marshal.dumps((self.level, missing, modules)))
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        worker.hide_objects()
        gc.disable()
        gc.collect()
        gc.freeze()

    def serve(self) -> None:
        """Runs one candidate per request until the parent is gone."""
        while True:
            received = self.line.receive()
            if received is not None and received[0][:1] == protocol.RUN:
                self.line.connection.send(self._run(received[0], *received[1]))

    def _run(self, request: bytes, job: int, shared: int) -> bytes:
        """Runs one candidate and returns the reply."""
        _, count, call_seconds, cpu_seconds, wall, memory = protocol.REQUEST.unpack(request)
        # Read here, since a child copies every page of memory that it writes to.
        used = int(os.pread(self.sizes, 100, 0).split()[0]) * mmap.PAGESIZE
        child = os.fork()
        if child == 0:
            self._become_child(job, shared, cpu_seconds, used + memory)
        os.close(job)
        try:
            watch = Watch(child, shared, count, call_seconds, cpu_seconds, wall)
            status, seconds, killer = watch.until_dead(self.line, self.scheduler)
        finally:
            os.close(shared)
        return protocol.REPLY.pack(status, protocol.KILLED_BY.index(killer), seconds)

    def _become_child(self, job: int, shared: int, cpu_seconds: float, space: int) -> NoReturn:
        """Gives up all access and runs the candidate; never returns."""
        try:
            content = mmap.mmap(job, 0, access=mmap.ACCESS_READ)
            out = mmap.mmap(shared, 0)
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != self.pid:
                os._exit(1)
            space += len(content) + len(out)
            self.lockdown.apply_all(self.level, cpu_seconds, space)
            worker.run(content, out)
        finally:
            os._exit(1)
