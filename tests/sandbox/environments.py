"""Reduces the rights of this process, then runs a Python file in it.

Usage: python environments.py MODE FILE ARG... where MODE is root, user, container,
container-user, no-landlock or no-seccomp.

``container`` refuses what Docker's default seccomp profile and capabilities refuse: namespaces,
mounts and pivot_root. Only system call numbers of x86-64 and aarch64 are known here.
"""

import ctypes
import errno
import os
import platform
import runpy
import struct
import sys
from pathlib import Path

NOBODY = 65534
NUMBERS = {
    "x86_64": {
        "architecture": 0xC000003E,
        "clone": 56,
        "unshare": 272,
        "setns": 308,
        "mount": 165,
        "umount2": 166,
        "pivot_root": 155,
        "seccomp": 317,
        "prctl": 157,
    },
    "aarch64": {
        "architecture": 0xC00000B7,
        "clone": 220,
        "unshare": 97,
        "setns": 268,
        "mount": 40,
        "umount2": 39,
        "pivot_root": 41,
        "seccomp": 277,
        "prctl": 167,
    },
}[platform.machine()]
LANDLOCK = (444, 445, 446)
CAPABILITIES_OF_DOCKER = {0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31}

libc = ctypes.CDLL(None, use_errno=True)


def check(answer):
    if answer != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def refuse(numbers, error):
    """Makes the given system calls fail with an error in this process and all its children."""
    step = struct.Struct("=HBBI").pack
    steps = [
        step(0x20, 0, 0, 4),
        step(0x15, 1, 0, NUMBERS["architecture"]),
        step(0x06, 0, 0, 0x7FFF0000),
        step(0x20, 0, 0, 0),
    ]
    for number in numbers:
        steps += [step(0x15, 0, 1, number), step(0x06, 0, 0, 0x00050000 | error)]
    install([*steps, step(0x06, 0, 0, 0x7FFF0000)])


def refuse_seccomp():
    """Makes seccomp(2), and prctl(2) with PR_SET_SECCOMP, fail."""
    step = struct.Struct("=HBBI").pack
    steps = [
        step(0x20, 0, 0, 0),
        step(0x15, 0, 1, NUMBERS["seccomp"]),
        step(0x06, 0, 0, 0x00050000 | errno.ENOSYS),
        step(0x15, 0, 3, NUMBERS["prctl"]),
        step(0x20, 0, 0, 16),
        step(0x15, 0, 1, 22),
        step(0x06, 0, 0, 0x00050000 | errno.EINVAL),
        step(0x06, 0, 0, 0x7FFF0000),
    ]
    install(steps)


def install(steps):
    code = b"".join(steps)

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))

    program = Program(len(steps), code)
    if os.geteuid() != 0:
        check(libc.prctl(38, 1, 0, 0, 0))
    check(libc.prctl(22, 2, ctypes.byref(program), 0, 0))


def drop_capabilities(keep):
    for capability in range(64):
        if capability not in keep and libc.prctl(24, capability, 0, 0, 0) != 0:
            break
    low = sum(1 << c for c in keep)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)(low, low, 0, 0, 0, 0)
    check(libc.capset(header, data))


def become_user():
    """Drops root, after making this interpreter accessible without it.

    An interpreter in a folder that only root may enter is bind-mounted, in a new mount namespace,
    below a new folder that everybody may enter.
    """
    check(libc.unshare(0x00020000))
    check(libc.mount(b"none", b"/", None, ctypes.c_ulong(1 << 14 | 1 << 18), None))
    for needed in {Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve()}:
        closed = [p for p in reversed(needed.parents) if not p.stat().st_mode & 0o001]
        if closed:
            held = os.open(needed, os.O_PATH)
            check(libc.mount(b"none", str(closed[0]).encode(), b"tmpfs", 0, b"mode=755"))
            needed.mkdir(parents=True)
            source = f"/proc/self/fd/{held}".encode()
            check(libc.mount(source, str(needed).encode(), None, ctypes.c_ulong(4096 | 1 << 14), 0))
            os.close(held)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    check(libc.prctl(4, 1, 0, 0, 0))


def main():
    mode, *command = sys.argv[1:]
    if mode in ("user", "container-user", "no-landlock", "no-seccomp"):
        become_user()
    if mode in ("container", "container-user", "no-landlock"):
        names = ("unshare", "setns", "mount", "umount2", "pivot_root")
        refuse([NUMBERS[name] for name in names], errno.EPERM)
    if mode == "container":
        drop_capabilities(CAPABILITIES_OF_DOCKER)
    if mode == "no-landlock":
        refuse(LANDLOCK, errno.ENOSYS)
    if mode == "no-seccomp":
        refuse_seccomp()
    sys.argv = command
    runpy.run_path(command[0], run_name="__main__")


if __name__ == "__main__":
    main()
