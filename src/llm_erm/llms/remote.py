"""Language models behind an API: attempts in flight, time limits, repeats, tools and their cost."""

import asyncio
import time
from collections.abc import AsyncGenerator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from llm_erm.errors import BudgetSpentError, ProviderError
from llm_erm.llms.answers import sentence_of
from llm_erm.llms.budget import Budget
from llm_erm.llms.calls import (
    LONGEST_PAUSE_SECONDS,
    Caller,
    GivenUpError,
    is_final,
    pause_of,
    was_not_answered,
    was_not_sent,
)
from llm_erm.llms.llm import LLM, Completion, FinishReason, Request, Tool, ToolCall, Usage
from llm_erm.llms.providers import Connection, build
from llm_erm.settings import OPERATIONAL

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.settings import ModelSettings

ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]
Verbosity = Literal["low", "medium", "high"]
ToolChoice = Literal["auto", "none"]

MOST_TOOLS = 32
"""Uses of a tool at the same time; those of a sandbox wait for its workers anyway."""

MOST_PAUSES = 16
"""How often one answer may pause for the provider's own tool."""


_ODD_FORM = (
    *(TypeError, AttributeError, LookupError, ValueError, AssertionError, ArithmeticError),
    RecursionError,
)
"""What the libraries raise when an answer has a form that they did not expect."""


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
            self._model,
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
        """Yields the samples of ``request`` as they arrive, ``speculative`` in flight at a time.

        Closing the iterator early cancels the calls in flight; ``on_arrival`` is told of each.

        Raises:
            ProviderError: The key, the model's name, the quota or the request itself was refused,
                or nobody answers at the address.
            BudgetSpentError: A call could pass the budget.
        """
        waiting = iter(request.indices)
        running: set[asyncio.Task[None]] = set()
        arrived: list[Completion] = []
        spent: BudgetSpentError | None = None
        try:
            while True:
                for index in waiting if spent is None else ():
                    running.add(asyncio.create_task(self._answer(request, index, arrived)))
                    if len(running) >= self._settings.speculative:
                        break
                if not running:
                    break
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                failures = [error for task in done if (error := task.exception()) is not None]
                answered = arrived.copy()
                arrived.clear()
                for completion in answered:
                    yield completion
                for error in failures:
                    if not isinstance(error, BudgetSpentError):
                        raise error
                    spent = error  # others have begun and are paid for: they go on to their end
            if spent is not None:
                raise spent
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def aclose(self) -> None:
        """Closes the connections."""
        self._threads.shutdown(wait=False)
        await self._close()

    async def _answer(self, request: Request, index: int, arrived: list[Completion]) -> None:
        """One sample: a call, and more where the model uses a tool of ours in between."""
        settings, parameters = self._model_settings(request), self._tools(request.tool)
        talk = _Talk(self._caller, self._threads, request, settings, parameters)
        started = time.monotonic()
        try:
            error = await self._failure_of(talk)
        except asyncio.CancelledError as cancelled:
            if isinstance(cancelled, GivenUpError) or talk.last is not None:
                seconds = time.monotonic() - started
                request.on_arrival(talk.ended(index, seconds, "cancelled", "given up in flight"))
            raise
        seconds = time.monotonic() - started
        if error is None and talk.last is not None:
            completion = replace(
                talk.last,
                index=index,
                latency_seconds=seconds,
                usage=talk.usage,
                cost_usd=talk.dollars,
                tool_calls=tuple(talk.tool_calls),
            )
        else:
            completion = talk.ended(index, seconds, "error", error)
        request.on_arrival(completion)
        arrived.append(completion)

    async def _failure_of(self, talk: "_Talk") -> str | None:
        """Leads the talk to its end; returns why it failed, or None.

        Raises:
            ProviderError: No other call can succeed either.
            BudgetSpentError: The first call could pass the budget.
        """
        from pydantic_ai import exceptions as refusals

        try:
            await talk.lead()
        except BudgetSpentError as error:
            if talk.last is None:
                raise
            return f"the budget was spent before the answer was complete ({error})"
        except refusals.ModelConnectionError as error:
            if isinstance(error, refusals.ModelTimeoutError) and not was_not_sent(error):
                return sentence_of(error)
            why = "no connection comes about" if was_not_sent(error) else sentence_of(error)
            url = self._connection.base_url
            raise ProviderError(
                f"{self.name} cannot be reached{f' at {url}' if url else ''}: {why.rstrip('.')}; "
                "check the address (--base-url) and that something answers there."
            ) from error
        except TimeoutError:
            return f"no answer within {self._settings.timeout_seconds:g} seconds"
        except (refusals.AgentRunError, OSError) as error:
            if not is_final(error):
                return sentence_of(error)
            said = f"{self.name} refused the call: {sentence_of(error)}"
            if (pause := pause_of(error) or 0.0) > LONGEST_PAUSE_SECONDS:
                said += f" (it asks for a pause of {pause:,.0f} seconds; run this again then)"
            raise ProviderError(said) from error
        except _ODD_FORM as error:
            return f"the answer is not in the API's form ({error or type(error).__name__})"
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
                    name=tool.name, description=tool.description, parameters_json_schema=_CODE
                )
            ]
        return ModelRequestParameters(native_tools=[*hosted], function_tools=ours)


