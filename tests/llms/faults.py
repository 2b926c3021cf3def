"""What can go wrong with a call of a server of chat completions, and what is to come of it."""

import json
from dataclasses import dataclass
from typing import Any

from api_server import Reply
from recorded import chat
from responses_server import error

ANSWER = chat("hello")
OK = Reply(ANSWER)
BUSY = Reply(error("Slow down.", "rate_limit_exceeded", "requests"), 429)
HTML = Reply(b"<html>later</html>", 502)
NEVER = 3600.0
TIMEOUT_SECONDS = 1.5
RETRIES = 2
USED = 1500
"""Tokens of every answer that tells its usage."""


def asking(value: str, header: str = "retry-after") -> Reply:
    """A busy server that asks for time."""
    return Reply(BUSY.content, 429, ((header, value),))


def without(key: str, answer: dict[str, Any] = ANSWER) -> Reply:
    return Reply({name: value for name, value in answer.items() if name != key})


def as_json(text: bytes) -> Reply:
    return Reply(text, headers=(("content-type", "application/json"),))


@dataclass(frozen=True)
class Fault:
    """Replies to one sample with two repeats allowed, and what is to come of them.

    Attributes:
        replies: What the server says to the first calls; the last one again to all later ones.
        calls: How many calls are made.
        kind: ``answered``, or what the failure means.
        said: Part of the sentence that tells what failed, or of a refusal by the model.
        finish_reason: Of the answer.
        asked: The pause that the server asked for, of each call that might be sent again.
        counted: Tokens of the answer, if they are not those of the last reply; below 0 if unknown.
    """

    replies: tuple[Reply, ...]
    calls: int
    kind: str = "answered"
    said: str = ""
    finish_reason: str = "stop"
    asked: tuple[float | None, ...] = ()
    counted: int | None = None

    @property
    def tokens(self) -> int | None:
        """Tokens that it takes from a budget; None for the worst case."""
        if self.counted is not None:
            return self.counted if self.counted >= 0 else None
        if self.kind == "answered":
            return None if self.replies[-1].content.get("usage") is None else USED
        return None if self.kind == "unusable" else 0


FAULTS = {
    "429": Fault((BUSY, OK), 2, asked=(None,)),
    "429 that asks for a second": Fault((asking("1"), OK), 2, asked=(1.0,)),
    "429 that asks for milliseconds": Fault((asking("300", "retry-after-ms"), OK), 2, asked=(0.3,)),
    "429 that asks for nonsense": Fault((asking("soon"), OK), 2, asked=(None,)),
    "429 every time": Fault((BUSY,), 3, "unanswered", "Slow down.", asked=(None,) * 3),
    "429 that asks for an hour": Fault(
        (asking("3600"), OK), 1, "refused", "Slow down. (it asks for a pause of 1 h 00 min"
    ),
    "429 as the quota is gone": Fault(
        (Reply(error("You exceeded your current quota.", "insufficient_quota"), 429),),
        *(1, "refused", "current quota"),
    ),
    "500": Fault((Reply(error("boom", "server_error"), 500), OK), 2, asked=(None,)),
    "502 in HTML every time": Fault((HTML,), 3, "unanswered", "502", asked=(None,) * 3),
    "503": Fault((Reply(error("later", "overloaded"), 503), OK), 2, asked=(None,)),
    "529": Fault((Reply(error("later", "overloaded"), 529), OK), 2, asked=(None,)),
    "connection reset": Fault((Reply(reset=True), OK), 2, asked=(None,)),
    "always reset": Fault((Reply(reset=True),), 3, "unreachable", asked=(None,) * 3),
    "one fault after another": Fault((BUSY, Reply(reset=True), OK), 3, asked=(None, None)),
    "wrong key": Fault(
        (Reply(error("Incorrect API key.", "invalid_api_key"), 401),),
        *(1, "refused", "Incorrect API key"),
    ),
    "no credit": Fault(
        (Reply(error("Insufficient Balance", "invalid"), 402),), 1, "refused", "Insufficient"
    ),
    "no access": Fault((Reply(error("No access.", "x"), 403),), 1, "refused", "No access"),
    "unknown model": Fault(
        (Reply(error("The model does not exist.", "model_not_found"), 404),),
        *(1, "refused", "does not exist"),
    ),
    "bad request": Fault((Reply(error("Unsupported.", "x"), 400),), 1, "refused", "Unsupported"),
    "a status like no other": Fault((Reply(error("Tea.", "x"), 418),), 1, "refused", "Tea."),
    "a conflict": Fault((Reply(error("Locked.", "x"), 409), OK), 2, asked=(None,)),
    "stalled headers": Fault((Reply(ANSWER, after=NEVER),), 1, "unusable", "within 1.5 seconds"),
    "stalled body": Fault((Reply(ANSWER, stall=200),), 1, "unusable", "within 1.5 seconds"),
    "HTML with status 200": Fault(
        (Reply(b"<html>busy</html>"),), 3, "unanswered", '"busy")', asked=(None,) * 3
    ),
    "malformed JSON": Fault(
        (as_json(json.dumps(ANSWER)[:200].encode()),),
        *(1, "unusable", "not valid JSON: "),
    ),
    "endless nesting": Fault((as_json(b'{"a":' * 100_000),), 1, "unusable", "recursion"),
    "a list": Fault((Reply([1]),), 1, "unusable", "not in the API's form"),
    "no choices": Fault((without("choices"),), 1, "unusable", "not in the API's form"),
    "no usage": Fault((without("usage"),), 1),
    "no text": Fault((Reply(chat("")),), 1),
    "at the token limit": Fault((Reply(chat("he", "length")),), 1, finish_reason="length"),
    "a refusal": Fault(
        (Reply(chat(None, refusal="I cannot help.")),),
        *(1, "answered", "I cannot help.", "refusal"),
    ),
    "a filtered answer": Fault(
        (Reply(chat(None, "content_filter")),), 1, "answered", "content filter", "refusal"
    ),
}
