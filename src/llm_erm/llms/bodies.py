"""Brings the bodies that servers send into their API's form, before a client library reads them.

Servers that offer a provider's API differ in what they leave out and in how they report errors. The
libraries reject many such answers whole, although they were paid for, and take an error sent with
status 200 for an answer.
"""

import json
import re
from collections.abc import Mapping
from html import unescape
from typing import TYPE_CHECKING, Any

from llm_erm.secrets import hide_known

if TYPE_CHECKING:
    import httpx2

PAGE = "the server sent a web page instead of an answer"
"""The beginning of the message about HTML; whatever sent it is no API."""

_OK, _SERVER_ERROR, _BAD_GATEWAY = 200, 500, 502
_SHOWN = 80
"""How much of an odd body a message shows, in characters."""
_LOOKED_AT = 4096
"""How much of one is searched for what to show."""
_ANSWERS = ("choices", "output", "content", "candidates", "text")
"""What an answer has in one of the APIs."""
_ERROR_STATUSES = (
    (r"quota|rate.?limit|too many requests|resource.exhausted|per (min|minute|day)\b", 429),
    (r"overloaded|unavailable|over capacity|loading model", 503),
    (r"api.?key|authenticat|unauthori[sz]ed", 401),
    (r"not.found|does not exist", 404),
    (r"invalid.request|unsupported|bad request", 400),
)
"""The status that an error would usually have, by its words."""
_CUT = "llm_erm_cut"
"""Key of a mark in an answer that broke off."""
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


def mended(response: "httpx2.Response", model: str, notices: list[str]) -> "httpx2.Response":
    """Returns a response that was read whole, in its API's form.

    An error with status 200 gets the status of that error, and a web page that of a broken gateway.

    Args:
        response: The response.
        model: The model's name, for answers that lack it.
        notices: Gets a sentence if the answer is not whole.

    Raises:
        ValueError: The answer is empty, or no JSON object; it may have been paid for.
        RecursionError: It is nested too deeply.
    """
    status = response.status_code
    if response.content.lstrip().startswith(b"<"):
        page = {"error": {"message": f"{PAGE} (status {status}{_title(response.text)})"}}
        return _replaced(response, _BAD_GATEWAY if status == _OK else status, page)
    if status != _OK:
        return response
    value = _value(response.content)
    if isinstance(value, dict) and value.pop(_CUT, False):
        notices.append(
            f"An answer of {model} broke off before its end. What had arrived counts as an answer "
            "that was cut short."
        )
    if (error := _error_in(value)) is not None:
        return _replaced(response, _status_of(error), {"error": error})
    if not isinstance(value, dict):
        raise ValueError(f"it is no JSON object: {_start(response.text)}")
    if "choices" in value:
        _mend_chat(value, model)
    elif "output" in value:
        _mend_responses(value, model)
    elif value.get("type") == "message" and not isinstance(value.get("usage"), dict):
        value["usage"] = {}
    return _replaced(response, _OK, value)


def said(value: object) -> str:
    """Returns what an error says, wherever its server puts the text; empty if it says nothing."""
    match value:
        case str():
            return value.strip()
        case {"loc": [*places], "msg": str(text)}:  # FastAPI's
            return f"{text} ({'.'.join(map(str, places))})"
        case Mapping():
            texts = (said(value.get(key)) for key in ("message", "error", "detail", "msg"))
            return next(filter(None, texts), "")
        case [*several]:
            return "; ".join(filter(None, map(said, several)))
    return ""


def _value(data: bytes) -> Any:  # noqa: ANN401 - JSON
    """Returns the JSON in a body, which may be a stream although none was asked for."""
    if not data.strip():
        raise ValueError("it is empty")
    if is_stream(data):
        return _joined(data)
    try:
        return json.loads(data)
    except ValueError as error:
        start = _start(data[:_LOOKED_AT].decode(errors="replace"))
        raise ValueError(f"it is not valid JSON: {error}; it begins with {start!r}") from None


