"""LLM-ERM as a method that runs can use: searches share a model, a sandbox and threads."""

import asyncio
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, partial
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, Self

from llm_erm.checks import Checked, checking
from llm_erm.erm.select import check_selection
from llm_erm.errors import InputError
from llm_erm.execution import ProgramSandbox
from llm_erm.facts import SynthesisFacts
from llm_erm.llms.budget import Budget
from llm_erm.llms.llm import LLM, Completion
from llm_erm.llms.models import model as model_of
from llm_erm.llms.models import split_name
from llm_erm.llms.oddities import could_read
from llm_erm.llms.providers import ModelSettings
from llm_erm.llms.replay import ReplayLLM
from llm_erm.llms.unanswered import any_answer
from llm_erm.records import Attempt, Result
from llm_erm.runs.events import Attempted, Event, Isolated, Noticed, Observe, Started
from llm_erm.runs.jobs import Job, Method, OpenSandbox, Work
from llm_erm.sandbox import Isolation, Sandbox
from llm_erm.settings import OPERATIONAL, plain
from llm_erm.synthesis.feedback import MOST_BYTES
from llm_erm.synthesis.judge import judge
from llm_erm.synthesis.learn import learn, prompt_for
from llm_erm.synthesis.replay import read_replay
from llm_erm.synthesis.settings import SynthesisSettings
from llm_erm.synthesis.strategies import (
    IndependentSampling,
    MakeStrategy,
    name_of,
    sample_seed,
    strategy_of,
    uses_feedback,
)
from llm_erm.synthesis.templates import check_prompts
from llm_erm.tasks.spec import DataSpec

MODEL = "a model, such as llm_erm.model('local')"
"""What messages call the first setting."""


