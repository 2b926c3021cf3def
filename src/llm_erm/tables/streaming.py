"""Reads rows to predict as the rule's own data were read, in bounded memory."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from llm_erm.errors import InputError
from llm_erm.phrases import counted
from llm_erm.tables.chunks import Chunk, Opened, as_texts
from llm_erm.tables.columns import (
    MISSING_CODE,
    UNSEEN_CODE,
    CategoryColumn,
    Column,
    ColumnSchema,
    NumberColumn,
    Schema,
    Table,
)
from llm_erm.tables.kinds import column_of
from llm_erm.tables.labels import no_such_column
from llm_erm.tables.notices import Notices, quoted, short
from llm_erm.tables.sources import open_source


@dataclass(frozen=True, eq=False)
class Batch:
    """Some rows to predict.

    Attributes:
        table: The columns of the schema, in its order; those that are not needed have no values.
        row_numbers: Shape ``(n_rows,)``: where the rows are in the source, counted from 1.
    """

    table: Table
    row_numbers: NDArray[np.int64]
    _chunk: Chunk

    @property
    def rows(self) -> list[list[str]] | list[str]:
        """The whole rows, to be written again: all cells as texts, or lines of JSON."""
        if self._chunk.rows is not None:
            return self._chunk.rows
        return [list(row) for row in zip(*map(as_texts, self._chunk.columns.values()), strict=True)]

    def texts(self, name: str) -> Sequence[str] | None:
        """Returns the cells of any column of the source; None if these rows have no such column."""
        cells = self._chunk.columns.get(name)
        return None if cells is None else as_texts(cells)


class Stream:
    """Rows to predict, batch by batch, once.

    Attributes:
        form: How the rows are written.
        names: The columns of the source, in its order; of a JSON Lines file, those of its first
            rows.
        delimiter: What separates cells in delimited text; else empty.
    """

    form: Literal["delimited", "jsonl", "columns"]
    names: tuple[str, ...]
    delimiter: str

    def __init__(self, opened: Opened, schema: Schema, needed: Collection[str]) -> None:
        self.form = opened.form
        self.names = opened.names
        self.delimiter = opened.delimiter
        self._opened = opened
        self._schema = schema
        self._needed = needed
        self._unread: dict[str, Counter[str]] = {}
        self._unseen: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Batch]:
        """Yields the batches; closes the source at the end.

        Raises:
            InputError: The source cannot be read further, or a column is not as the rule needs it.
        """
        try:
            for chunk in self._opened.chunks:
                columns = tuple(self._column(chunk, one) for one in self._schema.columns)
                yield Batch(Table(columns, len(chunk)), chunk.row_numbers, chunk)
        finally:
            self.close()

    def close(self) -> None:
        """Closes the source."""
        self._opened.close()

    def notices(self) -> tuple[str, ...]:
        """Returns what the user should know of the rows so far, a sentence each."""
        notices = Notices()
        for schema in self._schema.columns:
            if words := self._unread.get(schema.name):
                n = words.total()
                notices.say(
                    f"Column {short(schema.name)} should hold {_form(schema)}; "
                    f"{counted(n, 'other value')} ({quoted(words)}) "
                    f"{'counts' if n == 1 else 'count'} as missing."
                )
        for name, count in self._unseen.items():
            notices.say(
                f"{counted(count, 'value')} in {short(name)} "
                f"{'is' if count == 1 else 'are'} new: the rule's data had none like "
                f"{'it' if count == 1 else 'them'}."
            )
        return (*self._opened.notices.sentences(), *notices.sentences())

    def _column(self, chunk: Chunk, schema: ColumnSchema) -> Column:
        cells = chunk.columns.get(schema.name) if schema.name in self._needed else None
        if cells is None:  # not needed, or left out of some objects of a JSON Lines file
            return _nothing(schema, len(chunk))
        column, unread = column_of(cells, schema)
        if unread:
            self._count_unread(column, schema, unread)
        if isinstance(column, CategoryColumn) and (column.codes == UNSEEN_CODE).any():
            self._unseen[schema.name] += int((column.codes == UNSEEN_CODE).sum())
        return column

    def _count_unread(self, column: Column, schema: ColumnSchema, unread: list[str]) -> None:
        """Counts values that are not numbers.

        Raises:
            InputError: None of the column's first values can be read.
        """
        first = schema.name not in self._unread
        words = self._unread.setdefault(schema.name, Counter())
        assert isinstance(column, NumberColumn)
        if first and np.isnan(column.values).all():
            raise InputError(
                f"Column {short(schema.name)!r} of {self._opened.place} holds "
                f"{quoted(dict.fromkeys(unread))}, but the rule needs {_form(schema)}; write the "
                "values as in the data that it was learned from."
            )
        if len(words) < 1000:
            words.update(unread)
        else:
            words["..."] += len(unread)


def stream(
    source: Any,  # noqa: ANN401 - a path, or what open_memory takes
    schema: Schema,
    *,
    needed: Collection[str] | None = None,
) -> Stream:
    """Returns the rows of a table, to be read batch by batch as a rule's own data were.

    Columns may be in any order, and others may be among them. A value that a category column of the
    rule's data did not have gets the code ``UNSEEN_CODE``; what is no number in a number column
    counts as missing, and the notices say so.

    Args:
        source: As in ``load``.
        schema: Of the rule's data.
        needed: Names of the columns that the rule uses; None for all. Others are not read, and may
            be missing.

    Raises:
        InputError: The source cannot be read, or a needed column is missing.
        MissingExtraError: A library that the source needs is not installed.
    """
    known = [column.name for column in schema.columns]
    required = known if needed is None else [name for name in known if name in needed]
    opened = open_source(source, known, schema.target)
    try:
        for name in required:
            if name not in opened.names:
                others = [other for other in opened.names if other not in known]
                raise no_such_column(name, opened.names, opened.place, likely=others)
    except BaseException:
        opened.close()
        raise
    return Stream(opened, schema, required)


def _form(schema: ColumnSchema) -> str:
    """Returns how the values of a column of numbers or dates are written."""
    if schema.dates:
        return "dates written as YYYY-MM-DD"
    return "numbers with decimal commas" if schema.decimal == "," else "numbers"


def _nothing(schema: ColumnSchema, n_rows: int) -> Column:
    """Returns a column of missing values."""
    if schema.kind == "category":
        codes = np.full(n_rows, MISSING_CODE, dtype=np.int32)
        return CategoryColumn(schema.name, codes, schema.levels)
    return NumberColumn(schema.name, np.full(n_rows, np.nan), schema.integral, schema.dates)
