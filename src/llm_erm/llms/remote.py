"""Language models behind an API, through pydantic-ai: requests, usage, prices and error classes."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from llm_erm.errors import MissingExtraError, ProviderError
from llm_erm.llms.llm import Completion, FinishReason, Request, ToolCall, Usage

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelResponse
    from pydantic_ai.models import Model
    from pydantic_ai.settings import ModelSettings

ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]
Verbosity = Literal["low", "medium", "high"]
ToolChoice = Literal["auto", "none"]


@dataclass(frozen=True)
class ResponsesSettings:
    """What shapes the answers of an OpenAI Responses model.

    Attributes:
        reasoning_effort: How much a reasoning model thinks.
        verbosity: How long its text is.
        tool_choice: Whether it may use its tools.
        code_interpreter: Whether it has the hosted code interpreter.
        timeout_seconds: Wall time of one call, after which it counts as failed.
    """

    reasoning_effort: ReasoningEffort = "high"
    verbosity: Verbosity = "low"
    tool_choice: ToolChoice = "auto"
    code_interpreter: bool = False
    timeout_seconds: float = 1200.0


RETRIES = 4
LONGEST_WAIT_SECONDS = 20.0


class ResponsesLLM:
    """A model behind OpenAI's Responses API, or a server that speaks it.

    A call that takes too long or gets a broken answer is a completion with
    ``finish_reason="error"``: it may have been billed, so it is an attempt and not sent again. What
    was surely not answered (status 429 and 5xx, no connection) is sent again up to ``RETRIES``
    times.
    """

    def __init__(
        self, model: str, api_key: str, base_url: str | None, settings: ResponsesSettings
    ) -> None:
        """Prepares the client; nothing is sent.

        Args:
            model: The model's name, as the API has it.
            api_key: The key.
            base_url: Address of the API; OpenAI's own where it is None.
            settings: What shapes the answers.

        Raises:
            MissingExtraError: The client library is not installed.
        """
        try:
            from openai import AsyncOpenAI
            from pydantic_ai.models.openai import OpenAIResponsesModel
            from pydantic_ai.providers.openai import OpenAIProvider
        except ImportError as error:
            raise MissingExtraError(
                "The OpenAI client is not installed; run: pip install 'llm-erm[remote]'"
            ) from error
        # The time limit of this class is the only one, and nothing is repeated behind its back.
        self._client = AsyncOpenAI(api_key=api_key, base_url=base_url, max_retries=0, timeout=None)
        self._model: Model = OpenAIResponsesModel(
            model, provider=OpenAIProvider(openai_client=self._client)
        )
        self._name = f"openai:{model}"
        self._settings = settings

    @property
    def name(self) -> str:
        """``openai:`` and the model's name."""
        return self._name

    async def complete(self, request: Request) -> AsyncGenerator[Completion]:
        """Yields the samples of ``request`` in order, one call each, one after the other.

        Raises:
            ProviderError: The key, the model's name, the quota or the request itself was refused.
        """
        for index in range(request.first, request.last + 1):
            yield await self._call(request, index)

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._client.close()

    async def _call(self, request: Request, index: int) -> Completion:
        from pydantic_ai import exceptions as refusals

        started = time.monotonic()
        try:
            response = await self._answer(request)
        except refusals.ModelConnectionError as error:
            raise ProviderError(f"{self.name} cannot be reached: {sentence_of(error)}") from error
        except (refusals.ModelRequestRejectedError, refusals.ModelQuotaExceededError) as error:
            raise ProviderError(f"{self.name} refused the call: {sentence_of(error)}") from error
        except TimeoutError:
            error_text = f"no answer within {self._settings.timeout_seconds:g} seconds"
        except (refusals.AgentRunError, OSError) as error:
            error_text = sentence_of(error)
        except (TypeError, AttributeError, KeyError, ValueError) as error:
            error_text = f"the answer is not in the API's form ({error})"
        else:
            return to_completion(response, index, time.monotonic() - started)
        return Completion(
            index=index,
            text="",
            latency_seconds=time.monotonic() - started,
            finish_reason="error",
            error=error_text,
        )

    async def _answer(self, request: Request) -> "ModelResponse":
        """The answer, after as many tries as it takes and is allowed; each has the time limit."""
        from tenacity import (
            AsyncRetrying,
            retry_if_exception,
            stop_after_attempt,
            wait_random_exponential,
        )

        tries = AsyncRetrying(
            retry=retry_if_exception(_was_not_answered),
            stop=stop_after_attempt(RETRIES + 1),
            wait=wait_random_exponential(multiplier=0.5, max=LONGEST_WAIT_SECONDS),
            reraise=True,
        )
        async for attempt in tries:
            with attempt:
                async with asyncio.timeout(self._settings.timeout_seconds):
                    return await self._request(request)
        raise AssertionError  # the loop returns or raises

    async def _request(self, request: Request) -> "ModelResponse":
        from pydantic_ai.direct import model_request
        from pydantic_ai.messages import ModelRequest, UserPromptPart
        from pydantic_ai.models import ModelRequestParameters
        from pydantic_ai.native_tools import CodeExecutionTool

        tools = [CodeExecutionTool()] if self._settings.code_interpreter else []
        return await model_request(
            self._model,
            [ModelRequest(parts=[UserPromptPart(request.prompt)])],
            model_settings=self._model_settings(request),
            model_request_parameters=ModelRequestParameters(native_tools=[*tools]),
        )

    def _model_settings(self, request: Request) -> "ModelSettings":
        from pydantic_ai.models.openai import OpenAIResponsesModelSettings

        settings = OpenAIResponsesModelSettings(
            max_tokens=request.max_tokens,
            openai_reasoning_effort=self._settings.reasoning_effort,
            openai_text_verbosity=self._settings.verbosity,
            tool_choice=self._settings.tool_choice,
        )
        if self._settings.code_interpreter:
            settings["openai_include_code_execution_outputs"] = True
        else:  # the library leaves it out where there is no tool; the published request has it
            settings["extra_body"] = {"tool_choice": self._settings.tool_choice}
        return settings


