"""What commands print: tables and sentences to stdout, notices to stderr."""

import math

from llm_erm import phrases
from llm_erm.cli.tables import Column, record, table
from llm_erm.cli.text import note, pour, printable, say, say_below, say_json

__all__ = [
    "Column",
    "interval",
    "note",
    "percent",
    "pour",
    "printable",
    "record",
    "say",
    "say_below",
    "say_json",
    "table",
]


def percent(accuracy: float | None) -> str:
    """Returns an accuracy rounded down, or a dash if there is none."""
    return "–" if accuracy is None else phrases.percent(accuracy)


def interval(low: float, high: float) -> str:
    """Returns an interval with its ends rounded outwards, so that it still holds."""
    ends = math.floor(low * 1000 + 1e-9), math.ceil(high * 1000 - 1e-9)
    return f"{ends[0] / 10:.1f}% to {ends[1] / 10:.1f}%"
