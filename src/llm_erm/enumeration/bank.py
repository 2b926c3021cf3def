"""What a search has kept so far, by price, and what it may still take."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llm_erm.enumeration import texts
from llm_erm.enumeration.columns import Numbers, Truths
from llm_erm.enumeration.costs import Costs
from llm_erm.enumeration.language import SIGN_BITS, InputKind, Production, Sort
from llm_erm.enumeration.memory import Clock, LimitReachedError, Memory
from llm_erm.sandbox.execution import Input

PAIRS_AT_ONCE = 1 << 16
"""Pairs that one kernel call combines: some milliseconds, so that limits are met on time."""

Range = tuple[int, int]
"""Kept expressions from the first index to before the second."""


@dataclass(frozen=True)
class Segment:
    """Expressions of one price and one production, kept one after the other."""

    cost: int
    production: str
    start: int
    stop: int


class Bank:
    """Everything a search has kept.

    Attributes:
        kind: What the inputs are.
        inputs: Training inputs, then their neighbours.
        shortest: Length of the shortest.
        costs: Prices.
        texts: The strings.
        numbers: The integers.
        truths: The answers.
    """

    def __init__(
        self,
        kind: InputKind,
        inputs: Sequence[Input],
        targets: NDArray[np.bool_],
        costs: Costs,
        memory: Memory,
        clock: Clock,
        most_programs: int | None,
    ) -> None:
        """Starts empty.

        Args:
            kind: What the inputs are.
            inputs: Training inputs, then others to tell programs apart by.
            targets: What each class wants of the training inputs, shape (classes, n_train).
            costs: Prices.
            memory: Bytes to take.
            clock: Time to take.
            most_programs: Truths to consider at most; None for no limit.
        """
        self.kind = kind
        self.inputs = tuple(inputs)
        self.shortest = min(map(len, inputs))
        self.costs = costs
        self.texts: list[texts.Text] = []
        self._text_keys: set[bytes] = set()
        self._memory, self._clock = memory, clock
        self._most_programs = most_programs
        padded = np.zeros((len(targets), len(inputs)), np.bool_)
        padded[:, : targets.shape[1]] = targets
        masks = np.ones((2, len(inputs)), np.bool_)
        masks[1, targets.shape[1] :] = False
        self.truths = Truths(packed(padded), packed(masks), memory)
        self.numbers = Numbers(len(inputs), memory)
        self._segments: dict[Sort, list[Segment]] = {"text": [], "number": [], "truth": []}

    @property
    def considered(self) -> int:
        """Truths considered so far: the number of programs."""
        return self.truths.considered

    def kept(self, sort: Sort) -> int:
        """Returns how many expressions of a sort are kept."""
        match sort:
            case "text":
                return len(self.texts)
            case "number":
                return self.numbers.kept
            case "truth":
                return self.truths.kept

    def record(self, cost: int, production: Production, start: int) -> None:
        """Notes that what was kept since ``start`` has this price and production."""
        stop = self.kept(production.sort)
        if stop > start:
            self._segments[production.sort].append(Segment(cost, production.name, start, stop))

    def check(self) -> None:
        """Raises LimitReachedError once time is up or enough programs were considered."""
        self._clock.check()
        if self._most_programs is not None and self.considered >= self._most_programs:
            raise LimitReachedError("programs")

    def arguments(self, sort: Sort, parent: Production) -> dict[int, list[Range]]:
        """Returns what is kept of a sort by its price as an argument of ``parent``.

        Ranges that touch are joined.
        """
        result: dict[int, list[Range]] = defaultdict(list)
        for part in self._segments[sort]:
            extra = self.costs.extra.get((part.production, parent.name), 0)
            ranges = result[part.cost + extra]
            if ranges and ranges[-1][1] == part.start:
                ranges[-1] = (ranges[-1][0], part.stop)
            else:
                ranges.append((part.start, part.stop))
        return result

    def one(self, parent: Production, cost: int) -> Iterator[tuple[int, int, int]]:
        """Yields ranges of the only argument of ``parent`` and the bits left for parameters."""
        for price, ranges in sorted(self.arguments(parent.arguments[0], parent).items()):
            bits, rest = divmod(cost - price, self.costs.unit)
            if rest == 0 and bits >= 0:
                for start, stop in ranges:
                    yield start, stop, bits

    def two(self, parent: Production, cost: int) -> Iterator[tuple[Range, Range, bool]]:
        """Yields blocks of pairs of arguments of ``parent`` whose prices add up to ``cost``.

        Each block holds about ``PAIRS_AT_ONCE`` pairs. The flag tells that the two ranges may
        overlap and only pairs with the left index below the right one count: where arguments can
        be swapped, each pair comes once.
        """
        found = self.arguments(parent.arguments[0], parent)
        for price in sorted(found):
            if parent.commutes and 2 * price > cost:
                return
            once = parent.commutes and 2 * price == cost
            for i, left in enumerate(found[price]):
                for j, right in enumerate(found.get(cost - price, ())):
                    if not once or i <= j:
                        yield from _blocks(left, right, once=once and i == j)

    def sign_cost(self, count: int) -> int:
        """Returns what ``count`` signs cost."""
        return count * SIGN_BITS * self.costs.unit

    def add_text(self, text: texts.Text) -> None:
        """Keeps a text unless the same strings are there.

        Raises:
            LimitReachedError: The memory is spent.
        """
        key = text.hashes.tobytes()
        if key not in self._text_keys:
            self._memory.take(text.nbytes + 2 * len(key))
            self._text_keys.add(key)
            self.texts.append(text)


Grow = Callable[[Bank, Production, int], None]
"""Adds what a production makes with so many units left for its arguments and parameters."""


def _blocks(left: Range, right: Range, *, once: bool) -> Iterator[tuple[Range, Range, bool]]:
    """Cuts a rectangle of pairs into pieces of about ``PAIRS_AT_ONCE``."""
    columns = min(right[1] - right[0], PAIRS_AT_ONCE)
    rows = max(PAIRS_AT_ONCE // columns, 1)
    for a in range(left[0], left[1], rows):
        a_end = min(a + rows, left[1])
        for b in range(right[0], right[1], columns):
            b_end = min(b + columns, right[1])
            if not once or b_end > a + 1:
                yield (a, a_end), (b, b_end), once


def packed(rows: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Returns rows of truths as 64-bit words, the first truth in the lowest bit, zero-padded."""
    count, width = rows.shape
    padded = np.zeros((count, -(-width // 64) * 64), np.bool_)
    padded[:, :width] = rows
    return np.packbits(padded, axis=1, bitorder="little").view(np.uint64)
