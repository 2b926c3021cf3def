"""`llm-erm baselines` from flags to files."""

import json
import os
import signal
import subprocess
import time

import pytest

SMALL = ("--train-size", 40, "--val-size", 40, "--test-size", 200)
FLAGS = ("baselines", "--functions", "fn_a", "--lengths", 20, *SMALL)
QUICK = ("--learners", "svm", "decision-tree", "--workers", 1)


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_every_learner_and_trial_is_a_result_and_one_row_per_learner_is_printed(invoke, tmp_path):
    arguments = (*FLAGS, *QUICK, "--num-trials", 2, "--out-dir", "out")
    done = invoke(*arguments)
    assert done.returncode == 0, done.stderr
    found = lines((tmp_path / "out/results.jsonl").read_text())
    assert sorted((r["method"], r["data"]["trial"]) for r in found) == [
        *(("baseline:decision-tree", 1), ("baseline:decision-tree", 2)),
        *(("baseline:svm", 1), ("baseline:svm", 2)),
    ]
    assert len({(r["data"]["seed"], r["data"]["sha256"]) for r in found}) == 2
    rows = [line for line in done.stdout.splitlines() if line.startswith("fn_a")]
    assert len(rows) == 2
    assert [row.split("\t")[3] for row in rows] == ["2", "2"]
    before = (tmp_path / "out/results.jsonl").read_bytes()
    assert invoke(*arguments).stdout == done.stdout
    assert (tmp_path / "out/results.jsonl").read_bytes() == before


def test_a_stopped_command_goes_on_with_what_is_missing(invoke, tmp_path):
    arguments = (*FLAGS, *QUICK, "--out-dir", "out", "--json")
    done = invoke(*arguments)
    whole = (tmp_path / "out/results.jsonl").read_text()
    (tmp_path / "out/results.jsonl").write_text(whole.splitlines(keepends=True)[0] + '{"cut')
    again = lines(invoke(*arguments).stdout)
    for one, other in zip(lines(done.stdout), again, strict=True):
        assert one | {"seconds": 0} == other | {"seconds": 0}


def test_a_task_of_ones_own_reaches_the_worker_processes(invoke, tmp_path):
    (tmp_path / "first.py").write_text(
        "lengths = (12,)\n\ndef rule(x):\n    return int(x[0])\n\n"
        "def sample(rng, length):\n    return ''.join(rng.choice(['0', '1'], size=length))\n\n"
        "uniform = True\n"
    )
    done = invoke(
        *("baselines", "--task-file", "first.py", "--learners", "decision-tree", "--json", *SMALL),
        *("--workers", 2),
    )
    assert done.returncode == 0, done.stderr
    (result,) = lines(done.stdout)
    assert result["test"]["accuracy"] == 1.0
    assert result["certificate"]["validation"]["choices"] == 30


def test_published_grids_run_beside_ours_and_keep_their_own_names(invoke, tmp_path):
    two = (*FLAGS, "--workers", 1, "--learners", "decision-tree", "svm")
    done = invoke(*two, "--grids", "published", "--out-dir", "theirs")
    assert done.returncode == 0, done.stderr
    rows = [line.split()[2] for line in done.stdout.splitlines() if line.startswith("fn_")]
    assert rows == ["decision-tree-published", "svm-published"]
    assert done.stdout.count("in 5 folds") == 2
    results = lines((tmp_path / "theirs/results.jsonl").read_text())
    assert [len(result["facts"]["grid"]) for result in results] == [72, 40]
    assert [result["facts"]["folds"] for result in results] == [5, 5]
    assert invoke(*two, "--out-dir", "ours").returncode == 0
    compared = invoke("compare", "ours", "theirs", "--json")
    assert compared.returncode == 0, compared.stderr
    assert {row["method"] for row in lines(compared.stdout)} == {
        *("baseline:decision-tree", "baseline:svm"),
        *("baseline:decision-tree-published", "baseline:svm-published"),
    }


def test_the_published_genetic_programming_runs_on_bits_only(invoke):
    """A first circuit fits the two training examples, which ends the search."""
    done = invoke(
        *("baselines", "--grids", "published", "--learners", "genetic-programming", "--json"),
        *("--functions", "fn_a", "fn_i", "--lengths", 12, "--workers", 1),
        *("--train-size", 2, "--val-size", 2, "--test-size", 40),
    )
    assert done.returncode == 0, done.stderr
    assert "genetic-programming-published on fn_i, since it takes bit strings only" in done.stderr
    (result,) = lines(done.stdout)
    assert result["method"] == "baseline:genetic-programming-published"
    assert (len(result["facts"]["grid"]), result["facts"]["folds"]) == (8, None)
    assert result["certificate"]["validation"]["choices"] == 8


def test_what_cannot_run_is_skipped_with_its_reason_unless_it_was_asked_for(invoke):
    asked = invoke(*FLAGS, "--learners", "tabpfn")
    assert asked.returncode == 2
    assert "--tabpfn-weights" in asked.stderr
    assert asked.stdout == ""


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--learners", "oracle"), "oracle"),
        (("--learners", "knn", "--grids", "published"), "no published learner 'knn'"),
        (("--grids", "theirs"), "--grids"),
        (("--tabpfn-weights", "no.ckpt"), "no.ckpt"),
        (("--tabpfn-weights", __file__), "does not hold weights"),
        (("--workers", 0), "--workers"),
        (("--val-size", 0), "--val-size"),
    ],
)
def test_a_wrong_turn_is_one_sentence_and_exit_2(invoke, flags, said):
    done = invoke(*FLAGS, *flags)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_keeps_what_is_done_and_says_where(executable, tmp_path):
    """Stopped while genetic programming, which takes minutes, follows a tree."""
    learners = ("--learners", "decision-tree", "genetic-programming")
    arguments = (*FLAGS, *learners, "--workers", 2, "--out-dir", "out")
    with subprocess.Popen(
        [str(executable), *map(str, arguments)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        results = tmp_path / "out/results.jsonl"
        while not (results.exists() and results.read_text()):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        out, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert "Finished results are kept in out; run the same command to resume." in said
    assert "Traceback" not in said
    assert [result["variant"] for result in lines(results.read_text())] == ["decision-tree"]