def to_completion(response: "ModelResponse", index: int, seconds: float) -> Completion:
    """Returns what a model's answer says, in this project's terms."""
    details = response.provider_details or {}
    finish_reason, error = _ending(response, details)
    usage = response.usage
    return Completion(
        index=index,
        text="".join(part.content for part in response.parts if part.part_kind == "text").strip(),
        usage=Usage(
            prompt_tokens=usage.input_tokens,
            cached_tokens=usage.cache_read_tokens,
            completion_tokens=usage.output_tokens,
            reasoning_tokens=usage.details.get("reasoning_tokens", 0),
        ),
        latency_seconds=seconds,
        finish_reason=finish_reason,
        cost_usd=_price(response),
        tool_calls=_tool_calls(response.parts),
        error=error,
    )


def _was_not_answered(error: BaseException) -> bool:
    """Whether sending the call again may help and cannot pay for it twice."""
    from pydantic_ai import exceptions as refusals

    if isinstance(error, refusals.ModelQuotaExceededError | refusals.ModelTimeoutError):
        return False
    if isinstance(error, refusals.ModelHTTPError):
        return error.status_code == 429 or error.status_code >= 500
    return isinstance(error, refusals.ModelConnectionError)


def sentence_of(error: Exception) -> str:
    """Returns the provider's own sentence where there is one, else the error's text."""
    body = getattr(error, "body", None)
    if isinstance(body, Mapping) and isinstance(body.get("message"), str):
        return str(body["message"])
    return getattr(error, "message", None) or str(error)


def _ending(
    response: "ModelResponse", details: Mapping[str, Any]
) -> tuple[FinishReason, str | None]:
    match response.finish_reason:
        case "length":
            return "length", None
        case "content_filter":
            return "refusal", str(details.get("refusal") or "the provider's content filter")
        case "error":
            return "error", str(details.get("finish_reason") or "the model failed")
        case _:
            return "stop", None


def _tool_calls(parts: Sequence[Any]) -> tuple[ToolCall, ...]:
    """The uses of hosted tools: each call with what came back for it."""
    returns = {
        part.tool_call_id: part.content for part in parts if part.part_kind == "builtin-tool-return"
    }
    return tuple(
        ToolCall(
            tool=part.tool_name,
            code=str(part.args_as_dict().get("code") or ""),
            output="".join(map(str, _logs(returns.get(part.tool_call_id)))),
        )
        for part in parts
        if part.part_kind == "builtin-tool-call"
    )


def _logs(content: object) -> list[object]:
    logs = content.get("logs") if isinstance(content, Mapping) else None
    return list(logs) if isinstance(logs, list) else []


def _price(response: "ModelResponse") -> float | None:
    """The call's price in dollars by the library's list, or None where the list has none."""
    try:
        return float(response.cost().total_price)
    except LookupError:
        return None
