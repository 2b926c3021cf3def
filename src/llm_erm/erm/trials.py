"""Means over several trials, with confidence intervals.

Trials are independent, but the candidates of one trial are not, since they answer the same prompt.
So every interval here treats a trial as a cluster.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv

from llm_erm.erm.binomial import binomial_interval


@dataclass(frozen=True)
class Estimate:
    """A mean over trials, with its confidence interval.

    Attributes:
        mean: In [0, 1].
        low: Lower end of the interval; None if the trials do not determine one.
        high: Upper end; None likewise.
        trials: Number of trials.
    """

    mean: float
    low: float | None
    high: float | None
    trials: int


def pass_at(k: int, right: int, drawn: int) -> float:
    """Returns the probability that at least one of k candidates is right.

    The unbiased estimator, for k of ``drawn`` candidates chosen without replacement, of which
    ``right`` are right. Source: Chen et al., arXiv 2107.03374, equation 1.
    """
    if not 1 <= k <= drawn:
        raise ValueError(f"k is {k}; it must be from 1 to {drawn}")
    return 1.0 - math.comb(drawn - right, k) / math.comb(drawn, k)


def mean_over_trials(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Returns the mean of one value per trial, with an interval for the mean of all trials.

    The values may be shares of trials that are exact, accuracies or pass@k. The interval is
    Clopper-Pearson's, as if every trial were one coin toss: among all distributions on [0, 1] with
    the same mean, that on 0 and 1 varies most (Hoeffding, 1963), so the interval is conservative.
    Estimating the variance from the trials is not: three trials that agree tell nothing about
    another one that would not.

    Args:
        values: At least one, each in [0, 1].
        confidence: Probability with which the interval holds the mean, over the draw of the trials.
    """
    n, array = len(values), np.asarray(values, float)
    mean = float(array.mean())
    if n < 2:
        return Estimate(mean, None, None, n)
    hits, rest, delta = n * mean, n * (1 - mean), (1 - confidence) / 2
    low = float(betaincinv(hits, rest + 1, delta)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, rest, 1 - delta)) if rest > 0 else 1.0
    return Estimate(mean, low, high, n)


def difference_of_shares(
    pairs: Sequence[tuple[bool, bool]], confidence: float = 0.95
) -> tuple[float, float, float]:
    """Returns how much more often the first of two outcomes of a trial is a success.

    Trials in which both succeed or both fail say nothing. The shares of those in which only the
    first succeeds, and only the second, each have an exact interval at half of the failure
    probability, and so their difference has one.

    Args:
        pairs: The outcomes of two methods on the same data, at least one pair.
        confidence: Probability with which the interval holds the difference, over the draw of the
            trials.

    Returns:
        The difference of the shares in [-1, 1], and the ends of its interval.
    """
    first = sum(one and not other for one, other in pairs)
    second = sum(other and not one for one, other in pairs)
    share = 1 - (1 - confidence) / 2
    low_first, high_first = binomial_interval(first, len(pairs), share)
    low_second, high_second = binomial_interval(second, len(pairs), share)
    return (first - second) / len(pairs), low_first - high_second, high_first - low_second
