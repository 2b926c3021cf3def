"""Prints tables to stdout: narrow or wide on a terminal, whole and tab-separated elsewhere."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from textwrap import wrap

from rich.cells import cell_len

from llm_erm.cli.text import columns_of, folded, printable, say, say_below
from llm_erm.phrases import listed

GAP = 2
"""Blanks between two columns."""

NARROWEST = 24
"""Wrapped cells are at least this wide; words that are longer end in an ellipsis."""

NOTHING = "–"
"""A cell without a value."""

MOST_LINES = 3
"""Lines of a cell in the narrow form of a table; what does not fit is in the wide form."""


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: Its heading.
        wide: Whether a terminal shows it only in the wide form.
        text: Whether its cells may be wrapped.
        setting: Whether it is what was run rather than what came out. A terminal says below the
            table what is the same in all rows.
        usual: The value that needs no mention: a terminal shows no column of it.
        legend: Returns what else a value is called, or the value itself. A terminal says so below
            the table, and a pipe does not.
    """

    name: str
    wide: bool = False
    text: bool = False
    setting: bool = False
    usual: str = NOTHING
    legend: Callable[[str], str] | None = None


Row = Sequence[str]

_BLANKS = str.maketrans("\t\n", "  ")


def table(
    columns: Sequence[str | Column], rows: Iterable[Row], *, wide: bool = False, wider: bool = True
) -> None:
    """Prints a table.

    Without a terminal, that is all columns, tab-separated, below a line of headings. A terminal
    shows some of them, and says below what is the same in all rows. If the columns do not fit, each
    row becomes a paragraph.

    Args:
        columns: The columns.
        rows: Their cells.
        wide: Whether a terminal shows all columns.
        wider: Whether the command has a flag --wide; if not, it says in sentences what a terminal
            does not show.
    """
    kinds, cells = _read(columns, rows)
    if not sys.stdout.isatty():
        for line in ([one.name for one in kinds], *cells):
            say("\t".join(line))
        return
    lines, below = _arranged(kinds, cells, columns_of(sys.stdout), wide=wide, wider=wider)
    for shown in lines:
        say(shown)
    for sentence in below:
        say_below(sentence)


def screen(columns: Sequence[str | Column], rows: Iterable[Row], width: int) -> list[str]:
    """Returns the lines of a table as a terminal of so many columns shows it."""
    kinds, cells = _read(columns, rows)
    lines, below = _arranged(kinds, cells, width, wide=False, wider=False)
    return [*lines, *below]


def _read(
    columns: Sequence[str | Column], rows: Iterable[Row]
) -> tuple[list[Column], list[list[str]]]:
    """Returns the columns, and the cells without what would disturb a terminal or a pipe."""
    kinds = [one if isinstance(one, Column) else Column(one) for one in columns]
    return kinds, [[printable(cell).translate(_BLANKS) for cell in row] for row in rows]


def _arranged(
    kinds: Sequence[Column], cells: Sequence[Row], width: int, *, wide: bool, wider: bool
) -> tuple[list[str], list[str]]:
    """Returns the lines of a table that fit a terminal, and the sentences below it."""
    same = _same(kinds, cells)
    told = [
        i
        for i, one in enumerate(kinds)
        if i not in same and {row[i] for row in cells} - {one.usual, NOTHING}
    ]
    shown = [i for i in told if wide or not kinds[i].wide]
    columns = [kinds[i] for i in shown]
    lines = _lines(columns, [[row[i] for i in shown] for row in cells], width, wide or not wider)
    legends = (_legend(kinds[i], [row[i] for row in cells]) for i in shown)
    below = list(filter(None, legends))
    if said := [f"{kinds[i].name} {value}" for i, value in same.items() if value]:
        below.append(f"In all rows: {', '.join(said)}.")
    if wider and (more := [kinds[i].name for i in told if i not in shown]):
        below.append(f"More with --wide: {', '.join(more)}.")
    return lines, below


