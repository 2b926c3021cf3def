"""The system calls that a candidate may make, as a seccomp filter for this machine.

Any call that is not listed here ends the process (``forbidden``). Sources of the numbers: Linux,
arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h (aarch64).
"""

from __future__ import annotations

import os
import struct

AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

ALLOWED = {
    "x86_64": {
        "read": 0,
        "write": 1,
        "close": 3,
        "fstat": 5,
        "lseek": 8,
        "munmap": 11,
        "brk": 12,
        "rt_sigreturn": 15,
        "sched_yield": 24,
        "mremap": 25,
        "nanosleep": 35,
        "exit": 60,
        "gettimeofday": 96,
        "times": 100,
        "getuid": 102,
        "getgid": 104,
        "geteuid": 107,
        "getegid": 108,
        "time": 201,
        "exit_group": 231,
        "getrandom": 318,
    },
    "aarch64": {
        "close": 57,
        "lseek": 62,
        "read": 63,
        "write": 64,
        "fstat": 80,
        "exit": 93,
        "exit_group": 94,
        "nanosleep": 101,
        "sched_yield": 124,
        "rt_sigreturn": 139,
        "times": 153,
        "gettimeofday": 169,
        "getuid": 174,
        "geteuid": 175,
        "getgid": 176,
        "getegid": 177,
        "brk": 214,
        "munmap": 215,
        "mremap": 216,
        "getrandom": 278,
    },
}
"""Computation, the clock, and the three descriptors of /dev/null."""

REFUSED = {
    "x86_64": {
        "open": 2,
        "stat": 4,
        "lstat": 6,
        "poll": 7,
        "rt_sigaction": 13,
        "rt_sigprocmask": 14,
        "ioctl": 16,
        "uname": 63,
        "getrusage": 98,
        "access": 21,
        "select": 23,
        "fcntl": 72,
        "getdents": 78,
        "getcwd": 79,
        "chdir": 80,
        "rename": 82,
        "mkdir": 83,
        "rmdir": 84,
        "creat": 85,
        "unlink": 87,
        "readlink": 89,
        "getrlimit": 97,
        "sysinfo": 99,
        "sigaltstack": 131,
        "statfs": 137,
        "getdents64": 217,
        "tgkill": 234,
        "openat": 257,
        "mkdirat": 258,
        "newfstatat": 262,
        "unlinkat": 263,
        "renameat": 264,
        "readlinkat": 267,
        "faccessat": 269,
        "pselect6": 270,
        "ppoll": 271,
        "prlimit64": 302,
        "renameat2": 316,
        "statx": 332,
        "openat2": 437,
        "faccessat2": 439,
    },
    "aarch64": {
        "getcwd": 17,
        "fcntl": 25,
        "ioctl": 29,
        "mkdirat": 34,
        "unlinkat": 35,
        "renameat": 38,
        "statfs": 43,
        "faccessat": 48,
        "chdir": 49,
        "openat": 56,
        "getdents64": 61,
        "pselect6": 72,
        "ppoll": 73,
        "readlinkat": 78,
        "newfstatat": 79,
        "tgkill": 131,
        "sigaltstack": 132,
        "rt_sigaction": 134,
        "rt_sigprocmask": 135,
        "getrlimit": 163,
        "uname": 160,
        "getrusage": 165,
        "sysinfo": 179,
        "prlimit64": 261,
        "renameat2": 276,
        "statx": 291,
        "openat2": 437,
        "faccessat2": 439,
    },
}
"""Answered with EPERM but not fatal, since ordinary library code tries them and copes: a failed
import looks for files, a warning for its source line, a new stream for a terminal."""

MAPPING = {"x86_64": (9, 10), "aarch64": (222, 226)}
"""mmap and mprotect: allowed unless they would make memory executable."""

CLOCKS = {"x86_64": (228, 229, 230), "aarch64": (113, 114, 115)}
"""clock_gettime, clock_getres and clock_nanosleep: allowed on the clocks that all processes share
and on the caller's own. The others count the CPU time of another process, which depends on what
earlier candidates did."""
SHARED_CLOCKS = 16
"""Greater numbers, and negative ones (as unsigned numbers), denote clocks of other processes."""

FUTEX = {"x86_64": 202, "aarch64": 98}
FUTEX_PRIVATE, FUTEX_CLOCK_REALTIME = 128, 256
FUTEX_OPERATIONS = tuple(FUTEX_PRIVATE | operation for operation in (0, 1, 9, 10))
"""FUTEX_WAIT, WAKE, WAIT_BITSET and WAKE_BITSET; the others have a history of security bugs. Only
within the process: two candidates could signal to each other through a page that they share."""

ADVICE = {"x86_64": 28, "aarch64": 233}
HARMLESS_ADVICE = (4, 8, 14, 15)
"""madvise: MADV_DONTNEED, FREE, HUGEPAGE and NOHUGEPAGE, which allocators use. Other advice moves
pages that processes share out of memory or merges equal ones, which another process can measure."""

AFFINITY = {"x86_64": 204, "aarch64": 123}
"""sched_getaffinity: of the caller only; for others, it tells which processes exist."""

