"""Language models behind an API: attempts in flight, time limits, repeats, tools and their cost."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

from llm_erm.errors import BudgetSpentError
from llm_erm.llms.budget import Budget
from llm_erm.llms.calls import Caller, GivenUpError
from llm_erm.llms.conversation import CODE_SCHEMA, Conversation
from llm_erm.llms.faults import CallFailedError, provider_error
from llm_erm.llms.llm import LLM, Completion, Pace, Request, Tool
from llm_erm.llms.providers import Connection, build
from llm_erm.settings import OPERATIONAL

if TYPE_CHECKING:
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.settings import ModelSettings

ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]
Verbosity = Literal["low", "medium", "high"]
ToolChoice = Literal["auto", "none"]

MOST_TOOLS = 32
"""Uses of a tool at the same time; those of a sandbox wait for its workers anyway."""


@dataclass(frozen=True)
class RemoteSettings:
    """What shapes the answers of a remote model and the calls for them.

    Attributes:
        reasoning_effort: How much a reasoning model thinks; None leaves it to the model.
        verbosity: How long its text is; None leaves it to the model.
        tool_choice: Whether it may use its tools.
        code_interpreter: Whether it has the provider's hosted code interpreter.
        timeout_seconds: Wall time of one call, after which it counts as failed.
        retries: How often a call that was surely not answered is sent again.
        concurrency: Calls in flight at most, over all requests.
        speculative: Samples of one request in flight at most.
    """

    reasoning_effort: ReasoningEffort | None = None
    verbosity: Verbosity | None = None
    tool_choice: ToolChoice = "auto"
    code_interpreter: bool = False
    timeout_seconds: Annotated[float, OPERATIONAL] = 1200.0
    retries: Annotated[int, OPERATIONAL] = 4
    concurrency: Annotated[int, OPERATIONAL] = 5
    speculative: Annotated[int, OPERATIONAL] = 1


@dataclass(frozen=True)
class RemoteModel:
    """What shapes the answers of a remote model.

    Attributes:
        name: The provider and the model's name.
        provider: Who answers.
        model: The model's name.
        base_url: Where it is reached; None for its provider's own address.
        settings: What goes with every call.
    """

    name: str
    provider: str
    model: str
    base_url: str | None
    settings: RemoteSettings


class RemoteLLM(LLM):
    """A model behind an API.

    A call that takes too long or gets a broken answer is a completion with
    ``finish_reason="error"``: it may have been billed, so it is an attempt and not sent again. What
    was not answered (status 429 and 5xx, a broken connection) is sent again, after the time that
    the server asks for or else with exponential back-off and jitter.
    """

    def __init__(
        self, connection: Connection, settings: RemoteSettings, budget: Budget | None = None
    ) -> None:
        """Prepares the client; nothing is sent.

        Args:
            connection: Who answers.
            settings: What shapes the answers and the calls.
            budget: What may be spent; None for no limit.

        Raises:
            MissingExtraError: The client library is not installed.
        """
        self._model, self._close = build(connection)
        self._connection = connection
        self._settings = settings
        # Threads of its own: the loop's own look names up, which must not wait for a tool.
        self._threads = ThreadPoolExecutor(MOST_TOOLS, "tool")
        self._budget = budget or Budget()
        self._caller = Caller(
            self._budget,
            settings.concurrency,
            settings.timeout_seconds,
            settings.retries,
        )

    @property
    def name(self) -> str:
        """The provider and the model's name."""
        return f"{self._connection.provider}:{self._connection.model}"

    @property
    def described(self) -> object:
        """What shapes the answers: who gives them, at which address, and with which settings."""
        connection = self._connection
        return RemoteModel(
            self.name, connection.provider, connection.model, connection.base_url, self._settings
        )

    @property
    def budget(self) -> Budget:
        """What its calls may cost."""
        return self._budget

    @property
    def concurrent(self) -> bool:
        """True: the calls of all searches share one limiter."""
        return True

    async def complete(self, request: Request) -> AsyncGenerator[Completion]:
        """Yields the samples of ``request`` as they arrive.

        At most ``speculative`` samples are in flight or not yet dealt with.

        Raises:
            ProviderError: The key, the model's name, the quota or the request itself was refused,
                or nobody answers at the address.
            BudgetSpentError: A call could pass the budget.
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
                while waiting and not (pace.stopped or failures) and self._has_room(begun, pace):
                    running.add(
                        asyncio.create_task(self._answer(request, waiting.popleft(), arrived))
                    )
                    begun += 1
                if not running and (pace.stopped or failures or not waiting):
                    break
                done, _ = await asyncio.wait(
                    {*running, change}, return_when=asyncio.FIRST_COMPLETED
                )
                if change in done:
                    change = asyncio.create_task(pace.change())
                running -= done
                failures += [e for task in done if (e := _failure_of(task)) is not None]
                # Where the budget is spent, others are paid for already: they go on to their end.
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

    def _has_room(self, begun: int, pace: Pace) -> bool:
        return begun - pace.settled < self._settings.speculative

    async def aclose(self) -> None:
        """Closes the connections."""
        self._threads.shutdown(wait=False)
        await self._close()

    async def _answer(self, request: Request, index: int, arrived: list[Completion]) -> None:
        """Adds one sample to those that arrived, also where it is given up in flight."""
        settings, parameters = self._model_settings(request), self._tools(request.tool)
        conversation = Conversation(
            self._caller, self._model, self._threads, request, settings, parameters
        )
        started = time.monotonic()
        try:
            error = await self._failure(conversation)
        except asyncio.CancelledError as cancelled:
            if isinstance(cancelled, GivenUpError) or conversation.last is not None:
                took = time.monotonic() - started
                arrived.append(conversation.ended(index, took, "cancelled", "given up in flight"))
            raise
        seconds = time.monotonic() - started
        if error is not None or conversation.last is None:
            arrived.append(conversation.ended(index, seconds, "error", error))
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

    async def _failure(self, conversation: Conversation) -> str | None:
        """Runs the conversation to its end; returns why it failed, or None.

        Raises:
            ProviderError: No other call can succeed either.
            BudgetSpentError: The first call could pass the budget.
        """
        try:
            await conversation.run()
        except BudgetSpentError as error:
            if conversation.last is None:
                raise
            return f"the budget was spent before the answer was complete ({error})"
        except CallFailedError as failure:
            if failure.kind in ("unreachable", "refused"):
                raise provider_error(failure, self.name, self._connection.base_url) from failure
            return failure.said
        return None

    def _model_settings(self, request: Request) -> "ModelSettings":
        """Returns what goes with every call of a request."""
        from pydantic_ai.models.openai import OpenAIResponsesModelSettings

        own, provider = self._settings, self._connection.provider
        settings = OpenAIResponsesModelSettings(max_tokens=request.max_tokens)
        if own.reasoning_effort is not None:
            if provider in ("anthropic", "gemini"):
                effort = own.reasoning_effort
                settings["thinking"] = False if effort == "none" else effort
            else:  # as it is given: the library would drop it for models that it does not know
                settings["openai_reasoning_effort"] = own.reasoning_effort
        if own.verbosity is not None:
            settings["openai_text_verbosity"] = own.verbosity
        if provider == "openai" or own.tool_choice == "none":
            settings["tool_choice"] = own.tool_choice
        if own.code_interpreter:
            settings["openai_include_code_execution_outputs"] = True
        elif provider == "openai" and request.tool is None:
            # The library omits it without tools; the published call has it.
            settings["extra_body"] = {"tool_choice": own.tool_choice}
        return settings

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


def _failure_of(task: "asyncio.Task[None]") -> BaseException | None:
    return None if task.cancelled() else task.exception()


async def _cancel(tasks: "Collection[asyncio.Task[None]]") -> None:
    """Cancels the tasks and waits until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