def record(facts: Mapping[str, str]) -> None:
    """Prints facts about one thing: a line each on a terminal, elsewhere a table of one row."""
    if not sys.stdout.isatty():
        table(list(facts), [list(facts.values())])
        return
    indent = max(map(len, facts)) + GAP
    for name, value in facts.items():
        say(folded(f"{name:{indent}}{value}", columns_of(sys.stdout), indent))


def _same(columns: Sequence[Column], cells: Sequence[Row]) -> dict[int, str]:
    """Returns the settings that are the same in all of several rows, without the usual ones."""
    if len(cells) < 2:
        return {}
    found = {}
    for i, column in enumerate(columns):
        values = {row[i] for row in cells} - {NOTHING}
        if len(values) == 1 and column.setting and (value := values.pop()) != column.usual:
            found[i] = value
    return found


def _legend(column: Column, values: Iterable[str]) -> str:
    """Returns a sentence on what else the values of a column are called; empty if nothing."""
    if column.legend is None:
        return ""
    names = {value: column.legend(value) for value in values}
    said = [f"{value} is {name}" for value, name in names.items() if name != value]
    return f"{listed(said)}." if said else ""


def _lines(columns: Sequence[Column], cells: Sequence[Row], width: int, whole: bool) -> list[str]:
    """Returns the lines of a table; of a cell that is too long only some, unless ``whole``."""
    widths = _widths(columns, cells, width)
    if widths is None:
        return _paragraphs(columns, cells, width)
    lines = []
    for row in ([column.name for column in columns], *cells):
        parts = [_cell(cell, each, whole) for cell, each in zip(row, widths, strict=True)]
        for line in zip_longest(*parts, fillvalue=""):
            padded = (
                part + " " * (each + GAP - cell_len(part))
                for part, each in zip(line, widths, strict=True)
            )
            lines.append("".join(padded).rstrip())
    return lines


def _widths(columns: Sequence[Column], cells: Sequence[Row], width: int) -> list[int] | None:
    """Returns the widths of the columns; None if words would have to be broken.

    Text is wrapped first, but not to less than half the terminal; then headings; then more text.
    """
    of_cells = [max((cell_len(row[i]) for row in cells), default=0) for i in range(len(columns))]
    of_words = [max(map(cell_len, column.name.split())) for column in columns]
    widths = [max(cell_len(one.name), of_cells[i]) for i, one in enumerate(columns)]
    whole = [max(pair) for pair in zip(of_words, of_cells, strict=True)]

    def wrapped(least: int, others: Sequence[int]) -> list[int]:
        return [
            max(of_words[i], min(of_cells[i], least)) if one.text else others[i]
            for i, one in enumerate(columns)
        ]

    over = sum(widths) + GAP * (len(columns) - 1) - width
    for least in (
        wrapped(width // 2, widths),
        wrapped(width // 2, whole),
        wrapped(NARROWEST, whole),
    ):
        while over > 0 and (giving := [i for i, each in enumerate(widths) if each > least[i]]):
            widths[max(giving, key=lambda i: widths[i])] -= 1
            over -= 1
    return widths if over <= 0 else None


def _cell(cell: str, width: int, whole: bool) -> list[str]:
    """Returns the lines of a cell; in the narrow form, what is too long ends in an ellipsis."""
    if whole:
        return wrap(cell, width, break_on_hyphens=False) or [""]
    text = " ".join(cell.split())
    lines = wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]
    if len(lines) > MOST_LINES:
        lines = lines[:MOST_LINES]
        lines[-1] += " …"
    return [line if cell_len(line) <= width else f"{line[: width - 1]}…" for line in lines]


def _paragraphs(columns: Sequence[Column], cells: Sequence[Row], width: int) -> list[str]:
    """Returns a paragraph per row, with a line per column."""
    indent = max((len(column.name) for column in columns), default=0) + GAP
    lines = []
    for number, row in enumerate(cells):
        if number:
            lines.append("")
        for column, cell in zip(columns, row, strict=True):
            lines += folded(f"{column.name:{indent}}{cell}", width, indent).split("\n")
    return lines
