"""One sample of a remote model: its calls, the tool calls in between, and their usage."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from llm_erm.llms.answers import to_completion
from llm_erm.llms.calls import Caller, GivenUpError
from llm_erm.llms.faults import CallFailedError
from llm_erm.llms.llm import Completion, FinishReason, Request, Tool, ToolCall, Usage
from llm_erm.secrets import hide_known

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage, ModelResponse
    from pydantic_ai.models import Model, ModelRequestParameters
    from pydantic_ai.settings import ModelSettings

CODE_SCHEMA = {
    "type": "object",
    "properties": {"code": {"type": "string"}},
    "required": ["code"],
    "additionalProperties": False,
}
"""JSON schema of the arguments of our tools."""

MOST_PAUSES = 16
"""Maximum number of pauses of one answer for the provider's own tool."""


@dataclass
class Conversation:
    """One sample in progress: a call, and further calls if the model uses a tool.

    Attributes:
        caller: Makes the calls.
        model: The model to call.
        threads: Where tools run.
        request: The request.
        settings: Settings of every call.
        parameters: The tools.
        last: The completion of the latest call, or None.
        usage: Tokens of all calls so far.
        dollars: Price of all calls so far; None if unknown.
        tool_calls: Tool calls so far.
    """

    caller: Caller
    model: "Model"
    threads: Executor
    request: Request
    settings: "ModelSettings"
    parameters: "ModelRequestParameters"
    last: Completion | None = None
    usage: Usage = field(default_factory=Usage)
    dollars: float | None = 0.0
    tool_calls: list[ToolCall] = field(default_factory=list)

    async def run(self) -> None:
        """Runs the tool loop until the model answers.

        Raises:
            CallFailedError: A call failed; the usage of earlier calls is kept.
            BudgetSpentError: A call could exceed the budget.
        """
        from pydantic_ai.messages import ModelRequest, UserPromptPart

        request = self.request
        settings = self.settings
        messages: list[ModelMessage] = [ModelRequest(parts=[UserPromptPart(request.prompt)])]
        tool, pauses = request.tool, 0
        size = len((request.prompt + (tool.description if tool else "")).encode())
        while True:
            worst = (size, request.max_tokens)
            try:
                response, completion = await self.caller.call(
                    partial(self._send, messages, settings), worst, request.tell
                )
            except (CallFailedError, GivenUpError) as error:
                if isinstance(error, GivenUpError) or not error.is_free:
                    self.dollars = None  # it may have been billed at an unknown price
                raise
            self._count(completion)
            size += completion.usage.completion_tokens or request.max_tokens
            if response.state == "suspended" and pauses < MOST_PAUSES:
                pauses += 1  # the provider's own tool takes long: continue the same turn
                messages.append(response)
                continue
            calls = [part for part in response.parts if part.part_kind == "tool-call"]
            if not calls or tool is None or settings.get("tool_choice") == "none":
                return
            returns = [await self._use(tool, part) for part in calls]
            messages += [response, ModelRequest(parts=returns)]
            size += sum(len(str(part.content).encode()) for part in returns)
            if len(self.tool_calls) >= tool.calls:
                settings = {**settings, "tool_choice": "none"}

    def ended(
        self, index: int, seconds: float, reason: FinishReason, error: str | None
    ) -> Completion:
        """Returns the completion of a sample that ended without an answer."""
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

    async def _send(
        self, messages: "Sequence[ModelMessage]", settings: "ModelSettings"
    ) -> "tuple[ModelResponse, Completion]":
        from pydantic_ai.direct import model_request

        response = await model_request(
            self.model,
            [*messages],
            model_settings=settings,
            model_request_parameters=self.parameters,
        )
        return response, to_completion(response, 0, 0.0)

    def _count(self, completion: Completion) -> None:
        tokens = completion.usage.completion_tokens
        if completion.finish_reason == "stop" and tokens >= self.request.max_tokens:
            # llama.cpp's Responses API reports it as completed.
            completion = replace(completion, finish_reason="length")
        self.last = completion
        self.tool_calls += completion.tool_calls
        ours, more = self.usage, completion.usage
        self.usage = Usage(
            ours.prompt_tokens + more.prompt_tokens,
            ours.cached_tokens + more.cached_tokens,
            ours.completion_tokens + more.completion_tokens,
            ours.reasoning_tokens + more.reasoning_tokens,
        )
        known = self.dollars is not None and completion.cost_usd is not None
        self.dollars = (self.dollars or 0.0) + (completion.cost_usd or 0.0) if known else None

    async def _use(self, tool: Tool, part: Any) -> Any:  # noqa: ANN401 - the library's parts
        """Runs the tool as the model asked and returns the message to send back."""
        from pydantic_ai.messages import ToolReturnPart

        code = _code_of(part)
        if part.tool_name != tool.name or code is None:
            output = f'There is one tool, {tool.name}, and it takes {{"code": "<Python>"}}.'
        elif len(self.tool_calls) >= tool.calls:
            output = f"{tool.name} was used {tool.calls} times and is closed now; answer."
        else:
            loop = asyncio.get_running_loop()
            output = await loop.run_in_executor(self.threads, tool.run, hide_known(code))
        self.tool_calls.append(ToolCall(part.tool_name, code or "", output))
        return ToolReturnPart(part.tool_name, output, part.tool_call_id)


def _code_of(part: Any) -> str | None:  # noqa: ANN401 - the library's parts
    try:
        code = part.args_as_dict().get("code")
    except (ValueError, AssertionError):  # arguments that are not a JSON object
        return None
    return code if isinstance(code, str) else None
