"""The programs of one search that are scored on validation data, within the budget."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from llm_erm.enumeration.evaluation import UNLIMITED, OwnPrograms
from llm_erm.enumeration.front import price
from llm_erm.enumeration.language import InputKind
from llm_erm.enumeration.memory import Clock
from llm_erm.enumeration.settings import EnumerationSettings
from llm_erm.erm.alone import Selected, confirm
from llm_erm.erm.verify import Verification, execute
from llm_erm.execution import Outputs
from llm_erm.facts import LevelCount
from llm_erm.records import Attempt, Candidate
from llm_erm.runs.events import Attempted, Observe
from llm_erm.tasks.task import Splits

FRONT_SHARE = 4
"""One in so many places of the budget is kept for the front: programs that fit few and noisy
training examples could take all of them."""


@dataclass(frozen=True)
class Proposal:
    """A program and how it was found.

    Attributes:
        source: The program.
        bits: Its description length, or its cost under a learned prior.
        considered: Number of programs considered up to it; None if unknown, as for programs with
            training errors.
        found_by: The method that found it.
    """

    source: str
    bits: float
    considered: int | None
    found_by: str


@dataclass(frozen=True)
class SearchOutcome:
    """How far a search went, whatever it proposed.

    Attributes:
        inputs: What the inputs are.
        solutions: Number of solutions of the linear equations that were considered.
        considered: Number of programs considered, those included.
        kept: Number of programs kept, one per behaviour; None if programs are sampled.
        stopped_by: Why the search ended: ``found``, or the limit that it reached.
        levels: The counts by description length, shortest first.
    """

    inputs: InputKind
    solutions: int
    considered: int
    kept: int | None
    stopped_by: str
    levels: tuple[LevelCount, ...] = ()


class Proposals:
    """The proposals so far, as attempts.

    Attributes:
        attempts: One attempt per proposal, in order.
        seconds: Time from the start of the search to the verdict on each.
        exact_bits: Description length of the shortest one without training and validation errors;
            infinite if there is none.
    """

    def __init__(
        self,
        splits: Splits,
        labels: tuple[int, ...],
        settings: EnumerationSettings,
        clock: Clock,
        verified: Sequence[Attempt],
        observe: Observe,
    ) -> None:
        """Starts without proposals.

        Args:
            splits: The labelled data.
            labels: The labels that programs may return.
            settings: Settings of the search.
            clock: When the search started.
            verified: Attempts of an interrupted search; their programs are not run again.
            observe: Told of each attempt that is not among those.
        """
        self._data = [splits.train, splits.validation]
        self._outputs = Outputs(labels)
        self._settings = settings
        self._observe = observe
        self._clock = clock
        self._verified = {attempt.candidate.source: attempt for attempt in verified}
        self._made: dict[str, Proposal] = {}
        self._kept = settings.attempts // FRONT_SHARE
        self.attempts: list[Attempt] = []
        self.seconds: list[float] = []
        self.exact_bits = math.inf

    @property
    def spent(self) -> bool:
        """Whether the budget is spent, except for what is kept for the front.

        It stays kept if a program is exact: validation would otherwise decide which programs are
        among the K that its bound is for, and K of each kind would have to be paid.
        """
        return len(self.attempts) >= self._settings.attempts - self._kept

    @property
    def found(self) -> bool:
        """Whether any of them has no training and validation errors."""
        return self.exact_bits < math.inf

    def add(self, proposal: Proposal) -> None:
        """Verifies a program, unless there is no place for it or it was proposed before."""
        if self.spent or proposal.source in self._made:
            return
        self._made[proposal.source] = proposal
        attempt = self._attempt(len(self.attempts) + 1, proposal.source)
        self.attempts.append(attempt)
        self.seconds.append(self._clock.seconds)
        if attempt != self._verified.get(proposal.source):
            self._observe(Attempted(attempt))
        if attempt.train.perfect and attempt.validation.perfect:
            self.exact_bits = min(self.exact_bits, proposal.bits)

    def fill(self, programs: Iterable[Proposal]) -> None:
        """Verifies programs in order until the whole budget is spent, unless one is exact."""
        if not self.found:
            self._kept = 0
            for proposal in programs:
                self.add(proposal)

    def _attempt(self, index: int, source: str) -> Attempt:
        """Returns the attempt with this program, run unless an interrupted search has run it."""
        if (known := self._verified.get(source)) is not None:
            return replace(known, index=index)
        train, validation = self._execute(source).verdicts
        return Attempt(index, Candidate(source), train, validation)

    def select(self) -> Selected | None:
        """Returns the best attempt whose program gives the same outputs when run again."""
        ran = [attempt for attempt in self.attempts if attempt.validation.status == "ok"]
        for best in sorted(ran, key=self._order):
            chosen = self._confirm(best)
            if chosen.attempt.validation.status == "ok":
                return chosen
            self.attempts[best.index - 1] = chosen.attempt
            self._observe(Attempted(chosen.attempt))
        return None

    def _order(self, attempt: Attempt) -> tuple[int, float, int, int]:
        """Returns what the fewest validation errors, then the lowest price, sort by.

        What fits all training examples costs nothing, and comes before what does not. Of other
        programs with as many validation errors, the one with fewer training errors may only fit
        their noise; the price says whether its length is worth it.
        """
        source, errors = self.of(attempt).source, attempt.train.errors
        paid = price(self.of(attempt).bits, errors, attempt.train.total) if errors else 0.0
        return attempt.validation.errors, paid, len(source), attempt.index

    def _confirm(self, attempt: Attempt) -> Selected:
        source = self.of(attempt).source
        return confirm(attempt, self._execute(source))

    def _execute(self, source: str) -> Verification:
        return execute(source, self._data, OwnPrograms(), UNLIMITED, self._outputs)

    def of(self, attempt: Attempt) -> Proposal:
        """Returns the proposal that an attempt verified."""
        assert attempt.candidate.source is not None
        return self._made[attempt.candidate.source]

    def tied_with(self, selected: Attempt) -> list[Proposal]:
        """Returns the other programs with the same errors on training and validation data."""
        return [
            self.of(attempt)
            for attempt in self.attempts
            if attempt is not selected
            and attempt.validation.status == "ok"
            and attempt.train.errors == selected.train.errors
            and attempt.validation.errors == selected.validation.errors
        ]
