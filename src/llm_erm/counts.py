"""Refuses numbers that count nothing, such as those of an edited file."""

import math

MOST = 2**53
"""No count is greater; up to here, a float holds every whole number."""


def check_counts(least: int = 0, **counts: int | None) -> None:
    """Checks that numbers are whole and no less than the least, where they are known.

    Raises:
        ValueError: One is not.
    """
    for name, count in counts.items():
        if count is not None and not least <= count <= MOST:
            raise ValueError(f"{name} is {count}, not a whole number from {least} to 2^53")


def check_amounts(**amounts: float | None) -> None:
    """Checks that amounts, such as seconds, are finite and not negative, where they are known.

    Raises:
        ValueError: One is not.
    """
    for name, amount in amounts.items():
        if amount is not None and not (amount >= 0 and math.isfinite(amount)):
            raise ValueError(f"{name} is {amount}, not a finite number of at least 0")
