"""Means over trials: the estimator is unbiased and the intervals hold as often as they say."""

import math
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import beta

from llm_erm.erm.trials import mean_over_trials, pass_at

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
        estimate = mean_over_trials(shares_of(rng, spread, mean, trials, 10, k).tolist())
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
    none, all_of_them = mean_over_trials([0.0] * n), mean_over_trials([1.0] * n)
    assert (none.mean, none.low, none.trials) == (0.0, 0.0, n)
    assert none.high == pytest.approx(1 - 0.025 ** (1 / n))
    assert (all_of_them.low, all_of_them.high) == (pytest.approx(0.025 ** (1 / n)), 1.0)
    third = mean_over_trials([1 / 3] * n)
    assert third.low < 1 / 3 < third.high
    assert third.low == pytest.approx(beta.ppf(0.025, n / 3, 2 * n / 3 + 1))


def test_one_trial_gives_no_interval():
    estimate = mean_over_trials([0.4])
    assert (estimate.mean, estimate.low, estimate.high, estimate.trials) == (0.4, None, None, 1)


def test_more_confidence_is_a_wider_interval():
    values = [0.1, 0.5, 0.4, 0.9]
    narrow, wide = mean_over_trials(values, 0.8), mean_over_trials(values, 0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


def coverage_of_two_values(trials: int, chance: float, other: float) -> float:
    """Exact coverage where each trial is 1 with a chance, and else another accuracy."""
    truth = chance + (1 - chance) * other
    held = 0.0
    for ones in range(trials + 1):
        estimate = mean_over_trials([1.0] * ones + [other] * (trials - ones))
        weight = math.comb(trials, ones) * chance**ones * (1 - chance) ** (trials - ones)
        held += weight * (estimate.low <= truth <= estimate.high)
    return held


@pytest.mark.parametrize("other", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("trials", [2, 3, 5, 10, 20])
def test_trials_that_are_exact_or_else_guesses_are_covered(trials, other):
    """Three trials, each exact with probability 0.7, were covered 63 times in 100."""
    for chance in np.arange(0.02, 1, 0.02):
        assert coverage_of_two_values(trials, chance, other) >= 0.95 - 1e-12


def missed(low: np.ndarray, chances: np.ndarray, trials: int) -> float:
    """How often a lower limit exceeds the mean, for values 0, 1/g ... 1 with these chances.

    ``low`` holds the limit by the sum of the values in units of 1/g.
    """
    sums = np.ones(1)
    for _ in range(trials):
        sums = np.convolve(sums, chances)
    mean = chances @ np.linspace(0, 1, chances.size)
    return float(sums[low > mean + 1e-12].sum())


@pytest.mark.parametrize("trials", [2, 3, 5])
@pytest.mark.parametrize("steps", [2, 3, 5])
def test_no_distribution_is_found_for_which_the_interval_fails(trials, steps):
    """A search for the worst distribution finds none that is worse than a coin, with 2.5 %."""
    rng = np.random.RandomState(trials * 10 + steps)
    sums = range(trials * steps + 1)
    low = np.array([mean_over_trials([k / (trials * steps)] * trials).low for k in sums])
    coins = [np.eye(steps + 1)[-1] * at for at in low[steps::steps] * (1 - 1e-6)]
    drawn = [coin + np.eye(steps + 1)[0] * (1 - coin.sum()) for coin in coins]
    drawn += [rng.dirichlet(np.full(steps + 1, spread)) for spread in (0.05, 1) for _ in range(150)]
    worst = max(drawn, key=lambda chances: missed(low, chances, trials))
    for _ in range(1000):
        change = rng.standard_normal(steps + 1) * rng.choice([0.1, 0.01])
        other = np.abs(worst + change * (rng.random_sample(steps + 1) < 0.5))
        other /= other.sum()
        worst = max(worst, other, key=lambda chances: missed(low, chances, trials))
    assert 0.0249 < missed(low, worst, trials) <= 0.025
