"""Verdicts depend on the program alone: not on load, workers, order or chance."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from llm_erm.errors import LLMERMError
from llm_erm.sandbox import FLOAT, INVALID, Limits, Sandbox, protocol, spread
from llm_erm.sandbox.watch import Line, Scheduler, Watch

WORK = (  # the same CPU time on every machine
    "import time\ndef work(seconds):\n    end = time.process_time() + seconds\n"
    "    while time.process_time() < end: pass\n"
)
BUSY = "def f(x):\n    for _ in range(2000 * 20): pass\n    return int(x) % 2"
NUMBERS = [str(i) for i in range(2000)]
ODD = [i % 2 for i in range(2000)]


@pytest.fixture
def spreads(monkeypatch):
    """Counts the helpers of each execution, and makes spreading start early."""
    taken = []
    take = spread.take_idle
    monkeypatch.setattr(spread, "take_idle", lambda *a: taken.append(take(*a)) or taken[-1])
    monkeypatch.setattr(spread, "FIRST_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(spread, "WORTH_SPREADING_SECONDS", 0.1)
    return taken


def test_a_long_program_is_spread_over_idle_workers(sandbox, spreads):
    execution = sandbox.execute(BUSY, NUMBERS)
    assert sum(spreads) >= 1
    assert execution.predictions.tolist() == ODD
    assert execution.message is None


def test_one_worker_gives_the_same_result(spreads):
    with Sandbox(workers=1) as alone:
        execution = alone.execute(BUSY, NUMBERS)
    assert sum(spreads) == 0
    assert execution.predictions.tolist() == ODD


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ("return 1 / 0 if late() else 1", "ok", "ZeroDivisionError"),
        ("return [0] * 10**12 if late() else 1", "memory", "memory"),
        ("import os; os._exit(3) if late() else 1", "crash", "status 3"),
        ("import os; os.fork() if late() else 1", "forbidden", "system call"),
        ("return 10**10**8 % 2 if late() else 1", "timeout", "one call"),
    ],
)
def test_a_spread_program_fails_like_any_other(sandbox, spreads, body, status, message):
    source = (
        f"{WORK}def late(): return time.process_time() > 0.6\n"
        f"def f(x):\n    work(0.001)\n    {body}"
    )
    execution = sandbox.execute(source, NUMBERS, Limits(0.5, 20, 2**28))
    assert sum(spreads) >= 1
    assert execution.status == status
    assert message in execution.message
    assert (execution.predictions == INVALID).all() == (status != "ok")


def test_the_total_limit_counts_all_parts_together(sandbox, spreads):
    source = WORK + "def f(x):\n    work(0.02)\n    return 1"
    limits = Limits(seconds_per_call=1, seconds_per_candidate=1.2)
    execution = sandbox.execute(source, NUMBERS[:100], limits)
    assert sum(spreads) >= 1
    assert execution.status == "timeout"


def test_loading_counts_once_however_many_children_load(sandbox, spreads):
    """Loading takes almost half of the limit; loading twice plus the calls would exceed it."""
    source = (
        f"{WORK}while time.process_time() < 1.2: pass\ndef f(x):\n    work(0.005)\n    return 1"
    )
    limits = Limits(seconds_per_call=1, seconds_per_candidate=2.9)
    execution = sandbox.execute(source, NUMBERS[:200], limits)
    assert sum(spreads) >= 1
    assert execution.status == "ok", execution.message
    assert execution.cpu_seconds > limits.seconds_per_candidate


@pytest.fixture
def loaded_host():
    """Three processes per core that take every cycle they get.

    Each has its own session, since Linux divides processors among sessions before processes.
    """
    cores = len(os.sched_getaffinity(0))
    command = [sys.executable, "-c", "while True: pass"]
    hogs = [subprocess.Popen(command, start_new_session=True) for _ in range(3 * cores)]
    yield
    for hog in hogs:
        hog.kill()
        hog.wait()


def test_a_loaded_host_changes_no_verdict(sandbox, loaded_host):
    limits = Limits(seconds_per_call=0.3, seconds_per_candidate=0.75)
    slow = WORK + "def f(x):\n    work(0.15)\n    return 1"
    began = time.monotonic()
    execution = sandbox.execute(slow, ["1", "2"], limits)
    assert execution.status == "ok"
    hang = sandbox.execute("def f(x):\n    while True: pass", ["1"], limits)
    assert hang.status == "timeout"
    assert 0.3 < hang.cpu_seconds < 0.8
    assert time.monotonic() - began > 2 * (hang.cpu_seconds + execution.cpu_seconds)


def test_sleeping_within_the_limits_is_not_a_timeout(sandbox):
    source = "import time\ndef f(x):\n    time.sleep(0.3)\n    return 1"
    execution = sandbox.execute(source, ["1", "2", "3"], Limits(0.3, 1))
    assert execution.status == "ok"


def test_sleep_is_noticed_without_scheduling_statistics(tmp_path):
    scheduler = Scheduler()
    scheduler.children = None
    child = subprocess.Popen(["sleep", "100"])
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    line = Line(ours)
    file = tmp_path / "map"
    file.write_bytes(bytes(protocol.HEADER_BYTES))
    shared = os.open(file, os.O_RDONLY)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    try:
        with ours, theirs:
            watch = Watch(child.pid, shared, 0, 0.1, 0.2, 60)
            status, _, killer = watch.until_dead(line, scheduler)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(shared)
        os.close(scheduler.proc)
        os.close(line.parent)
        child.poll()
    assert (killer, os.WTERMSIG(status)) == ("idle", signal.SIGKILL)


def test_a_replay_with_the_same_results_changes_nothing(sandbox):
    first = sandbox.execute(BUSY, NUMBERS[:50])
    again = sandbox.replay(BUSY, NUMBERS[:50], first)
    assert again.status == "ok"
    assert again.predictions.tolist() == ODD[:50]
    assert again.cpu_seconds > first.cpu_seconds


def test_a_replay_compares_floats_and_invalid_predictions(sandbox):
    source = "def f(x): return 1 / int(x) if x != '7' else None"
    first = sandbox.execute(source, NUMBERS[:20], outputs=FLOAT)
    again = sandbox.replay(source, NUMBERS[:20], first, outputs=FLOAT)
    assert again.status == "ok"
    assert np.isnan(again.predictions).sum() == 2


def test_a_replay_finds_a_program_that_uses_other_inputs(sandbox):
    """It returns 0 only for the first input that it sees, so runs on a single input reveal it."""
    source = (
        "import sys\n"
        "def f(x):\n"
        "    module = sys.modules['candidate']\n"
        "    module.seen = getattr(module, 'seen', 0) + 1\n"
        "    return int(module.seen > 1)"
    )
    inputs = [str(i) for i in range(5000)]
    first = sandbox.execute(source, inputs)
    assert first.predictions.sum() == 4999
    again = sandbox.replay(source, inputs, first, together=0, alone=3)
    assert again.status == "nondeterministic"
    assert (again.predictions == INVALID).all()
    assert "again" in again.message


def test_single_inputs_share_the_workers_where_that_is_worth_another_process(sandbox, monkeypatch):
    threads = []
    execute = sandbox._execute

    def watched(source, inputs, *more):
        threads.append((len(inputs), threading.get_ident()))
        return execute(source, inputs, *more)

    first = sandbox.execute(BUSY, NUMBERS[:120])
    monkeypatch.setattr(sandbox, "_execute", watched)
    for alone, expected in ((100, 2), (16, 1), (0, 0)):
        threads.clear()
        assert sandbox.replay(BUSY, NUMBERS[:120], first, together=0, alone=alone).status == "ok"
        assert len(threads) == alone
        assert {size for size, _ in threads} <= {1}
        assert len({thread for _, thread in threads}) == expected


def test_only_the_inputs_named_run_alone_and_the_first_difference_ends_it(sandbox, monkeypatch):
    ran = []
    execute = sandbox._execute

    def watched(source, inputs, *more):
        ran.append(list(inputs))
        return execute(source, inputs, *more)

    first = sandbox.execute(BUSY, NUMBERS[:120])
    monkeypatch.setattr(sandbox, "_execute", watched)
    again = sandbox.replay(BUSY, NUMBERS[:120], first, together=0, alone=[7, 3])
    assert (again.status, sorted(ran)) == ("ok", [["3"], ["7"]])
    ran.clear()
    other = "def f(x): return 1 - int(x) % 2"
    again = sandbox.replay(other, NUMBERS[:120], first, together=0, alone=range(120))
    assert again.status == "nondeterministic"
    assert len(ran) <= 2  # one per worker


def test_an_error_in_one_thread_reaches_the_caller_and_ends_the_others(sandbox, monkeypatch):
    first = sandbox.execute(BUSY, NUMBERS[:120])
    ran = []

    def failing(source, inputs, *more):
        ran.append(inputs)
        raise LLMERMError("no process")

    monkeypatch.setattr(sandbox, "_execute", failing)
    with pytest.raises(LLMERMError, match="no process"):
        sandbox.replay(BUSY, NUMBERS[:120], first, together=0, alone=120)
    assert len(ran) <= 2


BY_HASH = "def f(x): return hash('a') % 1000"


def test_a_replay_has_twice_the_time_so_noise_is_no_difference(sandbox):
    """Another hash seed tells the program that it runs again; then it takes longer."""
    known = int(sandbox.execute(BY_HASH, ["1"], outputs=FLOAT).predictions[0])
    source = (
        f"{WORK}def f(x):\n    work(0.2 if hash('a') % 1000 == {known} else SECONDS)\n    return 1"
    )
    limits = Limits(seconds_per_call=0.4, seconds_per_candidate=2)
    for seconds, status in (("0.5", "ok"), ("1.2", "nondeterministic")):
        program = source.replace("SECONDS", seconds)
        first = sandbox.execute(program, ["1", "2"], limits)
        again = sandbox.replay(program, ["1", "2"], first, limits)
        assert (first.status, again.status) == ("ok", status)
    assert "it ended by timeout (one call took more than 0.8 CPU seconds)" in again.message


def test_a_failed_execution_is_not_replayed(sandbox):
    first = sandbox.execute("def f(x", ["1"])
    assert sandbox.replay("def f(x", ["1"], first) is first


def test_random_programs_get_the_same_verdict_in_every_run():
    source = "import random\ndef f(x): return random.randrange(2) ^ hash('a') % 2"
    seen = set()
    for _ in range(2):
        with Sandbox(workers=1) as sandbox:
            seen.add(int(sandbox.execute(source, ["1"]).predictions[0]))
    assert len(seen) == 1


def test_threads_do_not_end_the_processes_they_started(sandbox):
    """The kernel ends some children with the thread, not the process, that started them."""
    with Sandbox(workers=2) as opened:
        source = "import numpy\ndef f(x): return 1"
        answers = []
        for _ in range(2):
            thread = threading.Thread(
                target=lambda: answers.append(opened.execute(source, ["1"]).status)
            )
            thread.start()
            thread.join()
        assert answers == ["ok", "ok"]


ANYWHERE = {
    "after a semicolon": "x = 1; import zoneinfo\ndef f(x): return int(bool(zoneinfo.ZoneInfo))",
    "in a function of one line": "def f(x): import bz2; return int(bool(bz2.compress))",
    "in a condition": "if True: import shlex\ndef f(x): return len(shlex.split('a'))",
    "by a function": "def f(x): return int(bool(__import__('xml.dom.minidom').dom.minidom.parse))",
    "of a part of a package": "from xml import etree as e\ndef f(x): return len(e.__name__) // 9",
    "of a part of sympy": "from sympy.stats import Die, P\ndef f(x): return int(P(Die('d') > 0))",
    "of all of numpy": "from numpy import *\ndef f(x): return int(array([1]).sum())",
    "of a part of numpy": "import numpy.testing as t\ndef f(x): return int(bool(t.assert_equal))",
}


@pytest.mark.parametrize("source", ANYWHERE.values(), ids=ANYWHERE)
def test_an_import_is_found_wherever_it_is(sandbox, source):
    ran = sandbox.execute(source, ["1"])
    assert (ran.status, ran.message, ran.predictions.tolist()) == ("ok", None, [1])


def test_a_module_that_few_programs_need_is_found(sandbox):
    source = "import shelve, sympy.stats\ndef f(x): return int(bool(sympy.stats.P))"
    for _ in range(2):
        assert sandbox.execute(source, ["1"]).predictions.tolist() == [1]


WAITS = "import time\ntime.sleep(0.2)\ndef f(x): return int(x)"


def test_a_program_that_takes_long_when_alone_is_ended(sandbox, monkeypatch):
    monkeypatch.setattr("llm_erm.sandbox.execute.MOST_SECONDS_AGAIN", 0.5)
    inputs = ["0", "1"] * 50
    first = sandbox.execute(WAITS, inputs)
    began = time.monotonic()
    again = sandbox.replay(WAITS, inputs, first, together=0, alone=100)
    assert (first.status, again.status) == ("ok", "timeout")
    assert again.message == "its runs on single inputs took more than 0.5 seconds"
    assert time.monotonic() - began < 15


def test_a_replay_in_another_thread_can_be_stopped():
    with Sandbox(workers=2) as opened, ThreadPoolExecutor(1) as threads:
        inputs = ["0", "1"] * 200
        first = opened.execute(WAITS, inputs)
        replay = threads.submit(opened.replay, WAITS, inputs, first, together=0, alone=400)
        time.sleep(0.5)
        assert not replay.done()
        opened.stop()
        with pytest.raises(LLMERMError, match="closed while a program ran"):
            replay.result(timeout=15)


def test_a_program_in_another_thread_ends_when_the_sandbox_is_closed():
    endless = "def f(x):\n    while True: pass"
    limits = Limits(seconds_per_call=300, seconds_per_candidate=300)
    opened = Sandbox(workers=1)
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(opened.execute, endless, ["0"], limits)
        time.sleep(0.5)
        assert not running.done()
        opened.close()
        with pytest.raises(LLMERMError, match="closed"):
            running.result(timeout=60)
