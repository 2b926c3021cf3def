"""Every result says how well its programs were held, above all where nothing held them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ENVIRONMENTS = Path(__file__).parent.parent / "sandbox" / "environments.py"
PARITY = json.dumps({"code": "def f(x):\n    return x.count('1') % 2"})
UNSAFE = "--unsafe-no-isolation"


@pytest.fixture
def tmp_path(open_folder):
    return open_folder


@pytest.fixture
def unheld(executable, tmp_path):
    """Runs `llm-erm` where no system call can be filtered, in a folder that anybody may use."""
    if os.geteuid() != 0:
        pytest.skip("only root can take on other roles")
    (tmp_path / "answers.json").write_text(json.dumps([PARITY]))
    (tmp_path / "program.py").write_text("def f(x): return 1\n")
    (tmp_path / "data.txt").write_text("0 -> 0\n1 -> 1\n")

    def run(*arguments):
        return subprocess.run(
            [sys.executable, ENVIRONMENTS, "no-seccomp", executable, *map(str, arguments)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


SEARCH = (
    *("synthesize", "--provider", "scripted", "--answers", "answers.json", "--functions", "fn_a"),
    *("--lengths", 16, "--train-size", 20, "--val-size", 20, "--test-size", 200),
    *("--out-dir", "out"),
)


def piped(table: str) -> dict[str, str]:
    """The first row of a table in a pipe, by column."""
    head, row = (line.split("\t") for line in table.splitlines()[:2])
    return dict(zip(head, row, strict=True))


def test_nothing_runs_unheld_unless_asked_for(unheld):
    done = unheld(*SEARCH)
    assert done.returncode == 2
    assert UNSAFE in done.stderr


def test_every_trace_of_an_unheld_search_says_so(unheld, tmp_path):
    table = unheld(*SEARCH, UNSAFE, "--out-jsonl", "attempts.jsonl")
    assert table.returncode == 0, table.stderr
    assert "isolation is 'none'" in table.stderr
    assert piped(table.stdout)["isolation"] == "none"
    shown = json.loads(unheld(*SEARCH, UNSAFE, "--out-jsonl", "attempts.jsonl", "--json").stdout)
    stored = json.loads((tmp_path / "out" / "results.jsonl").read_text())
    exported = json.loads((tmp_path / "attempts.jsonl").read_text())
    assert (shown["isolation"], stored["isolation"], exported["isolation"]) == ("none",) * 3
    (program,) = (tmp_path / "out" / "programs").iterdir()
    assert "# Isolation of the sandbox that ran it: none.\n" in program.read_text()


def test_an_unheld_verification_says_so(unheld):
    table = unheld("verify", "program.py", "data.txt", UNSAFE)
    assert piped(table.stdout)["isolation"] == "none"
    done = unheld("verify", "program.py", "data.txt", UNSAFE, "--json")
    assert json.loads(done.stdout)["isolation"] == "none"


def test_a_held_search_names_its_level_in_the_table_and_the_program(invoke, tmp_path):
    (tmp_path / "answers.json").write_text(json.dumps([PARITY]))
    done = invoke(*SEARCH)
    assert done.returncode == 0, done.stderr
    level = json.loads((tmp_path / "out" / "results.jsonl").read_text())["isolation"]
    assert level in ("strong", "standard", "basic")
    assert piped(done.stdout)["isolation"] == level
    assert f"Programs run in a sandbox with isolation {level!r}." in done.stderr
    (program,) = (tmp_path / "out" / "programs").iterdir()
    assert f"# Isolation of the sandbox that ran it: {level}.\n" in program.read_text()
