"""Prints tables to stdout, and progress to stderr."""

import math
import sys

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from llm_erm.cli.tables import Column, record, table
from llm_erm.cli.text import note, printable, say, say_below, say_json

__all__ = [
    "Column",
    "interval",
    "note",
    "percent",
    "printable",
    "progress",
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


def interval(low: float, high: float) -> str:
    """Returns an interval with its ends rounded outwards, so that it still holds."""
    ends = math.floor(low * 1000 + 1e-9), math.ceil(high * 1000 - 1e-9)
    return f"{ends[0] / 10:.1f}% to {ends[1] / 10:.1f}%"


def progress() -> Progress:
    """Returns a progress bar on the current stderr; it is hidden if that is not a terminal."""
    console = Console(file=sys.stderr)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
