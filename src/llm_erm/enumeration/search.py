"""Bottom-up enumeration of programs in order of description length, within limits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from llm_erm.enumeration.bank import Bank, pack_bits
from llm_erm.enumeration.costs import ROOT, Costs, language_costs
from llm_erm.enumeration.front import front, price
from llm_erm.enumeration.growing import grow
from llm_erm.enumeration.language import MAX_BITS, NAMES, SIGN_BITS, InputKind, productions_for
from llm_erm.enumeration.memory import Clock, LimitReachedError, Memory, Reason
from llm_erm.enumeration.reading import term_of
from llm_erm.enumeration.terms import Term
from llm_erm.execution import Input
from llm_erm.facts import LevelCount

MAX_COMPARED = 1 << 18
"""Programs compared, at most, for each later test of a decision list; the shortest are compared."""

MAX_FRONT = 1 << 12
"""Programs on or near the front, at most, to bound the memory and time of ranking them."""

RANKING_BATCH = 1 << 20
"""Programs that are sorted by their errors at a time, to bound the memory."""


@dataclass(frozen=True)
class Found:
    """A program that the search found.

    Attributes:
        index: Its index among the programs kept.
        bits: Its description length.
        errors: Its training errors or those of its negation, whichever are fewer.
        considered: Number of programs considered up to it; None if unknown.
    """

    index: int
    bits: float
    errors: int
    considered: int | None = None


class BottomUpSearch:
    """Enumerates programs by description length, modulo observational equivalence.

    Attributes:
        stopped_by: The limit that ended the last level, or None.
        exact: Programs without training errors for some class, shortest first.
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
            others: Unlabelled inputs that also distinguish programs.
            memory: The memory to take from.
            clock: The time limit.
            costs: Costs of the productions (default: those of the language).
            max_bits: Description length of the longest programs.
            max_programs: Programs to consider at most; None for no limit.
        """
        self.costs = costs or language_costs(kind)
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

    @property
    def columns(self) -> NDArray[np.uint64]:
        """The answers of the programs kept so far, shape (kept, words).

        The first input is the lowest bit of the first word. Where that bit would be set, all
        answers are complemented.
        """
        return self._bank.truths.values[: self.kept]

    @property
    def roots(self) -> NDArray[np.uint8]:
        """The number of the production at the root of each program kept so far, shape (kept,)."""
        return self._bank.truths.production[: self.kept]

    def levels(self) -> Iterator[LevelCount]:
        """Enumerates one description length after another until a limit sets ``stopped_by``."""
        unit = self.costs.unit
        for cost in range(int((self._max_bits - SIGN_BITS) * unit) + 1):
            before = self._bank.considered, self._bank.truths.kept, self._parts()
            self._starts.append((self._bank.truths.kept, cost))
            try:
                self._grow(cost)
            except LimitReachedError as limit:
                self.stopped_by = limit.reason
            self._offer(cost)
            level = LevelCount(
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
            limit = MAX_BITS.get(production.sort, self._max_bits) * self.costs.unit
            if left >= 0 and cost <= limit:
                self._bank.check()
                start = self._bank.kept(production.sort)
                try:
                    grow(self._bank, production, left)
                finally:
                    self._bank.record(cost, production, start)

    def _offer(self, cost: int) -> None:
        """Moves hits whose cost, including what their root adds, is reached to ``exact``."""
        for index, considered in self._bank.truths.take_hits():
            heappush(self._waiting, (cost + self._root(index), index, considered))
        while self._waiting and (self._waiting[0][0] <= cost or self.stopped_by is not None):
            due, index, considered = heappop(self._waiting)
            bits = due / self.costs.unit + SIGN_BITS
            self.exact.append(Found(index, bits, 0, considered))

    def _root(self, index: int) -> int:
        """Returns the additional cost of a program's production at the root."""
        name = NAMES[self._bank.truths.production[index]]
        return self.costs.extra.get((name, ROOT), 0)

    def bits(self, index: int) -> float:
        """Returns the description length of a kept program."""
        cost = next(cost for start, cost in reversed(self._starts) if start <= index)
        return (cost + self._root(index)) / self.costs.unit + SIGN_BITS

    def best(self, count: int, target: int = 0) -> list[Found]:
        """Returns the programs with the fewest training errors, shorter ones first among ties."""
        best = np.zeros(0, np.int64)
        errors = self._bank.truths.errors[:, target]
        for start in range(0, self.kept, RANKING_BATCH):
            more = np.arange(start, min(start + RANKING_BATCH, self.kept))
            both = np.concatenate([best, more])
            best = both[np.argsort(errors[both], kind="stable")[:count]]
        found = [Found(int(i), self.bits(int(i)), int(errors[i])) for i in best]
        return sorted(found, key=lambda program: (program.errors, program.bits, program.index))

    def front(self, count: int, target: int = 0) -> list[Found]:
        """Returns programs on or near the front of description length against training errors.

        At most ``MAX_FRONT`` are returned. Of programs that cost the same without their root, those
        with the fewest errors are ranked.
        """
        count = min(count, MAX_FRONT)
        errors = self._bank.truths.errors[:, target]
        starts = [start for start, _ in self._starts]
        chosen: list[int] = []
        for start, stop in zip(starts, [*starts[1:], self.kept], strict=True):
            for first in range(start, stop, RANKING_BATCH):
                batch = errors[first : min(first + RANKING_BATCH, stop)]
                chosen += (first + np.argsort(batch, kind="stable")[:count]).tolist()
        found = [Found(i, self.bits(i), int(errors[i])) for i in chosen]
        return front(found, count, self._targets.shape[1])

    def errors(self, index: int, target: int) -> int:
        """Returns the training errors of a kept program or its negation, whichever are fewer."""
        return int(self._bank.truths.errors[index, target])

    def term(self, index: int, target: int = 0) -> Term:
        """Returns a kept program as a tree, negated if that fits the training data better."""
        negated, _ = self.oriented(index, self._all, self._targets[target])
        return self.term_as(index, negated=negated)

    def term_as(self, index: int, *, negated: bool) -> Term:
        """Returns a kept program as its column is stored, or its negation."""
        return term_of(self._bank, index, negated=negated)

    def oriented(
        self, index: int, among: NDArray[np.bool_], wanted: NDArray[np.bool_]
    ) -> tuple[bool, NDArray[np.bool_]]:
        """Returns whether the negation of a kept program fits better, and the better predictions.

        Args:
            index: The program.
            among: Which training examples count.
            wanted: The desired answer for each example.
        """
        row = self._bank.truths.values[index : index + 1].view(np.uint8)
        answers = np.unpackbits(row, bitorder="little")[: len(wanted)].astype(np.bool_)
        wrong = int(np.sum((answers != wanted) & among))
        negated = 2 * wrong > int(among.sum())
        return negated, answers ^ negated

    def best_on(self, among: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> Found:
        """Returns the program with the fewest errors on some training examples, shortest first.

        Only the first ``MAX_COMPARED`` programs are compared.
        """
        wrong = self._errors_on(among, wanted)
        return self._found(int(wrong.argmin()), wrong)

    def cheapest_on(self, among: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> Found:
        """Returns the program of those with the lowest price instead; see ``front.price``."""
        wrong = self._errors_on(among, wanted)
        total = int(among.sum())
        paid = np.array([price(0, errors, total) for errors in range(total // 2 + 1)])
        lengths = np.zeros(len(wrong))
        for start, cost in self._starts:
            lengths[start:] = cost / self.costs.unit
        return self._found(int((lengths + paid[wrong]).argmin()), wrong)

    def _found(self, index: int, wrong: NDArray[np.int64]) -> Found:
        return Found(index, self.bits(index), int(wrong[index]))

    def _errors_on(self, among: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Returns the errors of the first programs or of their negations, whichever are fewer."""
        columns = self._bank.truths.values[: min(self.kept, MAX_COMPARED)]
        width = 64 * columns.shape[1]
        rows = np.zeros((2, width), np.bool_)
        rows[0, : len(wanted)], rows[1, : len(among)] = wanted, among
        target, mask = pack_bits(rows)
        wrong = np.bitwise_count((columns ^ target) & mask).sum(axis=1, dtype=np.int64)
        either: NDArray[np.int64] = np.minimum(wrong, int(among.sum()) - wrong)
        return either


def prepare() -> None:
    """Loads the machine code of a search, compiling it if it is not cached."""
    words = [f"{i:06b}" for i in range(64)]
    targets = np.array([[word.count("1") % 3 == 0 for word in words]])
    search = BottomUpSearch(
        "bits", words, targets, words, memory=Memory(64 * 2**20), clock=Clock(600), max_bits=17
    )
    for _ in search.levels():
        pass
