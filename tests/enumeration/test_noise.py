"""Noisy labels do not hide a rule, and without noise the search finds what it found before."""

import importlib.util
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from llm_erm.enumeration.learn import learn
from llm_erm.enumeration.memory import Clock
from llm_erm.enumeration.proposals import Proposal, Proposals
from llm_erm.enumeration.settings import EnumerationSettings
from llm_erm.runs.events import Attempted, ignore
from llm_erm.tasks.task import DataKey, Dataset, HeldOut, Splits

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "enumeration_noise.py"
DEFAULT = EnumerationSettings(max_memory_bytes=8 * 2**30, max_seconds=600)


@pytest.fixture(scope="module")
def noise():
    spec = importlib.util.spec_from_file_location("enumeration_noise", BENCHMARK)
    sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    ("rule", "expression"), [("fn_a", "x.count('1') % 2"), ("fn_g", "x == x[::-1]")]
)
def test_five_percent_of_wrong_labels_do_not_hide_the_rule(rule, expression, seed, noise):
    data = noise.splits_of(rule, 20, seed, 0.05, noise.Sizes())
    settings = replace(DEFAULT, attempts=16, max_programs=200_000)
    run = learn(data, settings)
    assert run.train.errors > 0
    assert run.program == f"def f(x):\n    return {expression}\n"
    assert run.test.perfect


WITHOUT_NOISE = [
    ("fn_a", "x.count('1') % 2", 10, 2, 85),
    ("fn_b", "x[:len(x) // 2].count('1') % 2", 14, 2, 946),
    ("fn_c", "'10101010' in x", 19, 1, 11_478),
    ("fn_e", "sum((int(x[i]) for i in (2, 14, 18))) % 2", 20, 1, 22_903),
    ("fn_g", "x == x[::-1]", 9, 3, 66),
]


@pytest.mark.parametrize(("rule", "expression", "bits", "attempts", "considered"), WITHOUT_NOISE)
def test_without_noise_the_same_programs_are_found_from_as_many_candidates(
    rule, expression, bits, attempts, considered, noise
):
    """The numbers are those of a search that verifies the fewest training errors alone."""
    data = noise.splits_of(rule, 20, 0, 0.0, noise.Sizes())
    run = learn(data, replace(DEFAULT, more_cpu_seconds=60))
    assert f"return {expression}\n" in run.program
    assert (run.facts.bits, run.attempts, run.facts.considered) == (bits, attempts, considered)


def labelled(rows, labels, sizes):
    ends = (0, sizes[0], sizes[0] + sizes[1], len(rows))
    train, validation, test = (
        Dataset(tuple(rows[a:b]), tuple(int(y) for y in labels[a:b])) for a, b in pairwise(ends)
    )
    return Splits(
        DataKey("own", 12, 0), "binary", train, validation, lambda: HeldOut(test), independent=True
    )


def words(count):
    rng = np.random.RandomState(0)
    drawn = rng.randint(2, size=(2 * count, 12))
    return list(dict.fromkeys("".join(map(str, row)) for row in drawn.tolist()))[:count]


def test_programs_that_fit_a_few_noisy_examples_leave_places_for_shorter_ones(noise):
    """Ten examples, two of them wrong: many programs fit all, and the rule does not."""
    rows = words(600)
    labels = np.array([x.count("1") % 2 for x in rows])
    labels[[3, 7]] ^= 1
    told = []
    settings = replace(DEFAULT, attempts=32)
    run = learn(labelled(rows, labels, (10, 100)), settings, observe=told.append)
    attempts = [event.attempt for event in told if isinstance(event, Attempted)]
    assert [attempt.train.perfect for attempt in attempts] == [True] * 24 + [False] * 8
    assert run.facts.stopped_by == "attempts"
    assert run.program == "def f(x):\n    return x.count('1') % 2\n"
    assert run.train.errors == 2
    assert run.certificate.validation.choices == 32


def test_validation_does_not_decide_which_programs_have_places(noise):
    """Whether a program is exact or not, a quarter of the budget is not for those that fit."""
    rows = words(600)
    labels = [int(x[0] == "1") for x in rows]
    settings = replace(DEFAULT, attempts=8, tie_bits=20, more_cpu_seconds=60)
    run = learn(labelled(rows, labels, (4, 100)), settings)
    assert (run.attempts, run.facts.stopped_by) == (6, "attempts")
    assert run.test.perfect


PARITY, PATCHED, FITTED = (
    f"def f(x):\n    return {expression}\n"
    for expression in (
        "x.count('1') % 2",
        "(x.count('1') % 2) ^ (x == '{}')",
        "(x.count('1') % 2) ^ (x in {})",
    )
)


@pytest.mark.parametrize("clean", [False, True])
def test_of_programs_alike_on_validation_data_the_one_worth_its_length_is_selected(clean, noise):
    """One error less is not worth twenty bits; none at all comes first."""
    rows = words(200)
    labels = np.array([x.count("1") % 2 for x in rows])
    labels[[3, 11, 150]] ^= 1
    patched = PATCHED.format(rows[3])
    fitted = FITTED.format((rows[3], rows[11]))
    proposals = Proposals(
        labelled(rows, labels, (100, 100)), (0, 1), DEFAULT, Clock(600), (), ignore
    )
    for source, bits in [(patched, 30), (PARITY, 10), *[(fitted, 50)] * clean]:
        proposals.add(Proposal(source, bits, None, "enumeration"))
    assert [a.train.errors for a in proposals.attempts] == [1, 2, 0][: 2 + clean]
    assert {a.validation.errors for a in proposals.attempts} == {1}
    assert proposals.select().attempt.candidate.source == (fitted if clean else PARITY)


def test_noise_does_not_hide_a_decision_list(noise):
    rows = words(1200)
    labels = np.array([2 if "1111" in x else int(x[0] == "1") for x in rows])
    flipped = np.random.RandomState(3).random_sample(300) < 0.05
    labels[:300] = (labels[:300] + flipped) % 3
    settings = replace(DEFAULT, attempts=16, max_programs=100_000)
    run = learn(labelled(rows, labels, (150, 150)), settings)
    assert run.train.errors > 0
    assert run.test.perfect
    assert run.program.count("\n") == 6