def is_stream(data: bytes | bytearray) -> bool:
    """Returns whether a body is a stream of events."""
    return data.lstrip().startswith((b"data:", b"event:", b": "))


def _joined(data: bytes) -> dict[str, Any]:
    """Returns the answer that a stream of chat completions makes up.

    One that breaks off, in a chunk or between two, ends by ``length``, like every answer that is
    cut short. One that fails before its first word is no answer.
    """
    whole: dict[str, Any] = {}
    message: dict[str, Any] = {"content": ""}
    reason, ended = None, False
    lines = [line.partition(b":")[2].strip() for line in data.splitlines() if _is_data(line)]
    for number, text in enumerate(lines, 1):
        if text == b"[DONE]":
            ended = True
            continue
        try:
            chunk = json.loads(text)
        except ValueError:
            if number < len(lines) or not whole:
                raise
            break
        if not isinstance(chunk, dict):
            raise ValueError("a chunk that is no object")
        whole |= {key: value for key, value in chunk.items() if value is not None}
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            for key in ("content", "reasoning_content", "refusal"):
                if isinstance(piece := delta.get(key), str):
                    message[key] = (message.get(key) or "") + piece
            reason = choice.get("finish_reason") or reason
    if whole.get("error") and not any(message.values()):
        return {"error": whole["error"]}
    if "choices" in whole:
        whole[_CUT] = reason is None and (not ended or bool(whole.get("error")))
        reason = "length" if whole[_CUT] else reason
        whole["choices"] = [{"message": message, "finish_reason": reason}]
    return whole


def _is_data(line: bytes) -> bool:
    return line.startswith(b"data:")


def _title(page: str) -> str:
    """Returns what a page is about, to be added to a sentence."""
    page = page[:_LOOKED_AT]
    title = _TITLE.search(page)
    words = title[1] if title else re.sub(r"<[^>]*>", " ", page)
    shown = _start(" ".join(unescape(words).split()))
    return f', "{shown}"' if shown else ""


def _start(text: str) -> str:
    """Returns the beginning of a text; half a key would not be recognised as one later."""
    return hide_known(text[:_LOOKED_AT])[:_SHOWN]


def _error_in(value: object) -> dict[str, Any] | None:
    """Returns the error in a body that holds no answer."""
    if not isinstance(value, dict):
        return None
    error = value.get("error")
    if not error and isinstance(choices := value.get("choices"), list):
        error = next((one["error"] for one in choices if _has_failed(one)), None)
    elif not error and not any(key in value for key in _ANSWERS):
        error = value if said(value) else None
    elif error and any(isinstance(value.get(key), str | list) and value[key] for key in _ANSWERS):
        return None
    if not error:
        return None
    codes = error if isinstance(error, dict) else {}
    return {
        "message": said(error) or json.dumps(error),
        "code": codes.get("code") or codes.get("status") or value.get("code"),
        "type": codes.get("type"),
    }


def _has_failed(choice: object) -> bool:
    return isinstance(choice, dict) and bool(choice.get("error")) and not choice.get("message")


def _status_of(error: Mapping[str, Any]) -> int:
    code = str(error["code"])
    if code.isdigit() and 400 <= int(code) < 600:
        return int(code)
    words = " ".join(str(error[key]) for key in ("code", "type", "message"))
    found = (status for words_of, status in _ERROR_STATUSES if re.search(words_of, words, re.I))
    return next(found, _SERVER_ERROR)


