"""Limits on error rates, from counts alone; ``bounds`` says what they mean for a run."""

import math

from scipy.special import betainccinv


def binomial_upper(errors: int, examples: int, delta: float) -> float:
    """Returns the exact (Clopper-Pearson) upper confidence limit on an error rate.

    The largest rate at which seeing at most ``errors`` mistakes in ``examples`` independent draws
    still has probability ``delta``. Source: Clopper and Pearson, Biometrika 26 (1934).
    """
    if errors >= examples:
        return 1.0
    return float(betainccinv(errors + 1, examples - errors, delta))


def binomial_interval(correct: int, examples: int, confidence: float = 0.95) -> tuple[float, float]:
    """Returns the exact (Clopper-Pearson) two-sided confidence interval of a success rate."""
    delta = (1 - confidence) / 2
    low = 1 - binomial_upper(examples - correct, examples, delta)
    return low, binomial_upper(correct, examples, delta)


def occam_upper(bits: float, examples: float, delta: float) -> float:
    """Returns an upper limit on the true error of a program without observed errors.

    A prefix-free code gives each program the share ``2^-bits`` of the failure probability (Kraft's
    inequality), so the limit holds for all programs at once: the rate at which no error in
    ``examples`` draws has probability ``delta * 2^-bits``. It needs a code that does not depend on
    the examples. Source: Blumer et al., Information Processing Letters 24 (1987), in exact form.

    Args:
        bits: Length of the program in the code, 0 or more.
        examples: Number of examples, none of which the program gets wrong.
        delta: Probability with which the limit may fail.
    """
    return -math.expm1((math.log(delta) - bits * math.log(2)) / examples)


def paper_excess(budget: int, examples: int, delta: float) -> float:
    """Returns what the paper's bound adds to the least error among the candidates.

    Hoeffding's inequality for all K candidates, used twice, with half of ``delta``:
    ``2 sqrt(ln(4 K / delta) / (2 m))``; 0.346 at K = 5, m = 100, delta = 0.05. Source: arXiv
    2510.14331, whose other half of ``delta`` pays for a good candidate not being proposed.
    """
    return 2 * math.sqrt(math.log(4 * budget / delta) / (2 * examples))


def examples_needed(errors: int, error_upper_bound: float, delta: float) -> int:
    """Returns the least number of examples at which the exact limit reaches a target.

    Args:
        errors: Number of errors on these examples.
        error_upper_bound: The target, above 0 and below 1.
        delta: Probability with which the limit may fail.
    """
    most = errors + 1
    while binomial_upper(errors, most, delta) > error_upper_bound:
        most *= 2
    least = most // 2
    while most - least > 1:
        middle = (least + most) // 2
        if binomial_upper(errors, middle, delta) <= error_upper_bound:
            most = middle
        else:
            least = middle
    return most
