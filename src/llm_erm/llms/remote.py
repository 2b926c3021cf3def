"""Language models behind an API: draws the samples of a request concurrently."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from llm_erm.errors import BudgetSpentError, ProviderError
from llm_erm.llms.budget import Budget
from llm_erm.llms.calls import Caller, GivenUpError
from llm_erm.llms.clients import Client, RemoteSettings
from llm_erm.llms.conversation import CODE_SCHEMA, Conversation
from llm_erm.llms.faults import CallFailedError, provider_error, too_long
from llm_erm.llms.in_flight import in_flight
from llm_erm.llms.llm import LLM, Completion, FinishReason, Request, Tool
from llm_erm.llms.wire import drained

if TYPE_CHECKING:
    from pydantic_ai.models import ModelRequestParameters

MOST_TOOLS = 32
"""Maximum number of concurrent tool calls; those of a sandbox wait for its workers anyway."""


@dataclass(frozen=True)
class RemoteModel:
    """Settings that shape the answers of a remote model.

    Attributes:
        name: The provider and the model's name.
        base_url: Address of the API; None for the provider's own.
        settings: Settings of every call.
    """

    name: str
    base_url: str | None
    settings: RemoteSettings


@dataclass(frozen=True)
class _Opened:
    """Objects that calls share within one event loop."""

    client: Client
    caller: Caller
    threads: ThreadPoolExecutor


class RemoteLLM(LLM):
    """A model behind an API.

    A call that takes too long or gets a broken answer is a completion with
    ``finish_reason="error"``: it may have been billed, so it counts as an attempt and is not
    retried. A call without an answer (status 429 and 5xx, a broken connection) is retried, after
    the time that the server asks for, or else with exponential back-off and jitter; if it gets none
    at all, it is ``"unanswered"``.
    """

    concurrent = True
    """The calls of all searches share one limiter."""

    def __init__(
        self,
        name: str,
        connect: Callable[[], Client],
        settings: RemoteSettings,
        *,
        base_url: str | None = None,
        budget: Budget | None = None,
    ) -> None:
        """Prepares the calls; nothing is sent.

        Args:
            name: The provider and the model's name.
            connect: Makes the client to call: once at first, and again after ``aclose``.
            settings: Settings of the answers and the calls.
            base_url: Address of the API, for messages; None for the provider's own.
            budget: Limits what may be spent; None for no limit.
        """
        self._name = name
        self._connect = connect
        self._client: Client | None = connect()
        self._opened: _Opened | None = None
        self._base_url = base_url
        self._settings = settings
        self._budget = budget or Budget()

    def __getstate__(self) -> dict[str, object]:
        """Returns the state without connections and threads, for another process."""
        return {**self.__dict__, "_client": None, "_opened": None}

    @property
    def name(self) -> str:
        """The provider and the model's name."""
        return self._name

    @property
    def described(self) -> object:
        """What shapes the answers: the model, its address and its settings."""
        return RemoteModel(self._name, self._base_url, self._settings)

    @property
    def address(self) -> str:
        """Address of the API."""
        self._client = self._client or self._connect()
        return self._base_url or str(self._client.model.base_url).rstrip("/")

    @property
    def budget(self) -> Budget:
        """The budget of its calls."""
        return self._budget

    def complete(self, request: Request) -> AsyncGenerator[Completion]:
        """Yields the samples of ``request`` as they arrive.

        At most ``speculative`` samples are in flight or not yet settled.

        Raises:
            ProviderError: The key, the model's name, the quota or the request itself was refused,
                or there is no server at the address.
            BudgetSpentError: A call could exceed the budget.
        """
        return in_flight(request, self._settings.speculative, self._answer)

    def news(self) -> list[str]:
        """Returns what was found out about the server since the last call."""
        if self._client is None:
            return []
        return drained(self._client.notices)

    async def aclose(self) -> None:
        """Closes the connections; the next request opens new ones."""
        opened, self._opened = self._opened, None
        client, self._client = self._client, None
        if opened is not None:
            opened.threads.shutdown(wait=False)
        if client is not None:
            await client.close()

    def _open(self) -> "_Opened":
        """Returns the objects that all calls share until ``aclose``."""
        if self._opened is None:
            own = self._settings
            self._client = self._client or self._connect()
            self._opened = _Opened(
                self._client,
                Caller(self._budget, own.concurrency, own.timeout_seconds, own.retries),
                # Its own: the loop's threads look names up, which must not wait for a tool.
                ThreadPoolExecutor(MOST_TOOLS, "tool"),
            )
        return self._opened

    async def _answer(self, request: Request, index: int, arrived: list[Completion]) -> None:
        """Draws one sample and appends it to ``arrived``, even if it is cancelled in flight."""
        opened = self._open()
        conversation = Conversation(
            opened.caller,
            opened.client.model,
            opened.threads,
            request,
            opened.client.call_settings(self._settings, request),
            self._tools(request.tool),
        )
        started = time.monotonic()
        try:
            failure = await self._failure(conversation)
        except asyncio.CancelledError as cancelled:
            if isinstance(cancelled, GivenUpError) or conversation.last is not None:
                took = time.monotonic() - started
                arrived.append(conversation.ended(index, took, "cancelled", "given up in flight"))
            raise
        seconds = time.monotonic() - started
        if failure is not None or conversation.last is None:
            arrived.append(conversation.ended(index, seconds, *(failure or ("error", None))))
            return
        arrived.append(
            replace(
                conversation.last,
                index=index,
                latency_seconds=seconds,
                usage=conversation.usage,
                cost_usd=conversation.dollars,
                tool_calls=tuple(conversation.tool_calls),
            )
        )

    async def _failure(self, conversation: Conversation) -> tuple[FinishReason, str] | None:
        """Runs the conversation to its end; returns how and why it failed, or None.

        Raises:
            ProviderError: No other call can succeed either.
            BudgetSpentError: The first call could exceed the budget.
        """
        try:
            await conversation.run()
        except BudgetSpentError as error:
            if conversation.last is None:
                raise
            return "error", f"the budget was spent before the answer was complete ({error})"
        except CallFailedError as failure:
            if failure.kind in ("unreachable", "refused"):
                fatal = provider_error(failure, self.name, self._base_url)
                if too_long(failure):
                    said = f"{str(fatal).rstrip('.')} (use fewer or shorter examples)"
                    fatal = ProviderError(said, setting="train_size or lengths")
                raise fatal from failure
            unpaid = failure.is_free and conversation.last is None
            return "unanswered" if unpaid else "error", failure.message
        return None

    def _tools(self, tool: Tool | None) -> "ModelRequestParameters":
        """Returns the tools of a call: the hosted one, ours, or none."""
        from pydantic_ai.models import ModelRequestParameters
        from pydantic_ai.native_tools import CodeExecutionTool
        from pydantic_ai.tools import ToolDefinition

        hosted = [CodeExecutionTool()] if self._settings.code_interpreter else []
        ours = []
        if tool is not None:
            ours = [
                ToolDefinition(
                    name=tool.name, description=tool.description, parameters_json_schema=CODE_SCHEMA
                )
            ]
        return ModelRequestParameters(native_tools=[*hosted], function_tools=ours)
