"""Makes calls to a remote model, with a limit on concurrency, a time limit and retries."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from llm_erm.llms.answers import prepare
from llm_erm.llms.budget import Budget
from llm_erm.llms.faults import CallFailedError, failure_of
from llm_erm.llms.llm import Completion, Tell, Usage, untold
from llm_erm.llms.pauses import Pauses

if TYPE_CHECKING:
    from tenacity import RetryCallState

Response = TypeVar("Response")

CROWDED_WAIT_SECONDS = 0.25
"""Wait for another call to close a file; the try after that costs nothing."""
LONGEST_WAIT_SECONDS = 60.0
"""Longest wait between two tries, not counting jitter, unless the server asks for more."""


class GivenUpError(asyncio.CancelledError):
    """A call was cancelled in flight, so it may be billed."""


class Caller:
    """Makes all calls to one model, for all requests and with any client.

    Args:
        budget: Limits what may be spent.
        concurrency: Maximum number of calls in flight.
        timeout_seconds: Maximum wall time of one try.
        retries: Maximum number of retries of a call that certainly got no answer.
    """

    def __init__(
        self, budget: Budget, concurrency: int, timeout_seconds: float, retries: int
    ) -> None:
        self._budget = budget
        self._places = asyncio.Semaphore(concurrency)
        self._timeout_seconds = timeout_seconds
        self._retries = retries
        self._refusal: CallFailedError | None = None
        self._pauses = Pauses()
        prepare()

    async def call(
        self,
        send: Callable[[], Awaitable[tuple[Response, Completion]]],
        worst_case: tuple[int, int],
        tell: Tell = untold,
    ) -> tuple[Response, Completion]:
        """Returns one answer, with retries if necessary.

        Args:
            send: Sends the call once; returns the client's response and the completion in it.
            worst_case: Prompt size in bytes and maximum number of output tokens, for the budget.
            tell: Is told of pauses, of this call or of others that wait at the same time.

        Raises:
            CallFailedError: The call failed, or another was refused while this one waited.
            BudgetSpentError: The call could exceed the budget.
            GivenUpError: The call was cancelled after it was sent.
        """
        from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

        this = object()

        def waits(state: "RetryCallState") -> None:
            self._pauses.begin(this, state.upcoming_sleep, _failure_in(state), tell)

        tries = AsyncRetrying(
            retry=retry_if_exception(
                lambda error: isinstance(error, CallFailedError) and error.may_be_repeated
            ),
            stop=stop_after_attempt(self._retries + 1),
            wait=_wait,
            before_sleep=waits,
            reraise=True,
        )
        known = self._refusal
        try:
            async for attempt in tries:
                self._pauses.end(this, tell)
                with attempt:
                    async with self._places:
                        if self._refusal is not None and self._refusal is not known:
                            raise self._refusal  # another call was refused while this one waited
                        return await self._when_possible(send, worst_case)
        finally:
            self._pauses.end(this, tell)
        raise AssertionError  # the loop returns or raises

    async def _when_possible(
        self,
        send: Callable[[], Awaitable[tuple[Response, Completion]]],
        worst_case: tuple[int, int],
    ) -> tuple[Response, Completion]:
        """Makes one call, once this process may open a file for its connection."""
        deadline = asyncio.get_running_loop().time() + self._timeout_seconds
        while True:
            try:
                return await self._once(send, worst_case)
            except CallFailedError as failure:
                late = asyncio.get_running_loop().time() > deadline
                if failure.kind != "crowded" or late:
                    raise
            await asyncio.sleep(CROWDED_WAIT_SECONDS)

    async def _once(
        self,
        send: Callable[[], Awaitable[tuple[Response, Completion]]],
        worst_case: tuple[int, int],
    ) -> tuple[Response, Completion]:
        worst = await self._budget.reserve(*worst_case)
        usage, dollars = None, None
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response, completion = await send()
            if completion.usage != Usage():  # some servers do not report it
                usage, dollars = completion.usage, completion.cost_usd
        except Exception as error:
            failure = failure_of(error, self._timeout_seconds)
            if failure is None:
                raise
            if failure.is_free:
                usage, dollars = Usage(), 0.0
            if failure.kind == "refused":
                self._refusal = failure
            # What the library raised may hold the key and what the server said, so no traceback
            # shows it.
            raise failure from (error if isinstance(error, TimeoutError) else None)
        except asyncio.CancelledError as error:
            raise GivenUpError from error
        finally:
            await self._budget.settle(worst, usage, dollars)
        return response, completion


def _wait(state: "RetryCallState") -> float:
    """Returns the seconds before the next try: what the server asks for or a back-off, + jitter."""
    from tenacity import wait_exponential, wait_random

    error = _failure_in(state)
    asked = error.pause_seconds
    if asked is None:
        # An unreachable server ends the run, which can be resumed later; a busy one would cost a
        # failed attempt, so it gets more time.
        first = 0.25 if error.kind == "unreachable" else 1.0
        least = wait_exponential(first, max=LONGEST_WAIT_SECONDS)(state)
        return least + wait_random(0, least)(state)
    return asked + wait_random(0, 0.25 + 0.1 * asked)(state)


def _failure_in(state: "RetryCallState") -> CallFailedError:
    """Returns why a call is repeated."""
    error = state.outcome.exception() if state.outcome is not None else None
    assert isinstance(error, CallFailedError)  # nothing else is repeated
    return error
