"""Asks a language model for rules, and tells of each answer the moment it arrives."""

import asyncio
import warnings
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from llm_erm.errors import LLMERMError, UnansweredError, UnfinishedError
from llm_erm.llms.llm import LLM, Completion
from llm_erm.llms.oddities import cut_prompt, only_thoughts
from llm_erm.llms.reader import Reader
from llm_erm.llms.replay import ReplayLLM
from llm_erm.llms.unanswered import Calls, any_answer
from llm_erm.rulelists.proposals import Proposals
from llm_erm.rulelists.proposing import (
    Answers,
    Asking,
    Part,
    Proposing,
    asking_for,
    leaving,
    proposals_in,
)
from llm_erm.rulelists.replay import replayed_from
from llm_erm.rulelists.settings import TableSettings
from llm_erm.runs.events import (
    Advanced,
    Answered,
    Event,
    Hidden,
    Noticed,
    Observer,
    Prompted,
    Started,
    Underway,
)
from llm_erm.runs.executors import run_coroutine
from llm_erm.runs.jobs import JobKey
from llm_erm.tables.columns import Labelled


def propose(
    data: Labelled,
    settings: TableSettings,
    model: str | LLM,
    descriptions: Mapping[str, str],
) -> Proposals:
    """Returns what a model proposes for a table, keeping nothing of its answers.

    Warns of what leaves the machine and what it may cost, and of calls that failed.

    Args:
        data: The rows.
        settings: How a rule is learned from them.
        model: The model or its name; ``replay:FOLDER`` for the answers in a folder.
        descriptions: What columns are, by their names.

    Raises:
        InputError: There is no such model, a setting is not valid, or the answers in the folder
            are to other prompts.
        ProviderError: The model cannot answer any call.
        UnfinishedError: Calls got no answer, or the model's budget is spent.
    """
    if isinstance(model, str) and model.startswith("replay:"):
        proposing, check = replayed_from(Path(model.removeprefix("replay:")))
        asking = asking_for(data, settings, proposing)
        check(asking)
    else:
        proposing = (
            Proposing.of(model, descriptions=descriptions)
            if isinstance(model, str)
            else Proposing(llm=model, descriptions=descriptions)
        )
        asking = asking_for(data, settings, proposing)
        if proposing.llm.address:
            warnings.warn(leaving(asking, data), stacklevel=2)
    return proposals_in(asking, ask(asking, {}, (), _warn))


def _warn(job: JobKey | None, event: Event) -> None:
    if isinstance(event, Noticed):
        warnings.warn(event.text, stacklevel=2)


def ask(
    asking: Asking, earlier: Answers, spent: Collection[Completion], observe: Observer
) -> Answers:
    """Returns all answers of a model; those that are there already are not asked for again.

    Args:
        asking: What it is asked.
        earlier: Answers of an interrupted command.
        spent: All that it was charged for, for the budget.
        observe: Receives each prompt, and each answer when it arrives.

    Raises:
        ProviderError: The model cannot answer any call.
        UnansweredError: Calls got no answer, so that the proposals are not complete.
        BudgetSpentError: The next call could cost more than the command may spend.
    """
    if not any_answer(one for answers in earlier.values() for one in answers.values()):
        earlier = {}
    asked = _Asked(asking, earlier, observe)
    if (budget := asking.proposing.llm.budget) is not None:
        budget.begin(spent, asking.prompt_bytes, asking.proposing.max_tokens)
        left = asking.calls - sum(map(len, asked.answers.values()))
        if left:
            llm = asking.proposing.llm
            observe(
                None,
                Noticed(
                    budget.announcement(
                        left,
                        llm.name,
                        llm.address,
                        asking.prompt_bytes,
                        asking.proposing.max_tokens,
                    )
                ),
            )
    run_coroutine(asked.all_parts())
    asked.check()
    return asked.answers


class _Asked:
    """The calls for one rule, and what came of them."""

    def __init__(self, asking: Asking, earlier: Answers, observe: Observer) -> None:
        self.answers = {part.job: dict(earlier.get(part.job, {})) for part in asking.parts}
        self._asking = asking
        self._llm = asking.proposing.llm
        self._observe = observe
        self._calls = Calls(answered=any_answer(self._completions()))
        self._read_prompts: set[JobKey] = set()

    async def all_parts(self) -> None:
        """Asks about all parts, at once if the model can answer so."""
        unfinished: list[UnfinishedError] = []

        async def one(number: int, part: Part) -> None:
            try:
                await self._ask(number, part)
            except UnfinishedError as error:  # what others have in flight is paid for
                unfinished.append(error)

        try:
            if not self._llm.concurrent:
                for number, part in enumerate(self._asking.parts):
                    await self._ask(number, part)
                return
            async with asyncio.TaskGroup() as group:
                for number, part in enumerate(self._asking.parts):
                    group.create_task(one(number, part))
        except BaseExceptionGroup as group:
            errors = group.subgroup(LLMERMError) or group
            raise errors.exceptions[0] from None
        finally:
            await self._llm.aclose()
        if unfinished:
            raise unfinished[0]

    async def _ask(self, number: int, part: Part) -> None:
        answers, tell = self.answers[part.job], partial(self._observe, part.job)
        tell(Prompted(part.request.prompt))
        tell(Started(len(part.request.indices), len(answers)))
        left = [index for index in part.request.indices if index not in answers]
        if not left or self._calls.in_vain:
            return
        reader = Reader(
            self._llm,
            replace(part.request, indices=left),
            lambda answer: tell(Answered(answer)),
            on_hidden=lambda: tell(Hidden()),
            tell=lambda state: tell(Underway(state)),
        )
        async with reader as completions:
            async for completion in completions:
                self._news(part, completion)
                # Parts share their indices, and their calls are counted together.
                apart = number * len(part.request.indices) + completion.index
                self._calls.count(replace(completion, index=apart))
                if apart not in self._calls.open:
                    answers[completion.index] = completion
                tell(Advanced(len(answers)))
                if self._calls.in_vain:
                    await completions.stop()

    def _news(self, part: Part, completion: Completion) -> None:
        first = part.job not in self._read_prompts and self._llm.budget is not None
        self._read_prompts.add(part.job)
        cut = cut_prompt(part.request.prompt, completion) if first else None
        for news in [*self._llm.news(), *([] if cut is None else [cut])]:
            self._observe(None, Noticed(news))

    def check(self) -> None:
        """Tells of calls that failed.

        Raises:
            UnansweredError: Because of them, the proposals are not complete, or there are none.
        """
        completions = self._completions()
        if self._calls.made and (thoughts := only_thoughts(completions)):
            self._observe(None, Noticed(thoughts))
        in_vain = not any_answer(completions)
        replayed = isinstance(self._llm, ReplayLLM)
        failures = self._calls.failures(over=False, asked_again=in_vain, replayed=replayed)
        if failures is not None:
            self._observe(None, Noticed(failures))
        missing = self._asking.calls - len(completions)
        if failures is None and missing:
            failures = f"{missing:,} of {self._asking.calls:,} answers are missing."
            self._observe(None, Noticed(failures))
        if failures is not None and (missing or in_vain):
            raise UnansweredError(failures)

    def _completions(self) -> list[Completion]:
        return [one for answers in self.answers.values() for one in answers.values()]
