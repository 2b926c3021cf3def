"""Rule lists: conditions on columns, lines of conditions, and what the rows that reach none get."""

import html
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from llm_erm.rulelists.literals import number_text
from llm_erm.tables.columns import (
    MISSING_CODE,
    CategoryColumn,
    Column,
    NumberColumn,
    Table,
)

Rows = NDArray[np.bool_]


@dataclass(frozen=True)
class AtMost:
    """``column ≤ value``; false where the value is missing.

    Attributes:
        column: A column of numbers.
        value: The threshold.
        date: Whether it is in days since 1970-01-01 (UTC).
        times: Whether the column's dates have times of day.
    """

    column: str
    value: float
    date: bool = False
    times: bool = False
    kind: Literal["at most"] = "at most"

    def holds(self, table: Table) -> Rows:
        """Returns the rows on which it holds."""
        return numbers(table, self.column) <= self.value

    @property
    def threshold(self) -> str:
        """The threshold as rules have it."""
        return number_text(self.value, date=self.date, times=self.times)

    def __str__(self) -> str:
        return f"{self.column} ≤ {self.threshold}"


@dataclass(frozen=True)
class Above:
    """``column > value``; false where the value is missing. Attributes as in ``AtMost``."""

    column: str
    value: float
    date: bool = False
    times: bool = False
    kind: Literal["above"] = "above"

    def holds(self, table: Table) -> Rows:
        """Returns the rows on which it holds."""
        return numbers(table, self.column) > self.value

    @property
    def threshold(self) -> str:
        """The threshold as rules have it."""
        return number_text(self.value, date=self.date, times=self.times)

    def __str__(self) -> str:
        return f"{self.column} > {self.threshold}"


@dataclass(frozen=True)
class Among:
    """``column in {…}``, or ``=`` for one level; false where the value is missing."""

    column: str
    levels: tuple[str, ...]
    kind: Literal["among"] = "among"

    def holds(self, table: Table) -> Rows:
        """Returns the rows on which it holds."""
        return _among(categories(table, self.column), self.levels)

    def __str__(self) -> str:
        if len(self.levels) == 1:
            return f"{self.column} = {self.levels[0]}"
        return f"{self.column} in {{{', '.join(self.levels)}}}"


@dataclass(frozen=True)
class NotAmong:
    """``column not in {…}``, or ``≠`` for one level; false where the value is missing."""

    column: str
    levels: tuple[str, ...]
    kind: Literal["not among"] = "not among"

    def holds(self, table: Table) -> Rows:
        """Returns the rows on which it holds."""
        column = categories(table, self.column)
        return np.asarray(~_among(column, self.levels) & (column.codes != MISSING_CODE))

    def __str__(self) -> str:
        if len(self.levels) == 1:
            return f"{self.column} ≠ {self.levels[0]}"
        return f"{self.column} not in {{{', '.join(self.levels)}}}"


@dataclass(frozen=True)
class Missing:
    """The column has no value."""

    column: str
    kind: Literal["missing"] = "missing"

    def holds(self, table: Table) -> Rows:
        """Returns the rows on which it holds."""
        return _missing(table, self.column)

    def __str__(self) -> str:
        return f"{self.column} is missing"


@dataclass(frozen=True)
class Present:
    """The column has a value."""

    column: str
    kind: Literal["present"] = "present"

    def holds(self, table: Table) -> Rows:
        """Returns the rows on which it holds."""
        return ~_missing(table, self.column)

    def __str__(self) -> str:
        return f"{self.column} is present"


@dataclass(frozen=True)
class NotMoreThan:
    """``column ≤ other``, both numbers; false where one of them is missing."""

    column: str
    other: str
    kind: Literal["not more than"] = "not more than"

    def holds(self, table: Table) -> Rows:
        """Returns the rows on which it holds."""
        return numbers(table, self.column) <= numbers(table, self.other)

    def __str__(self) -> str:
        return f"{self.column} ≤ {self.other}"


@dataclass(frozen=True)
class MoreThan:
    """``column > other``, both numbers; false where one of them is missing."""

    column: str
    other: str
    kind: Literal["more than"] = "more than"

    def holds(self, table: Table) -> Rows:
        """Returns the rows on which it holds."""
        return numbers(table, self.column) > numbers(table, self.other)

    def __str__(self) -> str:
        return f"{self.column} > {self.other}"


Condition = AtMost | Above | Among | NotAmong | Missing | Present | NotMoreThan | MoreThan


