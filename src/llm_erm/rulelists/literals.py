"""Writes numbers and names so that no language takes them for anything else."""

import numpy as np

from llm_erm.tables.cells import moment_text


def number_text(value: float, *, date: bool = False, times: bool = False) -> str:
    """Returns a number, or a date, as rules have it: it reads back as what divides rows alike.

    Args:
        value: The number.
        date: Whether it is in days since 1970-01-01 (UTC).
        times: Whether dates without a time of day have it nevertheless: midnight.
    """
    if date:
        return moment_text(value, times=times)
    if 0 < abs(value) < 1e-15 or abs(value) >= 1e15:
        return repr(float(value))
    return np.format_float_positional(value, trim="-")


def number_literal(value: float) -> str:
    """Returns a number in the shortest way that reads back as the same."""
    return repr(float(value)).removesuffix(".0")


def one_line(text: str) -> str:
    """Returns a text for a comment: line ends and what nobody would see are escaped."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )
