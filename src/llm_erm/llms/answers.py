"""Converts the answers of all providers to completions."""

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from llm_erm.llms.bodies import said
from llm_erm.llms.llm import THOUGHTS, Completion, FinishReason, ToolCall, Usage

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelResponse


def to_completion(response: "ModelResponse", index: int, seconds: float) -> Completion:
    """Returns a model's response as a completion."""
    details = response.provider_details or {}
    finish_reason, error = _ending(response, details)
    usage = response.usage
    is_known = bool(usage.input_tokens or usage.output_tokens)  # some servers do not report it
    return Completion(
        index=index,
        text=_text(response.parts),
        usage=Usage(
            prompt_tokens=usage.input_tokens,
            cached_tokens=usage.cache_read_tokens,
            completion_tokens=usage.output_tokens,
            reasoning_tokens=max(usage.details.get(name, 0) for name in _REASONING),
        ),
        latency_seconds=seconds,
        finish_reason=finish_reason,
        cost_usd=_price(response) if is_known else None,
        tool_calls=_tool_calls(response.parts),
        error=error,
    )


_REASONING = ("reasoning_tokens", "thoughts_tokens", "thinking_tokens")
"""Names that providers give to tokens spent on reasoning."""


def prepare() -> None:
    """Loads the price list now: once many connections are open, its files may be too many."""
    from pydantic_ai.messages import ModelResponse

    _price(ModelResponse(parts=[], model_name="gpt-5", provider_name="openai"))


def sentence_of(error: Exception) -> str:
    """Returns the provider's own message if there is one, else the error's text."""
    if text := said(getattr(error, "body", None)):
        return text
    message = error.message if hasattr(error, "message") else str(error)
    return str(message or type(error).__name__)


def _ending(
    response: "ModelResponse", details: Mapping[str, Any]
) -> tuple[FinishReason, str | None]:
    match response.finish_reason:
        case "length":
            return "length", None
        case "content_filter":
            usual = f"the provider's content filter ({details.get('finish_reason', 'no reason')})"
            return "refusal", str(details.get("refusal") or usual)
        case "error":
            return "error", str(details.get("finish_reason") or "the model failed")
        case _:
            return "stop", None


def _text(parts: Sequence[Any]) -> str:
    """Returns the text parts; each run of them between reasoning and tools starts a new line.

    If there is no text, returns the thoughts, which were paid for as well, between marks.
    """
    runs = groupby(parts, key=lambda part: part.part_kind == "text")
    texts = ["".join(part.content for part in run) for is_text, run in runs if is_text]
    if text := "\n".join(texts).strip():
        return text
    thoughts = "\n".join(_thought(part) for part in parts if part.part_kind == "thinking").strip()
    start, end = THOUGHTS
    return f"{start}{thoughts}{end}" if thoughts else ""


def _thought(part: Any) -> str:  # noqa: ANN401 - the library's parts
    return part.content or "".join((part.provider_details or {}).get("raw_content") or ())


def _tool_calls(parts: Sequence[Any]) -> tuple[ToolCall, ...]:
    """Returns the calls of hosted tools with their outputs."""
    returns = {
        part.tool_call_id: part.content for part in parts if part.part_kind == "builtin-tool-return"
    }
    return tuple(
        ToolCall(
            part.tool_name, _code(part.args_as_dict()), _output(returns.get(part.tool_call_id))
        )
        for part in parts
        if part.part_kind == "builtin-tool-call"
    )


def _code(arguments: Mapping[str, Any]) -> str:
    code = arguments.get("code")
    return code if isinstance(code, str) else json.dumps(arguments)


def _output(content: object) -> str:
    """Returns what a hosted tool printed, in whatever form its provider returns it."""
    match content:
        case {"logs": list(logs)}:  # OpenAI
            return "".join(map(str, logs))
        case {"stdout": stdout, "stderr": stderr}:  # Anthropic
            return f"{stdout}{stderr}"
        case {"output": output}:  # Gemini
            return str(output)
        case _:
            return ""


def _price(response: "ModelResponse") -> float | None:
    """Returns the call's price in dollars from the library's price list, or None if unknown."""
    try:
        return float(response.cost().total_price)
    except (LookupError, ValueError, AssertionError):  # no such model, no usage, no model's name
        return None
