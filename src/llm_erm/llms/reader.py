"""Reads a model's completions as they arrive, while the caller processes them in turn."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Self

from llm_erm.errors import LLMERMError
from llm_erm.llms.llm import LLM, Completion, Pace, Request, Tell, untold


class Reader:
    """The completions of one request, in the order in which they arrive.

    A separate task reads them and passes each to ``on_arrival`` at once, however long the caller
    takes to process the previous one::

        async with Reader(llm, request, journal) as completions:
            async for completion in completions:
                if good(completion):
                    await completions.stop()

    After ``stop``, the iterator yields what had arrived by then, and ends. Calls cancelled in
    flight are passed to ``on_arrival`` only. Leaving the block also stops.

    Args:
        llm: The model.
        request: The request.
        on_arrival: Called from the event loop with each completion, so it must be quick. An error
            that it raises ends the iterator.
        on_hidden: Called before ``on_arrival`` if a secret was removed from the completion.
        tell: Is told what the model does before it answers.
    """

    def __init__(
        self,
        llm: LLM,
        request: Request,
        on_arrival: Callable[[Completion], None],
        on_hidden: Callable[[], None] = lambda: None,
        tell: Tell = untold,
    ) -> None:
        self._llm = llm
        self._pace = Pace()
        self._request = replace(request, pace=self._pace, tell=tell)
        self._on_arrival = on_arrival
        self._on_hidden = on_hidden
        self._arrived: asyncio.Queue[Completion | None] = asyncio.Queue()
        self._taken = False

    async def __aenter__(self) -> Self:
        """Starts reading."""
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stops reading, if necessary."""
        await self.stop()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Completion:
        """Returns the next completion; the previous one then counts as processed.

        Raises:
            LLMERMError: The model or ``on_arrival`` raised it, and the reader was not stopped.
        """
        if self._taken:
            self._pace.settle()
        completion = await self._arrived.get()
        if completion is not None:
            self._taken = True
            return completion
        self._arrived.put_nowait(None)  # for further calls
        if not self._pace.stopped:
            await self._reading
        raise StopAsyncIteration

    async def stop(self) -> None:
        """Cancels calls in flight, and waits until they were passed to ``on_arrival``."""
        self._pace.stop()
        if not self._pace.kept:
            self._reading.cancel()
        await asyncio.wait([self._reading])
        self._arrived.put_nowait(None)  # it may have been cancelled before it began
        error = None if self._reading.cancelled() else self._reading.exception()
        if error is not None and not isinstance(error, LLMERMError):
            raise error  # a bug; a failure of the model no longer matters once stopped

    async def _read(self) -> None:
        read = 0
        try:
            async with aclosing(self._llm.complete(self._request)) as completions:
                async for answer in completions:
                    completion = answer.without_secrets()
                    if completion != answer:
                        self._on_hidden()
                    self._on_arrival(completion)
                    if completion.finish_reason != "cancelled":
                        self._arrived.put_nowait(completion)
                    read += 1
                    while not self._pace.kept and self._pace.settled < read:
                        await self._pace.change()
        finally:
            self._arrived.put_nowait(None)
