"""Turns the model's answers into verified attempts, and selects the best attempt."""

from bisect import insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from llm_erm import grammar
from llm_erm.erm.select import ranked
from llm_erm.erm.verify import Verification, confirm, execute
from llm_erm.llms.llm import Completion
from llm_erm.records import Attempt, Candidate, Verdict
from llm_erm.sandbox import Sandbox
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
        sandbox: Sandbox,
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
        self._confirmed: set[int] = set()
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

    def select(self) -> Attempt | None:
        """Returns the best attempt whose program gives the same outputs when run again."""
        for best in ranked(self.attempts):
            confirmed = self._confirm(best)
            if confirmed.validation.status == "ok":
                return best
            self.attempts[self.attempts.index(best)] = confirmed
            self._on_attempt(confirmed)
        return None

    def _extract(self, completion: Completion) -> tuple[str | None, str | None]:
        if self._settings.constraint != "grammar":
            return extract_source(completion)
        if completion.finish_reason == "stop":
            return grammar.read_program(completion.text)
        return None, f"truncated: the expression ended by {completion.finish_reason}"

    def _verify(self, index: int, candidate: Candidate) -> Attempt:
        source = candidate.source
        verification = self._execute(source)
        train, validation = verification.verdicts
        complement = _complement(train)
        if self._settings.constraint == "grammar" and complement.correct > train.correct:
            assert source is not None
            candidate = replace(candidate, source=grammar.complement(source))
            train, validation = complement, _complement(validation)
        attempt = Attempt(index, candidate, train, validation)
        return self._confirm(attempt, source, verification) if validation.perfect else attempt

    def _confirm(
        self, attempt: Attempt, source: str | None = None, verification: Verification | None = None
    ) -> Attempt:
        """Returns the attempt unchanged, or as failed if a replay of its program differs.

        Args:
            attempt: The attempt to confirm.
            source: The program that was executed, if known: the attempt's own, or its complement,
                which is equally deterministic.
            verification: The verification to compare with.
        """
        if attempt.index in self._confirmed:
            return attempt
        if verification is None:
            source = attempt.candidate.source
            verification = self._execute(source)
        limits = self._settings.limits
        train, validation = confirm(source, self._data, verification, self._sandbox, limits)
        if validation.status == "ok":
            self._confirmed.add(attempt.index)
            return attempt
        return replace(attempt, train=train, validation=validation)

    def _execute(self, source: str | None) -> Verification:
        return execute(source, self._data, self._sandbox, self._settings.limits)

    def _remember(self, source: str | None, attempt: Attempt) -> None:
        if source is not None:
            self._first_with.setdefault(source, attempt)


def _index(attempt: Attempt) -> int:
    return attempt.index


def _complement(verdict: Verdict) -> Verdict:
    """Returns the verdict of 1 - f, which flips every valid prediction."""
    return replace(verdict, correct=verdict.total - verdict.invalid - verdict.correct)
