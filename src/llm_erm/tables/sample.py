"""Keeps a seeded uniform sample of rows that are read one chunk at a time."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from llm_erm.errors import InputError
from llm_erm.tables.chunks import MAX_COLUMNS, Chunk, joined, too_wide

MAX_CELLS = 10_000_000
"""Cells that are kept at most, so that a wide table does not fill the memory."""
MAX_CHARACTERS = 500_000_000
"""Characters that are kept at most."""


class Sample:
    """At most so many rows of those added, each with the same chance.

    Which rows these are depends on the seed and the number of each row among those added, and not
    on how they are divided into chunks.

    Attributes:
        added: Number of rows that were added.
    """

    def __init__(self, max_rows: int, seed: int, place: str) -> None:
        digest = hashlib.sha256(f"rows of a table|seed={seed}".encode()).digest()
        self._random = np.random.RandomState(int.from_bytes(digest[:4], "big"))
        self._max_rows = max_rows
        self._place = place
        self._chunks: list[Chunk] = []
        self._keys: list[NDArray[np.float64]] = []
        self._limit = np.inf
        self._columns: set[str] = set()
        self.added = 0

    def add(self, chunk: Chunk) -> None:
        """Adds rows; those with the smallest random keys stay.

        Raises:
            InputError: The rows have too many different columns.
        """
        keys = self._random.random_sample(len(chunk))
        self.added += len(chunk)
        self._columns.update(chunk.columns)
        if len(self._columns) > MAX_COLUMNS:
            raise too_wide(self._place, len(self._columns))
        rows = np.flatnonzero(keys < self._limit)
        if not len(rows):
            return
        self._chunks.append(chunk.take(rows))
        self._keys.append(keys[rows])
        if sum(map(len, self._keys)) > 2 * self._capacity:
            self._shrink()

    @property
    def _capacity(self) -> int:
        return max(min(self._max_rows, MAX_CELLS // max(len(self._columns), 1)), 1)

    def _shrink(self) -> None:
        keys = np.concatenate(self._keys)
        together = joined(self._chunks)
        if len(keys) > self._capacity:
            self._limit = np.partition(keys, self._capacity)[self._capacity]
            rows = np.flatnonzero(keys < self._limit)
            keys, together = keys[rows], together.take(rows)
        self._chunks, self._keys = [together], [keys]
        _check_size(together)

    def rows(self) -> Chunk:
        """Returns the rows that were kept, in the order of the source.

        Raises:
            InputError: They hold too much text.
        """
        if not self._chunks:
            return Chunk({}, np.empty(0, dtype=np.int64))
        self._shrink()
        return self._chunks[0]


def _check_size(rows: Chunk) -> None:
    texts = [cells for cells in rows.columns.values() if not isinstance(cells, np.ndarray)]
    size = sum(sum(map(len, cells)) for cells in texts)
    if size > MAX_CHARACTERS:
        raise InputError(
            f"{len(rows):,} rows hold {size:,} characters, more than {MAX_CHARACTERS:,}; leave out "
            "columns of long texts, or keep fewer rows.",
            setting="max_rows or ignore",
        )
