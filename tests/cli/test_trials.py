"""`--num-trials` and `--no-early-stop`: independent data sets, all draws, honest statistics."""

import json
from pathlib import Path

import pytest

from llm_erm.cli.output import interval
from llm_erm.erm.trials import mean_over_trials, pass_at

SMALL = ("--train-size", 20, "--val-size", 20, "--test-size", 40)
PARITY = json.dumps({"code": "def f(x):\n    return x.count('1') % 2"})
EVEN = json.dumps({"code": "def f(x):\n    return 1 - x.count('1') % 2"})
PALINDROME = json.dumps({"code": "def f(x):\n    return int(x == x[::-1])"})
WRONG = json.dumps({"code": "def f(x):\n    return 1"})


@pytest.fixture
def synthesize(invoke, tmp_path):
    def run(answers, *arguments):
        (tmp_path / "answers.json").write_text(json.dumps(answers))
        done = invoke(
            *("synthesize", "--provider", "scripted", "--answers", "answers.json", *SMALL),
            *("--lengths", 20, *arguments),
        )
        assert done.returncode == 0, done.stderr
        return done

    return run


def inputs(folder: Path) -> set[str]:
    return {
        line.split(" -> ")[0]
        for name in ("train", "val", "test")
        for line in (folder / f"{name}.txt").read_text().splitlines()
    }


def test_trials_draw_data_sets_of_their_own_and_the_first_is_the_usual_one(synthesize, tmp_path):
    synthesize([WRONG], "--functions", "fn_a", "--attempts", 1)
    (usual,) = tmp_path.glob("datasets/parity_all/L20/*")
    done = synthesize([PARITY], "--functions", "fn_a", "--attempts", 1, "--num-trials", 4, "--json")
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [result["data"]["trial"] for result in results] == [1, 2, 3, 4]
    assert results[0]["data"]["seed"] == 42
    assert len({result["data"]["seed"] for result in results}) == 4
    folders = sorted(tmp_path.glob("datasets/parity_all/L20/*"))
    assert len(folders) == 4
    assert usual in folders
    drawn = [inputs(folder) for folder in folders]
    assert all(len(one) == 240 for one in drawn)
    assert len(set.union(*drawn)) > 950  # of 960; 2**20 strings leave few to meet by chance
    assert len(list(tmp_path.glob("runs/*/programs/*.py"))) >= 4


def test_the_mean_over_trials_is_told_with_its_interval(synthesize):
    done = synthesize([WRONG], "--functions", "fn_a", "--attempts", 1, "--num-trials", 3)
    half = mean_over_trials([0.5] * 3)
    said = f"50.0% (95% interval {interval(half.low, half.high)}, 3 trials)"
    assert f"fn_a L=20: mean test accuracy: {said}" in done.stderr
    high = mean_over_trials([0.0] * 3).high
    assert f"exact at this length: 0.0% (95% interval {interval(0, high)}, 3 trials)" in done.stderr
    assert "pass@" not in done.stderr


def test_without_early_stopping_all_are_drawn_and_repeats_are_kept(synthesize, tmp_path):
    answers = [WRONG, PARITY, "no idea", PARITY, WRONG, WRONG]
    arguments = ("--functions", "fn_a", "--attempts", 6, "--num-trials", 2, "--no-early-stop")
    done = synthesize(answers, *arguments, "--json", "--out-dir", "out", "--out-csv", "all.csv")
    first, second = [json.loads(line) for line in done.stdout.splitlines()]
    assert (first["attempts"], first["duplicates"], first["facts"]["exact_attempts"]) == (6, 3, 2)
    assert first["facts"]["pass_at"] == {str(k): pass_at(k, 2, 6) for k in (1, 2, 4, 6)}
    assert first["facts"]["pass_at"]["1"] == pytest.approx(1 / 3)
    assert second["facts"]["pass_at"] == first["facts"]["pass_at"]
    assert first["selected_attempt"] == 2
    rows = (tmp_path / "all.csv").read_text().splitlines()
    assert len(rows) > 12
    assert rows[0].endswith(",trial,seed")
    table = synthesize(answers, *arguments, "--out-dir", "out").stderr
    both = mean_over_trials([1 / 3, 1 / 3])
    said = f"33.3% (95% interval {interval(both.low, both.high)}, 2 trials)"
    assert f"probability that one proposal is right: {said}" in table
    assert f"pass@6: {1:.1%}" in table


def test_with_early_stopping_there_is_no_pass_at(synthesize):
    done = synthesize(
        [PARITY], "--functions", "fn_a", "--attempts", 3, "--json", "--out-csv", "all.csv"
    )
    result = json.loads(done.stdout)
    assert result["attempts"] == 1
    assert result["facts"]["test_accuracies"] == [1.0]
    assert result["facts"]["pass_at"] is result["facts"]["exact_attempts"] is None


def test_right_means_right_on_the_contrast_set_too(synthesize):
    """A palindrome with one bit flipped has odd parity, and so the test data cannot tell."""
    done = synthesize(
        [EVEN, PALINDROME, EVEN],
        *("--functions", "fn_g", "--attempts", 3, "--no-early-stop", "--json"),
    )
    result = json.loads(done.stdout)
    assert result["facts"]["test_accuracies"] == [1.0, 1.0, 1.0]
    assert result["facts"]["exact_attempts"] == 1
    assert result["facts"]["pass_at"]["1"] == pytest.approx(1 / 3)


def test_no_trials_are_refused(invoke):
    done = invoke("synthesize", "--provider", "local", "--num-trials", 0)
    assert done.returncode == 2
    assert "--num-trials" in done.stderr