PROCESS_IDS = {"x86_64": (39, 110, 186), "aarch64": (172, 173, 178)}
"""getpid, getppid and gettid: answered with 0; an id counts the candidates that ran before."""

CLONE = {"x86_64": 56, "aarch64": 220}

SECCOMP_NUMBERS = {"x86_64": 317, "aarch64": 277}
KILL_PROCESS, ERRNO_EPERM, ANSWER_0, ALLOW = 0x80000000, 0x00050001, 0x00050000, 0x7FFF0000
PROT_EXEC = 4
X32_BIT = 0x40000000

# Offsets into struct seccomp_data; arguments by their low halves, as these are little-endian.
NUMBER, ARCHITECTURE, ARGUMENT_0, ARGUMENT_1, ARGUMENT_2 = 0, 4, 16, 24, 32
LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_ANY_BIT, AND, RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06

TYPE_CHECKING = False  # typing is large, and everything imported here is copied with every child
if TYPE_CHECKING:
    from collections.abc import Sequence

    Step = tuple[int, int, str | None, str | None]
    Line = str | Step
    """A label, or a step: code, value, target if true, target if false (None: the next step)."""


def machine() -> str | None:
    """Returns x86_64 or aarch64, or None if there is no filter for this machine."""
    name = os.uname().machine
    return name if name in AUDIT_ARCH else None


def candidate_filter(name: str) -> bytes:
    """Returns the classic BPF program that filters a candidate's calls on this architecture."""
    targets = {
        **dict.fromkeys(ALLOWED[name].values(), "allow"),
        **dict.fromkeys(MAPPING[name], "map"),
        **dict.fromkeys(CLOCKS[name], "clock"),
        **dict.fromkeys(PROCESS_IDS[name], "answer 0"),
        FUTEX[name]: "futex",
        ADVICE[name]: "advice",
        AFFINITY[name]: "affinity",
        **dict.fromkeys(REFUSED[name].values(), "refuse"),
    }
    return _assemble(
        [
            (LOAD, ARCHITECTURE, None, None),
            (JUMP_EQUAL, AUDIT_ARCH[name], None, "kill"),
            (LOAD, NUMBER, None, None),
            # x32 calls have the same architecture but this bit in the number; aarch64 has no such.
            (JUMP_AT_LEAST, X32_BIT, "kill", None),
            *_search(sorted(targets.items())),
            "kill",
            (RETURN, KILL_PROCESS, None, None),
            "map",
            (LOAD, ARGUMENT_2, None, None),
            (JUMP_ANY_BIT, PROT_EXEC, "refuse", "allow"),
            "clock",
            (LOAD, ARGUMENT_0, None, None),
            (JUMP_AT_LEAST, SHARED_CLOCKS, "refuse", "allow"),
            "futex",
            (LOAD, ARGUMENT_1, None, None),
            (AND, 0xFFFFFFFF ^ FUTEX_CLOCK_REALTIME, None, None),
            *((JUMP_EQUAL, operation, "allow", None) for operation in FUTEX_OPERATIONS),
            (RETURN, KILL_PROCESS, None, None),
            "advice",
            (LOAD, ARGUMENT_2, None, None),
            *((JUMP_EQUAL, advice, "allow", None) for advice in HARMLESS_ADVICE),
            (RETURN, ERRNO_EPERM, None, None),
            "affinity",
            (LOAD, ARGUMENT_0, None, None),
            (JUMP_EQUAL, 0, "allow", "refuse"),
            "answer 0",
            (RETURN, ANSWER_0, None, None),
            "refuse",
            (RETURN, ERRNO_EPERM, None, None),
            "allow",
            (RETURN, ALLOW, None, None),
        ]
    )


def _search(targets: Sequence[tuple[int, str]]) -> list[Line]:
    """Returns the steps of a binary search for the number of a call; the default is ``kill``.

    For every child, the kernel computes the answer for each of its hundreds of calls, which takes
    longer than all else in the lockdown if every number is compared with each number listed.

    Args:
        targets: Numbers and where to jump, in ascending order.
    """
    if len(targets) <= 3:
        found: list[Line] = [(JUMP_EQUAL, number, to, None) for number, to in targets]
        return [*found, (JUMP_AT_LEAST, 0, "kill", None)]
    middle = len(targets) // 2
    number = targets[middle][0]
    upper = f"from {number}"
    first: Line = (JUMP_AT_LEAST, number, upper, None)
    return [first, *_search(targets[:middle]), upper, *_search(targets[middle:])]


def _assemble(lines: Sequence[Line]) -> bytes:
    """Returns the program that these labels and steps stand for."""
    places: dict[str, int] = {}
    steps: list[Step] = []
    for line in lines:
        if isinstance(line, str):
            places[line] = len(steps)
        else:
            steps.append(line)
    program = b""
    for place, (code, value, *targets) in enumerate(steps):
        jumps = [0 if to is None else places[to] - place - 1 for to in targets]
        program += struct.pack("=HBBI", code, *jumps, value)
    return program
