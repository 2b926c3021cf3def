"""LLM-ERM (arXiv 2510.14331, algorithm 1): propose k programs, return the best verified one."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict

from llm_erm.erm.bounds import certify
from llm_erm.erm.verify import verify
from llm_erm.llms.llm import LLM
from llm_erm.records import Attempt, Run, Verdict
from llm_erm.sandbox import Sandbox
from llm_erm.synthesis.attempt import Attempts
from llm_erm.synthesis.settings import Settings
from llm_erm.tasks.task import Splits


def _ignore(attempt: Attempt) -> None:
    """What is done with an attempt unless told otherwise."""


async def learn(
    splits: Splits,
    llm: LLM,
    sandbox: Sandbox,
    settings: Settings,
    on_attempt: Callable[[Attempt], None] = _ignore,
    done: Sequence[Attempt] = (),
) -> Run:
    """Returns the program with the lowest validation error among at most K proposals.

    One prompt, built from the training examples alone, is answered up to ``settings.attempts``
    times; nothing that was measured goes back to the model. A program without validation errors
    ends the search; only what was drawn together with it is still verified.

    Args:
        splits: The labelled data. Test examples are read once, after the choice is made.
        llm: Where proposals come from.
        sandbox: Where programs run.
        settings: Settings of the search.
        on_attempt: Called with each attempt the moment it is verified, and again with one that
            failed the replay of the program chosen; from a thread of its own.
        done: Attempts of an interrupted search with the same settings; not asked for again.

    Raises:
        ProviderError: The model cannot answer any call.
    """
    started = time.monotonic()
    attempts = Attempts(splits, sandbox, settings, done, on_attempt)
    if not attempts.over:
        async with aclosing(llm.complete(attempts.request())) as completions:
            async for completion in completions:
                await asyncio.to_thread(attempts.add, completion)
                if attempts.over:
                    break
    selected = await asyncio.to_thread(attempts.select)
    test, probe, length_shift = await asyncio.to_thread(
        _meet_test_data, selected, splits, sandbox, settings
    )
    return Run(
        method="synthesis",
        function=splits.fn,
        length=splits.length,
        seed=splits.seed,
        model=llm.name,
        settings=asdict(settings),
        attempts=tuple(attempts.all),
        selected=selected,
        test=test,
        probe=probe,
        length_shift=length_shift,
        certificate=(
            certify(selected.validation, settings.attempts, settings.confidence)
            if selected is not None and splits.disjoint
            else None
        ),
        isolation=sandbox.isolation,
        seconds=time.monotonic() - started,
        notices=(*splits.warnings, *_failures(test, probe, length_shift)),
    )


def _meet_test_data(
    selected: Attempt | None, splits: Splits, sandbox: Sandbox, settings: Settings
) -> list[Verdict | None]:
    """Verdicts of the selected program on test, probe and length-shift data, where there is any."""
    return [
        verify(selected.candidate.source, [data], sandbox, settings.limits)[0]
        if selected is not None and data is not None
        else None
        for data in (splits.test, splits.probe, splits.length_shift)
    ]


def _failures(*verdicts: Verdict | None) -> list[str]:
    """Says where the selected program has no accuracy because it failed there."""
    names = ("test", "probe", "length-shift")
    return [
        f"on the {name} data the program ended by {verdict.status} ({verdict.message})"
        for name, verdict in zip(names, verdicts, strict=True)
        if verdict is not None and verdict.status != "ok"
    ]
