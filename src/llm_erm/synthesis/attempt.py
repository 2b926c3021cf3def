"""From one answer of the model to one verified attempt."""

import hashlib
from bisect import insort
from collections.abc import Callable, Sequence
from dataclasses import replace

from llm_erm import grammar
from llm_erm.erm.select import select_best
from llm_erm.erm.verify import verify
from llm_erm.llms.llm import Completion, Request
from llm_erm.records import Attempt, Candidate, Verdict
from llm_erm.sandbox import Sandbox
from llm_erm.synthesis.code_tool import code_tool
from llm_erm.synthesis.extract import extract_source
from llm_erm.synthesis.prompt import ANSWER_SCHEMA, build_prompt
from llm_erm.synthesis.settings import Settings
from llm_erm.tasks.task import Splits


class Attempts:
    """The attempts of one search so far, and what the next answer becomes.

    Attributes:
        all: The attempts, in order.
    """

    def __init__(
        self,
        splits: Splits,
        sandbox: Sandbox,
        settings: Settings,
        done: Sequence[Attempt],
        on_change: Callable[[Attempt], None],
    ) -> None:
        self._splits = splits
        self._sandbox = sandbox
        self._settings = settings
        self._on_change = on_change
        self._prompt = prompt_for(splits, settings)
        self.all = sorted(done, key=_index)
        self._confirmed: set[int] = set()
        self._more_drawn = bool(self.all) and self.all[-1].candidate.completion.more_drawn
        self._first_with: dict[str, Attempt] = {}
        for attempt in done:
            if attempt.duplicate_of is None:
                self._remember(self._extract(attempt.candidate.completion)[0], attempt)

    @property
    def over(self) -> bool:
        """Whether the budget is spent or a program without validation errors was found.

        What was drawn together with that program is verified too: it is there, and a shorter
        program may be among it.
        """
        if len(self.all) >= self._settings.attempts:
            return True
        found = any(attempt.validation.perfect for attempt in self.all)
        return found and self._settings.early_stop and not self._more_drawn

    def request(self) -> Request:
        """Returns the request for the attempts that remain."""
        settings, splits = self._settings, self._splits
        there = {attempt.index for attempt in self.all}
        return Request(
            prompt=self._prompt,
            indices=[i for i in range(1, settings.attempts + 1) if i not in there],
            seed=sample_seed(splits.fn, splits.length, settings.seed),
            max_tokens=settings.max_tokens,
            grammar=grammar.gbnf() if settings.constraint == "grammar" else None,
            json_schema=ANSWER_SCHEMA if settings.constraint == "schema" else None,
            tool=(
                code_tool(splits.train, self._sandbox, settings.limits)
                if settings.code_tool
                else None
            ),
        )

    def add(self, completion: Completion) -> None:
        """Verifies what ``completion`` proposes."""
        source, reason = self._extract(completion)
        candidate = Candidate(source, reason, completion, self._prompt)
        index = completion.index
        earlier = self._first_with.get(source) if source is not None else None
        if earlier is not None:
            attempt = replace(
                earlier,
                index=index,
                candidate=replace(candidate, source=earlier.candidate.source),
                duplicate_of=earlier.index,
            )
        else:
            attempt = self._verify(index, candidate)
        insort(self.all, attempt, key=_index)
        self._more_drawn = completion.more_drawn
        self._remember(source, attempt)
        self._on_change(attempt)

    def _extract(self, completion: Completion) -> tuple[str | None, str | None]:
        if self._settings.constraint != "grammar":
            return extract_source(completion)
        if completion.finish_reason == "stop":
            return grammar.to_program(completion.text), None
        return None, f"truncated: the expression ended by {completion.finish_reason}"

    def select(self) -> Attempt | None:
        """Returns the best attempt whose program gives the same answers when run again."""
        while (best := select_best(self.all)) is not None:
            confirmed = self._confirm(best)
            if confirmed.validation.status == "ok":
                return best
            self.all[self.all.index(best)] = confirmed
            self._on_change(confirmed)
        return None

    def _confirm(self, attempt: Attempt) -> Attempt:
        """The attempt as it is, or failed where a replay of its program differs."""
        if attempt.index in self._confirmed:
            return attempt
        train, validation = self._verdicts(attempt.candidate.source, replay=True)
        if validation.status == "ok":
            self._confirmed.add(attempt.index)
            return attempt
        return replace(attempt, train=train, validation=validation)

    def _verdicts(self, source: str | None, *, replay: bool = False) -> list[Verdict]:
        return verify(
            source,
            [self._splits.train, self._splits.validation],
            self._sandbox,
            self._settings.limits,
            replay=replay,
        )

    def _verify(self, index: int, candidate: Candidate) -> Attempt:
        train, validation = self._verdicts(candidate.source)
        complement = _complement(train)
        if self._settings.constraint == "grammar" and complement.correct > train.correct:
            assert candidate.source is not None
            candidate = replace(candidate, source=grammar.complement(candidate.source))
            train, validation = complement, _complement(validation)
        attempt = Attempt(index, candidate, train, validation)
        return self._confirm(attempt) if validation.perfect else attempt

    def _remember(self, source: str | None, attempt: Attempt) -> None:
        if source is not None:
            self._first_with.setdefault(source, attempt)


def _index(attempt: Attempt) -> int:
    return attempt.index


def sample_seed(function: str, length: int, seed: int) -> int:
    """Returns the seed of a search's samples, so that no two searches draw the same ones."""
    text = f"{function}|L={length}|seed={seed}|samples"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") & 0x7FFFFFFF


def prompt_for(splits: Splits, settings: Settings) -> str:
    """Returns the one prompt of a search."""
    if settings.constraint == "grammar":
        return grammar.PROMPT
    return build_prompt(splits.train, splits.kind, splits.length)


def _complement(verdict: Verdict) -> Verdict:
    """The verdict of 1 - f: every valid prediction changes sides."""
    return replace(verdict, correct=verdict.total - verdict.invalid - verdict.correct)
