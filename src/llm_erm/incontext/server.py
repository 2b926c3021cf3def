"""A model behind a server with OpenAI's chat completions API, or its completions API."""

import asyncio
import queue
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from llm_erm.errors import ProviderError
from llm_erm.incontext.engine import Engine, Prompt
from llm_erm.incontext.probabilities import label_probability
from llm_erm.incontext.prompt import ANSWER_SCHEMA, ANSWER_START
from llm_erm.incontext.settings import InContextSettings
from llm_erm.llms.budget import Budget
from llm_erm.llms.calls import Caller
from llm_erm.llms.clients import is_openai
from llm_erm.llms.faults import CallFailedError, provider_error, too_long
from llm_erm.llms.limits import check_limits
from llm_erm.llms.llm import Completion, State, Tell, untold
from llm_erm.llms.loop import LoopThread
from llm_erm.llms.plain import PlainClient
from llm_erm.llms.wire import drained

_CHAT_ALTERNATIVES = 20
"""Maximum number of next tokens whose probabilities a chat server returns."""
_RAW_ALTERNATIVES = 5
"""The same for OpenAI's completions API; other servers return as many as requested."""
_NOT_OF_THE_REQUEST = (401, 402, 403, 404, 429)
"""Statuses that any other request would get as well."""
_CONTINUE = {"add_generation_prompt": False, "continue_final_message": True}
"""Makes vLLM continue a partial answer; llama.cpp's server does so anyway."""


