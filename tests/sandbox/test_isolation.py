"""A candidate's isolation: levels, the filter for each architecture, and leftover processes."""

import contextlib
import json
import os
import random
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llm_erm.errors import LLMERMError, MissingExtraError
from llm_erm.sandbox import Limits, Sandbox, syscalls

FOLDER = Path(__file__).parent
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can take on other roles")
CONTROL = "def f(x): return x.count('1') % 2"

TELL = """
import json, sys
from llm_erm.errors import LLMERMError
from llm_erm.sandbox import Sandbox
try:
    with Sandbox(workers=1, unsafe_no_isolation="unsafe" in sys.argv) as sandbox:
        told = [sandbox.isolation, list(sandbox.missing)]
        told.append(sandbox.execute("def f(x): return 1", ["a"]).predictions.tolist())
except LLMERMError as error:
    told = ["refused", f"{error} {error.setting}"]
print(json.dumps(told))
"""


def tell(role, folder, *arguments):
    script = folder / "tell.py"
    script.write_text(TELL)
    command = [sys.executable, str(FOLDER / "environments.py"), role, str(script), *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@needs_root
@pytest.mark.parametrize(
    ("role", "level", "missing"),
    [
        ("root", "strong", 0),
        ("user", "strong", 0),
        ("container", "standard", 1),
        ("container-user", "standard", 1),
        ("no-landlock", "basic", 2),
    ],
)
def test_the_level_is_what_the_machine_allows(role, level, missing, open_folder):
    found, reasons, predictions = tell(role, open_folder)
    assert (found, len(reasons), predictions) == (level, missing, [1])


@needs_root
def test_no_isolation_is_refused_unless_requested(open_folder):
    refused, message = tell("no-seccomp", open_folder)
    assert refused == "refused"
    assert "unsafe_no_isolation" in message
    found, _, predictions = tell("no-seccomp", open_folder, "unsafe")
    assert (found, predictions) == ("none", [1])


def test_other_systems_are_refused(monkeypatch):
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    with pytest.raises(
        LLMERMError, match="Darwin, where programs only run with isolation"
    ) as caught:
        Sandbox()
    assert caught.value.setting == "isolation"


def test_wasm_that_is_not_installed_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("llm_erm.sandbox.wasm.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'llm-erm\[wasm\]'"):
        Sandbox(isolation="wasm")


def test_wasm_that_does_not_load_says_why(monkeypatch):
    def fail(name):
        raise ImportError("no such architecture")

    monkeypatch.setattr("llm_erm.sandbox.wasm.find_spec", lambda name: object())
    monkeypatch.setattr("llm_erm.sandbox.wasm.import_module", fail)
    with pytest.raises(MissingExtraError, match="no such architecture"):
        Sandbox(isolation="wasm")


def run_filter(program, architecture, number, arguments=(0,) * 6):
    """Interprets a seccomp filter as the kernel would, and returns its answer."""
    data = struct.pack("=IIQ6Q", number, architecture, 0, *arguments)
    steps = [struct.unpack_from("=HBBI", program, i) for i in range(0, len(program), 8)]
    at, word = 0, 0
    while True:
        code, yes, no, value = steps[at]
        at += 1
        match code:
            case 0x20:
                (word,) = struct.unpack_from("=I", data, value)
            case 0x15:
                at += yes if word == value else no
            case 0x35:
                at += yes if word >= value else no
            case 0x45:
                at += yes if word & value else no
            case 0x54:
                word &= value
            case 0x06:
                return value


@pytest.mark.parametrize("name", ["x86_64", "aarch64"])
def test_the_filter_allows_its_list_and_kills_the_rest(name):
    program = syscalls.candidate_filter(name)
    here, kill, allow, refuse = (
        syscalls.AUDIT_ARCH[name],
        syscalls.KILL_PROCESS,
        syscalls.ALLOW,
        syscalls.ERRNO_EPERM,
    )
    assert len(program) // 8 < 4096
    special = {
        *syscalls.MAPPING[name],
        *syscalls.CLOCKS[name],
        *syscalls.PROCESS_IDS[name],
        *(syscalls.FUTEX[name], syscalls.ADVICE[name], syscalls.AFFINITY[name]),
    }
    for number in set(range(600)) - special:
        expected = kill
        if number in syscalls.ALLOWED[name].values():
            expected = allow
        elif number in syscalls.REFUSED[name].values():
            expected = refuse
        assert run_filter(program, here, number) == expected, number
        assert run_filter(program, here, number | 0x40000000) == kill
        assert run_filter(program, 0x40000003, number) == kill
    for number in syscalls.MAPPING[name]:
        assert run_filter(program, here, number, (0, 0, 3, 0, 0, 0)) == allow
        assert run_filter(program, here, number, (0, 0, 7, 0, 0, 0)) == refuse
    for number in syscalls.CLOCKS[name]:
        for clock in (0, 1, 2, 3, 7, 11):
            assert run_filter(program, here, number, (clock, 0, 0, 0, 0, 0)) == allow
        for process in (1, 2, 4000):
            clock = (~process << 3 | 2) & 0xFFFFFFFF
            assert run_filter(program, here, number, (clock, 0, 0, 0, 0, 0)) == refuse
    for number in syscalls.PROCESS_IDS[name]:
        assert run_filter(program, here, number) == syscalls.ANSWER_0
    for advice in (*range(26), 100, 101):
        wanted = allow if advice in (4, 8, 14, 15) else refuse
        number = syscalls.ADVICE[name]
        assert run_filter(program, here, number, (0, 0, advice, 0, 0, 0)) == wanted
    for process in (0, 1, 2, 4000):
        wanted = refuse if process else allow
        number = syscalls.AFFINITY[name]
        assert run_filter(program, here, number, (process, 0, 0, 0, 0, 0)) == wanted
    for operation in range(16):
        for flags in (0, 128, 256, 384):
            wanted = allow if operation in (0, 1, 9, 10) and flags & 128 else kill
            answer = run_filter(
                program, here, syscalls.FUTEX[name], (0, operation | flags, 0, 0, 0, 0)
            )
            assert answer == wanted


def test_the_lists_do_not_overlap():
    for name in syscalls.AUDIT_ARCH:
        allowed, refused = syscalls.ALLOWED[name], syscalls.REFUSED[name]
        assert not set(allowed.values()) & set(refused.values())
        assert not set(allowed) & set(refused)


SECRETIVE = """
import json
from llm_erm.sandbox import Sandbox
source = '''
import os, sys
def f(x):
    if x == 'environment': return int(any('SECRET' in k for k in os.environ))
    if x == 'arguments': return int(any('SECRET' in a for a in sys.orig_argv))
    for fd in range(3, 5000):
        try:
            os.fstat(fd)
            return 1
        except OSError: pass
    return 0
'''
with Sandbox(workers=1) as sandbox:
    execution = sandbox.execute(source, ["environment", "arguments", "descriptors"])
print(json.dumps([execution.status, execution.predictions.tolist()]))
"""


def test_nothing_of_the_parent_reaches_a_candidate():
    reader, writer = os.pipe()
    with os.fdopen(reader), os.fdopen(writer, "w"):
        ran = subprocess.run(
            [sys.executable, "-c", SECRETIVE, "SECRET"],
            env=os.environ | {"SECRET_API_KEY": "sk-secret"},
            pass_fds=(reader, writer),
            capture_output=True,
            text=True,
            timeout=100,
        )
    assert json.loads(ran.stdout) == ["ok", [0, 0, 0]], ran.stderr


PARENT = """
import os, sys, threading, time
from llm_erm.sandbox import Limits, Sandbox
sandbox = Sandbox(workers=2)
copy = os.fork() if "copy" in sys.argv else None
if copy == 0:
    time.sleep(100)
sources = ["def f(x):\\n    while True: pass", "import time\\ndef f(x): time.sleep(100)",
           "import numpy\\ndef f(x): return 1", "def f(x): return 1"]
limits = Limits(seconds_per_call=50, seconds_per_candidate=100)
for source in sources:
    threading.Thread(target=sandbox.execute, args=(source, ["1"], limits)).start()
print(copy, flush=True)
time.sleep(100)
"""


def descendants(pid):
    """Returns all descendants of a process, by the parents in /proc."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text()
            except OSError:
                continue
            parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    found = {pid}
    while True:
        more = {child for child, parent in parents.items() if parent in found} - found
        if not more:
            return found - {pid}
        found |= more


def alive(pid):
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


@pytest.mark.parametrize("attempt", range(20))
def test_killing_the_parent_leaves_no_process(attempt):
    process = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        time.sleep(random.Random(attempt).uniform(0, 0.7))
        left = descendants(process.pid)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert left
    deadline = time.monotonic() + 10
    while any(map(alive, left)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not [pid for pid in left if alive(pid)]


def test_a_forked_copy_of_the_parent_keeps_no_process_alive():
    process = subprocess.Popen([sys.executable, "-c", PARENT, "copy"], stdout=subprocess.PIPE)
    copy = int(process.stdout.readline())
    below = descendants(process.pid) - {copy}
    process.kill()
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 10
    while any(map(alive, below)) and time.monotonic() < deadline:
        time.sleep(0.02)
    left = [pid for pid in below if alive(pid)]
    copy_was_alive = alive(copy)
    os.kill(copy, signal.SIGKILL)
    assert copy_was_alive
    assert below
    assert left == []


def test_closing_leaves_no_process():
    before = descendants(os.getpid())
    sandbox = Sandbox(workers=1)
    sandbox.execute("import numpy\ndef f(x): return 1", ["1"])
    started = descendants(os.getpid()) - before
    sandbox.close()
    sandbox.close()
    assert started
    assert not [pid for pid in started if alive(pid)]
    with pytest.raises(LLMERMError, match="closed"):
        sandbox.execute(CONTROL, ["1"])


def test_a_lost_process_is_replaced():
    before = descendants(os.getpid())
    with Sandbox(workers=1) as sandbox:
        sandbox.execute(CONTROL, ["1"])
        started = {pid for pid in descendants(os.getpid()) - before if alive(pid)}
        for pid in started:
            with contextlib.suppress(ProcessLookupError):  # it ended with one before it
                os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while any(map(alive, started)) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert sandbox.execute(CONTROL, ["1", "11"]).predictions.tolist() == [1, 0]


def test_an_interpreter_that_does_not_start_is_named(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(LLMERMError, match="/bin/false"):
        Sandbox()


def test_limits_are_checked_before_anything_runs():
    with pytest.raises(LLMERMError, match="above zero"), Sandbox(workers=1) as sandbox:
        sandbox.execute(CONTROL, ["1"], Limits(memory_bytes=0))
