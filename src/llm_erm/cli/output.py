"""Prints tables to stdout, and progress to stderr."""

import math
import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from llm_erm.cli.text import note, printable, say, say_json

__all__ = ["interval", "note", "percent", "printable", "progress", "say", "say_json", "table"]

WIDTH_WITHOUT_TERMINAL = 160


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints a table to stdout, as wide as the terminal, or 160 columns without one."""
    console = Console(
        width=None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL, highlight=False
    )
    result = Table(box=None, pad_edge=False)
    for column in columns:
        result.add_column(Text(printable(column)), overflow="fold")
    for row in rows:
        result.add_row(*(Text(printable(cell)) for cell in row))
    console.print(result)


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