def _mend_chat(value: dict[str, Any], model: str) -> None:
    _mend_head(value, "created", model)
    value["object"] = "chat.completion"
    value["usage"] = _usage(value.get("usage"), "prompt_tokens", "completion_tokens")
    choices = value["choices"]
    if not (isinstance(choices, list) and choices):
        raise ValueError("it has no choices")
    for index, choice in enumerate(choices):
        if not isinstance(choice, dict):
            raise ValueError("its choice has no message")
        if choice.get("message") is None:
            choice["message"] = choice.get("delta") or {"content": choice.get("text")}
            if choice["message"] == {"content": None}:
                raise ValueError("its choice has no message")
        choice.setdefault("index", index)
        reason = choice.get("finish_reason")
        choice["finish_reason"] = reason if isinstance(reason, str) and reason else None
        if isinstance(message := choice.get("message"), dict):
            message["role"] = "assistant"
            _mend_content(message)


def _mend_content(message: dict[str, Any]) -> None:
    """Makes one text of content in parts, without the thoughts among them."""
    content = message.setdefault("content", None)
    if not isinstance(content, list):
        return
    texts, thoughts = [], []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict) and isinstance(text := part.get("text"), str):
            texts.append(text)
        elif isinstance(part, dict):
            thoughts.append(_thought(part.get("thinking")))
    message["content"] = "".join(texts)
    if any(thoughts):
        message.setdefault("reasoning_content", "".join(thoughts))


def _thought(value: object) -> str:
    match value:
        case str():
            return value
        case [*parts]:
            return "".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))
    return ""


def _mend_responses(value: dict[str, Any], model: str) -> None:
    if not isinstance(value["output"], list):
        raise ValueError("it has no output")
    if (status := value.get("status")) in ("queued", "in_progress"):
        raise ValueError(f"its status is {status!r}; the server must answer within the call")
    _mend_head(value, "created_at", model)
    value["object"] = "response"
    usage = _usage(value.get("usage"), "input_tokens", "output_tokens")
    if usage is not None:
        for name, count in (("input", "cached_tokens"), ("output", "reasoning_tokens")):
            usage.setdefault(f"{name}_tokens_details", {}).setdefault(count, 0)
    value["usage"] = usage


def _mend_head(value: dict[str, Any], created: str, model: str) -> None:
    value["id"] = str(value.get("id") or "")
    value["model"] = value.get("model") or model
    value[created] = _count(value.get(created)) or 0


def _usage(usage: object, *names: str) -> dict[str, Any] | None:
    """Returns a usage whose counts are whole; None if one that the cost depends on is missing."""
    if not isinstance(usage, dict):
        return None
    counts = {
        key: count
        for key in usage
        if not key.endswith("_details") and (count := _count(usage[key])) is not None
    }
    one, other = (counts.get(name) for name in names)
    if (total := counts.get("total_tokens")) is not None:
        one = max(total - other, 0) if one is None and other is not None else one
        other = max(total - one, 0) if other is None and one is not None else other
    if one is None or other is None:
        return None
    counts |= {names[0]: one, names[1]: other, "total_tokens": total or one + other}
    details: dict[str, Any] = {
        key: {name: count for name in usage[key] if (count := _count(usage[key][name])) is not None}
        for key in usage
        if isinstance(usage[key], dict)
    }
    return counts | details


def _count(value: object) -> int | None:
    """Returns a count, which may have been written as 12.0 or "12"."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return int(number) if 0 <= number < 2**53 else None


def _replaced(
    response: "httpx2.Response", status: int, value: Mapping[str, Any]
) -> "httpx2.Response":
    """Returns the response with another status and JSON; half a character becomes a ``?``."""
    content = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    return with_content(response, content, status, "application/json")


def with_content(
    response: "httpx2.Response", content: bytes, status: int, kind: str
) -> "httpx2.Response":
    """Returns a response to the same request with the same headers, but other content.

    Args:
        response: The response.
        content: The content, as it is.
        status: The status.
        kind: The content's type; empty if unknown.
    """
    import httpx2

    own = ("content-type", "content-encoding", "content-length", "transfer-encoding")
    headers = [(name, text) for name, text in response.headers.multi_items() if name not in own]
    headers += [("content-type", kind)] if kind else []
    return httpx2.Response(status, headers=headers, content=content, request=response.request)
