"""macOS and Windows: all that runs no program works, and the rest says how to run one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

OTHER = Path(__file__).parent.parent / "other_system.py"


@pytest.fixture(params=["Darwin", "Windows"])
def elsewhere(request, tmp_path):
    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-W", "ignore", OTHER, request.param, *map(str, arguments)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )

    run.system = request.param
    return run


def test_tasks_and_data_need_no_linux(elsewhere, tmp_path):
    done = elsewhere("tasks", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[0])["function"] == "fn_a"
    done = elsewhere("data", "--functions", "fn_a", "--lengths", 16, "--test-size", 200)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / done.stdout.strip() / "train.txt").exists()


def test_a_program_is_refused_with_what_to_do_next(elsewhere, tmp_path):
    (tmp_path / "program.py").write_text("def f(x): return 1\n")
    (tmp_path / "data.txt").write_text("0 -> 0\n1 -> 1\n")
    (tmp_path / "answers.json").write_text(json.dumps(["no idea"]))
    search = ("synthesize", "--provider", "scripted", "--answers", "answers.json")
    size = ("--train-size", 20, "--val-size", 20, "--test-size", 200, "--lengths", 16)
    for command in (("verify", "program.py", "data.txt"), (*search, "--functions", "fn_a", *size)):
        done = elsewhere(*command)
        assert done.returncode == 2, done.stderr
        message = done.stderr.splitlines()[-1]
        assert f"This is {elsewhere.system}" in message
        assert "only run with isolation wasm" in message
        assert message.endswith("(--isolation).")
        assert "pip install 'llm-erm[wasm]'" in message


def test_doctor_says_what_this_system_can_do(elsewhere):
    done = elsewhere("doctor", "--json")
    found = json.loads(done.stdout)
    assert found["isolation"]["state"] == "none"
    assert found["isolation wasm (beta)"]["state"] in ("installed", "missing")
    assert done.returncode == (0 if found["isolation wasm (beta)"]["state"] == "installed" else 1)
