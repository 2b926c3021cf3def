"""Runs to read reports from, made once by the command itself, with scripted answers."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_erm.cli.main import main
from llm_erm.records import Result
from llm_erm.reports.results import read_results


def program(body: str) -> str:
    return json.dumps({"code": f"def f(x):\n    return {body}"})


RIGHT = program("x.count('1') % 2")
WRONG = program("1")
EVEN = program("1 - x.count('1') % 2")
"""A palindrome with one bit flipped has odd parity: only the contrast set of fn_g tells."""


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Runs `llm-erm synthesize` on small data and returns the folder of the run."""
    root = tmp_path_factory.mktemp("runs")

    def make(name: str, answers: list[str], *flags: object) -> Path:
        texts = root / f"{name}.json"
        texts.write_text(json.dumps(answers))
        words = (
            *("synthesize", "--answers", texts, "--out-dir", root / name),
            *("--dataset-dir", root / "datasets", "--lengths", 20, "--test-size", 40),
            *(() if "--train-size" in flags else ("--train-size", 20, "--val-size", 20)),
            *(() if "--functions" in flags else ("--functions", "fn_a")),
        )
        with pytest.raises(SystemExit, match="0"):
            main([str(word) for word in (*words, *flags)])
        return root / name

    return make


@pytest.fixture(scope="session")
def search(made: Callable[..., Path]) -> Path:
    """Two trials of parity, each exact at its second candidate."""
    return made("search", [WRONG, RIGHT], "--num-trials", 2)


@pytest.fixture(scope="session")
def guess(made: Callable[..., Path]) -> Path:
    """The same data, and nothing exact."""
    return made("guess", [WRONG, "no idea"], "--num-trials", 2)


@pytest.fixture(scope="session")
def deceived(made: Callable[..., Path]) -> Path:
    """Right on all test data of the palindromes, and wrong on the contrast set."""
    return made("deceived", [EVEN], "--functions", "fn_g")


@pytest.fixture(scope="session")
def smaller(made: Callable[..., Path]) -> Path:
    """Nothing exact from fewer examples."""
    sizes = ("--train-size", 10, "--val-size", 10, "--num-trials", 2)
    return made("smaller", [WRONG], *sizes)


@pytest.fixture(scope="session")
def elsewhere(made: Callable[..., Path]) -> Path:
    """Exact on other data of the same task."""
    return made("elsewhere", [RIGHT], "--seed", 7)


@pytest.fixture(scope="session")
def exact(search: Path) -> Result:
    """An exact result as a run wrote it."""
    return min(read_results(search), key=lambda one: one.data.trial)


@pytest.fixture(scope="session")
def inexact(guess: Path) -> Result:
    """The result of a guess on the same data."""
    return min(read_results(guess), key=lambda one: one.data.trial)