@dataclass(frozen=True)
class Line:
    """``IF`` all conditions hold, or enough of them, the row gets the label.

    Attributes:
        conditions: At least one.
        label: Index of a class.
        least: How many of the conditions must hold; all if None.
    """

    conditions: tuple[Condition, ...]
    label: int
    least: int | None = None

    @property
    def needed(self) -> int:
        """How many of the conditions must hold."""
        return len(self.conditions) if self.least is None else self.least

    def holds(self, table: Table) -> Rows:
        """Returns the rows on which all conditions hold, or enough of them."""
        return np.asarray(self._held(table) >= self.needed)

    def decided_by(self, place: int, table: Table) -> Rows:
        """Returns the rows on which the line holds if the condition at this place does, only."""
        others = self._held(table) - self.conditions[place].holds(table)
        return np.asarray(others == self.needed - 1)

    def _held(self, table: Table) -> NDArray[np.int64]:
        holding = [condition.holds(table) for condition in self.conditions]
        return np.asarray(np.sum(holding, axis=0, dtype=np.int64))

    def __str__(self) -> str:
        if self.least is None:
            return " AND ".join(_joined(self.conditions))
        return f"at least {self.least} hold of: {'; '.join(map(str, self.conditions))}"


@dataclass(frozen=True)
class RuleList:
    """Lines in order; the first whose conditions hold gives a row its label.

    Attributes:
        lines: None or more.
        otherwise: Index of the class of the rows that no line holds on.
        classes: The classes as written.
    """

    lines: tuple[Line, ...]
    otherwise: int
    classes: tuple[str, ...] = field(repr=False)

    @property
    def conditions(self) -> int:
        """Number of conditions; an interval is two."""
        return sum(len(line.conditions) for line in self.lines)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that the conditions are about, in their order."""
        names: dict[str, None] = {}
        for condition in (condition for line in self.lines for condition in line.conditions):
            names[condition.column] = None
            if isinstance(condition, NotMoreThan | MoreThan):
                names[condition.other] = None
        return tuple(names)

    def lines_of(self, table: Table) -> NDArray[np.intp]:
        """Returns the index of the line that decides each row, ``len(lines)`` for the last."""
        decided = np.full(table.n_rows, len(self.lines), dtype=np.intp)
        for index in reversed(range(len(self.lines))):
            decided[self.lines[index].holds(table)] = index
        return decided

    def predict(self, table: Table) -> NDArray[np.int32]:
        """Returns indices of classes, shape ``(n_rows,)``."""
        labels = [line.label for line in self.lines] + [self.otherwise]
        return np.asarray(labels, dtype=np.int32)[self.lines_of(table)]

    def __str__(self) -> str:
        texts = [
            f"{'ELSE ' if index else ''}IF {line} → {self.classes[line.label]}"
            for index, line in enumerate(self.lines)
        ]
        last = f"→ {self.classes[self.otherwise]}"
        lines = [*texts, f"ELSE {last}" if texts else f"ALWAYS {last}"]
        return "\n".join(map(printable, lines))

    def _repr_html_(self) -> str:
        """Returns the text as notebooks show it."""
        return f"<pre>{html.escape(str(self))}</pre>"


def all_of(*sets: Rows) -> Rows:
    """Returns the rows that are in all sets."""
    return np.asarray(np.logical_and.reduce(sets))


def printable(text: str) -> str:
    """Returns a text as one line, with a mark for each character that nobody would see."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _joined(conditions: tuple[Condition, ...]) -> list[str]:
    """Texts of conditions; two thresholds of a column as one interval."""
    texts = []
    by_column = sorted(range(len(conditions)), key=lambda index: _first(conditions, index))
    for _, indices in groupby(by_column, key=lambda index: _first(conditions, index)):
        group = [conditions[index] for index in indices]
        low = next((item for item in group if isinstance(item, Above)), None)
        high = next((item for item in group if isinstance(item, AtMost)), None)
        if low is not None and high is not None:
            texts.append(f"{low.threshold} < {low.column} ≤ {high.threshold}")
            group = [item for item in group if item is not low and item is not high]
        texts += map(str, group)
    return texts


def _first(conditions: tuple[Condition, ...], index: int) -> int:
    names = [condition.column for condition in conditions]
    return names.index(names[index])


def _column(table: Table, name: str) -> Column:
    return next(column for column in table.columns if column.name == name)


def numbers(table: Table, name: str) -> NDArray[np.float64]:
    """Returns the values of a column of numbers."""
    column = _column(table, name)
    assert isinstance(column, NumberColumn)
    return column.values


def categories(table: Table, name: str) -> CategoryColumn:
    """Returns a column of categories."""
    column = _column(table, name)
    assert isinstance(column, CategoryColumn)
    return column


def _among(column: CategoryColumn, levels: tuple[str, ...]) -> Rows:
    places = {level: place for place, level in enumerate(column.levels)}
    known = [places[level] for level in levels if level in places]
    return np.asarray(np.isin(column.codes, known))


def _missing(table: Table, name: str) -> Rows:
    column = _column(table, name)
    if isinstance(column, NumberColumn):
        return np.isnan(column.values)
    return np.asarray(column.codes == MISSING_CODE)
