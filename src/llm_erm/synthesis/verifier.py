"""Turns the model's answers into verified attempts, and selects the best attempt."""

from bisect import insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from llm_erm import grammar
from llm_erm.erm.alone import Selected, confirm, select_confirmed
from llm_erm.erm.verify import Verification, execute, no_program
from llm_erm.execution import Evaluator
from llm_erm.llms.llm import Completion
from llm_erm.records import Attempt, Candidate, Verdict
from llm_erm.synthesis.extract import extract_source
from llm_erm.synthesis.settings import SynthesisSettings
from llm_erm.tasks.task import Splits


class Verifier:
    """Runs the proposed programs on training and validation data, each program once.

    Attributes:
        attempts: The attempts so far, in order of their indices.
    """

    def __init__(
        self,
        splits: Splits,
        sandbox: Evaluator,
        settings: SynthesisSettings,
        attempts: Sequence[Attempt],
        answers: Mapping[int, Completion],
        on_attempt: Callable[[Attempt], None],
    ) -> None:
        """Starts or resumes a search.

        Args:
            splits: The labelled data.
            sandbox: Where programs run.
            settings: Settings of the search.
            attempts: Attempts of the interrupted search.
            answers: The answers behind these attempts, by index.
            on_attempt: Called with each verified attempt, and again if the attempt later fails the
                replay of the selected program.
        """
        self._data = [splits.train, splits.validation]
        self._sandbox = sandbox
        self._settings = settings
        self._on_attempt = on_attempt
        self.attempts = sorted(attempts, key=_index)
        self._confirmed: dict[int, Selected] = {}
        self._first_with: dict[str, Attempt] = {}
        for attempt in attempts:
            if attempt.duplicate_of is None and (answer := answers.get(attempt.index)) is not None:
                self._remember(self._extract(answer)[0], attempt)

    def add(self, completion: Completion) -> Attempt:
        """Verifies the program in an answer and returns the attempt."""
        source, reason = self._extract(completion)
        earlier = self._first_with.get(source) if source is not None else None
        if earlier is not None:
            attempt = replace(earlier, index=completion.index, duplicate_of=earlier.index)
        else:
            attempt = self._verify(completion.index, Candidate(source, reason))
        insort(self.attempts, attempt, key=_index)
        self._remember(source, attempt)
        self._on_attempt(attempt)
        return attempt

    def select(self) -> Selected | None:
        """Returns the best attempt whose program gives the same outputs when run again."""
        return select_confirmed(self.attempts, self._confirm, self._on_attempt)

    def _extract(self, completion: Completion) -> tuple[str | None, str | None]:
        if self._settings.constraint != "grammar":
            return extract_source(completion)
        if completion.finish_reason == "stop":
            return grammar.read_program(completion.text)
        return None, f"truncated: the expression ended by {completion.finish_reason}"

    def _verify(self, index: int, candidate: Candidate) -> Attempt:
        source = candidate.source
        if source is None:
            train, validation = no_program(self._data)
            return Attempt(index, candidate, train, validation)
        verification = self._execute(source)
        train, validation = verification.verdicts
        complement = _complement(train)
        turned = self._settings.constraint == "grammar" and complement.correct > train.correct
        if turned:
            candidate = replace(candidate, source=grammar.complement(source))
            train, validation = complement, _complement(validation)
        attempt = Attempt(index, candidate, train, validation)
        if not validation.perfect:
            return attempt
        return self._confirm(attempt, None if turned else verification).attempt

    def _confirm(self, attempt: Attempt, verification: Verification | None = None) -> Selected:
        """Returns the attempt with its evidence, or as failed if its program answers differently.

        Args:
            attempt: The attempt to confirm.
            verification: The execution of its program, if that is at hand.
        """
        if (known := self._confirmed.get(attempt.index)) is not None:
            return known
        source = attempt.candidate.source
        assert source is not None  # it ran
        chosen = confirm(attempt, verification or self._execute(source, again=True))
        if chosen.attempt.validation.status == "ok":
            self._confirmed[attempt.index] = chosen
        return chosen

    def _execute(self, source: str, *, again: bool = False) -> Verification:
        return execute(source, self._data, self._sandbox, self._settings.limits, again=again)

    def _remember(self, source: str | None, attempt: Attempt) -> None:
        if source is not None:
            self._first_with.setdefault(source, attempt)


def _index(attempt: Attempt) -> int:
    return attempt.index


def _complement(verdict: Verdict) -> Verdict:
    """Returns the verdict of 1 - f, which flips every valid prediction."""
    return replace(verdict, correct=verdict.total - verdict.invalid - verdict.correct)
