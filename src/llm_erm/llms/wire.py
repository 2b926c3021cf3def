"""The HTTP client under the client libraries, which bears with a server's dialect of an API."""

import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from llm_erm.llms.bodies import is_stream, mended, said, with_content

if TYPE_CHECKING:
    import httpx2

LONGEST_BODY = 32 * 2**20
"""Maximum number of bytes of an answer, unpacked; a server may send without end."""
_REFUSED_STATUSES = (400, 422)
_REFUSING = re.compile(
    r"support|permitted|allowed|unknown|unrecogni[sz]ed|unexpected|extra|deprecated|both be|"
    r"only one|unavailable",
    re.IGNORECASE,
)
"""Words of a server that does not know a parameter, rather than one that rejects its value."""
_OPTIONAL = {
    "temperature": (r"\btemperature\b", "--temperature"),
    "top_p": (r"\btop_p\b", "--top-p"),
    "seed": (r"\bseed\b", None),
    "reasoning": (r"\breasoning\b", "--reasoning-effort"),
    "reasoning_effort": (r"\breasoning_effort\b", "--reasoning-effort"),
    "text": (r"\bverbosity\b|\btext\.", "--verbosity"),
    "verbosity": (r"\bverbosity\b", "--verbosity"),
    "grammar": (r"\bgrammar\b", "--constraint"),
    "structured_outputs": (r"\bstructured_outputs\b", "--constraint"),
    "response_format": (r"\bresponse_format\b", "--constraint"),
}
"""Parameters of a call that an answer does not need, how an error names each, and its flag."""
_TOGETHER = {"reasoning": "text", "reasoning_effort": "verbosity"}
"""What models that do not reason lack as well."""
_STREAM_ONLY = re.compile(r"only.{0,20}stream|stream.{0,20}(only|required|must)", re.IGNORECASE)

ODD_FORM = (
    *(TypeError, AttributeError, LookupError, ValueError, AssertionError, ArithmeticError),
    RecursionError,
)
"""Exceptions for an answer with an unexpected form, ours and those of the libraries."""

Change = Callable[[dict[str, Any]], None]


class BadAnswerError(ValueError):
    """An answer arrived that cannot be read, and may have been paid for.

    A client library may take it for a broken connection, of which it is then the cause.
    """


def patient(
    kind: "type[httpx2.AsyncClient]",
    model: str,
    notices: list[str],
    needed: Collection[str] = (),
    **settings: Any,  # noqa: ANN401
) -> "httpx2.AsyncClient":
    """Returns an HTTP client for one model that brings its server's answers into the API's form.

    A parameter that the server does not know, and that an answer does not need, is left out of the
    call, which is sent again at once, and of all later calls.

    Args:
        kind: The class of the client.
        model: The model's name.
        notices: Gets a sentence about each parameter that is left out.
        needed: Parameters that are never left out.
        settings: Arguments of the class.
    """

    class Patient(kind):  # type: ignore[misc, valid-type]
        changes: list[Change] = []  # noqa: RUF012 - one client has one class
        told: set[str] = set()  # noqa: RUF012

        async def send(self, request: "httpx2.Request", **how: Any) -> "httpx2.Response":  # noqa: ANN401
            while True:
                known = len(self.changes)
                sent, body = _changed(request, self.changes)
                response = await _read(await super().send(sent, **how | {"stream": True}))
                found = _change_for(response, body, needed)
                if found is None:
                    told: list[str] = []
                    answer = _mended(response, model, told)
                    notices.extend(one for one in told if one not in self.told)
                    self.told.update(told)
                    return answer
                change, notice = found
                if len(self.changes) == known:  # else another call has just found it out
                    self.changes.append(change)
                    if notice:
                        notices.append(notice.format(model=model))

    return Patient(**settings)


def drained(notices: list[str]) -> list[str]:
    """Returns notices and takes them off their list, to which another thread may be adding."""
    return [notices.pop(0) for _ in range(len(notices))]


def _mended(response: "httpx2.Response", model: str, notices: list[str]) -> "httpx2.Response":
    try:
        return mended(response, model, notices)
    except ODD_FORM as error:
        raise BadAnswerError(str(error)) from error


async def _read(response: "httpx2.Response") -> "httpx2.Response":
    """Returns a response read whole; of an error, the beginning may do.

    An answer that breaks off may have been paid for, so it is no lost call.

    Raises:
        BadAnswerError: The answer cannot be read.
    """
    import httpx2

    content = bytearray()
    try:
        async for part in response.aiter_bytes():
            content += part
            if len(content) > LONGEST_BODY:
                break
    except (httpx2.TransportError, httpx2.DecodingError) as error:
        if response.is_success and not is_stream(content):  # whose beginning can be read
            raise BadAnswerError(f"it breaks off ({type(error).__name__})") from error
        if not response.is_success:
            raise
    finally:
        await response.aclose()
    if len(content) > LONGEST_BODY and response.is_success:
        raise BadAnswerError(f"it is longer than {LONGEST_BODY:,} bytes")
    kind = response.headers.get("content-type", "")
    return with_content(response, bytes(content), response.status_code, kind)


def _changed(
    request: "httpx2.Request", changes: list[Change]
) -> "tuple[httpx2.Request, dict[str, Any]]":
    """Returns a request with the changes, and its body."""
    import httpx2

    try:
        body = json.loads(request.content)
    except ValueError:
        return request, {}
    if not isinstance(body, dict):
        return request, {}
    if not changes:
        return request, body
    for change in changes:
        change(body)
    headers = [one for one in request.headers.multi_items() if one[0] != "content-length"]
    content = json.dumps(body).encode()
    extensions = request.extensions
    sent = httpx2.Request(
        request.method, request.url, headers=headers, content=content, extensions=extensions
    )
    return sent, body


def _change_for(
    response: "httpx2.Response", body: Mapping[str, Any], needed: Collection[str]
) -> tuple[Change, str | None] | None:
    """Returns the change that a refusal asks for, and a sentence about it, if there is one."""
    if response.status_code not in _REFUSED_STATUSES:
        return None
    try:
        error = response.json()
    except (ValueError, RecursionError):
        return None
    text = said(error)
    if _STREAM_ONLY.search(text) and not body.get("stream") and "messages" in body:
        return _stream, None
    if "max_completion_tokens" in text and "max_tokens" in body:
        return _rename_limit, None
    if not _REFUSING.search(text):
        return None
    named = [
        name
        for name, (words, _) in _OPTIONAL.items()
        if name in body and name not in needed and re.search(words, text)
    ]
    if not named:
        return None
    name = named[-1]
    names = [one for one in dict.fromkeys((name, _TOGETHER.get(name, name))) if one in body]
    flags = " and ".join(flag for one in names if (flag := _OPTIONAL[one][1]))
    lost = f"{flags} {'has' if len(names) == 1 else 'have'} no effect"
    effect = f"so {lost}" if flags else "so its answers cannot be repeated"

    def leave_out(changed: dict[str, Any]) -> None:
        for one in names:
            changed.pop(one, None)

    return leave_out, f"{{model}} does not take {name}; it is asked without, {effect}."


def _stream(body: dict[str, Any]) -> None:
    body |= {"stream": True, "stream_options": {"include_usage": True}}


def _rename_limit(body: dict[str, Any]) -> None:
    if (limit := body.pop("max_tokens", None)) is not None:
        body["max_completion_tokens"] = limit
