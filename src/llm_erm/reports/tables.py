"""The rows of a comparison as tables: for people in words, for scripts in numbers."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

from llm_erm.errors import InputError
from llm_erm.phrases import bound_percent, either, interval, percent
from llm_erm.reports.comparison import Row
from llm_erm.rulelists.as_markdown import in_markdown
from llm_erm.runs.files import csv_text, replace, writing

NOTHING = "–"
"""A cell without a value."""

Between = Callable[[float, float], str]
"""Writes an interval."""


@dataclass(frozen=True)
class Column:
    """One column of the table that people read.

    Attributes:
        name: Its heading.
        cell: Returns the text of its cell, given how to write intervals.
        number: Whether its cells are numbers, which are aligned at the right.
    """

    name: str
    cell: Callable[[Row, Between], str]
    number: bool = True


def _exact(row: Row, between: Between) -> str:
    """Returns which share of the trials is exact, with its interval; one trial has none."""
    if row.exact_interval is None:
        return NOTHING
    if len(row.entries) == 1:
        return "yes" if row.exact else "no"
    return f"{row.exact} of {len(row.entries)} ({between(*row.exact_interval)})"


def _known(value: float | None, form: Callable[[float], str]) -> str:
    return NOTHING if value is None else form(value)


COLUMNS = (
    Column("task", lambda row, _: row.point[0], number=False),
    Column("length", lambda row, _: str(row.point[1])),
    Column(
        "method",
        lambda row, _: row.method if row.finished else f"{row.method} (run not finished)",
        number=False,
    ),
    Column("trials", lambda row, _: str(len(row.entries))),
    Column("test", lambda row, _: percent(row.accuracy)),
    Column("test examples", lambda row, _: f"{row.test_examples:,}"),
    Column("95% interval", lambda row, between: between(*row.interval)),
    Column("error at most", lambda row, _: _known(row.error_at_most, bound_percent)),
    Column("contrast set", lambda row, _: _known(row.contrast_accuracy, percent)),
    Column("exact", _exact, number=False),
    Column("candidates", lambda row, _: _known(row.candidates, "{:,.0f}".format)),
    Column("s to exact", lambda row, _: _known(row.seconds_to_exact, "{:,.2f}".format)),
    Column("seconds", lambda row, _: f"{row.seconds:,.2f}"),
    Column("cost", lambda row, _: _known(row.cost_usd, "${:.4f}".format)),
)
"""The columns of a comparison, in their order."""


def cells(row: Row, between: Between = interval) -> list[str]:
    """Returns the cells of a row, as people read them."""
    return [column.cell(row, between) for column in COLUMNS]


def record(row: Row) -> dict[str, Any]:
    """Returns what a row says by name, unrounded, with None for what is not known."""
    return {
        "function": row.point[0],
        "length": row.point[1],
        "method": row.method,
        "finished": row.finished,
        "trials": len(row.entries),
        "test_accuracy": row.accuracy,
        "test_examples": row.test_examples,
        "interval": list(row.interval),
        "interval_of": "this trial" if len(row.entries) == 1 else "the mean of all trials",
        "learned_interval": list(row.learned_interval),
        "error_at_most": row.error_at_most,
        "methods_compared": row.rivals,
        "error_at_most_for_all_results": row.counted_by_ledger,
        "contrast_accuracy": row.contrast_accuracy,
        "other_lengths_accuracy": row.other_lengths_accuracy,
        "exact_trials": row.exact,
        "exact_interval": row.exact_interval and list(row.exact_interval),
        "candidates_to_first_exact": row.candidates,
        "seconds_to_first_exact": row.seconds_to_exact,
        "seconds": row.seconds,
        "cost_usd": row.cost_usd,
        "data_sha256": [entry.result.data.sha256 for entry in row.entries],
    }


def as_markdown(rows: Sequence[Row]) -> str:
    """Returns the table in Markdown, whose columns are aligned in the text as well."""
    texts = [
        [in_markdown(cell) for cell in line]
        for line in ([column.name for column in COLUMNS], *_ranged(rows))
    ]
    widths = [max(3, *map(len, column)) for column in zip(*texts, strict=True)]
    rules = [
        "-" * (width - 1) + ":" if column.number else ":" + "-" * (width - 1)
        for column, width in zip(COLUMNS, widths, strict=True)
    ]
    lines = _aligned([texts[0], rules, *texts[1:]], widths)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def as_latex(rows: Sequence[Row]) -> str:
    """Returns the table in LaTeX, with a rule between tasks; it needs the package booktabs."""
    texts = [
        [in_latex(cell) for cell in line]
        for line in ([column.name for column in COLUMNS], *_ranged(rows))
    ]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    heading, *lines = (f"  {' & '.join(line)} \\\\" for line in _aligned(texts, widths))
    body = []
    for number, line in enumerate(lines):
        if number and rows[number].point != rows[number - 1].point:
            body.append("  \\midrule")
        body.append(line)
    kinds = "".join("r" if column.number else "l" for column in COLUMNS)
    return "\n".join(
        (
            "% In the preamble: \\usepackage{booktabs}",
            f"\\begin{{tabular}}{{@{{}}{kinds}@{{}}}}",
            *("  \\toprule", heading, "  \\midrule", *body, "  \\bottomrule"),
            *("\\end{tabular}", ""),
        )
    )


def as_csv(rows: Sequence[Row]) -> str:
    """Returns what ``record`` says of each row as CSV that no spreadsheet takes for formulas.

    An interval has two columns, and lists are joined by blanks.
    """
    records = [_flat(record(row)) for row in rows]
    return csv_text(list(records[0]), [list(one.values()) for one in records])


FORMS: dict[str, Callable[[Sequence[Row]], str]] = {
    ".md": as_markdown,
    ".csv": as_csv,
    ".tex": as_latex,
}
"""How a table is written, by the end of its file's name."""


