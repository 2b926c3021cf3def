"""Enumeration of programs in order of description length, as far as limits allow."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from llm_erm.enumeration.bank import Bank, packed
from llm_erm.enumeration.costs import ROOT, Costs, stated
from llm_erm.enumeration.growing import grow
from llm_erm.enumeration.language import MOST_BITS, NAMES, SIGN_BITS, InputKind, productions_for
from llm_erm.enumeration.memory import Clock, LimitReachedError, Memory, Reason
from llm_erm.enumeration.reading import term_of
from llm_erm.enumeration.terms import Term
from llm_erm.sandbox.execution import Input

MOST_COMPARED = 1 << 18
"""Programs that are compared for a later test of a decision list; the cheaper ones come first."""


RANKED_AT_ONCE = 1 << 20
"""Programs that are sorted by their errors at a time."""


@dataclass(frozen=True)
class Level:
    """What the programs of one price came to.

    Attributes:
        bits: Their price, the sign included.
        considered: Programs considered.
        kept: Programs with a behaviour that no cheaper one has.
        parts: Texts and numbers kept at that price, to build programs from.
        seconds: Wall time since the search began.
        complete: Whether all programs of that price were considered.
    """

    bits: float
    considered: int
    kept: int
    parts: int
    seconds: float
    complete: bool


@dataclass(frozen=True)
class Found:
    """A program that the search offers.

    Attributes:
        index: Its place among the programs kept.
        bits: Its price.
        errors: Its training errors, or those of its opposite, whichever are fewer.
        considered: Programs considered up to it; None where that is not known.
    """

    index: int
    bits: float
    errors: int
    considered: int | None = None


class Search:
    """Programs by price, each behaviour once.

    Attributes:
        stopped_by: The limit that ended the last level, or None.
        exact: Programs without training errors for some class, cheapest first.
    """

    def __init__(
        self,
        kind: InputKind,
        train: Sequence[Input],
        targets: NDArray[np.bool_],
        others: Sequence[Input],
        *,
        memory: Memory,
        clock: Clock,
        costs: Costs | None = None,
        max_bits: float = 64,
        max_programs: int | None = None,
    ) -> None:
        """Starts with nothing enumerated.

        Args:
            kind: What the inputs are.
            train: The training inputs.
            targets: For each class, whether each training input belongs to it, shape
                (classes, n_train); a single row for labels 0 and 1.
            others: Unlabelled inputs that programs are told apart by as well.
            memory: Bytes to take.
            clock: Time to take.
            costs: Prices; the language's own unless given.
            max_bits: Price of the dearest programs.
            max_programs: Programs to consider at most.
        """
        self.costs = costs or stated(kind)
        self._order = [p for p in productions_for(kind) if p.name in self.costs.base]
        self._bank = Bank(kind, (*train, *others), targets, self.costs, memory, clock, max_programs)
        self._targets = targets
        self._all = np.ones(targets.shape[1], np.bool_)
        self._clock = clock
        self._max_bits = max_bits
        self._starts: list[tuple[int, int]] = []
        self._waiting: list[tuple[int, int, int]] = []
        self.stopped_by: Reason | None = None
        self.exact: list[Found] = []

    @property
    def considered(self) -> int:
        """Programs considered so far."""
        return self._bank.considered

    @property
    def kept(self) -> int:
        """Programs kept so far."""
        return self._bank.truths.kept

    def levels(self) -> Iterator[Level]:
        """Enumerates price after price; ends at a limit, with ``stopped_by`` set."""
        unit = self.costs.unit
        for cost in range(int((self._max_bits - SIGN_BITS) * unit) + 1):
            before = self._bank.considered, self._bank.truths.kept, self._parts()
            self._starts.append((self._bank.truths.kept, cost))
            try:
                self._grow(cost)
            except LimitReachedError as limit:
                self.stopped_by = limit.reason
            self._offer(cost)
            level = Level(
                bits=cost / unit + SIGN_BITS,
                considered=self._bank.considered - before[0],
                kept=self._bank.truths.kept - before[1],
                parts=self._parts() - before[2],
                seconds=self._clock.seconds,
                complete=self.stopped_by is None,
            )
            yield level
            if self.stopped_by is not None:
                return
        self.stopped_by = "bits"

    def _parts(self) -> int:
        return self._bank.kept("text") + self._bank.kept("number")

    def _grow(self, cost: int) -> None:
        for production in self._order:
            left = cost - self.costs.base[production.name]
            most = MOST_BITS.get(production.sort, self._max_bits) * self.costs.unit
            if left >= 0 and cost <= most:
                self._bank.check()
                start = self._bank.kept(production.sort)
                try:
                    grow(self._bank, production, left)
                finally:
                    self._bank.record(cost, production, start)

    def _offer(self, cost: int) -> None:
        """Moves the hits of this price, or of a lower one with what their root adds, to exact."""
        for index, considered in self._bank.truths.take_hits():
            heappush(self._waiting, (cost + self._root(index), index, considered))
        while self._waiting and (self._waiting[0][0] <= cost or self.stopped_by is not None):
            due, index, considered = heappop(self._waiting)
            bits = due / self.costs.unit + SIGN_BITS
            self.exact.append(Found(index, bits, 0, considered))

    def _root(self, index: int) -> int:
        """What the production of a program costs more at the root."""
        name = NAMES[self._bank.truths.production[index]]
        return self.costs.extra.get((name, ROOT), 0)

    def bits(self, index: int) -> float:
        """Returns the price of a kept program."""
        cost = next(cost for start, cost in reversed(self._starts) if start <= index)
        return (cost + self._root(index)) / self.costs.unit + SIGN_BITS

    def best(self, count: int, target: int = 0) -> list[Found]:
        """Returns the programs with the fewest training errors, cheaper first among equals."""
        best = np.zeros(0, np.int64)
        errors = self._bank.truths.errors[:, target]
        for start in range(0, self.kept, RANKED_AT_ONCE):  # bounds the memory
            more = np.arange(start, min(start + RANKED_AT_ONCE, self.kept))
            both = np.concatenate([best, more])
            best = both[np.argsort(errors[both], kind="stable")[:count]]
        found = [Found(int(i), self.bits(int(i)), int(errors[i])) for i in best]
        return sorted(found, key=lambda program: (program.errors, program.bits, program.index))

    def errors(self, index: int, target: int) -> int:
        """Returns the training errors of a kept program for a class, or of its opposite."""
        return int(self._bank.truths.errors[index, target])

    def term(self, index: int, target: int = 0) -> Term:
        """Returns a kept program as a tree, negated where that fits the training data better."""
        negated, _ = self.oriented(index, self._all, self._targets[target])
        return self.term_as(index, negated=negated)

    def term_as(self, index: int, *, negated: bool) -> Term:
        """Returns a kept program as its column is stored, or its opposite."""
        return term_of(self._bank, index, negated=negated)

    def oriented(
        self, index: int, among: NDArray[np.bool_], wanted: NDArray[np.bool_]
    ) -> tuple[bool, NDArray[np.bool_]]:
        """Returns whether the opposite of a kept program fits better, and the better one's answers.

        Args:
            index: The program.
            among: Which training examples count.
            wanted: What it should answer on each.
        """
        row = self._bank.truths.values[index : index + 1].view(np.uint8)
        answers = np.unpackbits(row, bitorder="little")[: len(wanted)].astype(np.bool_)
        wrong = int(np.sum((answers != wanted) & among))
        negated = 2 * wrong > int(among.sum())
        return negated, answers ^ negated

    def best_on(self, among: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> Found:
        """Returns the program with the fewest errors on some training examples, cheapest first.

        Only the first ``MOST_COMPARED`` programs are compared.
        """
        columns = self._bank.truths.values[: min(self.kept, MOST_COMPARED)]
        width = 64 * columns.shape[1]
        rows = np.zeros((2, width), np.bool_)
        rows[0, : len(wanted)], rows[1, : len(among)] = wanted, among
        target, mask = packed(rows)
        wrong = np.bitwise_count((columns ^ target) & mask).sum(axis=1, dtype=np.int64)
        wrong = np.minimum(wrong, int(among.sum()) - wrong)
        index = int(wrong.argmin())
        return Found(index, self.bits(index), int(wrong[index]))


def prepare() -> None:
    """Loads the machine code of a search, or compiles it where that was never done."""
    words = [f"{i:06b}" for i in range(64)]
    targets = np.array([[word.count("1") % 3 == 0 for word in words]])
    search = Search(
        "bits", words, targets, words, memory=Memory(64 * 2**20), clock=Clock(600), max_bits=17
    )
    for _ in search.levels():
        pass
