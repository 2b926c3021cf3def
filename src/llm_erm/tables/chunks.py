"""What every reader makes of its source: chunks of rows, column by column, as they are written."""

import operator
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from llm_erm.errors import InputError
from llm_erm.tables.notices import Notices, names, short

Cells = Sequence[str] | NDArray[np.float64]
"""Part of a column: texts as written, empty where nothing is; or numbers, NaN where none is."""

MAX_COLUMNS = 10_000
"""Columns of a table at most."""
CHUNK_CELLS = 20_000
"""Cells of a chunk, about: the memory that reading takes is a multiple of this."""
CHUNK_CHARACTERS = 16_000_000
"""Characters of a chunk, about."""


@dataclass(frozen=True, eq=False)
class Chunk:
    """Some rows of a source.

    Attributes:
        columns: The cells by column; one that these rows lack may be left out.
        row_numbers: Shape ``(n_rows,)``: where each row is in the source, counted from 1.
        rows: The rows as they are in the source, for those who write them again: texts, or the
            lines of a JSON Lines file. None if the source has columns.
    """

    columns: Mapping[str, Cells]
    row_numbers: NDArray[np.int64]
    rows: list[list[str]] | list[str] | None = None

    def __len__(self) -> int:
        """Returns the number of rows."""
        return len(self.row_numbers)

    def take(self, rows: NDArray[np.intp]) -> "Chunk":
        """Returns the columns of some rows."""
        if len(rows) == len(self) and (np.diff(rows) == 1).all():
            return Chunk(self.columns, self.row_numbers)
        columns = {name: _taken(cells, rows) for name, cells in self.columns.items()}
        return Chunk(columns, self.row_numbers[rows])


def _taken(cells: Cells, rows: NDArray[np.intp]) -> Cells:
    if isinstance(cells, np.ndarray):
        return cells[rows]
    if len(rows) < 2:
        return [cells[row] for row in rows]
    taken: tuple[str, ...] = operator.itemgetter(*rows.tolist())(cells)
    return taken


def joined(chunks: Sequence[Chunk]) -> Chunk:
    """Returns the rows of several chunks as one."""
    if len(chunks) == 1:
        return Chunk(chunks[0].columns, chunks[0].row_numbers)
    columns = dict.fromkeys(name for chunk in chunks for name in chunk.columns)
    return Chunk(
        {name: _together([_cells(chunk, name) for chunk in chunks]) for name in columns},
        np.concatenate([chunk.row_numbers for chunk in chunks]),
    )


def _cells(chunk: Chunk, name: str) -> Cells:
    return chunk.columns.get(name, [""] * len(chunk))


def _together(parts: Sequence[Cells]) -> Cells:
    if all(isinstance(part, np.ndarray) for part in parts):
        return np.concatenate(parts)
    return [text for part in parts for text in as_texts(part)]


@dataclass(frozen=True)
class Opened:
    """A source whose column names are known and whose rows are yet to be read.

    Attributes:
        place: What messages call it.
        form: How its rows are written.
        names: The columns. A JSON Lines file may have more than its first rows show.
        chunks: The rows; reading them may raise an ``InputError``.
        notices: What was noticed; reading adds to it.
        repeated: Names that several columns have.
        categories: Columns that the source itself declares to be categories.
        delimiter: What separates cells; empty where nothing does.
        close: Closes the file; it may be called more than once.
    """

    place: str
    form: Literal["delimited", "jsonl", "columns"]
    names: tuple[str, ...]
    chunks: Iterator[Chunk]
    notices: Notices = field(default_factory=Notices)
    repeated: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    delimiter: str = ""
    close: Callable[[], None] = lambda: None


def as_text(value: Any) -> str:  # noqa: ANN401 - a cell of any table
    """Returns a value of Python as a cell of a text file would have it; empty if it is missing."""
    if isinstance(value, str):
        return str(value)
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return ""
    if isinstance(value, float | np.floating):
        number = float(value)
        if number != number:
            return ""
        # A whole number is the same in a column that holds floats because a value is missing.
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
    if callable(iso := getattr(value, "isoformat", None)):
        return str(iso())
    try:
        return str(value)
    except ValueError:  # an int of more digits than Python converts
        return f"{value:#x}"


def as_texts(cells: Cells) -> Sequence[str]:
    """Returns cells as texts."""
    return [as_text(cell) for cell in cells.tolist()] if isinstance(cells, np.ndarray) else cells


def too_wide(place: str, columns: int) -> InputError:
    """Returns what to say of a table of more columns than can be read."""
    return InputError(
        f"Cannot read the {columns:,} columns of {place}; at most {MAX_COLUMNS:,} can be read, so "
        "leave some out."
    )


def repeated_names(given: Sequence[str]) -> frozenset[str]:
    """Returns the names that several columns have, without spaces around them."""
    counts = Counter(name.strip() for name in given)
    return frozenset(name for name, count in counts.items() if count > 1)


def tidy_names(given: Sequence[str], place: str, notices: Notices) -> tuple[str, ...]:
    """Returns names without spaces around them; numbers those that are empty or repeated.

    Raises:
        InputError: There are more columns than a table may have.
    """
    if len(given) > MAX_COLUMNS:
        raise too_wide(place, len(given))
    tidy: dict[str, None] = {}
    taken = {name.strip() for name in given}
    repeated, nameless = [], []
    for number, name in enumerate(given, 1):
        wanted = name.strip() or f"column {number}"
        unique, copy = wanted, 1
        while unique in tidy or (copy > 1 and unique in taken):
            copy += 1
            unique = f"{wanted} ({copy})"
        if copy > 1:
            repeated.append(f"column {number} is now {short(unique, 30)!r}")
        elif not name.strip():
            nameless.append(unique)
        tidy[unique] = None
    if nameless:
        notices.say(f"Columns without a name were named by their position: {names(nameless)}.")
    if repeated:
        notices.say(f"Columns with the name of an earlier one were renamed: {names(repeated)}.")
    return tuple(tidy)
