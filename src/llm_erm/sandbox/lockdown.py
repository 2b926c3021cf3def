"""Drops a child's access to resources, files, network and system calls before it runs a candidate.

Uses the kernel's interface directly, through ctypes, so that nothing needs to be installed.
"""

import ctypes
import os
import resource
import signal

from llm_erm.sandbox import syscalls

LANDLOCK_CREATE, LANDLOCK_RESTRICT = 444, 446
# Rights added per version of Landlock: 1-3 and 5 files, 4 TCP, 6 signals and sockets.
LANDLOCK_FILE_BITS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
LANDLOCK_TCP, LANDLOCK_SCOPES = 3, 3
CLONE_PARENT = 0x8000
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
SECCOMP_SET_MODE_FILTER = 1
CPU_BACKSTOP_SECONDS = 2

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc_with_lock = ctypes.PyDLL(None, use_errno=True)  # keeps the interpreter's lock across a fork
_libc_with_lock.syscall.restype = ctypes.c_long
_libc.prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def system_call(number: int, *arguments: "int | ctypes._CData | None") -> int:
    """Returns the result of a system call; raises OSError on failure."""
    answer = int(_libc.syscall(ctypes.c_long(number), *arguments))
    if answer < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return answer


def prctl(option: int, value: int = 0) -> None:
    """Sets a property of this process; raises OSError on failure."""
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def fork_sibling(machine: str) -> int:
    """Copies this process to a new child of its parent; returns 0 in the copy, else its id.

    Only for a process with a single thread, whose copy ends without running code for the exit.
    """
    flags = CLONE_PARENT | signal.SIGCHLD
    number = ctypes.c_long(syscalls.CLONE[machine])
    child = int(_libc_with_lock.syscall(number, ctypes.c_long(flags), 0, 0, 0, 0))
    if child < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return child


class Lockdown:
    """The filters of one zygote, built once and applied by each of its children.

    A child copies every page of memory that it writes to, so as much as possible is prepared here.
    """

    def __init__(self) -> None:
        self._ruleset = _landlock_ruleset()
        name = syscalls.machine()
        self._seccomp_number = syscalls.SECCOMP_NUMBERS[name] if name else None
        steps = syscalls.candidate_filter(name) if name else b""
        self._program = _Program(len(steps) // 8, steps)
        self._program_pointer = ctypes.pointer(self._program)

    def apply_all(self, level: str, cpu_seconds: float, address_space: int) -> None:
        """Closes all files and applies all layers; raises OSError if a required one fails."""
        try:
            self.apply_landlock()
        except OSError:
            if level not in ("basic", "none"):
                raise
        os.closerange(3, 4096)
        set_limits(cpu_seconds, address_space)
        try:
            self.apply_seccomp()
        except OSError:
            if level != "none":
                raise

    def apply_landlock(self) -> None:
        """Gives up all files, TCP and (from version 6) signals to processes outside."""
        if self._ruleset is not None:
            system_call(LANDLOCK_RESTRICT, self._ruleset, 0)

    def apply_seccomp(self) -> None:
        """Irrevocably gives up all system calls except those needed for computation."""
        if self._seccomp_number is not None:
            system_call(
                self._seccomp_number,
                SECCOMP_SET_MODE_FILTER,
                0,
                self._program_pointer,
            )


def _landlock_ruleset() -> int | None:
    """Returns the descriptor of rules that permit nothing, or None without Landlock."""
    try:
        version = system_call(LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint(1))
        bits = LANDLOCK_FILE_BITS.get(version, 16)
        attributes = (ctypes.c_uint64 * 3)((1 << bits) - 1, 0, 0)
        words = 1
        if version >= 4:
            attributes[1], words = LANDLOCK_TCP, 2
        if version >= 6:
            attributes[2], words = LANDLOCK_SCOPES, 3
        return system_call(LANDLOCK_CREATE, attributes, ctypes.c_size_t(8 * words), 0)
    except OSError:
        return None


def set_limits(cpu_seconds: float, address_space: int) -> None:
    """Sets resource limits; the CPU limit is only a backstop for the watcher's own.

    A lower limit that the machine or the user set stays in place.
    """
    seconds = int(cpu_seconds) + CPU_BACKSTOP_SECONDS
    for kind, soft, hard in (
        (resource.RLIMIT_AS, address_space, address_space),
        # At the hard limit, the kernel's signal is the same as when memory runs out.
        (resource.RLIMIT_CPU, seconds, seconds + 1),
        (resource.RLIMIT_FSIZE, 0, 0),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_NPROC, 0, 0),
        (resource.RLIMIT_NOFILE, 3, 3),
    ):
        most = resource.getrlimit(kind)[1]
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.setrlimit(kind, (soft, hard))


def room(used: int) -> tuple[int | None, int | None]:
    """Returns the CPU seconds and bytes of memory that this machine's limits leave a candidate.

    Each is None if there is no such limit.

    Args:
        used: Address space of the interpreter itself, in bytes.
    """
    seconds, space = (
        None if most == resource.RLIM_INFINITY else most
        for most in (
            resource.getrlimit(kind)[1] for kind in (resource.RLIMIT_CPU, resource.RLIMIT_AS)
        )
    )
    return (
        None if seconds is None else max(0, seconds - CPU_BACKSTOP_SECONDS - 1),
        None if space is None else max(0, space - used),
    )
