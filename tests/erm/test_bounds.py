"""The certificate's bound is the exact binomial one, at the share of each of K candidates."""

import math

import pytest
from scipy.stats import binom, binomtest

from llm_erm.erm.bounds import binomial_interval, binomial_upper, certify
from llm_erm.records import Verdict


@pytest.mark.parametrize("errors", [0, 1, 7, 50, 99])
@pytest.mark.parametrize("delta", [0.05, 0.05 / 5, 0.05 / 256])
def test_the_bound_is_where_the_binomial_tail_has_probability_delta(errors, delta):
    upper = binomial_upper(errors, 100, delta)
    assert binom.cdf(errors, 100, upper) == pytest.approx(delta, rel=1e-9)
    interval = binomtest(errors, 100, alternative="less").proportion_ci(1 - delta, method="exact")
    assert upper == pytest.approx(interval.high, rel=1e-9)


def test_all_errors_bound_nothing():
    assert binomial_upper(100, 100, 0.05) == 1.0


def test_zero_errors_have_the_closed_form():
    certificate = certify(Verdict("ok", 100, 0, 100), budget=5)
    assert certificate.error_upper_bound == pytest.approx(1 - (0.05 / 5) ** (1 / 100))
    assert certificate.error_upper_bound == pytest.approx(0.045, abs=1e-3)


def test_a_larger_budget_costs_certainty_however_early_the_search_stopped():
    bounds = [certify(Verdict("ok", 100, 0, 100), k).error_upper_bound for k in (1, 5, 256)]
    assert bounds == sorted(bounds)
    assert len(set(bounds)) == 3


def test_the_bound_fails_no_more_often_than_promised():
    """Exact coverage for one candidate: the chance that the bound lies below the true error."""
    for error in (0.01, 0.05, 0.3):
        missed = math.fsum(
            binom.pmf(k, 100, error) for k in range(101) if binomial_upper(k, 100, 0.05) < error
        )
        assert missed <= 0.05


@pytest.mark.parametrize(("right", "of"), [(0, 10), (5, 10), (61, 100), (40, 100), (100, 100)])
def test_the_interval_is_the_exact_one_and_agrees_with_the_exact_test(right, of):
    known = binomtest(right, of)
    low, high = binomial_interval(right, of, 0.95)
    assert (low, high) == pytest.approx(tuple(known.proportion_ci(0.95, method="exact")))
    assert (low <= 0.5 <= high) == (known.pvalue > 0.05)


def test_no_trials_tell_nothing():
    assert binomial_interval(0, 0, 0.95) == (0.0, 1.0)
