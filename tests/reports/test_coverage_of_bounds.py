"""Printed bounds and intervals hold as often as benchmarks/coverage_of_bounds.py demands."""

import math
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from llm_erm.erm.trials import Estimate

RUNS = 500
PLACE = Path(__file__).parents[2] / "benchmarks" / "coverage_of_bounds.py"


@pytest.fixture(scope="module")
def coverage():
    spec = spec_from_file_location("coverage_of_bounds", PLACE)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "name",
    [
        *("of_one_program", "of_test", "of_validation", "of_paper", "of_occam", "of_trials"),
        *("of_rows", "of_shares", "of_pass_at", "of_sentences", "of_comparisons", "of_chance"),
        *("of_bound", "of_all_looks", "of_differences"),
    ],
)
def test_what_is_printed_holds(coverage, name):
    lines = list(getattr(coverage, name)(np.random.default_rng(0), RUNS))
    assert lines
    for line in lines:
        assert line.runs >= RUNS
        error = math.sqrt(0.05 * 0.95 / line.runs)  # luck exceeds 5.5 of them once in 10^7 runs
        assert line.covered >= 0.95 - 5.5 * error, line


def test_every_simulation_is_tested(coverage):
    (mark,) = test_what_is_printed_holds.pytestmark
    assert {name for name in vars(coverage) if name.startswith("of_")} == set(mark.args[1])


def test_the_simulations_would_show_an_interval_that_does_not_hold(coverage, monkeypatch):
    """Such as one from the scatter between trials, as wide as ten standard errors."""

    def scattered(values):
        mean, error = np.mean(values), np.std(values, ddof=1) / math.sqrt(len(values))
        return Estimate(mean, mean - 10 * error, mean + 10 * error, len(values))

    monkeypatch.setattr(coverage, "mean_over_trials", scattered)
    lines = list(coverage.of_trials(np.random.default_rng(0), RUNS))
    assert max(line.covered for line in lines) < 0.7
