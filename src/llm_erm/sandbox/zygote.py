"""The processes of a zygote: one is copied for every candidate, and one watches the copies.

No byte that a candidate can write may reach the memory that another candidate starts from. So the
process that is copied reads nothing that a candidate wrote: not its source and inputs, which are in
an anonymous file that only the child opens, not its predictions, not even how it ended. All of that
goes to the watcher, which was there first and is never copied again.
"""

from __future__ import annotations

import gc
import marshal
import mmap
import os
import signal
import socket
import struct

from llm_erm.sandbox import imports, namespaces, protocol, selftest, syscalls, worker
from llm_erm.sandbox.lockdown import PR_SET_PDEATHSIG, Lockdown, fork_sibling, prctl, room
from llm_erm.sandbox.watch import Line, Scheduler, Watch

TYPE_CHECKING = False  # typing is large, and everything imported here is copied with every child
if TYPE_CHECKING:
    from typing import NoReturn

STANDARD_OUTPUT, STANDARD_ERROR = 1, 2
PROCESS = struct.Struct("<i")
"""How the zygote tells the watcher the process id of a child, or an error number below 0."""


def main(arguments: list[str]) -> None:
    """Serves one connection until the other end closes it.

    Args:
        arguments: The descriptor of the socket, on which the parent sends what to import, and names
            of environment variables that were only needed to start.
    """
    for name in arguments[1:]:
        os.environ.pop(name, None)  # noqa: TID251 - so that no candidate sees it
    connection = socket.socket(fileno=int(arguments[0]))
    try:
        content, files, _, _ = socket.recv_fds(connection, 2**16, 1)
        base, folders, machine = marshal.loads(content)  # noqa: S302 - the parent wrote it
        worker.hide_machine(machine)
        watcher = Watcher(Line(connection), base, folders, files[0] if files else None)
    except BaseException as error:
        connection.send(protocol.FAILED + worker.describe(error).encode()[: protocol.MESSAGE_BYTES])
        raise
    watcher.serve()


class Watcher:
    """Isolates itself from the machine, starts the zygote, and watches one child at a time."""

    def __init__(self, line: Line, base: str, folders: list[str], archive: int | None) -> None:
        self.line = line
        outsider = os.getppid()
        imports.import_all(base, folders, archive)
        machine = syscalls.machine()
        if machine is None:
            raise OSError(f"the processor is {os.uname().machine}, not x86_64 or aarch64")
        worker.hide_objects()
        namespaces.read_mapped_files()
        unshared = namespaces.enter() is None
        self.scheduler = Scheduler()
        namespaces.be_first_to_go()
        with open("/proc/self/statm") as file:  # noqa: PTH123 - no pathlib here
            used = int(file.read().split()[0]) * mmap.PAGESIZE
        namespaces.empty_root(machine, mounted=unshared)
        namespaces.drop_privileges(machine)
        lockdown = Lockdown()
        level, missing = selftest.examine(lockdown, outsider)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        # Up to here, the parent reads it; from here on, a candidate could write to it.
        os.dup2(STANDARD_OUTPUT, STANDARD_ERROR)
        gc.disable()
        gc.collect()
        gc.freeze()
        self.zygote = _start(Zygote(lockdown, level, machine, used), line)
        ready = level, missing, room(used)
        line.connection.send(protocol.READY + marshal.dumps(ready))

    def serve(self) -> None:
        """Runs one candidate per request until the parent is gone."""
        while True:
            received = self.line.receive()
            if received is not None and received[0][:1] == protocol.RUN:
                self.line.connection.send(self._run(received[0], *received[1]))

    def _run(self, request: bytes, job: int, shared: int) -> bytes:
        """Runs one candidate and returns the reply."""
        _, count, call_seconds, cpu_seconds, wall, _ = protocol.REQUEST.unpack(request)
        try:
            socket.send_fds(self.zygote, [request], [job, shared])
            os.close(job)
            answer = self.zygote.recv(PROCESS.size)
            if not answer:
                raise SystemExit
            (child,) = PROCESS.unpack(answer)
            if child < 0:
                return protocol.FAILED + os.strerror(-child).encode()
            watch = Watch(child, shared, count, call_seconds, cpu_seconds, wall)
            status, seconds, killer = watch.until_dead(self.line, self.scheduler)
        finally:
            os.close(shared)
        return protocol.REPLY.pack(status, protocol.KILLED_BY.index(killer), seconds)


class Zygote:
    """The process that is copied for every candidate."""

    def __init__(self, lockdown: Lockdown, level: str, machine: str, used: int) -> None:
        self.lockdown = lockdown
        self.level = level
        self.machine = machine
        self.used = used
        self.watcher = os.getpid()

    def serve(self, line: socket.socket) -> None:
        """Copies itself for every request until the watcher is gone."""
        self._follow_watcher()
        while True:
            request, files, _, _ = socket.recv_fds(line, protocol.REQUEST.size, 2)
            if not request:
                return
            try:
                child = fork_sibling(self.machine)
            except OSError as error:
                child = -(error.errno or 1)
            if child == 0:
                self._become_child(request, *files)
            for file in files:
                os.close(file)
            line.send(PROCESS.pack(child))

    def _become_child(self, request: bytes, job: int, shared: int) -> NoReturn:
        """Gives up all access and runs the candidate; never returns."""
        try:
            _, _, _, cpu_seconds, _, memory = protocol.REQUEST.unpack(request)
            content = mmap.mmap(job, 0, access=mmap.ACCESS_READ)
            out = mmap.mmap(shared, 0)
            self._follow_watcher()
            space = self.used + memory + len(content) + len(out)
            self.lockdown.apply_all(self.level, cpu_seconds, space)
            worker.run(content, out)
        finally:
            os._exit(1)

    def _follow_watcher(self) -> None:
        """Ends this process when the watcher ends, which is its parent and each child's."""
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self.watcher:
            os._exit(1)


def _start(zygote: Zygote, line: Line) -> socket.socket:
    """Starts the zygote's process and returns the connection to it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        try:
            ours.close()
            line.close()
            zygote.serve(theirs)
        finally:
            os._exit(0)
    theirs.close()
    return ours
