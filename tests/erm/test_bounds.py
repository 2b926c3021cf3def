"""Bounds are the exact binomial ones, hold as often as they say, and are withheld elsewhere."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from llm_erm.erm.binomial import (
    binomial_interval,
    binomial_upper,
    examples_needed,
    occam_upper,
    paper_excess,
)
from llm_erm.erm.bounds import certify
from llm_erm.records import Verdict
from llm_erm.tasks.task import DataKey, Dataset, HeldOut, Splits

DELTA = 0.05
HALF = Dataset(("0", "1"), (0, 1))
SPLITS = Splits(
    DataKey("fn_a", 1, 0), "binary", HALF, HALF, lambda: HeldOut(HALF), independent=True
)


def verdict(errors: int, total: int = 100) -> Verdict:
    return Verdict("ok", total - errors, 0, total)


@pytest.mark.parametrize("errors", [0, 1, 7, 50, 99])
@pytest.mark.parametrize("examples", [100, 200, 10_000])
@pytest.mark.parametrize("delta", [0.05, 0.05 / 5, 0.05 / 256])
def test_the_bound_is_where_the_binomial_tail_has_probability_delta(errors, examples, delta):
    upper = binomial_upper(errors, examples, delta)
    assert binom.cdf(errors, examples, upper) == pytest.approx(delta, rel=1e-9)
    interval = binomtest(errors, examples, alternative="less").proportion_ci(1 - delta, "exact")
    assert upper == pytest.approx(interval.high, rel=1e-9)


@pytest.mark.parametrize("correct", [0, 3, 50, 100])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_the_interval_of_an_accuracy_is_the_exact_one(correct, confidence):
    exact = binomtest(correct, 100).proportion_ci(confidence, "exact")
    found = binomial_interval(correct, 100, confidence)
    assert found == pytest.approx((exact.low, exact.high), abs=1e-12)


def test_all_errors_bound_nothing():
    assert binomial_upper(100, 100, 0.05) == 1.0


def test_zero_errors_have_the_closed_form():
    certificate = certify(SPLITS, None, validation=verdict(0), budget=5)
    assert certificate.error_upper_bound == pytest.approx(1 - (0.05 / 5) ** (1 / 100))
    assert certificate.error_upper_bound == pytest.approx(0.045, abs=1e-3)


def test_a_larger_budget_costs_certainty_however_early_the_search_stopped():
    bounds = [
        certify(SPLITS, None, validation=verdict(0), budget=k).error_upper_bound
        for k in (1, 5, 256)
    ]
    assert bounds == sorted(bounds)
    assert len(set(bounds)) == 3


def test_the_papers_bound_adds_what_the_paper_says():
    assert paper_excess(5, 100, 0.05) == pytest.approx(0.346, abs=5e-4)


def test_the_exact_bound_is_below_the_papers():
    certificate = certify(SPLITS, None, validation=verdict(0), budget=5)
    assert certificate.validation.error_upper_bound < certificate.paper.error_upper_bound / 7
    assert "no error at all" in certificate.paper.assumes


@pytest.mark.parametrize("bits", [0.0, 7.5, 26.0, 5000.0])
def test_the_occam_bound_is_the_exact_one_at_the_codes_share(bits):
    upper = occam_upper(bits, 200, 0.05)
    assert 0 < upper <= 1
    if bits < 1000:  # beyond, the share is no floating-point number
        assert upper == pytest.approx(binomial_upper(0, 200, 0.05 * 2**-bits), rel=1e-9)


def test_the_occam_bound_needs_zero_errors_and_a_code():
    zero = {"train": verdict(0), "validation": verdict(0), "code_bits": 7}
    certificate = certify(SPLITS, None, **zero)
    assert certificate.occam.examples == 200
    assert certificate.occam.error_upper_bound == pytest.approx(occam_upper(7, 200, 0.05))
    assert certify(SPLITS, None, **zero | {"train": verdict(1)}).occam is None
    assert certify(SPLITS, None, **zero | {"code_bits": None}).occam is None


def test_the_test_bound_is_there_without_any_choice_by_validation():
    certificate = certify(SPLITS, verdict(3, 10_000))
    assert certificate.validation is None
    assert certificate.paper is None
    assert certificate.error_upper_bound == binomial_upper(3, 10_000, 1 - 0.95)


def test_nothing_is_claimed_unless_the_caller_states_that_the_examples_are_independent():
    splits = Splits(SPLITS.key, "binary", HALF, HALF, lambda: HeldOut(HALF))
    assert certify(splits, verdict(0), validation=verdict(0), budget=5) is None
    assert certify(replace(splits, independent=True), verdict(0)) is not None


@pytest.mark.parametrize("learned", [{"train": verdict(1)}, {"validation": verdict(52)}])
def test_an_error_of_the_best_candidate_refutes_the_premise_of_the_papers_bound(learned):
    evidence = {"train": verdict(0), "validation": verdict(0)}
    assert certify(SPLITS, verdict(0), **evidence, budget=1).paper is not None
    assert certify(SPLITS, verdict(0), **(evidence | learned), budget=1).paper is None


def test_test_examples_that_are_not_independent_support_no_bound():
    certificate = certify(replace(SPLITS, test_repeats=1), verdict(0), validation=verdict(0))
    assert certificate.test is None
    assert certificate.validation is not None


def test_each_bound_says_what_it_assumes():
    certificate = certify(
        SPLITS, verdict(0), validation=verdict(0), train=verdict(0), budget=7, code_bits=3
    )
    assert "budget of 7" in certificate.validation.assumes
    assert "half positive" in certificate.validation.assumes
    assert "none of them training inputs" in certificate.validation.assumes
    assert "opened once" in certificate.test.assumes
    assert "before the examples were seen" in certificate.occam.assumes
    unbalanced = replace(SPLITS, train=Dataset(("0", "1", "2", "3"), (0, 0, 0, 1)))
    assert "25.0% positive" in certify(unbalanced, verdict(0)).test.assumes


@pytest.mark.parametrize("errors", [0, 3])
@pytest.mark.parametrize("target", [0.3, 0.05, 0.001])
@pytest.mark.parametrize("budget", [1, 256])
def test_the_examples_needed_reach_the_target_and_one_fewer_does_not(errors, target, budget):
    needed = examples_needed(errors, target, DELTA / budget)
    assert binomial_upper(errors, needed, DELTA / budget) <= target
    assert binomial_upper(errors, needed - 1, DELTA / budget) > target


def test_the_bound_fails_no_more_often_than_promised_for_one_candidate():
    """Exact coverage: the chance that the bound lies below the true error."""
    for error in (0.01, 0.05, 0.3):
        missed = math.fsum(
            binom.pmf(k, 100, error) for k in range(101) if binomial_upper(k, 100, 0.05) < error
        )
        assert missed <= 0.05


def search(rng, errors, early_stop):
    """Validation errors and true error of what a search among candidates selects, each trial.

    ``errors`` has shape (trials, K). Candidates fail on examples together (they share them) as far
    as their rates allow, or independently: both kinds are drawn, half of the trials each. The
    classes' error rates differ as much as they can, with 50 examples of each class.
    """
    trials, candidates = errors.shape
    shared = rng.random((trials, 1)) < 0.5
    rates = np.stack([np.minimum(2 * errors, 1), np.maximum(2 * errors - 1, 0)], axis=-1)
    wrong = np.zeros((trials, candidates), int)
    for label in (0, 1):
        together = np.zeros((trials, candidates), int)
        for noise in rng.random((50, trials, 1)):
            together += noise < rates[..., label]
        wrong += np.where(shared, together, rng.binomial(50, rates[..., label]))
    if early_stop:  # what comes after the first candidate without errors is never drawn
        stopped = np.cumsum(wrong == 0, axis=1) > 0
        drawn = np.concatenate([np.ones((trials, 1), bool), ~stopped[:, :-1]], axis=1)
        wrong = np.where(drawn, wrong, 101)
    best = wrong.argmin(axis=1)
    rows = np.arange(trials)
    return wrong[rows, best], errors[rows, best]


def bounds_by_errors(budget):
    """What certificates say at 0 to 100 errors among 100 validation examples."""
    found = [certify(SPLITS, None, validation=verdict(k), budget=budget) for k in range(101)]
    return np.array([certificate.error_upper_bound for certificate in found])


@pytest.mark.parametrize("early_stop", [True, False])
@pytest.mark.parametrize("candidates", [1, 5, 32, 256])
def test_the_bound_of_the_selected_fails_no_more_often_than_promised(candidates, early_stop):
    """Known true errors, also the worst: all just above what the bound says at zero errors."""
    rng = np.random.RandomState(candidates)
    trials = 4000
    table = bounds_by_errors(candidates)
    worst = np.full((trials, candidates), table[0] * 1.0001)
    spread = rng.uniform(0, 0.5, (trials, candidates))
    for errors in (worst, spread):
        wrong, truth = search(rng, errors, early_stop)
        failures = np.mean(table[wrong] < truth)
        assert failures <= DELTA + 2 * math.sqrt(DELTA * (1 - DELTA) / trials)


def test_a_budget_that_shrank_by_stopping_early_would_fail_four_times_as_often():
    """So these simulations would show a bound that counts only the candidates drawn.

    The j-th is just worse than that bound says where the search stops at it: it stops there, and
    the bound fails, with chance delta/j, which adds up to far more than delta.
    """
    rng = np.random.RandomState(0)
    trials, candidates = 4000, 256
    drawn = np.arange(1, candidates + 1)
    errors = np.array([binomial_upper(0, 100, DELTA / j) for j in drawn]) * 1.0001
    fits = rng.random_sample((trials, candidates)) < (1 - errors) ** 100
    stopped = fits.any(axis=1)
    at = fits.argmax(axis=1)
    shrunk = stopped & (
        np.array([binomial_upper(0, 100, DELTA / j) for j in drawn])[at] < errors[at]
    )
    fixed = stopped & (bounds_by_errors(candidates)[0] < errors[at])
    assert shrunk.mean() > 4 * DELTA
    assert fixed.mean() <= DELTA


def test_the_worst_case_is_nearly_reached_so_the_bound_is_not_just_loose():
    """Independent candidates just above the bound: one of them has no errors with chance delta."""
    delta, budget = DELTA, 256
    chance = 1 - (1 - delta / budget) ** budget
    assert 0.97 * delta < chance <= delta
    error = binomial_upper(0, 100, delta / budget)
    assert (1 - error) ** 100 == pytest.approx(delta / budget)


@pytest.mark.parametrize("positive_rate", [0.0, 0.02, 0.06])
def test_the_test_bound_holds_for_the_balanced_error_with_half_of_each_class(positive_rate):
    """Exact coverage where one class has all the errors, or unequal shares of them."""
    negative_rate = 0.06 - positive_rate
    error = (positive_rate + negative_rate) / 2
    sums = np.convolve(
        binom.pmf(np.arange(51), 50, positive_rate), binom.pmf(np.arange(51), 50, negative_rate)
    )
    for delta in (0.05, 0.01):
        missed = math.fsum(
            chance for k, chance in enumerate(sums) if binomial_upper(k, 100, delta) < error
        )
        assert missed <= delta


def test_an_occam_bound_over_all_programs_fails_no_more_often_than_promised():
    """A code of 2^b programs of b bits for each b up to 8; any that fits may be picked."""
    bits = np.repeat(np.arange(1, 9), [2**b for b in range(1, 9)]) * 2.0  # a prefix-free code
    assert 0.99 < np.sum(2.0**-bits) <= 1
    error = np.array([occam_upper(b, 50, DELTA) for b in bits]) * 1.0001  # each just above its own
    some_program_fits = 1 - np.prod(1 - (1 - error) ** 50)
    assert 0.9 * DELTA < some_program_fits <= DELTA
