"""LLM-ERM (arXiv 2510.14331, algorithm 1): propose k programs, return the best verified one."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial

from llm_erm import grammar
from llm_erm.erm.alone import Selected
from llm_erm.erm.result import result_of
from llm_erm.errors import UnansweredError
from llm_erm.execution import Evaluator
from llm_erm.facts import SynthesisFacts
from llm_erm.llms.llm import LLM, Completion, Request
from llm_erm.llms.oddities import could_read, cut_prompt, only_thoughts
from llm_erm.llms.reader import Reader
from llm_erm.llms.replay import ReplayLLM
from llm_erm.llms.unanswered import Calls, any_answer
from llm_erm.records import Attempt, Result, cost_of
from llm_erm.runs.events import (
    Answered,
    Attempted,
    Hidden,
    Noticed,
    Observe,
    Prompted,
    Underway,
    ignore,
)
from llm_erm.synthesis.code_tool import code_tool
from llm_erm.synthesis.prompt import ANSWER_SCHEMA, BLOCK_GRAMMAR, build_prompt
from llm_erm.synthesis.settings import SynthesisSettings
from llm_erm.synthesis.strategies import IndependentSampling, Strategy, Tried, sample_seed
from llm_erm.synthesis.verifier import Verifier
from llm_erm.tasks.task import Splits

MakeStrategy = Callable[[Request, SynthesisSettings], Strategy]
"""``make(request, settings)`` → a strategy; the request is for the whole budget."""


async def learn(
    splits: Splits,
    llm: LLM,
    sandbox: Evaluator,
    settings: SynthesisSettings,
    *,
    strategy: MakeStrategy = IndependentSampling,
    attempts: Sequence[Attempt] = (),
    answers: Mapping[int, Completion] | None = None,
    observe: Observe = ignore,
    threads: Executor | None = None,
) -> Result:
    """Returns the program with the lowest validation error among at most K proposals.

    Args:
        splits: The labelled data. The held-out data are read once, after the selection.
        llm: The model that proposes.
        sandbox: Where programs run.
        settings: Settings of the search.
        strategy: Decides what to ask the model.
        attempts: Attempts that an interrupted search with the same settings verified; they are not
            repeated.
        answers: All answers of that search by index, in the order in which they arrived; those
            without an attempt are verified first.
        observe: Receives the prompt, each answer when it arrives, and each attempt when it is
            verified.
        threads: Where programs are verified (default: the event loop's own threads).

    Raises:
        ProviderError: The model cannot answer any call.
        UnansweredError: Calls got no answer, so that the search is not over.
        BudgetSpentError: The next call could cost more than the run may spend.
    """
    started = time.monotonic()
    in_thread = partial(asyncio.get_running_loop().run_in_executor, threads)
    answered = dict(answers or {})
    verifier = Verifier(
        splits, sandbox, settings, attempts, answered, lambda attempt: observe(Attempted(attempt))
    )
    request = request_for(splits, settings, sandbox)
    observe(Prompted(request.prompt))
    calls = Calls(answered=any_answer(answered.values()))
    asking = _Asking(strategy(request, settings), settings, verifier.attempts, calls)

    async def verify(completion: Completion) -> None:
        answered[completion.index] = completion
        asking.tell(await in_thread(verifier.add, completion))

    verified = {attempt.index for attempt in attempts}
    for completion in [one for one in answered.values() if one.index not in verified]:
        await verify(completion)
    while (wanted := asking.ask() or asking.drawn_together(request, answered)) is not None:
        before = len(verifier.attempts)
        if wanted.prompt != request.prompt:
            observe(Prompted(wanted.prompt, wanted.indices[0]))
        reader = Reader(
            llm,
            wanted,
            lambda answer: observe(Answered(answer)),
            on_hidden=lambda: observe(Hidden()),
            tell=lambda state: observe(Underway(state)),
        )
        async with reader as completions:
            async for completion in completions:
                calls.count(completion)
                first = not any(one.usage.prompt_tokens for one in answered.values())
                for news in _news(llm, wanted, completion, first=first):
                    observe(Noticed(news))
                if completion.index not in calls.open:
                    await verify(completion)
                if not completion.more_drawn and asking.ask() is None:
                    await completions.stop()  # answers that have arrived are still verified
        if len(verifier.attempts) == before:
            break  # the model has no more answers
    if llm.reads_files and not splits.hidden:
        splits = replace(splits, warnings=(*splits.warnings, could_read(llm.name)))
    replayed = isinstance(llm, ReplayLLM)
    _check_answered(asking, calls, answered.values(), observe, replayed=replayed)
    selected = await in_thread(verifier.select)
    return await in_thread(
        _report, splits, llm.name, sandbox, settings, verifier.attempts, answered, selected, started
    )


def _news(llm: LLM, request: Request, completion: Completion, *, first: bool) -> list[str]:
    """Returns what was found out with an answer."""
    cut = cut_prompt(request.prompt, completion) if first and llm.budget is not None else None
    return [*llm.news(), *([] if cut is None else [cut])]


def _check_answered(
    asking: "_Asking",
    calls: Calls,
    answers: Collection[Completion],
    observe: Observe,
    *,
    replayed: bool,
) -> None:
    """Tells of calls that failed; raises an error if the search is not over because of them."""
    if calls.made and (thoughts := only_thoughts(answers)):
        observe(Noticed(thoughts))
    in_vain = bool(answers) and not any_answer(answers)
    failures = calls.failures(over=asking.found, asked_again=in_vain, replayed=replayed)
    if failures is None:
        return
    observe(Noticed(failures))
    if not asking.found and (calls.open or in_vain):
        raise UnansweredError(failures)


def request_for(splits: Splits, settings: SynthesisSettings, sandbox: Evaluator) -> Request:
    """Returns the request for all attempts of a search: one prompt from training examples alone."""
    key = splits.key
    return Request(
        prompt=prompt_for(splits, settings),
        indices=range(1, settings.attempts + 1),
        seed=sample_seed(key.function, key.length, key.seed),
        max_tokens=settings.max_tokens,
        grammar={"grammar": grammar.gbnf(), "block": BLOCK_GRAMMAR}.get(settings.constraint),
        continued=settings.constraint == "grammar",
        json_schema=ANSWER_SCHEMA if settings.constraint == "schema" else None,
        tool=code_tool(splits.train, sandbox, settings.limits) if settings.code_tool else None,
    )


def prompt_for(splits: Splits, settings: SynthesisSettings) -> str:
    """Returns the one prompt of a search."""
    if settings.constraint == "grammar":
        return grammar.PROMPT
    block = settings.constraint in ("block", "free-block")
    return build_prompt(splits.train, splits.kind, splits.key.length, block=block)


class _Asking:
    """A strategy held to the budget, and told nothing of validation data."""

    def __init__(
        self,
        strategy: Strategy,
        settings: SynthesisSettings,
        attempts: Sequence[Attempt],
        calls: Calls,
    ) -> None:
        """Takes the attempts of the search, which grow, and tells of those that are there."""
        self._strategy = strategy
        self._settings = settings
        self._attempts = attempts
        self._calls = calls
        for attempt in attempts:
            self.tell(attempt)

    def tell(self, attempt: Attempt) -> None:
        self._strategy.tell(_tried(attempt))

    @property
    def found(self) -> bool:
        """Whether an attempt ends the search."""
        perfect = any(attempt.validation.perfect for attempt in self._attempts)
        return perfect and self._settings.early_stop

    def ask(self) -> Request | None:
        """What to ask for next, within the budget; None when the search is over."""
        if self.found or self._calls.in_vain:
            return None
        wanted = self._strategy.ask([_tried(attempt) for attempt in self._attempts])
        return None if wanted is None else self._within_budget(wanted)

    def drawn_together(self, request: Request, said: Mapping[int, Completion]) -> Request | None:
        """What was drawn with the last answer of a search that is over.

        It is there and paid for, and a shorter program may be among it.
        """
        last = said.get(self._attempts[-1].index) if self._attempts else None
        return self._within_budget(request) if last is not None and last.more_drawn else None

    def _within_budget(self, wanted: Request) -> Request | None:
        left = set(range(1, self._settings.attempts + 1))
        left -= {attempt.index for attempt in self._attempts} | self._calls.open
        indices = [index for index in wanted.indices if index in left]
        return replace(wanted, indices=indices) if indices else None


def _tried(attempt: Attempt) -> Tried:
    return Tried(attempt.index, attempt.candidate, attempt.train)


def _report(
    splits: Splits,
    model: str,
    sandbox: Evaluator,
    settings: SynthesisSettings,
    attempts: Sequence[Attempt],
    answers: Mapping[int, Completion],
    selected: Selected | None,
    started: float,
) -> Result:
    """Evaluates the selected program on the held-out data and returns the result."""
    source = None if selected is None else selected.attempt.candidate.source
    first, seconds = _first_with(source, attempts, answers)
    return result_of(
        splits,
        selected,
        sandbox,
        settings.limits,
        budget=settings.attempts,
        confidence=settings.confidence,
        started=started,
        method="synthesis",
        model=model,
        attempts=len(attempts),
        duplicates=sum(attempt.duplicate_of is not None for attempt in attempts),
        candidates_to_selected=first,
        seconds_to_selected=seconds,
        cost=cost_of(answers[attempt.index] for attempt in attempts if attempt.index in answers),
        facts=SynthesisFacts(),
    )


def _first_with(
    source: str | None, attempts: Sequence[Attempt], answers: Mapping[int, Completion]
) -> tuple[int | None, float | None]:
    """Returns the number of attempts and the wall time up to the first one with a program.

    The time is that of sequential calls; samples that were drawn together share their time.
    """
    same = [attempt.index for attempt in attempts if attempt.candidate.source == source]
    if source is None or not same:
        return None, None
    before = [attempt for attempt in attempts if attempt.index <= min(same)]
    calls = {
        answers[attempt.index].latency_seconds for attempt in before if attempt.index in answers
    }
    return min(same), sum(calls) + sum(attempt.validation.cpu_seconds for attempt in before)
