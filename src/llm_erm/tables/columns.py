"""The types of a table that was read: its columns, and how to read another file in the same way."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

MISSING_CODE = -1
"""The code of a missing value in a category column."""
UNSEEN_CODE = -2
"""The code of a value that is not among the levels: one that the rule's data did not have."""


@dataclass(frozen=True, eq=False)
class NumberColumn:
    """A column of numbers, or of dates as numbers.

    Attributes:
        name: The column's name, without spaces around it.
        values: Shape ``(n_rows,)``; NaN where missing, and never infinite.
        integral: Whether all present values are whole numbers.
        dates: Whether the values are days since 1970-01-01, so that they are printed as dates.
    """

    name: str
    values: NDArray[np.float64]
    integral: bool
    dates: bool = False

    @property
    def times(self) -> bool:
        """Whether the values are dates, some of which have times of day."""
        return self.dates and not self.integral

    def take(self, rows: NDArray[np.intp]) -> "NumberColumn":
        """Returns the column of some rows."""
        return replace(self, values=self.values[rows])


@dataclass(frozen=True, eq=False)
class CategoryColumn:
    """A column of names.

    Attributes:
        name: The column's name, without spaces around it.
        codes: Shape ``(n_rows,)``: indices into ``levels``; ``MISSING_CODE`` where missing, and
            ``UNSEEN_CODE`` where the value is none of the levels.
        levels: The distinct values as written, sorted.
    """

    name: str
    codes: NDArray[np.int32]
    levels: tuple[str, ...]

    def take(self, rows: NDArray[np.intp]) -> "CategoryColumn":
        """Returns the column of some rows."""
        return replace(self, codes=self.codes[rows])


Column = NumberColumn | CategoryColumn


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length."""

    columns: tuple[Column, ...]
    n_rows: int

    def take(self, rows: NDArray[np.intp]) -> "Table":
        """Returns the table of some rows, in the order given."""
        return Table(tuple(column.take(rows) for column in self.columns), len(rows))


@dataclass(frozen=True)
class ColumnSchema:
    """How to read a column.

    Attributes:
        name: The column's name.
        kind: What it holds.
        levels: The values that a category column may have, sorted.
        integral: Whether all numbers seen were whole.
        dates: Whether the numbers are ISO dates, as days since 1970-01-01.
        decimal: The decimal mark of numbers in text.
        thousands: What separates groups of three digits; empty if nothing does.
        missing: Words that mean a missing value here, besides those that do everywhere.
    """

    name: str
    kind: Literal["number", "category"]
    levels: tuple[str, ...] = ()
    integral: bool = False
    dates: bool = False
    decimal: Literal[".", ","] = "."
    thousands: Literal["", ",", ".", " ", "'"] = ""
    missing: tuple[str, ...] = ()

    @property
    def times(self) -> bool:
        """Whether the values are dates, some of which have times of day."""
        return self.dates and not self.integral


@dataclass(frozen=True)
class Schema:
    """How to read another file in the same way; it is stored with a rule.

    Attributes:
        columns: One per column of the table, in its order.
        target: Name of the column to predict.
        classes: Its values as written, sorted: as numbers if all are numbers, else as text.
    """

    columns: tuple[ColumnSchema, ...]
    target: str
    classes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Labelled:
    """Rows with their labels.

    Attributes:
        table: The columns to learn from.
        labels: Shape ``(n_rows,)``: indices into ``schema.classes``.
        schema: How to read other rows in the same way.
        notices: One sentence per choice that was made and per thing that was set aside.
        row_numbers: Shape ``(n_rows,)``: where each row is in the source, counted from 1, header
            and blank lines apart; increasing.
        groups: Shape ``(n_rows,)``: rows with the same number belong together; None without groups.
        times: Shape ``(n_rows,)``: when each row was taken, a number or days since 1970-01-01; None
            without times.
        asked: Shape ``(n_rows,)``: whether a label was asked for because it tells much, so that
            the row is no draw; None without such rows.
    """

    table: Table
    labels: NDArray[np.int32]
    schema: Schema
    notices: tuple[str, ...]
    row_numbers: NDArray[np.int64]
    groups: NDArray[np.int64] | None = None
    times: NDArray[np.float64] | None = None
    asked: NDArray[np.bool_] | None = None

    def take(self, rows: NDArray[np.intp]) -> "Labelled":
        """Returns some of the rows, in the order given."""
        return replace(
            self,
            table=self.table.take(rows),
            labels=self.labels[rows],
            row_numbers=self.row_numbers[rows],
            groups=None if self.groups is None else self.groups[rows],
            times=None if self.times is None else self.times[rows],
            asked=None if self.asked is None else self.asked[rows],
        )
