"""Nothing that a candidate leaves, or that names the machine, is in the memory of the next one."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from llm_erm.sandbox import Limits, Sandbox

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can read a zygote's memory")

# Without an import, so that it runs in the process that the sandbox starts first.
LEAVE = """
MARK = bytes.fromhex('{mark}')
try:
    raise ValueError
except ValueError as error:
    frame = error.__traceback__.tb_frame
while 'out' not in frame.f_locals:
    frame = frame.f_back
out = frame.f_locals['out']
def f(x):
    for i in range({first}, len(out) - len(MARK), len(MARK)):
        out[i:i + len(MARK)] = MARK
    for i in range(10**7):
        pass
    raise ValueError(MARK.hex() * 20)
"""


def children(pid):
    """The processes that a process started, oldest first."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def memory_holds(pid, mark):
    """Whether the bytes are anywhere in the process's writable memory."""
    maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in maps:
            places, rights = line.split()[:2]
            start, stop = (int(place, 16) for place in places.split("-"))
            if rights.startswith("rw") and "[v" not in line:
                memory.seek(start)
                if mark in memory.read(stop - start):
                    return True
    return False


def watcher_and_zygote(before):
    """The processes of the only sandbox that was started since these were this one's children."""
    (watcher,) = set(children(os.getpid())) - before
    while children(children(watcher)[0]):  # entering namespaces adds a process above
        (watcher,) = children(watcher)
    (zygote,) = children(watcher)
    return watcher, zygote


def bytes_read(pid):
    """How many bytes the process has read from files, as the kernel counts them."""
    return int(Path(f"/proc/{pid}/io").read_text().split()[1])


@needs_root
def test_what_a_candidate_writes_never_reaches_the_process_that_is_copied():
    before = set(children(os.getpid()))
    with Sandbox(workers=1) as sandbox:
        watcher, zygote = watcher_and_zygote(before)
        had_read = bytes_read(watcher), bytes_read(zygote)
        for first in (0, 32, 4096):
            mark = secrets.token_bytes(16)
            source = LEAVE.format(mark=mark.hex(), first=first)
            sandbox.execute(source, ["x" * 50] * 20, Limits(0.5, 1.0))
            assert not memory_holds(zygote, mark[:8])
        assert bytes_read(watcher) > had_read[0] + 4096
        assert bytes_read(zygote) == had_read[1]


def test_the_memory_search_finds_what_is_there():
    kept = secrets.token_bytes(16)
    assert memory_holds(os.getpid(), kept)


NAMED = """
import ctypes, os, runpy, socket, sys
from llm_erm.sandbox.process import ZygoteKind, ZygoteProcess
helpers = runpy.run_path(sys.argv[1])
assert ctypes.CDLL(None).unshare(0x04000000) == 0
name = "a-name-that-is-nowhere-else"
socket.sethostname(name)
assert helpers["memory_holds"](os.getpid(), name.encode())
for base in ("bare", "standard", "science"):
    before = set(helpers["children"](os.getpid()))
    process = ZygoteProcess(ZygoteKind(base))
    for pid in helpers["watcher_and_zygote"](before):
        assert not helpers["memory_holds"](pid, name.encode()), (base, pid)
    process.close()
"""


@needs_root
def test_the_machines_name_is_not_in_the_memory_of_a_candidate():
    ran = subprocess.run(
        [sys.executable, "-c", NAMED, __file__], capture_output=True, text=True, timeout=100
    )
    assert ran.returncode == 0, ran.stderr


ELSEWHERE = """
import ctypes, os, struct, sys
from llm_erm.sandbox import FLOAT, Sandbox
file, source = sys.argv[1:]
header = b"TZif" + bytes(16) + struct.pack(">6l", 0, 0, 0, 0, 1, 4)
with open(file, "wb") as zone:
    zone.write(header + struct.pack(">lBB", 19800, 0, 0) + b"IST" + bytes(1))
libc = ctypes.CDLL(None)
here = os.path.realpath("/etc/localtime").encode()
assert libc.unshare(0x00020000) == 0
assert libc.mount(b"none", b"/", None, ctypes.c_ulong(1 << 14 | 1 << 18), None) == 0
assert libc.mount(file.encode(), here, None, ctypes.c_ulong(1 << 12), None) == 0
with Sandbox(workers=1) as sandbox:
    print(sandbox.execute(source, ["1"], outputs=FLOAT).predictions.tolist())
"""
HOURS = "import time\ndef f(x): return time.localtime(0).tm_hour + time.timezone"


@needs_root
@pytest.mark.skipif(not Path("/etc/localtime").exists(), reason="the machine has no time zone")
def test_a_candidate_is_in_no_time_zone(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(tmp_path / "zone"), HOURS],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (ran.stdout, ran.returncode) == ("[0.0]\n", 0), ran.stderr
