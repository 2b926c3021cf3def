"""LLM-ERM (arXiv 2510.14331, algorithm 1): propose k programs, return the best verified one."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from functools import partial

from llm_erm.erm.bounds import certify
from llm_erm.erm.verify import failures, meet_test_data
from llm_erm.llms.llm import LLM, Completion
from llm_erm.llms.reader import Reader
from llm_erm.records import Attempt, Run
from llm_erm.sandbox import Sandbox
from llm_erm.synthesis.attempt import Attempts
from llm_erm.synthesis.settings import Settings
from llm_erm.tasks.task import Splits


def _ignore(news: Attempt | Completion) -> None:
    """What is done with an attempt or an answer unless told otherwise."""


@dataclass(frozen=True)
class Journal:
    """What an interrupted search with the same settings left, and what to tell of this one.

    Attributes:
        done: Attempts that are there; not asked for again.
        answered: Answers that were not verified yet; not asked for again either.
        on_answer: Called with each answer the moment it arrives, however long the verification of
            others takes, and with a cancelled one for each call that is given up in flight; from
            the event loop, so it must be quick.
        on_attempt: Called with each attempt the moment it is verified, and again with one that
            failed the replay of the program chosen; from the thread that verifies.
    """

    done: Sequence[Attempt] = ()
    answered: Sequence[Completion] = ()
    on_answer: Callable[[Completion], None] = _ignore
    on_attempt: Callable[[Attempt], None] = _ignore


NO_JOURNAL = Journal()


async def learn(
    splits: Splits,
    llm: LLM,
    sandbox: Sandbox,
    settings: Settings,
    journal: Journal = NO_JOURNAL,
    reveal: Callable[[], Splits] | None = None,
    threads: Executor | None = None,
) -> Run:
    """Returns the program with the lowest validation error among at most K proposals.

    One prompt, built from the training examples alone, is answered up to ``settings.attempts``
    times; nothing that was measured goes back to the model. A program without validation errors
    ends the search; only what is there and paid for by then is still verified.

    Args:
        splits: The labelled data. Test examples are read once, after the choice is made.
        llm: Where proposals come from.
        sandbox: Where programs run.
        settings: Settings of the search.
        journal: What an interrupted search left, and what to tell of this one.
        reveal: Reads the splits with their test data, where ``splits`` came without.
        threads: Where programs are verified; the event loop's own threads where it is None.

    Raises:
        ProviderError: The model cannot answer any call.
        BudgetSpentError: The next call could cost more than the run may spend.
    """
    started = time.monotonic()
    in_thread = partial(asyncio.get_running_loop().run_in_executor, threads)
    attempts = Attempts(splits, sandbox, settings, journal.done, journal.on_attempt)
    for completion in journal.answered:
        await in_thread(attempts.add, completion)
    if not attempts.over:
        async with Reader(llm, attempts.request(), journal.on_answer) as completions:
            async for completion in completions:
                await in_thread(attempts.add, completion)
                if attempts.over:
                    await completions.stop()  # what had arrived is paid for: verified too
    selected = await in_thread(attempts.select)
    return await in_thread(
        _report, splits, reveal, llm.name, sandbox, settings, attempts, selected, started
    )


def _report(
    splits: Splits,
    reveal: Callable[[], Splits] | None,
    model: str,
    sandbox: Sandbox,
    settings: Settings,
    attempts: Attempts,
    selected: Attempt | None,
    started: float,
) -> Run:
    """Meets the program chosen with the test data and says what is known of it."""
    splits = reveal() if reveal is not None else splits
    source = selected.candidate.source if selected is not None else None
    test, probe, length_shift = meet_test_data(source, splits, sandbox, settings.limits)
    return Run(
        method="synthesis",
        function=splits.fn,
        length=splits.length,
        seed=splits.seed,
        trial=splits.trial,
        model=model,
        settings=asdict(settings),
        attempts=tuple(attempts.all),
        selected=selected,
        test=test,
        probe=probe,
        length_shift=length_shift,
        certificate=(
            certify(
                splits,
                test,
                validation=selected.validation,
                budget=settings.attempts,
                confidence=settings.confidence,
            )
            if selected is not None
            else None
        ),
        isolation=sandbox.isolation,
        data_sha256=splits.sha256,
        examples=len(splits.train) + len(splits.validation),
        seconds=time.monotonic() - started,
        notices=(*splits.warnings, *failures(test, probe, length_shift)),
    )
