"""macOS and Windows: all that runs no program works, and the rest says how to run one."""

import csv
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
OTHER = TESTS / "other_system.py"


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


def test_rules_and_enumeration_need_neither_a_sandbox_nor_posix(tmp_path):
    """All in one process of Windows, which lacks what macOS lacks; its pipes have no ≤."""
    draw = random.Random(0)
    rows = [[draw.randint(1, 60), draw.choice(["monthly", "yearly"])] for _ in range(200)]
    labels = [
        "yes" if contract == "monthly" and tenure <= 20 else "no" for tenure, contract in rows
    ]
    with (tmp_path / "table.csv").open("w", newline="") as file:
        table = [[*row, label] for row, label in zip(rows, labels, strict=True)]
        csv.writer(file).writerows([["tenure", "contract", "churned"], *table])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", TESTS / "everywhere.py", "Windows"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONIOENCODING": "cp1252"},
        capture_output=True,
        encoding="cp1252",
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    *printed, last = done.stdout.splitlines()
    found = json.loads(last)
    assert set(found["statuses"]) == {0}, done.stderr
    assert found["predicted"] == ["low", "high"]
    assert any("tenure <= 2" in line for line in printed), printed
    with (tmp_path / "predicted.csv").open(newline="", encoding="utf-8") as file:
        predicted = [row["churned_predicted"] for row in csv.DictReader(file)]
    assert sum(map(str.__eq__, predicted, labels)) >= 195
    assert "CASE" in (tmp_path / "rule.sql").read_text()
    assert "x.count('1') % 2" in (tmp_path / "run/programs/fn_a-L16-seed42.py").read_text()