def check_table(path: Path) -> None:
    """Checks that a table can be written to the path.

    Raises:
        InputError: The extension is not supported, or the file cannot be written.
    """
    if path.suffix not in FORMS:
        raise InputError(
            f"Cannot write a table to {path}; give a file name that ends in {either(list(FORMS))}.",
            setting="table",
        )
    with writing(path, "table"):
        path.parent.mkdir(parents=True, exist_ok=True)


def write_table(rows: Sequence[Row], path: Path) -> None:
    """Writes the whole table into a file whose name says in which form.

    Raises:
        InputError: The file cannot be written.
    """
    with writing(path, "table"):
        replace(path, FORMS[path.suffix](rows))


_LATEX = {
    **{c: f"\\{c}" for c in "#$%&_{}"},
    "\\": "\\textbackslash{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
    "|": "\\textbar{}",
    '"': "\\symbol{34}",
    "`": "\\textasciigrave{}",
    "[": "{[}",  # else an option of the line end before it
    "]": "{]}",
    "*": "{*}",  # the same
    NOTHING: "--",
}
"""How LaTeX writes the characters that it would take for commands."""
LIGATURES = "-,'"
"""What LaTeX joins to another character if it stands twice."""


def in_latex(text: str) -> str:
    """Returns a text that LaTeX typesets as it is, in one line."""
    line = "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
    return "".join(
        _LATEX.get(c, c) + "{}" * (c == following and c in LIGATURES)
        for c, following in zip_longest(line, line[1:])
    )


def _ranged(rows: Iterable[Row]) -> list[list[str]]:
    """Returns the cells of rows, with a dash between the ends of an interval."""
    return [cells(row, partial(interval, between=NOTHING)) for row in rows]


def _aligned(lines: Sequence[Sequence[str]], widths: Sequence[int]) -> list[list[str]]:
    """Returns lines whose cells are as wide as their columns."""
    return [
        [
            cell.rjust(width) if column.number else cell.ljust(width)
            for column, cell, width in zip(COLUMNS, line, widths, strict=True)
        ]
        for line in lines
    ]


def _flat(values: dict[str, Any]) -> dict[str, object]:
    """Returns values as cells: the ends of each interval apart, other lists in one cell."""
    flat: dict[str, object] = {}
    for name, value in values.items():
        if name.endswith("interval"):
            flat[f"{name}_low"], flat[f"{name}_high"] = value or (None, None)
        else:
            flat[name] = " ".join(value) if isinstance(value, list) else value
    return flat
