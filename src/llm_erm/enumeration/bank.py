"""The expressions that a search has kept, by cost, within its limits."""

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
from llm_erm.execution import Input

PAIRS_PER_CALL = 1 << 16
"""Pairs that one kernel call combines, in a few milliseconds, so that limits are met on time."""

Range = tuple[int, int]
"""Kept expressions from the first index up to but not including the second."""


@dataclass(frozen=True)
class Segment:
    """A run of kept expressions with the same cost and production."""

    cost: int
    production: str
    start: int
    stop: int


class Bank:
    """All expressions that a search has kept.

    Attributes:
        kind: What the inputs are.
        inputs: Training inputs, then their neighbours.
        shortest: Length of the shortest input.
        costs: Cost of each production.
        texts: Kept expressions whose values are strings.
        numbers: Kept expressions whose values are integers.
        truths: Kept expressions whose values are 0 or 1.
    """

    def __init__(
        self,
        kind: InputKind,
        inputs: Sequence[Input],
        targets: NDArray[np.bool_],
        costs: Costs,
        memory: Memory,
        clock: Clock,
        max_programs: int | None,
    ) -> None:
        """Starts empty.

        Args:
            kind: What the inputs are.
            inputs: Training inputs, then further inputs that distinguish programs.
            targets: For each class, whether each training input belongs to it, shape
                (classes, n_train).
            costs: Cost of each production.
            memory: The memory to take from.
            clock: The time limit.
            max_programs: Truths to consider at most; None for no limit.
        """
        self.kind = kind
        self.inputs = tuple(inputs)
        self.shortest = min(map(len, inputs))
        self.costs = costs
        self.texts: list[texts.Text] = []
        self._text_keys: set[bytes] = set()
        self._memory, self._clock = memory, clock
        self._max_programs = max_programs
        padded = np.zeros((len(targets), len(inputs)), np.bool_)
        padded[:, : targets.shape[1]] = targets
        masks = np.ones((2, len(inputs)), np.bool_)
        masks[1, targets.shape[1] :] = False
        self.truths = Truths(pack_bits(padded), pack_bits(masks), memory)
        self.numbers = Numbers(len(inputs), memory)
        self._segments: dict[Sort, list[Segment]] = {"text": [], "number": [], "truth": []}

    @property
    def considered(self) -> int:
        """Number of truths, and so of programs, considered so far."""
        return self.truths.considered

    def kept(self, sort: Sort) -> int:
        """Returns the number of expressions of this sort that are kept."""
        match sort:
            case "text":
                return len(self.texts)
            case "number":
                return self.numbers.kept
            case "truth":
                return self.truths.kept

    def record(self, cost: int, production: Production, start: int) -> None:
        """Records that the expressions kept since ``start`` have this cost and production."""
        stop = self.kept(production.sort)
        if stop > start:
            self._segments[production.sort].append(Segment(cost, production.name, start, stop))

    def check(self) -> None:
        """Raises LimitReachedError once the time is up or enough programs were considered."""
        self._clock.check()
        if self._max_programs is not None and self.considered >= self._max_programs:
            raise LimitReachedError("programs")

    def arguments(self, sort: Sort, parent: Production) -> dict[int, list[Range]]:
        """Returns the kept expressions of a sort by their cost as an argument of ``parent``.

        Adjacent ranges are merged.
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
        for spent, ranges in sorted(self.arguments(parent.arguments[0], parent).items()):
            bits, rest = divmod(cost - spent, self.costs.unit)
            if rest == 0 and bits >= 0:
                for start, stop in ranges:
                    yield start, stop, bits

    def two(self, parent: Production, cost: int) -> Iterator[tuple[Range, Range, bool]]:
        """Yields blocks of pairs of arguments of ``parent`` whose costs add up to ``cost``.

        Each block holds about ``PAIRS_PER_CALL`` pairs. If the flag is set, the two ranges may
        overlap, and only pairs with the left index below the right one count, so that each pair of
        commuting arguments is tried once.
        """
        found = self.arguments(parent.arguments[0], parent)
        for left_cost in sorted(found):
            if parent.commutes and 2 * left_cost > cost:
                return
            once = parent.commutes and 2 * left_cost == cost
            for i, left in enumerate(found[left_cost]):
                for j, right in enumerate(found.get(cost - left_cost, ())):
                    if not once or i <= j:
                        yield from _blocks(left, right, once=once and i == j)

    def sign_cost(self, count: int) -> int:
        """Returns the cost of ``count`` signs."""
        return count * SIGN_BITS * self.costs.unit

    def add_text(self, text: texts.Text) -> None:
        """Keeps a text unless an observationally equivalent one is kept.

        Raises:
            LimitReachedError: If the memory limit is reached.
        """
        key = text.hashes.tobytes()
        if key not in self._text_keys:
            self._memory.take(text.nbytes + 2 * len(key))
            self._text_keys.add(key)
            self.texts.append(text)


Grow = Callable[[Bank, Production, int], None]
"""Adds a production's expressions, given the cost left for its arguments and parameters."""


def _blocks(left: Range, right: Range, *, once: bool) -> Iterator[tuple[Range, Range, bool]]:
    """Cuts a rectangle of pairs into blocks of about ``PAIRS_PER_CALL``."""
    columns = min(right[1] - right[0], PAIRS_PER_CALL)
    rows = max(PAIRS_PER_CALL // columns, 1)
    for a in range(left[0], left[1], rows):
        a_end = min(a + rows, left[1])
        for b in range(right[0], right[1], columns):
            b_end = min(b + columns, right[1])
            if not once or b_end > a + 1:
                yield (a, a_end), (b, b_end), once


def pack_bits(rows: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Returns rows of booleans as 64-bit words, zero-padded, the first one in the lowest bit."""
    count, width = rows.shape
    padded = np.zeros((count, -(-width // 64) * 64), np.bool_)
    padded[:, :width] = rows
    return np.packbits(padded, axis=1, bitorder="little").view(np.uint64)
