"""The programs of one search that are scored on validation data, within the budget."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from llm_erm.enumeration.memory import Clock
from llm_erm.enumeration.settings import Settings
from llm_erm.erm.verify import verify
from llm_erm.llms.llm import Completion
from llm_erm.records import Attempt, Candidate
from llm_erm.sandbox import Outputs, Sandbox
from llm_erm.tasks.task import Splits


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
        sandbox: Sandbox,
        settings: Settings,
        clock: Clock,
        on_attempt: Callable[[Attempt], None],
    ) -> None:
        self._data = [splits.train, splits.validation]
        self._outputs = Outputs(labels)
        self._sandbox, self._settings = sandbox, settings
        self._on_attempt = on_attempt
        self._clock = clock
        self._made: dict[str, Proposal] = {}
        self.attempts: list[Attempt] = []
        self.seconds: list[float] = []
        self.exact_bits = math.inf

    @property
    def spent(self) -> bool:
        """Whether the budget is spent."""
        return len(self.attempts) >= self._settings.attempts

    @property
    def found(self) -> bool:
        """Whether any of them has no training and validation errors."""
        return self.exact_bits < math.inf

    def add(self, proposal: Proposal) -> None:
        """Verifies a program, unless the budget is spent or it was proposed before."""
        if self.spent or proposal.source in self._made:
            return
        self._made[proposal.source] = proposal
        train, validation = verify(
            proposal.source, self._data, self._sandbox, self._settings.limits, outputs=self._outputs
        )
        index = len(self.attempts) + 1
        completion = Completion(index=index, text=proposal.source, cost_usd=0.0)
        attempt = Attempt(
            index, Candidate(proposal.source, None, completion, ""), train, validation
        )
        self.attempts.append(attempt)
        self.seconds.append(self._clock.seconds)
        self._on_attempt(attempt)
        if train.perfect and validation.perfect:
            self.exact_bits = min(self.exact_bits, proposal.bits)

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
