"""What commands print: tables and sentences to stdout, notices to stderr."""

from llm_erm import phrases
from llm_erm.cli.tables import Column, record, table
from llm_erm.cli.text import note, pour, printable, say, say_below, say_json
from llm_erm.phrases import interval

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
