"""Runs `llm-erm` as another operating system would: python other_system.py SYSTEM ARGUMENT...

What that system's Python lacks is taken away before the package is imported, once the libraries
that ask for the system themselves are in; what those need stays.
"""

import asyncio  # noqa: F401 - chooses its loops by system
import contextlib
import os
import platform
import select
import signal
import socket
import sys
import types
import urllib.request  # noqa: F401 - asks for proxies as the system has them

import numpy  # noqa: F401
import rich.console
import rich.progress  # noqa: F401
import scipy.special  # noqa: F401
import tyro  # noqa: F401

with contextlib.suppress(ImportError):
    import wasmtime  # noqa: F401 - chooses its library by system

PLATFORMS = {"Darwin": "darwin", "Windows": "win32"}
LINUX = {
    os: ("memfd_create", "sched_getaffinity", "pidfd_open", "unshare", "setresuid", "eventfd"),
    signal: ("sigtimedwait", "pthread_sigmask"),
    socket: ("send_fds", "recv_fds", "SOCK_SEQPACKET"),
}
POSIX = {
    os: ("fork", "wait4", "pread", "getuid", "geteuid"),
    select: ("poll",),
    signal: ("SIGXCPU", "SIGSYS"),
    socket: ("CMSG_SPACE",),
}
POSIX_MODULES = ("fcntl", "grp", "pwd", "resource", "termios")


def become(system):
    sys.platform = PLATFORMS[system]
    platform.system = lambda: system
    absent = [LINUX]
    if system == "Windows":
        absent.append(POSIX)
        sys.modules.update(dict.fromkeys(POSIX_MODULES))
        sys.modules["msvcrt"] = types.SimpleNamespace(LK_NBLCK=2, locking=lambda *_: None)
    for names in absent:
        for module, missing in names.items():
            for name in missing:
                if hasattr(module, name):
                    delattr(module, name)


if __name__ == "__main__":
    become(sys.argv[1])
    from llm_erm.cli.main import main

    main(sys.argv[2:])
