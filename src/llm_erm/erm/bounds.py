"""How sure one can be of a selected program."""

from scipy.special import betainccinv

from llm_erm.records import Certificate, Verdict


def binomial_upper(errors: int, examples: int, delta: float) -> float:
    """Returns the exact (Clopper-Pearson) upper confidence limit on an error rate.

    The largest rate at which seeing at most ``errors`` mistakes in ``examples`` independent draws
    still has probability ``delta``. Source: Clopper and Pearson, Biometrika 26 (1934).
    """
    if errors >= examples:
        return 1.0
    return float(betainccinv(errors + 1, examples - errors, delta))


def binomial_interval(successes: int, trials: int, confidence: float) -> tuple[float, float]:
    """Returns the exact (Clopper-Pearson) two-sided confidence interval on a success rate.

    Of no trials it is all of [0, 1]. One half lies outside just where the exact two-sided test
    tells the rate from a fair coin's.
    """
    if not trials:
        return 0.0, 1.0
    delta = (1 - confidence) / 2
    low = 1 - binomial_upper(trials - successes, trials, delta)
    return low, binomial_upper(successes, trials, delta)


def certify(validation: Verdict, budget: int, confidence: float = 0.95) -> Certificate:
    """Returns the bound for a program chosen among ``budget`` candidates by validation error.

    The bound holds for all candidates at once: each gets the share ``(1 - confidence) / budget`` of
    the failure probability. It needs the budget fixed before validation (stopping early does not
    shrink it) and validation examples drawn independently of the candidates.
    """
    delta = (1 - confidence) / budget
    return Certificate(
        error_upper_bound=binomial_upper(validation.errors, validation.total, delta),
        confidence=confidence,
        budget=budget,
        validation_errors=validation.errors,
        validation_examples=validation.total,
    )