_CODE = {
    "type": "object",
    "properties": {"code": {"type": "string"}},
    "required": ["code"],
    "additionalProperties": False,
}


@dataclass
class _Talk:
    """One sample while it comes about."""

    caller: Caller
    threads: Executor
    request: Request
    settings: "ModelSettings"
    parameters: "ModelRequestParameters"
    last: Completion | None = None
    usage: Usage = field(default_factory=Usage)
    dollars: float | None = 0.0
    tool_calls: list[ToolCall] = field(default_factory=list)

    async def lead(self) -> None:
        """Calls the model until it answers without asking for the tool."""
        from pydantic_ai.messages import ModelRequest, UserPromptPart

        request = self.request
        settings = self.settings
        messages: list[ModelMessage] = [ModelRequest(parts=[UserPromptPart(request.prompt)])]
        tool, pauses = request.tool, 0
        size = len((request.prompt + (tool.description if tool else "")).encode())
        while True:
            worst = (size, request.max_tokens)
            try:
                response, said = await self.caller.call(messages, settings, self.parameters, worst)
            except (Exception, GivenUpError) as error:
                if not (was_not_answered(error) or isinstance(error, BudgetSpentError)):
                    self.dollars = None  # it may have been billed, and nobody says how much
                raise
            self._count(said)
            size += said.usage.completion_tokens or request.max_tokens
            if response.state == "suspended" and pauses < MOST_PAUSES:
                pauses += 1  # the provider's own tool took long; the same turn goes on
                messages.append(response)
                continue
            wanted = [part for part in response.parts if part.part_kind == "tool-call"]
            if not wanted or tool is None or settings.get("tool_choice") == "none":
                return
            returns = [await self._use(tool, part) for part in wanted]
            messages += [response, ModelRequest(parts=returns)]
            size += sum(len(str(part.content).encode()) for part in returns)
            if len(self.tool_calls) >= tool.calls:
                settings = {**settings, "tool_choice": "none"}

    def ended(
        self, index: int, seconds: float, reason: FinishReason, error: str | None
    ) -> Completion:
        """What is left of a sample that came to no answer."""
        return Completion(
            index=index,
            text="",
            usage=self.usage,
            latency_seconds=seconds,
            finish_reason=reason,
            cost_usd=self.dollars,
            tool_calls=tuple(self.tool_calls),
            error=error,
        )

    def _count(self, said: Completion) -> None:
        if said.finish_reason == "stop" and said.usage.completion_tokens >= self.request.max_tokens:
            said = replace(said, finish_reason="length")  # llama.cpp's Responses API says completed
        self.last = said
        self.tool_calls += said.tool_calls
        ours, more = self.usage, said.usage
        self.usage = Usage(
            ours.prompt_tokens + more.prompt_tokens,
            ours.cached_tokens + more.cached_tokens,
            ours.completion_tokens + more.completion_tokens,
            ours.reasoning_tokens + more.reasoning_tokens,
        )
        known = self.dollars is not None and said.cost_usd is not None
        self.dollars = (self.dollars or 0.0) + (said.cost_usd or 0.0) if known else None

    async def _use(self, tool: Tool, part: Any) -> Any:  # noqa: ANN401 - the library's parts
        """Runs the tool as the model asks and returns what goes back to it."""
        from pydantic_ai.messages import ToolReturnPart

        code = _code_of(part)
        if part.tool_name != tool.name or code is None:
            output = f'There is one tool, {tool.name}, and it takes {{"code": "<Python>"}}.'
        elif len(self.tool_calls) >= tool.calls:
            output = f"{tool.name} was used {tool.calls} times and is closed now; answer."
        else:
            loop = asyncio.get_running_loop()
            output = await loop.run_in_executor(self.threads, tool.run, code)
        self.tool_calls.append(ToolCall(part.tool_name, code or "", output))
        return ToolReturnPart(part.tool_name, output, part.tool_call_id)


def _code_of(part: Any) -> str | None:  # noqa: ANN401 - the library's parts
    try:
        code = part.args_as_dict().get("code")
    except (ValueError, AssertionError):  # arguments that are no JSON object
        return None
    return code if isinstance(code, str) else None
