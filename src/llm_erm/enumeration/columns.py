"""Stores of columns, one per observational equivalence class, within the memory of a search."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_erm.enumeration import kernels
from llm_erm.enumeration.language import NUMBER_OF
from llm_erm.enumeration.memory import Memory

MAX_HITS = 4096
"""Truths without training errors that are remembered, at most, between calls of ``take_hits``."""

MAX_COLUMNS = 1 << 31
"""Columns at most, since their indices are 32-bit integers."""


class Columns:
    """Columns of one sort, distinguished by their hashes.

    Attributes:
        values: The columns, shape (capacity, width); those kept come first.
        production: Number of each column's production.
        left: The production's first argument or parameter.
        right: Its second argument or parameter.
        state: The counts of columns kept, columns considered and hits that ``kernels`` updates.
    """

    def __init__(
        self, width: int, dtype: type[np.generic], memory: Memory, *, extra_bytes: int
    ) -> None:
        """Reserves addresses for as many columns as fit; memory is only used as they are filled.

        Args:
            width: Entries per column.
            dtype: Type of the entries.
            memory: The memory to take from.
            extra_bytes: Bytes that a subclass stores with each column.
        """
        self._memory = memory
        self._item_bytes = width * np.dtype(dtype).itemsize + 1 + 4 + 4 + extra_bytes
        self.capacity = min(memory.left // self._item_bytes, MAX_COLUMNS)
        self.values: NDArray[Any] = np.empty((self.capacity, width), dtype)
        self.production = np.empty(self.capacity, np.uint8)
        self.left = np.empty(self.capacity, np.int32)
        self.right = np.empty(self.capacity, np.int32)
        self.state = np.zeros(3, np.int64)
        self._table = np.zeros(1 << 10, np.uint64)
        self._reserved = 0

    @property
    def kept(self) -> int:
        """Number of columns kept."""
        return int(self.state[kernels.KEPT])

    @property
    def considered(self) -> int:
        """Number of columns considered."""
        return int(self.state[kernels.CONSIDERED])

    def reserve(self, count: int) -> None:
        """Makes room for ``count`` more columns.

        Raises:
            LimitReachedError: If they would exceed the memory limit.
        """
        needed = self.kept + count
        if needed > self._reserved:
            self._memory.take((needed - self._reserved) * self._item_bytes)
            self._reserved = needed
        size = self._table.size
        while 6 * size < 10 * needed:
            size *= 2
        if size > self._table.size:
            self._memory.take(8 * size)
            larger = np.zeros(size, np.uint64)
            kernels.rehash(self._table, larger)
            self._memory.release(self._table.nbytes)
            self._table = larger


class Truths(Columns):
    """Columns of bits, with the training errors of each column for each class."""

    def __init__(
        self, targets: NDArray[np.uint64], masks: NDArray[np.uint64], memory: Memory
    ) -> None:
        """Starts empty.

        Args:
            targets: For each class, the bits of the training inputs that belong to it, shape
                (classes, words).
            masks: The bits of all inputs and the bits of the training inputs, shape (2, words).
            memory: The memory to take from.
        """
        classes, words = targets.shape
        super().__init__(words, np.uint64, memory, extra_bytes=1 + 2 * classes)
        self.sign = np.empty(self.capacity, np.uint8)
        self.errors = np.empty((self.capacity, classes), np.uint16)
        self._hits = np.empty((MAX_HITS, 2), np.int64)
        self._work = np.zeros(words, np.uint64)
        trained = np.zeros((1, words), np.uint64)
        trained[0, 0] = np.bitwise_count(masks[1]).sum()
        self.targets = targets
        self._masks = np.concatenate([masks, trained])

    @property
    def arrays(self) -> tuple[NDArray[np.generic], ...]:
        """The arrays that the kernels work on."""
        return (
            self.values,
            self.errors,
            self.production,
            self.sign,
            self.left,
            self.right,
            self._table,
            self.state,
            self._hits,
            self._work,
            self.targets,
            self._masks,
        )

    def take_hits(self) -> list[tuple[int, int]]:
        """Returns the truths without training errors that were found since the last call.

        Each is given as its index and the number of programs considered up to it.
        """
        count = int(self.state[kernels.HITS])
        self.state[kernels.HITS] = 0
        return [(int(index), int(considered)) for index, considered in self._hits[:count]]

    def add(
        self, production: str, left: int, rights: NDArray[np.int64], block: NDArray[np.uint64]
    ) -> None:
        """Keeps the new ones among a block of columns with the same left argument.

        Raises:
            LimitReachedError: If the memory limit is reached.
        """
        if len(block):
            self.reserve(len(block))
            kernels.keep_truths(self.arrays, NUMBER_OF[production], left, rights, block)


class Numbers(Columns):
    """Columns of small integers, with linear hashes."""

    def __init__(self, inputs: int, memory: Memory) -> None:
        """Starts empty; ``inputs`` is the number of inputs, the width of a column."""
        super().__init__(inputs, np.int16, memory, extra_bytes=12)
        self._keys = np.empty(self.capacity, np.uint64)
        random = np.random.RandomState(0).bytes(8 * inputs)
        self._factors = np.frombuffer(random, np.uint64) | np.uint64(1)
        self._bounds = np.empty(self.capacity, np.int32)

    @property
    def arrays(self) -> tuple[NDArray[np.generic], ...]:
        """The arrays that the kernels work on."""
        return (
            self.values,
            self._keys,
            self.production,
            self.left,
            self.right,
            self._table,
            self.state,
            self._factors,
            self._bounds,
        )

    def add(
        self,
        production: str,
        left: int,
        rights: NDArray[np.int64],
        block: NDArray[np.signedinteger[Any]],
    ) -> None:
        """Keeps the new ones among a block of columns, except those with large values.

        Raises:
            LimitReachedError: If the memory limit is reached.
        """
        small = np.abs(block).max(axis=1, initial=0) <= kernels.LARGEST
        if small.any():
            self.reserve(int(small.sum()))
            kernels.keep_numbers(
                self.arrays,
                NUMBER_OF[production],
                left,
                rights[small],
                block[small].astype(np.int16),
            )
