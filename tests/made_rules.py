"""Makes rules, and tables to apply them to, also with hostile names, for the tests."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from llm_erm.rulelists.evidence import Check, Learned, LineCount, Size
from llm_erm.rulelists.rule import (
    Above,
    Among,
    AtMost,
    Condition,
    Line,
    Missing,
    MoreThan,
    NotAmong,
    NotMoreThan,
    Present,
    RuleList,
)
from llm_erm.tables.columns import ColumnSchema, Schema, Table
from llm_erm.tables.kinds import column_of

HOSTILE = (
    *("it's", 'say "no"', '"', "'", "''", "\\", "\\'", '"""', "'''", "a\nb", "a\r\nb", "a\u2028b"),
    *(
        "=cmd|' /C calc'!A0",
        "+1",
        "-",
        "@SUM(A1)",
        "</script>",
        "<b>&amp;</b>",
        "a|b",
        "`x`",
        "*x*",
    ),
    *(
        "$(id)",
        "{x}",
        "%s",
        "; DROP TABLE t; --",
        "*/",
        "--",
        "# x",
        "[x](y)",
        "\x1b[31m",
        "\u202e",
    ),
    *("class", "None", "row", "predict", "__debug__", "MISSING", "cell_1", "x", "Straße", "😀"),
)
"""Names that mean something somewhere."""


def learned(
    rule: RuleList,
    columns: Sequence[ColumnSchema],
    target: str = "target",
    counts: Sequence[tuple[int, int]] | None = None,
) -> Learned:
    """A rule with what would be known of it."""
    lines = counts or [(10, 9)] * (len(rule.lines) + 1)
    rows = sum(count for count, _ in lines)
    errors = rows - sum(right for _, right in lines)
    size = Size(rule.conditions, rule, errors, errors, 1)
    return Learned(
        rule=rule,
        schema=Schema(tuple(columns), target, rule.classes),
        sizes=(size,),
        chosen=0,
        lines=tuple(LineCount(*line) for line in lines),
        learned_rows=rows,
        check=Check(rule, rows - 20, 20, 1, ((10, 0), (1, 9)), 1, 0.25),
        cross_validated=0.1,
        wrong=(),
        costs=(),
        thresholds=None,
        skipped=(),
        open=(),
        confidence=0.95,
        error_at_most=0.25,
        no_bound="",
    )


@dataclass(frozen=True)
class Case:
    """A rule, and rows to apply it to.

    Attributes:
        learned: The rule.
        cells: The rows' cells by column, as they are in a file.
        table: The same, read.
    """

    learned: Learned
    cells: dict[str, list[str]]
    table: Table

    @property
    def classes(self) -> list[str]:
        """What the rule itself says of each row."""
        rule = self.learned.rule
        return [rule.classes[label] for label in rule.predict(self.table)]


_PLAIN = ("0", "1", "1.5", "-2", " 3 ", "1e3", "$4", "", "NA", "x", "inf", "-1.5", "2")
_COMMAS = ("0", "1,5", "1.000", "1.000,5", "-2", "", "none", "1.5", "3")
_DAYS = (
    *("2024-03-05", "2024-03-05 12:00:00", "2024-03-05 04:48:00", "2024-03-05 04:48:01"),
    *("2024-03-06", "1999-12-31", "", "2024-02-31", "NaN"),
)
_THRESHOLDS = (-2.0, -0.5, 0.0, 0.1, 1.0, 1.25, 1.5, 2.75, 1000.0, 1000.25, 1e300)
_DATES = (10957.0, 19787.0, 19787.2, 19787.20001, 19787.25, 19787.5, 19787.75, 19788.5)
_NAMES = st.sampled_from(HOSTILE) | st.text(max_size=5)


def _usable(name: str) -> bool:
    """Whether a file can hold it: not NUL and no half of a character."""
    return "\0" not in name and not any("\ud800" <= char <= "\udfff" for char in name)


def names(at_least: int, at_most: int) -> st.SearchStrategy[list[str]]:
    """Different names, also for those who ignore case and spaces around them."""
    usable = _NAMES.filter(_usable).map(str.strip).filter(bool)
    usable = usable.filter(lambda name: name not in ("NA", "?", "NaN", "nan", "null", "NULL"))
    return st.lists(usable, min_size=at_least, max_size=at_most, unique_by=str.casefold)


@st.composite
def _conditions(draw: st.DrawFn, columns: Sequence[ColumnSchema]) -> Condition:
    column = draw(st.sampled_from(columns))
    name = column.name
    others = [
        other.name
        for other in columns
        if other.kind == "number" and other.dates == column.dates and other is not column
    ]
    kinds: list[type[Condition]] = [Missing, Present]
    kinds += [Among, NotAmong] if column.kind == "category" else [AtMost, Above]
    kinds += [NotMoreThan, MoreThan] if column.kind == "number" and others else []
    kind = draw(st.sampled_from(kinds))
    if kind in (Missing, Present):
        return kind(name)
    if kind in (Among, NotAmong):
        levels = st.lists(st.sampled_from(column.levels), min_size=1, max_size=2, unique=True)
        return kind(name, tuple(draw(levels)))
    if kind in (AtMost, Above):
        values = st.sampled_from(_DATES if column.dates else _THRESHOLDS)
        return kind(name, draw(values), column.dates, column.dates)
    return kind(name, draw(st.sampled_from(others)))


@st.composite
def _lines(draw: st.DrawFn, columns: Sequence[ColumnSchema], label: st.SearchStrategy[int]) -> Line:
    """Lines that need all their conditions, or some of them."""
    conditions = tuple(draw(st.lists(_conditions(columns), min_size=1, max_size=3)))
    least = draw(st.none() | st.integers(1, len(conditions)))
    return Line(conditions, draw(label), least)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Rules over columns of all kinds, and rows with missing, unreadable and unseen cells."""
    columns, cells = [], {}
    n_rows = draw(st.integers(1, 12))
    for name in draw(names(1, 5)):
        kind = draw(st.sampled_from(("plain", "commas", "days", "category")))
        if kind == "category":
            levels = tuple(sorted(draw(names(1, 4))))
            column = ColumnSchema(name, "category", levels)
            values: Sequence[str] = (*levels, "", "never seen", "NA")
        elif kind == "days":
            column, values = ColumnSchema(name, "number", dates=True), _DAYS
        elif kind == "commas":
            column = ColumnSchema(name, "number", decimal=",", thousands=".", missing=("none",))
            values = _COMMAS
        else:
            column, values = ColumnSchema(name, "number"), _PLAIN
        columns.append(column)
        one = st.sampled_from(values)
        cells[name] = draw(st.lists(one, min_size=n_rows, max_size=n_rows))
    classes = tuple(draw(names(2, 3)))
    label = st.integers(0, len(classes) - 1)
    lines = st.lists(_lines(columns, label), max_size=4).map(tuple)
    rule = RuleList(draw(lines), draw(label), classes)
    table = Table(tuple(column_of(cells[one.name], one)[0] for one in columns), n_rows)
    (target,) = draw(names(1, 1))
    return Case(learned(rule, columns, target), cells, table)


def values_of(case: Case, name: str) -> list[float | str | None]:
    """A column as a database or a sheet has it: numbers, texts, and None for missing values."""
    column = next(column for column in case.table.columns if column.name == name)
    if hasattr(column, "values"):
        return [None if np.isnan(value) else float(value) for value in column.values]
    missing = column.codes == -1
    return [None if no else cell for no, cell in zip(missing, case.cells[name], strict=True)]
