"""Determines which isolation layers are effective by trying to break out.

Every attempt runs in a separate process: first under one layer alone, so that a layer without
effect is not hidden by another, and then under all of them together.
"""

import os
import signal
import socket
from collections.abc import Callable

from llm_erm.sandbox.lockdown import Lockdown

LOOPBACK = ("127.0.0.1", 9)
REFUSED, SUCCEEDED, UNPREPARED = 10, 11, 12


def examine(lockdown: Lockdown, outsider: int) -> tuple[str, tuple[str, ...]]:
    """Tests the layers that isolate this process's children.

    Args:
        lockdown: The filters that a candidate will run under.
        outsider: Process id of the parent, as seen from outside.

    Returns:
        The level (strong, standard, basic or none), and one sentence per layer that is not
        effective.
    """
    attempts: dict[str, Callable[[], None]] = {
        "open a file": _open_root,
        "open a socket": _open_socket,
        "start a process": _start_process,
        "signal the parent": lambda: os.kill(outsider, 0),
    }
    seccomp = _refused(os.getpid, lockdown.apply_seccomp) is False and all(
        _refused(attempt, lockdown.apply_seccomp) for attempt in attempts.values()
    )
    landlock = _refused(_open_root) is False and _refused(_open_root, lockdown.apply_landlock)
    away = (_open_outside, _send_to_loopback, attempts["signal the parent"])
    namespaces = all(_refused(attempt) for attempt in away)
    missing = []
    if not seccomp:
        missing.append("seccomp is not effective: a candidate's system calls are not filtered")
    if not landlock:
        missing.append("Landlock is not effective: it must be enabled, in Linux 5.13 or later")
    if not namespaces:
        missing.append("namespaces are not effective: this container or system does not allow them")
    together = (lockdown.apply_landlock, lockdown.apply_seccomp)
    leaks = [name for name, act in attempts.items() if not _refused(act, *together)]
    missing += [f"a candidate could {name}" for name in leaks if seccomp]
    if leaks or not seccomp:
        level = "none"
    elif not landlock:
        level = "basic"
    else:
        level = "strong" if namespaces else "standard"
    return level, tuple(missing)


def _refused(attempt: Callable[[], object], *layers: Callable[[], None]) -> bool | None:
    """Returns whether the attempt failed under the layers, or None if they did not apply."""
    child = os.fork()
    if child == 0:
        answer = UNPREPARED
        try:
            for layer in layers:
                layer()
            answer = SUCCEEDED
            attempt()
        except OSError:
            answer = REFUSED if answer == SUCCEEDED else UNPREPARED
        finally:
            os._exit(answer)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return os.WTERMSIG(status) == signal.SIGSYS
    return {REFUSED: True, SUCCEEDED: False}.get(os.WEXITSTATUS(status))


def _open_root() -> None:
    os.close(os.open("/", os.O_RDONLY | os.O_DIRECTORY))


def _open_outside() -> None:
    """Succeeds if any of the machine's folders is visible."""
    if not os.listdir("/"):  # noqa: PTH208 - the root as the kernel sees it
        raise FileNotFoundError("/")


def _open_socket() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM):
        pass


def _send_to_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(LOOPBACK)


def _start_process() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
