"""LLM-ERM (arXiv 2510.14331, algorithm 1): propose k programs, return the best verified one."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial

from llm_erm import grammar
from llm_erm.errors import UnansweredError
from llm_erm.execution import Evaluator
from llm_erm.llms.llm import LLM, Completion, Request
from llm_erm.llms.oddities import could_read, cut_prompt, only_thoughts
from llm_erm.llms.reader import Reader
from llm_erm.llms.replay import ReplayLLM
from llm_erm.llms.unanswered import Calls, any_answer
from llm_erm.records import Attempt, Result
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
from llm_erm.synthesis.asking import Asking
from llm_erm.synthesis.code_tool import code_tool
from llm_erm.synthesis.feedback import Trials, Tried
from llm_erm.synthesis.outcome import outcome
from llm_erm.synthesis.prompt import ANSWER_SCHEMA, BLOCK_GRAMMAR, build_prompt
from llm_erm.synthesis.settings import SynthesisSettings
from llm_erm.synthesis.strategies import (
    IndependentSampling,
    MakeStrategy,
    name_of,
    sample_seed,
)
from llm_erm.synthesis.verifier import Verifier
from llm_erm.tasks.rows import column_names
from llm_erm.tasks.task import Splits


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
    variant: str = "",
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
        variant: Distinguishes the searches of a run on one data set, as in ``prompt=short``, which
            names the prompt of the settings.

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
    request = request_for(splits, settings, sandbox, variant)
    observe(Prompted(request.prompt))
    calls = Calls(answered=any_answer(answered.values()))
    asking = Asking(strategy(request, settings), settings, verifier.attempts, calls)
    trials = Trials(splits.train, sandbox, settings.limits)

    async def tell(attempt: Attempt) -> None:
        known = Tried(attempt.index, attempt.candidate)
        asking.tell(await in_thread(trials.of, attempt) if asking.feedback else known)

    async def verify(completion: Completion) -> None:
        answered[completion.index] = completion
        await tell(await in_thread(verifier.add, completion))

    for attempt in list(verifier.attempts):
        await tell(attempt)
    verified = {attempt.index for attempt in attempts}
    shown = None if asking.feedback and answered else request.prompt
    for completion in [one for one in answered.values() if one.index not in verified]:
        await verify(completion)
    while (wanted := asking.ask() or asking.drawn_together(request, answered)) is not None:
        before = len(verifier.attempts)
        if wanted.prompt != shown:
            observe(Prompted(shown := wanted.prompt, wanted.indices[0]))
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
    splits = _with_notice(splits, llm, calls)
    replayed = isinstance(llm, ReplayLLM)
    _check_answered(asking, calls, answered.values(), observe, replayed=replayed)
    selected = await in_thread(verifier.select)
    return await in_thread(
        outcome,
        splits,
        llm.name,
        name_of(strategy),
        sandbox,
        settings,
        verifier.attempts,
        answered,
        selected,
        started,
    )


def _with_notice(splits: Splits, llm: LLM, calls: Calls) -> Splits:
    """Returns the splits with a warning if the model could have read what it must not."""
    if not llm.reads_files or (splits.hidden and not calls.made):
        return splits
    told = could_read(llm.name, hidden=splits.hidden)
    return replace(splits, warnings=(*splits.warnings, told))


def _news(llm: LLM, request: Request, completion: Completion, *, first: bool) -> list[str]:
    """Returns what was found out with an answer."""
    cut = cut_prompt(request.prompt, completion) if first and llm.budget is not None else None
    return [*llm.news(), *([] if cut is None else [cut])]


def _check_answered(
    asking: "Asking",
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


def request_for(
    splits: Splits, settings: SynthesisSettings, sandbox: Evaluator, variant: str = ""
) -> Request:
    """Returns the request for all attempts of a search: one prompt from training examples alone."""
    key = splits.key
    return Request(
        prompt=prompt_for(splits, settings),
        indices=range(1, settings.attempts + 1),
        seed=sample_seed(key.function, key.length, key.seed, variant),
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
    columns = column_names(splits.key.function) if settings.named_columns else ()
    return build_prompt(
        splits.train,
        splits.kind,
        splits.key.length,
        block=block,
        columns=columns,
        template=settings.prompt,
    )
