"""Replies of servers that keep to no API exactly, and what is to come of them in both tracks."""

import json
from typing import Any

from api_server import Reply
from llms.faults import ANSWER, OK, USED, Fault, as_json, without
from recorded import chat
from responses_server import error

UNKNOWN = -1
"""Tokens of an answer whose usage cannot be relied on: it counts as the worst case."""


def changed(**values: Any) -> Reply:
    """The usual answer with other values of the body."""
    return Reply(ANSWER | values)


def message(**values: Any) -> Reply:
    """The usual answer with another message."""
    return choice(message={"role": "assistant", "content": "hello"} | values)


def choice(**values: Any) -> Reply:
    """The usual answer with another choice."""
    return changed(choices=[ANSWER["choices"][0] | values])


def as_stream(*deltas: dict[str, Any], usage: bool = True) -> Reply:
    """A stream although none was asked for."""
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5"}
    chunks: list[dict[str, Any]] = [
        chunk | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        for delta in deltas
    ]
    chunks.append(chunk | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if usage:
        chunks.append(chunk | {"choices": [], "usage": ANSWER["usage"]})
    lines = "".join(f"data: {json.dumps(one)}\n\n" for one in chunks)
    return Reply(f": comment\n\n{lines}data: [DONE]\n\n".encode())


def says(body: Any, status: int = 200) -> Reply:
    """An error, whatever its status."""
    return Reply(body, status)


def read(reply: Reply, tokens: int = USED, finish_reason: str = "stop") -> Fault:
    """An answer that is read as what it is, after one call."""
    return Fault((reply,), 1, finish_reason=finish_reason, counted=tokens)


def repeated(reply: Reply, asked: float | None = None) -> Fault:
    """A failure after which the next call is answered."""
    return Fault((reply, OK), 2, asked=(asked,))


def never(reply: Reply, said: str) -> Fault:
    """A failure that stays, and certainly costs nothing."""
    return Fault((reply,), 3, "unanswered", said, asked=(None,) * 3)


def refused(reply: Reply, said: str) -> Fault:
    """A failure that any other call would share."""
    return Fault((reply,), 1, "refused", said)


def unusable(reply: Reply, said: str = "not in the API's form") -> Fault:
    """An answer that is no answer, but may be billed."""
    return Fault((reply,), 1, "unusable", said)


THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
TEXT = {"type": "text", "text": "hello"}
USAGE = ANSWER["usage"]
LIMIT = error("Rate limit reached: 30000 TPM", "rate_limit_exceeded", "tokens")

ODD = {
    "text in parts": read(message(content=[TEXT])),
    "text in two parts": read(message(content=[{"type": "text", "text": "hel"}, "lo"])),
    "thoughts among the parts": read(message(content=[THOUGHT, TEXT])),
    "thoughts beside the text": read(message(reasoning_content="hm")),
    "half a character": read(as_json(json.dumps(chat("hello\ud83d")).encode())),
    "usage is null": read(changed(usage=None), UNKNOWN),
    "usage is a list": read(changed(usage=[]), UNKNOWN),
    "only a total": read(changed(usage={"total_tokens": 12}), UNKNOWN),
    "one count is missing": read(changed(usage={"prompt_tokens": 9, "total_tokens": 12}), 12),
    "counts below zero": read(changed(usage=USAGE | {"prompt_tokens": -1}), 1500),
    "counts with a point": read(changed(usage={k: float(USAGE[k]) for k in list(USAGE)[:3]})),
    "counts as texts": read(changed(usage={k: str(USAGE[k]) for k in list(USAGE)[:3]})),
    "no details of the usage": read(changed(usage=USAGE | {"prompt_tokens_details": None})),
    "null among the details": read(
        changed(usage=USAGE | {"prompt_tokens_details": {"cached_tokens": None}})
    ),
    "a number as id": read(changed(id=17)),
    "created as a text": read(changed(created="now")),
    "nothing but the text": read(Reply({"choices": [{"message": {"content": "hello"}}]}), UNKNOWN),
    "a text instead of a message": read(changed(choices=[{"text": "hello"}])),
    "a delta instead of a message": read(changed(choices=[{"delta": {"content": "hello"}}])),
    "no model": read(without("model")),
    "no object": read(without("object")),
    "finish reason empty": read(choice(finish_reason="")),
    "finish reason null": read(choice(finish_reason=None)),
    "finish reason unknown": read(choice(finish_reason="eos_token")),
    "error null beside an answer": read(changed(error=None)),
    "a stream": read(as_stream({"role": "assistant", "content": ""}, {"content": "hello"})),
    "a stream without usage": read(as_stream({"content": "hello"}, usage=False), UNKNOWN),
    "as plain text": read(Reply(json.dumps(ANSWER).encode())),
    "after blanks that keep the connection": read(as_json(b"\n\n " + json.dumps(ANSWER).encode())),
    "with a byte-order mark": read(as_json(b"\xef\xbb\xbf" + json.dumps(ANSWER).encode())),
    "thoughts and no text": read(message(content=None, reasoning_content="hello")),
    "thoughts up to the limit": read(
        choice(message={"content": "", "reasoning": "hm"}, finish_reason="length"),
        finish_reason="length",
    ),
    "a rate limit with status 200": repeated(says(LIMIT)),
    "a status as the code, with status 200": repeated(
        says({"error": {"message": "x", "code": 502}})
    ),
    "words alone, with status 200": repeated(says({"error": "Too many requests"})),
    "a detail, with status 200": repeated(says({"detail": "Service unavailable"})),
    "an error in the choice": repeated(
        says({"choices": [{"error": {"code": 502, "message": "x"}, "finish_reason": "error"}]})
    ),
    "a pause without end": repeated(Reply(LIMIT, 429, (("retry-after", "inf"),))),
    "a pause below zero": repeated(Reply(LIMIT, 429, (("retry-after", "-5"),))),
    "a rate limit with status 200, always": never(says(LIMIT), "Rate limit reached: 30000 TPM"),
    "an error that says nothing, always": never(says({"error": {"a": 1}}), '{"a": 1}'),
    "loading, always": never(says(error("Loading model", "unavailable_error"), 503), "Loading"),
    "a page with status 200, always": never(
        Reply(b"<!DOCTYPE html><title>Sign in &amp; go</title>"), "web page instead of an answer"
    ),
    "a page with status 503, always": never(Reply(b"<html>later</html>", 503), "503"),
    "a wrong key with status 200": refused(
        says(error("Incorrect API key", "invalid_api_key")), "Incorrect API key"
    ),
    "a pause of a day": refused(
        Reply(error("per day", "x"), 429, (("retry-after", "86400"),)), "a pause of 24 h 00 min"
    ),
    "a request larger than the limit": refused(
        says(error("Request too large for m", "rate_limit_exceeded"), 429), "too large"
    ),
    "a page with status 403": refused(Reply(b"<title>Blocked</title>", 403), "Blocked"),
    "FastAPI's form of an error": refused(
        says({"detail": [{"loc": ["body", "n"], "msg": "no such field"}]}, 422),
        "no such field (body.n)",
    ),
    "an empty body": unusable(as_json(b""), "it is empty"),
    "blanks": unusable(Reply(b" \n"), "it is empty"),
    "words": unusable(Reply(b"upstream went away"), "upstream went away"),
    "a body that breaks off": unusable(
        Reply(ANSWER, headers=(("content-encoding", "gzip"),)), "it breaks off"
    ),
    "a JSON text": unusable(Reply("hello")),
    "a number": unusable(as_json(b"7")),
    "null": unusable(as_json(b"null")),
    "choices null": unusable(changed(choices=None), "it has no choices"),
    "choices empty": unusable(changed(choices=[]), "it has no choices"),
    "a choice without a message": unusable(
        changed(choices=[{"index": 0}]), "its choice has no message"
    ),
    "a stream of nothing": unusable(Reply(b"data: [DONE]\n\n")),
    "a stream of odd chunks": unusable(Reply(b"data: 7\n\n")),
}