class ServerEngine(Engine):
    """A model behind a server, with several calls in flight.

    Calls are made, retried and budgeted like those of any remote model. A call that fails after all
    retries ends the run, whatever the reason, and the run can be resumed from there, so that a
    query without an answer never counts as wrong.
    """

    context_tokens: int | None = None
    """Unknown: the server enforces its own limit."""

    def __init__(
        self,
        model: str,
        base_url: str,
        api_key: str,
        *,
        concurrency: int = 8,
        timeout_seconds: float = 600.0,
        retries: int = 4,
        budget: Budget | None = None,
    ) -> None:
        """Prepares the client without sending anything.

        Args:
            model: The server's name for the model.
            base_url: Address of the API, including ``/v1``.
            api_key: The key; any text if the server needs no key.
            concurrency: Maximum number of calls in flight.
            timeout_seconds: Maximum wall time of one try.
            retries: Maximum number of retries of a call.
            budget: Limits what may be spent; None for no limit.

        Raises:
            InputError: The address or the key is not valid, or a limit is out of range.
            MissingExtraError: The client library is not installed.
        """
        check_limits(concurrency=concurrency, timeout_seconds=timeout_seconds, retries=retries)
        self._client = PlainClient(model, base_url, api_key)
        self._budget = budget or Budget()
        self._concurrency = concurrency
        self._new_caller = partial(Caller, self._budget, concurrency, timeout_seconds, retries)
        self._thread: LoopThread | None = None

    @property
    def name(self) -> str:
        """``server:`` and the model's name."""
        return f"server:{self._client.model}"

    @property
    def described(self) -> object:
        """What shapes the answers: the model and its address."""
        return {"name": self.name, "base_url": self._client.base_url}

    @property
    def address(self) -> str:
        """Address of the API."""
        return self._client.base_url

    @property
    def budget(self) -> Budget:
        """The budget of its calls."""
        return self._budget

    def render(self, message: str, settings: InContextSettings) -> str:
        """Returns the user's message; the server adds its own template."""
        if settings.raw_prompt and settings.answer == "score":
            return message + ANSWER_START
        return message

    def count_tokens(self, prompt: str) -> int | None:
        """Returns None: only the server knows."""
        return None

    def news(self) -> list[str]:
        """Returns what was found out about the server since the last call."""
        return drained(self._client.notices)

    def load(self) -> None:
        """Does nothing: the server has already loaded its model."""

    def answer(
        self, prompts: Sequence[Prompt], settings: InContextSettings, tell: Tell = untold
    ) -> Iterator[Completion]:
        """Yields the answers as they arrive.

        Raises:
            ProviderError: A call failed after all retries; calls in flight were yielded before.
            BudgetSpentError: A call could exceed the budget; calls in flight were yielded before.
        """
        if self._thread is None:
            self._thread = LoopThread()
        arrived: queue.SimpleQueue[Completion | State | None] = queue.SimpleQueue()
        work = self._thread.start(self._answer_all(prompts, settings, arrived.put))
        work.add_done_callback(lambda _: arrived.put(None))
        try:
            while (one := arrived.get()) is not None:
                if isinstance(one, Completion):
                    yield one
                else:
                    tell(one)
            work.result()
        finally:
            work.cancel()

    def close(self) -> None:
        """Cancels calls in flight and closes the connections; the next answer opens new ones."""
        if self._thread is None:
            return
        self._thread.start(self._client.aclose()).result()
        self._thread.close()
        self._thread = None

    async def _answer_all(
        self,
        prompts: Sequence[Prompt],
        settings: InContextSettings,
        on_arrival: Callable[[Completion | State], None],
    ) -> None:
        ask = partial(self._ask, self._new_caller(), on_arrival)
        on_arrival(await ask(prompts[0], settings))
        waiting = deque(prompts[1:])
        running: set[asyncio.Task[Completion]] = set()
        failure: BaseException | None = None
        try:
            while running or (waiting and failure is None):
                while waiting and failure is None and len(running) < self._concurrency:
                    running.add(asyncio.create_task(ask(waiting.popleft(), settings)))
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:  # after a failure, calls in flight still count
                    if (error := task.exception()) is None:
                        on_arrival(task.result())
                    failure = failure or error
            if failure is not None:
                raise failure
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _ask(
        self, caller: Caller, tell: Tell, prompt: Prompt, settings: InContextSettings
    ) -> Completion:
        if settings.raw_prompt:
            path, body = "/completions", self._raw(prompt, settings)
        else:
            path, body = "/chat/completions", self._chat(prompt, settings)
        begun = ANSWER_START if settings.answer == "score" else ""
        worst = len((prompt.text + begun).encode()), settings.answer_tokens
        started = time.monotonic()
        try:
            send = partial(self._send, prompt, path, body, settings)
            _, completion = await caller.call(send, worst, tell)
        except CallFailedError as failure:
            raise self._fatal(failure, prompt, settings) from failure
        return replace(completion, latency_seconds=time.monotonic() - started)

    async def _send(
        self, prompt: Prompt, path: str, body: Mapping[str, Any], settings: InContextSettings
    ) -> tuple[object, Completion]:
        reply, completion = await self._client.post(path, body)
        choice = reply["choices"][0]
        text = choice["text"] if settings.raw_prompt else choice["message"]["content"]
        probability = label_probability(choice) if settings.answer == "score" else None
        computed = None
        with suppress(KeyError, TypeError):  # not every server reports them
            usage = reply["usage"]
            computed = usage["prompt_tokens"] - usage["prompt_tokens_details"]["cached_tokens"]
        return reply, replace(
            completion,
            index=prompt.index,
            text=text if text and text.strip() else completion.text,
            probability=probability,
            computed_tokens=computed,
        )

    def _fatal(
        self, failure: CallFailedError, prompt: Prompt, settings: InContextSettings
    ) -> ProviderError:
        """Returns the error that ends the run, with a hint if a setting may help."""
        error = provider_error(failure, self.name, self._client.base_url)
        if too_long(failure):
            message = f"{str(error).rstrip('.')} (query {prompt.index}; use fewer examples)"
            return ProviderError(message, setting="shots")
        timed_out = isinstance(failure.__cause__, TimeoutError)
        if (
            failure.kind not in ("refused", "unusable")
            or failure.status in _NOT_OF_THE_REQUEST
            or timed_out
            or (found := _hint(settings)) is None
        ):
            return error
        hint, setting = found
        message = str(error).rstrip(".")
        return ProviderError(f"{message} (query {prompt.index}; {hint})", setting=setting)

    def _chat(self, prompt: Prompt, settings: InContextSettings) -> dict[str, Any]:
        messages = [{"role": "user", "content": prompt.text}]
        body = self._sampling(prompt, settings) | {"messages": messages}
        # All servers know the older name, except that OpenAI's newer models reject it.
        limit = "max_completion_tokens" if is_openai(self._client.base_url) else "max_tokens"
        body[limit] = settings.answer_tokens
        if settings.answer == "constrained":
            body["response_format"] = _SCHEMA
        if settings.answer == "score":
            messages.append({"role": "assistant", "content": ANSWER_START})
            body |= {"logprobs": True, "top_logprobs": _CHAT_ALTERNATIVES, **_CONTINUE}
        return body

    def _raw(self, prompt: Prompt, settings: InContextSettings) -> dict[str, Any]:
        body = self._sampling(prompt, settings)
        body |= {"prompt": prompt.text, "max_tokens": settings.answer_tokens}
        if settings.answer == "constrained":  # vLLM reads the former, llama.cpp's server the latter
            body |= {"response_format": _SCHEMA, "json_schema": ANSWER_SCHEMA}
        if settings.answer == "score":
            body["logprobs"] = _RAW_ALTERNATIVES
        return body

    def _sampling(self, prompt: Prompt, settings: InContextSettings) -> dict[str, Any]:
        if settings.answer == "score":
            return {"temperature": 0.0}
        return {
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "seed": prompt.seed,
        }


_SCHEMA = {
    "type": "json_schema",
    "json_schema": {"name": "label", "schema": ANSWER_SCHEMA, "strict": True},
}


def _hint(settings: InContextSettings) -> tuple[str, str] | None:
    """Returns a hint for a server that cannot handle the request, and the setting to change."""
    match settings.answer:
        case "score":
            return (
                "if it cannot continue a partial answer or returns no probabilities, use "
                "constrained answers",
                "answer",
            )
        case "constrained":
            return "if it does not support structured output, use generated answers", "answer"
        case "generate":
            return None
