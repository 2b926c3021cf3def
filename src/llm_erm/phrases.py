"""Phrases that depend on how many things there are."""

import math
from collections.abc import Sequence


def counted(number: float, noun: str, plural: str | None = None) -> str:
    """Returns a number and a noun, such as ``1 call`` or ``2,500 calls``.

    Args:
        number: How many there are.
        noun: What one of them is called.
        plural: What several are called (default: the noun with an s).
    """
    return f"{number:,.15g} {noun if number == 1 else plural or noun + 's'}"


def listed(names: Sequence[str]) -> str:
    """Returns names as a sentence lists them: ``a``, ``a and b``, or ``a, b and c``."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def either(names: Sequence[str]) -> str:
    """Returns names as a sentence offers them: ``a``, ``a or b``, or ``a, b or c``."""
    return " or ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def lasting(seconds: float) -> str:
    """Returns a time as people say it, such as ``12 s`` or ``7 min 12 s``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def percent(accuracy: float) -> str:
    """Returns an accuracy rounded down, so that only a perfect score reads 100."""
    return f"{int(accuracy * 1000 + 1e-9) / 10:.1f}%"


def percent_up(rate: float) -> str:
    """Returns a bound on an error rate rounded up, so that it still holds."""
    return f"{math.ceil(rate * 1000 - 1e-9) / 10:.1f}%"


def bound_percent(bound: float) -> str:
    """Returns a bound on an error with two decimals, rounded up so that it still holds."""
    return f"{math.ceil(bound * 10_000) / 100:.2f}%"


def interval(low: float, high: float, between: str = "% to ") -> str:
    """Returns an interval with its ends rounded outwards, so that it still holds.

    Args:
        low: Its lower end, a fraction.
        high: Its upper end.
        between: What stands between the two numbers.
    """
    ends = math.floor(low * 1000 + 1e-9), math.ceil(high * 1000 - 1e-9)
    return f"{ends[0] / 10:.1f}{between}{ends[1] / 10:.1f}%"


def sure(confidence: float) -> str:
    """Returns a confidence in percent, without rounding it up: ``95%`` or ``99.9%``."""
    return f"{100 * confidence:.10g}%"
