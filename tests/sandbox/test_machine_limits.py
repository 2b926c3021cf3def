"""Limits of others' machines: they are taken and said, and no program is blamed for them."""

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from llm_erm.errors import LLMERMError
from llm_erm.sandbox import Limits, Sandbox

TELL = """
import json, resource
from llm_erm.errors import LLMERMError
from llm_erm.sandbox import Limits, Sandbox
kind, most = {limit}
resource.setrlimit(kind, (most, most))
try:
    with Sandbox(workers=1) as sandbox:
        runs = [
            sandbox.execute(source, ["0"], Limits(30.0, 40.0))
            for source in (
                "def f(x): return 1",
                "import sympy\\ndef f(x): return 1",
                "def f(x): return len('x' * 10**9)",
                "def f(x):\\n while {hang}: pass\\n return 1",
            )
        ]
        print(json.dumps([sandbox.notices, [(run.status, run.message) for run in runs]]))
except LLMERMError as error:
    print(json.dumps(str(error)))
"""


def tell(limit, *, hang=False):
    source = TELL.format(limit=limit, hang=hang)
    ran = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=100
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_a_lower_cpu_limit_is_taken_and_said():
    notices, runs = tell((int(resource.RLIMIT_CPU), 5), hang=True)
    assert notices == [
        "The limits of this process leave at most 2 CPU seconds for a program (ulimit -t)."
    ]
    assert [status for status, _ in runs] == ["ok", "ok", "memory", "timeout"]
    assert runs[3][1] == "the program took more than 2 CPU seconds"


def test_a_lower_memory_limit_is_taken_and_said():
    notices, runs = tell((int(resource.RLIMIT_AS), 450 * 2**20))
    (notice,) = notices
    assert "MiB of memory for a program (ulimit -v)" in notice
    assert [status for status, _ in runs] == ["ok", "ok", "memory", "ok"]


def test_a_limit_that_leaves_nothing_is_an_error_of_the_machine():
    assert "0 CPU seconds for a program (ulimit -t). Raise" in tell((int(resource.RLIMIT_CPU), 3))


def test_a_limit_per_call_holds_under_a_cpu_limit_of_the_machine():
    # The kernel then counts the CPU time of a process in coarse steps, and a child loads in less.
    source = TELL.format(limit=(int(resource.RLIMIT_CPU), 40), hang=True).replace("30.0", "0.5")
    ran = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=100
    )
    assert json.loads(ran.stdout)[1][3] == ["timeout", "one call took more than 0.5 CPU seconds"]


def descendants(pid):
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


def test_a_paused_machine_makes_no_honest_program_time_out():
    source = "def f(x):\n    n = 0\n    for i in range(3 * 10**6):\n        n += 1\n    return 1"
    with Sandbox(workers=1) as sandbox:
        sandbox.execute(source, ["0"])
        answers = []
        work = threading.Thread(
            target=lambda: answers.append(sandbox.execute(source, ["0"] * 4, Limits(1.0, 20.0)))
        )
        work.start()
        time.sleep(0.2)
        paused = descendants(os.getpid())
        for process in paused:
            os.kill(process, signal.SIGSTOP)
        time.sleep(4)
        for process in paused:
            os.kill(process, signal.SIGCONT)
        work.join()
        assert len(paused) >= 3
        assert (answers[0].status, answers[0].message) == ("ok", None)


def test_a_program_that_sleeps_is_still_found():
    with Sandbox(workers=1) as sandbox:
        sleeps = "import time\ndef f(x):\n    time.sleep(60)\n    return 1"
        ran = sandbox.execute(sleeps, ["0"], Limits(0.2, 20.0))
        assert (ran.status, ran.message) == ("timeout", "it waited for something that never came")


def test_what_the_interpreter_needs_to_start_is_passed_to_it_alone(tmp_path, monkeypatch):
    needs = tmp_path / "python"
    needs.write_text(
        "#!/bin/sh\n"
        f'[ "$PYTHONHOME:$LD_LIBRARY_PATH" = "{sys.base_prefix}:/its/libraries" ] || exit 1\n'
        f'exec {sys.executable} "$@"\n'
    )
    needs.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(needs))
    monkeypatch.setenv("PYTHONHOME", sys.base_prefix)
    monkeypatch.setenv("LD_LIBRARY_PATH", "/its/libraries")
    source = "import os\ndef f(x): return int(x in os.environ)"
    with Sandbox(workers=1) as sandbox:
        asked = ["PYTHONHOME", "LD_LIBRARY_PATH", "PATH"]
        assert sandbox.execute(source, asked).predictions.tolist() == [0, 0, 1]


def test_what_a_process_prints_before_it_ends_is_part_of_the_error(tmp_path, monkeypatch):
    broken = tmp_path / "python"
    broken.write_text(
        "#!/bin/sh\necho 'python: libpython3.99.so: cannot open \x1b[31mit' >&2\nexit 127"
    )
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    with pytest.raises(LLMERMError, match=r"libpython3\.99\.so: cannot open \[31mit\)"):
        Sandbox()
