"""Draws the samples of a request concurrently, as far ahead of the reader as it may."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine
from typing import Any

from llm_erm.errors import BudgetSpentError
from llm_erm.llms.llm import Completion, Pace, Request

Answer = Callable[[Request, int, list[Completion]], Coroutine[Any, Any, None]]
"""``answer(request, index, arrived)`` draws one sample and appends it to ``arrived``, even if it is
cancelled in flight; raises an error if no other sample can be drawn either."""


async def in_flight(
    request: Request, speculative: int, answer: Answer
) -> AsyncGenerator[Completion]:
    """Yields the samples of ``request`` as they arrive; see ``LLM.complete``.

    Args:
        request: The request.
        speculative: Maximum number of samples that are in flight or not yet settled.
        answer: Draws one sample.

    Raises:
        LLMERMError: What ``answer`` raised, after the samples that were already paid for.
    """
    pace = request.pace or Pace()
    pace.kept = True
    waiting = deque(request.indices)
    running: set[asyncio.Task[None]] = set()
    arrived: list[Completion] = []
    failures: list[BaseException] = []
    begun = 0
    change = asyncio.create_task(pace.change())
    try:
        while True:
            while waiting and not (pace.stopped or failures) and begun - pace.settled < speculative:
                running.add(asyncio.create_task(answer(request, waiting.popleft(), arrived)))
                begun += 1
            if not running and (pace.stopped or failures or not waiting):
                break
            done, _ = await asyncio.wait({*running, change}, return_when=asyncio.FIRST_COMPLETED)
            if change in done:
                change = asyncio.create_task(pace.change())
            running -= done
            failures += [e for task in done if (e := _failure_of(task)) is not None]
            # A spent budget lets the others finish, since they are already paid for.
            if pace.stopped or any(not isinstance(e, BudgetSpentError) for e in failures):
                await _cancel(running)
                running = set()
            while arrived:
                yield arrived.pop(0)
                if request.pace is None:
                    pace.settle()
        if failures and not pace.stopped:
            raise min(failures, key=lambda e: isinstance(e, BudgetSpentError))
    finally:
        await _cancel({*running, change})


def _failure_of(task: "asyncio.Task[None]") -> BaseException | None:
    return None if task.cancelled() else task.exception()


async def _cancel(tasks: "Collection[asyncio.Task[None]]") -> None:
    """Cancels the tasks and waits until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
