"""Means over trials: the estimator is unbiased and the intervals hold as often as they say."""

import math
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import beta, t

from llm_erm.erm.trials import mean_of_accuracies, mean_of_shares, pass_at

SIMULATIONS = 300
A_LITTLE = 0.03
"""Three standard errors of a share near 0.95 in so many simulations are 0.038."""


@pytest.mark.parametrize("drawn", range(1, 8))
def test_pass_at_k_is_the_share_of_all_ways_to_choose_k_that_hold_a_right_one(drawn):
    for right in range(drawn + 1):
        candidates = [True] * right + [False] * (drawn - right)
        for k in range(1, drawn + 1):
            ways = list(combinations(candidates, k))
            share = sum(any(way) for way in ways) / len(ways)
            assert pass_at(k, right, drawn) == pytest.approx(share, abs=1e-12)


@pytest.mark.parametrize("p", [0.05, 0.3, 0.9])
def test_pass_at_k_is_unbiased(p):
    for k in (1, 3, 5):
        mean = sum(
            math.comb(8, right) * p**right * (1 - p) ** (8 - right) * pass_at(k, right, 8)
            for right in range(9)
        )
        assert mean == pytest.approx(1 - (1 - p) ** k)


@pytest.mark.parametrize(("k", "drawn"), [(0, 5), (6, 5), (1, 0)])
def test_more_candidates_than_were_drawn_are_refused(k, drawn):
    with pytest.raises(ValueError, match=str(k)):
        pass_at(k, 0, drawn)


def shares_of(rng, spread: float, mean: float, trials: int, drawn: int, k: int) -> np.ndarray:
    """pass@k of trials whose own chance is drawn from a beta with that mean."""
    if spread == 0:
        chances = np.full(trials, mean)
    else:
        chances = rng.beta(mean / spread, (1 - mean) / spread, trials)
    right = rng.binomial(drawn, chances)
    return np.array([pass_at(k, int(r), drawn) for r in right])


def true_share(spread: float, mean: float, k: int) -> float:
    """The expectation of pass@k over trials."""
    if spread == 0:
        return 1 - (1 - mean) ** k
    a, b = mean / spread, (1 - mean) / spread
    log = math.lgamma(b + k) + math.lgamma(a + b) - math.lgamma(b) - math.lgamma(a + b + k)
    return 1 - math.exp(log)


def pooled(shares: np.ndarray, drawn: int) -> tuple[float, float]:
    """The interval of someone who takes every candidate for independent."""
    n, hits = shares.size * drawn, shares.sum() * drawn
    low = beta.ppf(0.025, hits, n - hits + 1) if hits else 0.0
    return low, beta.ppf(0.975, hits + 1, n - hits) if hits < n else 1.0


# Spread 0: all trials alike; 0.3: somewhat; 20: a task is nearly always solved or never.
@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("spread", [0, 0.3, 20])
@pytest.mark.parametrize(("mean", "trials"), [(0.5, 3), (0.1, 5), (0.9, 10), (0.3, 20)])
def test_the_interval_of_a_share_covers_the_truth_as_often_as_it_says(mean, trials, spread, k):
    rng = np.random.RandomState(trials * 100 + k)
    truth, held = true_share(spread, mean, k), 0
    for _ in range(SIMULATIONS):
        estimate = mean_of_shares(shares_of(rng, spread, mean, trials, 10, k).tolist())
        assert 0 <= estimate.low <= estimate.mean <= estimate.high <= 1
        held += estimate.low <= truth <= estimate.high
    assert held / SIMULATIONS >= 0.95 - A_LITTLE


def test_intervals_that_forget_the_clusters_do_not_hold():
    rng = np.random.RandomState(1)
    held = 0
    for _ in range(SIMULATIONS):
        low, high = pooled(shares_of(rng, 20, 0.3, 20, 10, 1), 10)
        held += low <= 0.3 <= high
    assert held / SIMULATIONS < 0.7


@pytest.mark.parametrize("n", [2, 5, 20])
def test_trials_that_agree_are_as_many_draws_as_there_are_trials(n):
    none, all_of_them = mean_of_shares([0.0] * n), mean_of_shares([1.0] * n)
    assert (none.mean, none.low, none.trials) == (0.0, 0.0, n)
    assert none.high == pytest.approx(1 - 0.025 ** (1 / n))
    assert (all_of_them.low, all_of_them.high) == (pytest.approx(0.025 ** (1 / n)), 1.0)
    third = mean_of_shares([1 / 3] * n)
    assert third.low < 1 / 3 < third.high
    assert third.low == pytest.approx(beta.ppf(0.025, n / 3, 2 * n / 3 + 1))


def test_one_trial_gives_no_interval():
    for estimate in (mean_of_shares([0.4]), mean_of_accuracies([0.4])):
        assert (estimate.mean, estimate.low, estimate.high, estimate.trials) == (0.4, None, None, 1)


def test_more_confidence_is_a_wider_interval():
    shares = [0.1, 0.5, 0.4, 0.9]
    for mean_of in (mean_of_shares, mean_of_accuracies):
        narrow, wide = mean_of(shares, 0.8), mean_of(shares, 0.99)
        assert wide.low <= narrow.low < narrow.high <= wide.high


def test_the_interval_of_accuracies_is_students():
    accuracies = [0.5, 0.6, 0.8, 0.7]
    estimate = mean_of_accuracies(accuracies)
    low, high = t.interval(
        0.95, 3, loc=np.mean(accuracies), scale=np.std(accuracies, ddof=1) / math.sqrt(4)
    )
    assert (estimate.low, estimate.high) == (pytest.approx(low), pytest.approx(high))
    assert mean_of_accuracies([0.5, 1.0]).high == 1.0
    assert mean_of_accuracies([0.0, 0.5]).low == 0.0


def test_accuracies_that_agree_give_no_interval():
    estimate = mean_of_accuracies([0.7, 0.7, 0.7])
    assert (estimate.mean, estimate.low, estimate.high) == (pytest.approx(0.7), None, None)
