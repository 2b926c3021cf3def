"""Detaches the zygote from the machine: namespaces, an empty root, no user, no capabilities.

Each step is attempted and none is trusted: ``selftest`` determines afterwards what is effective.
"""

import contextlib
import ctypes
import os
import signal

from llm_erm.sandbox import lockdown

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
SPACES = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_REC, MS_PRIVATE = 1 << 14, 1 << 18
MNT_DETACH = 2
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
CAPSET = {"x86_64": 126, "aarch64": 91}
CAPABILITY_VERSION_3 = 0x20080522
PR_CAPBSET_DROP = 24
MADV_POPULATE_READ = 22
NOBODY = 65534
# systemd's range for users that exist only while a service is running.
DYNAMIC_USERS = range(61184, 65520)
# Folders in which, on any Linux, a file system can be mounted or a folder created.
PLACES = ("/tmp", "/dev/shm", "/usr", "/")  # noqa: S108 - a mount point, not a file

_libc = ctypes.CDLL(None, use_errno=True)


def read_mapped_files() -> None:
    """Reads all of every file that is mapped, such as libraries.

    A page that is not in memory takes long to read for the first child that needs it, and not for
    later ones, which could tell them something. Before Linux 5.14, nothing happens.
    """
    with open("/proc/self/maps") as file:  # noqa: PTH123 - no pathlib here
        lines = [line.split() for line in file]
    for place, rights, _, _, inode, *_ in lines:
        if inode != "0" and rights.startswith("r"):
            start, stop = (int(word, 16) for word in place.split("-"))
            _libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(stop - start), MADV_POPULATE_READ)


def enter() -> str | None:
    """Enters new namespaces, or returns why this machine does not permit them.

    This forks: the caller continues as the first process of the new namespace, and all processes
    in the namespace end with it. The original process waits for that.
    """
    root = os.geteuid() == 0
    if not (root and _unshared(SPACES)):
        if root and not _possible_as_nobody():
            return "namespaces are not permitted to this process"
        if root:
            become_nobody()
        try:
            _unshare_as_user()
        except OSError as error:
            return f"namespaces are not permitted to this user ({error.strerror})"
    child = os.fork()
    if child:
        os.closerange(3, 4096)
        os.waitpid(child, 0)
        os._exit(0)
    lockdown.prctl(lockdown.PR_SET_PDEATHSIG, signal.SIGKILL)
    return None


def _unshared(flags: int) -> bool:
    return int(_libc.unshare(flags)) == 0


def _possible_as_nobody() -> bool:
    """Tries in a separate process, since root cannot regain what it gives up."""
    child = os.fork()
    if child == 0:
        try:
            become_nobody()
            _unshare_as_user()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def _unshare_as_user() -> None:
    """Enters a user namespace, in which this user is nobody, and the other namespaces."""
    user, group = os.geteuid(), os.getegid()
    _check(_libc.unshare(SPACES | CLONE_NEWUSER))
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{NOBODY} {user} 1"),
        ("gid_map", f"{NOBODY} {group} 1"),
    ):
        file = os.open(f"/proc/self/{name}", os.O_WRONLY)
        try:
            os.write(file, text.encode())
        finally:
            os.close(file)


def empty_root(machine: str, *, mounted: bool) -> str | None:
    """Makes / an empty, unwritable folder, or returns why it cannot.

    With a mount namespace, the root becomes a separate read-only file system; without one, a folder
    that is deleted as soon as it is the root.
    """
    try:
        if mounted:
            _pivot_root(machine)
        else:
            _change_root()
    except OSError as error:
        return f"the file system stays accessible ({error.strerror})"
    return None


def _pivot_root(machine: str) -> None:
    flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
    _mount("/", None, MS_REC | MS_PRIVATE, None)
    place = next(name for name in PLACES if os.path.isdir(name))  # noqa: PTH112 - no pathlib here
    _mount(place, "tmpfs", flags, "size=4k,mode=555")
    os.chdir(place)
    here = ctypes.c_char_p(b".")
    lockdown.system_call(PIVOT_ROOT[machine], here, here)
    _check(_libc.umount2(b".", MNT_DETACH))
    os.chdir("/")
    _mount("/", None, flags | MS_REMOUNT | MS_RDONLY, None)


def _change_root() -> None:
    name = f".llm-erm-{os.urandom(8).hex()}"
    for place in PLACES:
        with contextlib.suppress(OSError):
            above = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
            os.mkdir(name, 0o555, dir_fd=above)
            break
    try:
        os.chdir(f"{place}/{name}")
        os.chroot(".")
    finally:
        os.rmdir(name, dir_fd=above)
        os.close(above)


def _mount(target: str, kind: str | None, flags: int, options: str | None) -> None:
    texts = [None if text is None else text.encode() for text in (target, kind, options)]
    _check(_libc.mount(b"none", texts[0], texts[1], ctypes.c_ulong(flags), texts[2]))


def _check(answer: int) -> None:
    if answer != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def drop_privileges(machine: str) -> str | None:
    """Gives up root, groups and all capabilities; returns what it could not give up."""
    kept = None
    if os.geteuid() == 0:
        try:
            become_nobody()
        except OSError as error:
            kept = f"candidates run as root ({error.strerror})"
    with contextlib.suppress(OSError):
        _drop_bounding_set()
        header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
        lockdown.system_call(CAPSET[machine], header, (ctypes.c_uint32 * 6)())
    lockdown.prctl(lockdown.PR_SET_NO_NEW_PRIVS, 1)
    lockdown.prctl(lockdown.PR_SET_DUMPABLE, 0)
    return kept


def become_nobody() -> None:
    """Turns root into a user that owns nothing, if possible one that nobody else uses."""
    _drop_bounding_set()
    os.setgroups([])
    own = DYNAMIC_USERS[int.from_bytes(os.urandom(8), "little") % len(DYNAMIC_USERS)]
    for user in (own, NOBODY):
        try:
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            break
        except OSError:
            if user == NOBODY:
                raise
    # Changing the user reset both of these.
    lockdown.prctl(lockdown.PR_SET_DUMPABLE, 1)
    if os.getpid() == 1:
        lockdown.prctl(lockdown.PR_SET_PDEATHSIG, signal.SIGKILL)


def be_first_to_go() -> None:
    """Makes the kernel end candidates first if the machine runs out of memory."""
    with contextlib.suppress(OSError):
        file = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        try:
            os.write(file, b"1000")
        finally:
            os.close(file)


def _drop_bounding_set() -> None:
    """Drops all capabilities; the kernel rejects the number after the last one."""
    with contextlib.suppress(OSError):
        for capability in range(64):
            lockdown.prctl(PR_CAPBSET_DROP, capability)
