"""What a child gives up before it meets the candidate: resources, files, network, system calls.

The kernel is asked directly, through ctypes, so that nothing needs installing.
"""

import ctypes
import os
import resource

from llm_erm.sandbox import syscalls

LANDLOCK_CREATE, LANDLOCK_RESTRICT = 444, 446
# Rights that each version of Landlock added: files 1-3 and 5, TCP 4, signals and sockets 6.
LANDLOCK_FILE_BITS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
LANDLOCK_TCP, LANDLOCK_SCOPES = 3, 3
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
SECCOMP_SET_MODE_FILTER = 1

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def system_call(number: int, *arguments: "int | ctypes._CData | None") -> int:
    """Returns what the kernel answers; raises OSError on failure."""
    answer = int(_libc.syscall(ctypes.c_long(number), *arguments))
    if answer < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return answer


def prctl(option: int, value: int = 0) -> None:
    """Sets a property of this process; raises OSError on failure."""
    zero = ctypes.c_ulong(0)
    if _libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


class Lockdown:
    """The filters of one zygote, built once and taken by each of its children."""

    def __init__(self) -> None:
        self.landlock_version = self._landlock_version()
        name = syscalls.machine()
        self._seccomp_number = syscalls.SECCOMP_NUMBERS[name] if name else None
        steps = syscalls.candidate_filter(name) if name else b""
        self._program = _Program(len(steps) // 8, steps)

    @staticmethod
    def _landlock_version() -> int:
        try:
            return system_call(LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint(1))
        except OSError:
            return 0

    def take_all(self, level: str, cpu_seconds: float, address_space: int) -> None:
        """Takes what the level promises or raises OSError, and the rest as far as it goes."""
        try:
            self.take_landlock()
        except OSError:
            if level not in ("basic", "none"):
                raise
        take_limits(cpu_seconds, address_space)
        try:
            self.take_seccomp()
        except OSError:
            if level != "none":
                raise

    def take_landlock(self) -> None:
        """Gives up every file, TCP and (from version 6) signals to anything outside."""
        if self.landlock_version == 0:
            return
        bits = LANDLOCK_FILE_BITS.get(self.landlock_version, 16)
        attributes = (ctypes.c_uint64 * 3)((1 << bits) - 1, 0, 0)
        words = 1
        if self.landlock_version >= 4:
            attributes[1], words = LANDLOCK_TCP, 2
        if self.landlock_version >= 6:
            attributes[2], words = LANDLOCK_SCOPES, 3
        rules = system_call(LANDLOCK_CREATE, attributes, ctypes.c_size_t(8 * words), 0)
        system_call(LANDLOCK_RESTRICT, rules, 0)
        os.close(rules)

    def take_seccomp(self) -> None:
        """Gives up every system call but those that computing needs; nothing undoes it."""
        if self._seccomp_number is not None:
            system_call(
                self._seccomp_number,
                SECCOMP_SET_MODE_FILTER,
                0,
                ctypes.pointer(self._program),
            )


def take_limits(cpu_seconds: float, address_space: int) -> None:
    """Bounds what the kernel hands out; its CPU limit only backs up the zygote's watch."""
    seconds = int(cpu_seconds) + 2
    for kind, limit in (
        (resource.RLIMIT_AS, address_space),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 3),
    ):
        resource.setrlimit(kind, (limit, limit))
