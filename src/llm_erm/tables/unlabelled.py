"""The rows of a table that have no label yet, as the labelled ones were read."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_erm.tables.answers import Answers
from llm_erm.tables.cells import MISSING, stripped
from llm_erm.tables.columns import CategoryColumn, Column, NumberColumn, Schema, Table
from llm_erm.tables.streaming import Batch, stream


@dataclass(frozen=True, eq=False)
class Waiting:
    """Rows without a label.

    Attributes:
        table: The columns that rules are learned from.
        row_numbers: Shape ``(n_rows,)``: where each row is in the source, counted from 1.
        cells: The cells of each row, of all columns.
        names: The columns of the source.
    """

    table: Table
    row_numbers: NDArray[np.int64]
    cells: Sequence[Mapping[str, str]]
    names: tuple[str, ...]


def waiting_rows(
    source: Any,  # noqa: ANN401 - as ``stream`` takes
    schema: Schema,
    answers: Answers,
    most: int,
) -> Waiting:
    """Returns the first rows that have a label neither in the source nor among the answers.

    Args:
        source: The table.
        schema: How to read its columns.
        answers: Labels that were asked for.
        most: How many rows to return at most.

    Raises:
        InputError: The source cannot be read.
    """
    tables, numbers = [], []
    cells: list[Mapping[str, str]] = []
    with closing(stream(source, schema)) as rows:
        for batch in rows:
            places = _waiting(batch, schema.target, answers)[: most - len(cells)]
            tables.append(batch.table.take(places))
            numbers.append(batch.row_numbers[places])
            texts = {name: batch.texts(name) for name in rows.names}
            known = {name: column for name, column in texts.items() if column is not None}
            cells += [{name: column[place] for name, column in known.items()} for place in places]
            if len(cells) >= most:
                break
        return Waiting(_stacked(tables), np.concatenate(numbers), cells, rows.names)


def _waiting(batch: Batch, target: str, answers: Answers) -> NDArray[np.intp]:
    labels = batch.texts(target) or [""] * len(batch.row_numbers)
    missing = np.array([label in MISSING for label in stripped(labels)], dtype=bool)
    return np.flatnonzero(missing & ~np.isin(batch.row_numbers, list(answers.rows)))


def _stacked(tables: list[Table]) -> Table:
    """Returns the rows of tables with the same columns as one."""
    columns = zip(*(table.columns for table in tables), strict=True)
    return Table(tuple(map(_together, columns)), sum(table.n_rows for table in tables))


def _together(parts: tuple[Column, ...]) -> Column:
    first = parts[0]
    if isinstance(first, NumberColumn):
        values = [part.values for part in parts if isinstance(part, NumberColumn)]
        return replace(first, values=np.concatenate(values))
    codes = [part.codes for part in parts if isinstance(part, CategoryColumn)]
    return replace(first, codes=np.concatenate(codes))