@dataclass(frozen=True, kw_only=True)
class Synthesis(Checked, Method):
    """LLM-ERM (arXiv 2510.14331): a language model proposes programs, held-out data decides.

    Attributes:
        llm: The model that proposes.
        settings: Settings of the searches.
        strategy: Decides what to ask the model; ``STRATEGIES`` has those of this package.
        prompts: Templates of prompts by their names, each of which has a search of its own on every
            data set; empty for the usual prompt.
        judge_all: Whether to measure the test accuracy of every attempt after the selection.
        isolation: How programs are isolated; see ``Sandbox``.
        unsafe_no_isolation: Whether to run programs even if nothing can isolate them.
        sandbox: Opens the sandbox that programs run in; by default one of this machine.
    """

    llm: Annotated[LLM, MODEL]
    settings: SynthesisSettings
    strategy: MakeStrategy = IndependentSampling
    prompts: Mapping[str, str] = field(default_factory=dict)
    judge_all: Annotated[bool, OPERATIONAL] = False
    isolation: Isolation = "auto"
    unsafe_no_isolation: bool = False
    sandbox: Annotated[OpenSandbox, OPERATIONAL] = Sandbox

    name = "synthesis"

    @classmethod
    @checking
    def of(
        cls,
        model: str,
        *,
        model_settings: ModelSettings | None = None,
        **settings: Any,  # noqa: ANN401 - fields of two dataclasses
    ) -> Self:
        """Returns the method for the model of that name, with defaults that suit the model.

        Args:
            model: ``provider:model``, such as ``local``, ``openai:gpt-5`` or ``scripted:FILE``; or
                ``replay:FOLDER`` for the answers and settings of an earlier run.
            model_settings: Key, address, reasoning effort and other settings of the model.
            settings: Fields of ``SynthesisSettings`` and of this class that override the defaults.
                A strategy may be given by its name.

        Raises:
            InputError: There is no such model, or one of its settings is not valid.
            MissingExtraError: A package that the model needs is not installed.
        """
        own = {name: settings.pop(name) for name in _OWN & settings.keys()}
        if "strategy" in own:
            own["strategy"] = strategy_of(own["strategy"])
        if model.startswith("replay:"):
            earlier = read_replay(Path(model.removeprefix("replay:")))
            own = {"strategy": earlier.strategy, "prompts": earlier.prompts, **own}
            return cls(llm=earlier.llm, settings=replace(earlier.settings, **settings), **own)
        provider, named = split_name(model)
        usual = provider.usual(named or provider.default_model, settings.get("constraint"))
        llm = model_of(model, **(model_settings or {}))
        return cls(llm=llm, settings=SynthesisSettings(**{**vars(usual), **settings}), **own)

    def identity(self, work: Work) -> Any:  # noqa: ANN401 - JSON values
        """Returns that of the earlier run if the model replays one."""
        own = plain(self)
        llm = own["llm"]
        llm = llm.get("replayed", llm) if isinstance(llm, dict) else llm
        own |= {"llm": llm, "variant": work.job.variant}
        if self.llm.name.startswith("agent:"):
            # A run that an agent has not finished is in no ledger, so its replay must not pass for
            # that of another one.
            own["answers_sha256"] = _answers_digest(self.llm, work)
        return own

    @property
    def reproducible(self) -> bool:
        """Whether the model runs here, where the same seed gives the same answers."""
        return not self.llm.concurrent

    def candidates(self, work: Work) -> int:
        """Returns the budget of the search."""
        return self.settings.attempts

    @property
    def budget(self) -> Budget | None:
        """That of the model."""
        return self.llm.budget

    def jobs(self, specs: Sequence[DataSpec]) -> list[Job]:
        """Returns one search per data set, or one per data set and prompt.

        Raises:
            InputError: There are too few validation examples, or a setting is out of range.
        """
        limits = {"attempts": "attempts", "max_tokens": "output tokens per attempt"}
        for setting, what in limits.items():
            if (number := getattr(self.settings, setting)) < 1:
                raise InputError(f"The budget is {number} {what}; give 1 or more.", setting=setting)
        if self.settings.code_tool and self.settings.constraint not in ("free-block", "none"):
            raise InputError(
                "Answers that are held to a grammar or a schema cannot use the code tool; its "
                "constraint is free-block or none.",
                setting="constraint",
            )
        if uses_feedback(self.strategy) and self.settings.constraint == "grammar":
            raise InputError(
                f"The strategy {name_of(self.strategy)} shows earlier programs in the prompt, but "
                "answers that are held to the grammar, as those of the embedded model, have a "
                "prompt that shows nothing; name another model, or use the strategy independent.",
                setting="strategy",
            )
        if (self.prompts or self.settings.named_columns) and self.settings.constraint == "grammar":
            raise InputError(
                "Answers that are held to the grammar have a prompt of their own; name another "
                "model, or omit what changes the prompt.",
                setting="prompts" if self.prompts else "column_names",
            )
        check_prompts(self.prompts)
        check_selection(specs, confidence=self.settings.confidence, limits=self.settings.limits)
        return [Job(spec, variant) for spec in specs for variant in variants(self.prompts)]

    @contextmanager
    def session(self, work: Sequence[Work], spent: Sequence[Completion]) -> Iterator["Searches"]:
        """Opens the sandbox and counts what the model's budget has left."""
        notices: list[str] = []
        with (
            self.sandbox(
                isolation=self.isolation, unsafe_no_isolation=self.unsafe_no_isolation
            ) as sandbox,
            # Separate threads, so that slow programs do not delay the name look-ups of calls.
            ThreadPoolExecutor(sandbox.workers + 1, "verify") as threads,
        ):
            if (budget := self.budget) is not None:
                prompts = (prompt_for(one.splits, self.settings_of(one.job)) for one in work)
                longest = max(len(prompt.encode()) for prompt in prompts)
                longest += MOST_BYTES if uses_feedback(self.strategy) else 0
                budget.begin(spent, longest, self.settings.max_tokens)
                notices += self._announced(work, budget, longest)
            if self.llm.reads_files and not all(one.splits.hidden for one in work):
                notices.append(could_read(self.llm.name))
            try:
                yield Searches(self, sandbox, threads, notices)
            finally:
                sandbox.close()  # or an interrupted run would wait for its threads' programs

    def _announced(self, work: Sequence[Work], budget: Budget, longest: int) -> list[str]:
        """Returns a sentence on the calls that this run may make, if there are any."""
        llm, settings = self.llm, self.settings
        calls = sum(
            settings.attempts - len(_known(one.attempts, one.answers)[1])
            for one in work
            if one.result is None
        )
        if not calls:
            return []
        said = budget.announcement(calls, llm.name, llm.address, longest, settings.max_tokens)
        if settings.code_tool:
            said = f"{said.removesuffix('.')}, not counting the calls in which it uses its tool."
        return [said]

    def settings_of(self, job: Job) -> SynthesisSettings:
        """Returns the settings of a search, with its prompt."""
        prompts = dict(zip(variants(self.prompts), self.prompts.values(), strict=False))
        return replace(self.settings, prompt=prompts.get(job.variant, self.settings.prompt))

    def with_sandbox(self, open_sandbox: OpenSandbox) -> Self:
        """Returns the method with its programs run elsewhere."""
        return replace(self, sandbox=open_sandbox)

    def wants(self, result: Result | None) -> bool:
        """Returns whether there is no result yet, or one that lacks required test accuracies."""
        if result is None:
            return True
        facts = result.facts
        return self.judging and isinstance(facts, SynthesisFacts) and facts.test_accuracies is None

    @property
    def judging(self) -> bool:
        """Whether to evaluate all attempts: on request, or because pass@k needs it."""
        return self.judge_all or not self.settings.early_stop


