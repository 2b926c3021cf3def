"""The zygote: imports once, then forks one child a candidate and watches it until it is dead.

It reads neither source nor inputs: they lie in an anonymous file that only the child opens, so
nothing of one candidate stays in the memory that the next one's child is copied from.
"""

import gc
import json
import mmap
import os
import signal
import socket
import traceback
from typing import Any, NoReturn

from llm_erm.sandbox import imports, namespaces, protocol, selftest, syscalls, worker
from llm_erm.sandbox.lockdown import PR_SET_PDEATHSIG, Lockdown, prctl
from llm_erm.sandbox.watch import Scheduler, Watch, receive


def main(arguments: list[str]) -> None:
    """Serves one connection until the other end closes it.

    Args:
        arguments: The socket's descriptor, and what to import, as ``process.Zygote`` writes it.
    """
    connection = socket.socket(fileno=int(arguments[0]))
    try:
        zygote = Zygote(connection, json.loads(arguments[1]))
    except BaseException:
        connection.send(protocol.FAILED + traceback.format_exc()[-4000:].encode())
        raise
    zygote.serve()


class Zygote:
    """One process of the sandbox, out of reach of the machine from its construction on."""

    def __init__(self, connection: socket.socket, wanted: dict[str, Any]) -> None:
        self.connection = connection
        outsider = os.getppid()
        modules = imports.import_all(wanted["folders"], wanted["modules"])
        machine = syscalls.machine()
        unshared = machine is not None and namespaces.enter() is None
        self.scheduler = Scheduler()
        self.sizes = os.open("/proc/self/statm", os.O_RDONLY)
        if machine is not None:
            namespaces.empty_root(machine, mounted=unshared)
            namespaces.drop_privileges(machine)
        self.lockdown = Lockdown()
        finding = selftest.examine(self.lockdown, outsider)
        self.level = finding.level
        answer = {"level": finding.level, "missing": finding.missing, "modules": modules}
        connection.send(protocol.READY + json.dumps(answer).encode())
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        gc.disable()
        gc.collect()
        gc.freeze()

    def serve(self) -> None:
        """Runs one candidate a request, until the parent is gone."""
        while True:
            request, files = receive(self.connection)
            if not request:
                return
            if request[:1] == protocol.RUN:
                self.connection.send(self._run(request, *files))

    def _run(self, request: bytes, job: int, shared: int) -> bytes:
        """Runs one candidate and returns the reply."""
        _, count, call_seconds, cpu_seconds, wall, memory = protocol.REQUEST.unpack(request)
        child = os.fork()
        if child == 0:
            self._become_child(job, shared, cpu_seconds, memory)
        os.close(job)
        try:
            watch = Watch(child, shared, count, call_seconds, cpu_seconds, wall)
            status, seconds, killer = watch.until_dead(self.connection, self.scheduler)
        finally:
            os.close(shared)
        return protocol.REPLY.pack(status, protocol.KILLED_BY.index(killer), seconds)

    def _become_child(self, job: int, shared: int, cpu_seconds: float, memory: int) -> NoReturn:
        """Gives everything up and runs the candidate; never returns."""
        try:
            used = int(os.pread(self.sizes, 100, 0).split()[0]) * mmap.PAGESIZE
            with mmap.mmap(job, 0, access=mmap.ACCESS_READ) as content:
                text = content[:]
            out = mmap.mmap(shared, 0)
            os.closerange(3, 4096)
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            space = used + 2 * len(text) + len(out) + memory
            self.lockdown.take_all(self.level, cpu_seconds, space)
            worker.run(text, out)
        finally:
            os._exit(1)
