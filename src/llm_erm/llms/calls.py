"""One call of a remote model: its place among those in flight, its time limit, its repeats."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from llm_erm.llms.answers import to_completion
from llm_erm.llms.budget import Budget
from llm_erm.llms.llm import Completion, Usage

if TYPE_CHECKING:
    from pydantic_ai.exceptions import ModelConnectionError
    from pydantic_ai.messages import ModelMessage, ModelResponse
    from pydantic_ai.models import Model, ModelRequestParameters
    from pydantic_ai.settings import ModelSettings
    from tenacity import RetryCallState

LONGEST_WAIT_SECONDS = 60.0
"""Between two tries, jitter apart, unless the server asks for more."""

LONGEST_PAUSE_SECONDS = 900.0
"""What a server may ask for; a run that would stand still for longer stops instead."""


class GivenUpError(asyncio.CancelledError):
    """A call was cancelled while it was in flight, so that it may be billed."""


class Caller:
    """Makes the calls of one model, over all requests.

    Args:
        model: Who is called.
        budget: What may be spent.
        concurrency: Calls in flight at most.
        timeout_seconds: Wall time of one try.
        retries: How often a call that was surely not answered is sent again.
    """

    def __init__(
        self,
        model: "Model",
        budget: Budget,
        concurrency: int,
        timeout_seconds: float,
        retries: int,
    ) -> None:
        self._model = model
        self._budget = budget
        self._places = asyncio.Semaphore(concurrency)
        self._timeout_seconds = timeout_seconds
        self._retries = retries
        self._refusal: Exception | None = None

    async def call(
        self,
        messages: "Sequence[ModelMessage]",
        settings: "ModelSettings",
        parameters: "ModelRequestParameters",
        worst_case: tuple[int, int],
    ) -> "tuple[ModelResponse, Completion]":
        """Returns one answer, after as many tries as it takes and is allowed.

        Args:
            messages: What was said so far.
            settings: What shapes the answer.
            parameters: The tools.
            worst_case: Bytes of the prompt and output tokens at most, for the budget.

        Raises:
            GivenUpError: The call was cancelled after it was sent.
        """
        from pydantic_ai.direct import model_request
        from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

        tries = AsyncRetrying(
            retry=retry_if_exception(lambda error: was_not_answered(error) and not is_final(error)),
            stop=stop_after_attempt(self._retries + 1),
            wait=_wait,
            reraise=True,
        )
        known = self._refusal
        async for attempt in tries:
            with attempt:
                async with self._places:
                    if self._refusal is not None and self._refusal is not known:
                        raise self._refusal  # of a call made while this one waited for its place
                    worst = await self._budget.reserve(*worst_case)
                    usage, dollars = None, None
                    try:
                        async with asyncio.timeout(self._timeout_seconds):
                            response = await model_request(
                                self._model,
                                [*messages],
                                model_settings=settings,
                                model_request_parameters=parameters,
                            )
                        completion = to_completion(response, 0, 0.0)
                        if completion.usage != Usage():  # some servers tell none
                            usage, dollars = completion.usage, completion.cost_usd
                    except Exception as error:
                        if was_not_answered(error):
                            usage, dollars = Usage(), 0.0
                        if is_final(error):
                            self._refusal = error
                        raise
                    except asyncio.CancelledError as error:
                        raise GivenUpError from error
                    finally:
                        await self._budget.settle(worst, usage, dollars)
                    return response, completion
        raise AssertionError  # the loop returns or raises


def was_not_sent(error: "ModelConnectionError") -> bool:
    """Whether there was no connection to send a call through; some transports call it a timeout."""
    return error.phase in ("pool", "connect")


def was_not_answered(error: BaseException) -> bool:
    """Whether a call was surely not answered, so that it costs nothing and may be sent again."""
    from pydantic_ai import exceptions as refusals

    if isinstance(error, refusals.ModelTimeoutError):
        return was_not_sent(error)
    if isinstance(error, refusals.ModelQuotaExceededError):
        return False
    if isinstance(error, refusals.ModelHTTPError):
        return error.status_code == 429 or error.status_code >= 500
    return isinstance(error, refusals.ModelConnectionError)


def is_final(error: BaseException) -> bool:
    """Whether no other call can succeed either, or none for a long time."""
    from pydantic_ai import exceptions as refusals

    refused = refusals.ModelRequestRejectedError | refusals.ModelQuotaExceededError
    return isinstance(error, refused) or (pause_of(error) or 0.0) > LONGEST_PAUSE_SECONDS


def pause_of(error: BaseException | None) -> float | None:
    """Returns the seconds that the server asks to wait, in whichever way it says so, or None."""
    seconds: float | None = getattr(error, "retry_after", None)
    return seconds


def _wait(state: "RetryCallState") -> float:
    """Seconds before the next try: what the server asks for, and some jitter, or a back-off."""
    from pydantic_ai.exceptions import ModelConnectionError
    from tenacity import wait_exponential, wait_random

    error = state.outcome.exception() if state.outcome is not None else None
    asked = pause_of(error)
    if asked is None:
        # A server that is not there ends the run, which goes on later; one that is busy is a failed
        # attempt in the end, so it gets longer.
        first = 0.25 if isinstance(error, ModelConnectionError) else 1.0
        least = wait_exponential(first, max=LONGEST_WAIT_SECONDS)(state)
        return least + wait_random(0, least)(state)
    return asked + wait_random(0, 0.25 + 0.1 * asked)(state)