def _answers_digest(llm: LLM, work: Work) -> str:
    """Returns the SHA-256 of what an agent had submitted before its search began."""
    job = work.job.key
    answers: Iterable[Completion] = work.answers.values()
    if isinstance(llm, ReplayLLM):
        answers = llm.answers(sample_seed(job.function, job.length, job.seed, job.variant))
    texts = sorted((answer.index, answer.text) for answer in answers)
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()


def variants(prompts: Iterable[str]) -> list[str]:
    """Returns the variants of the searches on one data set, given the names of the prompts."""
    return [f"prompt={name}" for name in prompts] or [""]


_OWN = {"strategy", "prompts", "judge_all", "isolation", "unsafe_no_isolation", "sandbox"}
"""Fields of ``Synthesis`` that are not settings of a search."""


class Searches:
    """The searches of one run; with a remote model they run concurrently."""

    def __init__(
        self,
        method: Synthesis,
        sandbox: ProgramSandbox,
        threads: ThreadPoolExecutor,
        notices: Sequence[str] = (),
    ) -> None:
        self._method = method
        self._sandbox = sandbox
        self._threads = threads
        self._one = asyncio.Semaphore(1)
        self.events: tuple[Event, ...] = (
            Isolated(sandbox.isolation, sandbox.missing),
            *map(Noticed, (*sandbox.notices, *notices)),
        )

    async def learn(self, work: Work, observe: Observe) -> Result:
        """Returns the result of one search."""
        if self._method.llm.concurrent:
            return await self._learn(work, observe)
        async with self._one:
            return await self._learn(work, observe)

    async def aclose(self) -> None:
        """Frees the model."""
        await self._method.llm.aclose()

    async def _learn(self, work: Work, observe: Observe) -> Result:
        method, settings = self._method, self._method.settings_of(work.job)
        splits = replace(work.splits, reveal=cache(work.splits.reveal))
        earlier, answers = work.attempts, work.answers
        if work.result is None:
            earlier, answers = _known(earlier, answers)
        attempts = {attempt.index: attempt for attempt in earlier}

        def keep(event: Event) -> None:
            if isinstance(event, Attempted):
                attempts[event.attempt.index] = event.attempt
            observe(event)

        result = work.result
        if result is None:
            observe(Started(settings.attempts, len(attempts)))
            result = await learn(
                splits,
                method.llm,
                self._sandbox,
                settings,
                strategy=method.strategy,
                attempts=earlier,
                answers=answers,
                observe=keep,
                threads=self._threads,
                variant=work.job.variant,
            )
            result = replace(result, variant=work.job.variant)
        if not method.judging:
            return result
        judging = partial(
            judge,
            result,
            sorted(attempts.values(), key=attrgetter("index")),
            splits.reveal(),
            self._sandbox,
            settings.limits,
            all_drawn=not settings.early_stop,
            observe=observe,
        )
        facts = await asyncio.get_running_loop().run_in_executor(self._threads, judging)
        return replace(result, facts=facts)


def _known(
    attempts: Sequence[Attempt], answers: Mapping[int, Completion]
) -> tuple[Sequence[Attempt], Mapping[int, Completion]]:
    """Returns what an interrupted search goes on from: nothing if none of its calls was answered.

    Args:
        attempts: Its attempts.
        answers: All answers, by index.
    """
    return (attempts, answers) if any_answer(answers.values()) else ((), {})
