"""What commands print: tables and sentences to stdout, notices to stderr."""

import math

from llm_erm.cli.tables import Column, record, table
from llm_erm.cli.text import note, pour, printable, say, say_below, say_json

__all__ = [
    "Column",
    "interval",
    "note",
    "percent",
    "percent_up",
    "pour",
    "printable",
    "record",
    "say",
    "say_below",
    "say_json",
    "table",
]


def percent(accuracy: float | None) -> str:
    """Returns an accuracy rounded down, so that only a perfect score reads 100."""
    if accuracy is None:
        return "–"
    return f"{int(accuracy * 1000 + 1e-9) / 10:.1f}%"


def percent_up(rate: float) -> str:
    """Returns a bound on an error rate rounded up, so that it still holds."""
    return f"{math.ceil(rate * 1000 - 1e-9) / 10:.1f}%"


def interval(low: float, high: float) -> str:
    """Returns an interval with its ends rounded outwards, so that it still holds."""
    ends = math.floor(low * 1000 + 1e-9), math.ceil(high * 1000 - 1e-9)
    return f"{ends[0] / 10:.1f}% to {ends[1] / 10:.1f}%"
