"""Means over several trials, with confidence intervals.

Trials are independent, but the candidates of one trial are not, since they answer the same prompt.
So every interval here treats a trial as a cluster.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv, stdtrit


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


def mean_of_shares(shares: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Returns the mean of one share per trial, such as pass@k, with its interval.

    The interval is Clopper-Pearson's, as if every trial were one coin toss. Among all shares with
    the same mean, those of 0 and 1 vary most (Hoeffding, 1963), so the interval is conservative.
    Estimating the variance from the trials is not: with ten trials and a skewed distribution, such
    intervals miss the truth four times too often.
    """
    n, values = len(shares), np.asarray(shares, float)
    mean = float(values.mean())
    if n < 2:
        return Estimate(mean, None, None, n)
    hits, rest, delta = n * mean, n * (1 - mean), (1 - confidence) / 2
    low = float(betaincinv(hits, rest + 1, delta)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, rest, 1 - delta)) if rest > 0 else 1.0
    return Estimate(mean, low, high, n)


def mean_of_accuracies(accuracies: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Returns the mean accuracy over trials, with Student's interval clipped to [0, 1].

    There is no interval if all trials agree, since they then tell nothing about the variance.
    """
    n, values = len(accuracies), np.asarray(accuracies, float)
    mean = float(values.mean())
    if n < 2 or np.ptp(values) == 0:
        return Estimate(mean, None, None, n)
    half = float(stdtrit(n - 1, (1 + confidence) / 2) * values.std(ddof=1) / math.sqrt(n))
    return Estimate(mean, max(0.0, mean - half), min(1.0, mean + half), n)
