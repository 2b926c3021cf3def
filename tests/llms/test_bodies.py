"""What a server sends costs little time and memory, and never shows the key that it repeats."""

import asyncio
import gzip
import json
import threading
import time

import httpx2
import pytest

from api_server import Call, Reply, serving
from llm_erm.llms import wire
from llm_erm.llms.bodies import mended
from llm_erm.llms.faults import LONGEST_MESSAGE, CallFailedError
from llm_erm.llms.llm import Completion, Request
from llm_erm.llms.models import model
from llm_erm.llms.wire import drained
from llm_erm.secrets import keep_secret
from llms.faults import ANSWER
from responses_server import response, text

KEY = "sk-proj-" + "Ab3dEf9hIj" * 10
REQUEST = httpx2.Request("POST", "http://x/v1")


def as_mended(content: bytes) -> httpx2.Response:
    return mended(httpx2.Response(200, content=content, request=REQUEST), "m", [])


def answer_of(name: str, url: str) -> Completion:
    """Asks once, and again while that costs nothing, twice at most."""

    async def asked() -> Completion:
        llm = model(name, api_key=KEY, base_url=url, retries=2, timeout_seconds=20.0)
        try:
            (completion,) = [one async for one in llm.complete(Request("p"))]
        finally:
            await llm.aclose()
        return completion

    return asyncio.run(asked())


@pytest.mark.parametrize(
    "body",
    [
        f"Incorrect API key provided: {KEY}.",
        json.dumps([f"the key {KEY}"]),
        f"<title>Not yours: {KEY}</title>",
        f"<p>Not yours: {KEY.replace('-', '&#45;')}</p>",
    ],
)
def test_a_message_shows_no_part_of_a_key_that_the_server_repeats(body):
    keep_secret(KEY)
    try:
        said = as_mended(body.encode()).text
    except ValueError as error:
        said = str(CallFailedError("unusable", str(error)))
    assert "***" in said
    assert KEY[:12] not in said


@pytest.mark.parametrize("tag", ["<", "<title", "<title>"])
def test_a_long_page_is_read_at_once(tag):
    started = time.monotonic()
    page = as_mended(tag.encode() * 100_000)
    assert time.monotonic() - started < 5  # it took minutes
    assert page.status_code == 502


def test_a_long_message_is_cut():
    message = str(CallFailedError("refused", "maximum " * 100_000))
    assert len(message) == LONGEST_MESSAGE


def test_a_failed_response_is_an_error_although_it_repeats_the_format_asked_for():
    broken = response(
        [],
        status="failed",
        error={"code": "server_error", "message": "The server had an error"},
        text={"format": {"type": "text"}},
        usage=None,
    )

    def reply(call: Call) -> Reply:
        return Reply(response([text("hello")]) if call.number else broken)

    with serving(reply) as api:
        assert answer_of("openai:m", f"{api.url}/v1").text == "hello"
    assert len(api.calls) == 2


@pytest.mark.parametrize("status", [200, 503])
@pytest.mark.parametrize("packed", [False, True])
def test_what_is_longer_than_any_answer_is_not_kept(monkeypatch, status, packed):
    monkeypatch.setattr(wire, "LONGEST_BODY", 10_000)
    content = json.dumps(ANSWER).encode() + b" " * 1_000_000
    headers = (("content-encoding", "gzip"),) if packed else ()
    sent = Reply(gzip.compress(content) if packed else content, status, headers)
    with serving(lambda call: Reply(ANSWER) if call.number else sent) as api:
        completion = answer_of("chat:m", f"{api.url}/v1")
    if status == 200:  # it may be billed
        assert completion.finish_reason == "error"
        assert "longer than" in (completion.error or "")
        assert len(api.calls) == 1
    else:
        assert completion.text == "hello"
        assert len(api.calls) == 2


@pytest.mark.parametrize("details", [0, None, []])
def test_details_of_the_usage_that_are_none_lose_no_answer(details):
    usage = {"input_tokens": 9, "output_tokens": 3, "input_tokens_details": details}
    with serving(lambda _: Reply(response([text("hello")], usage=usage))) as api:
        completion = answer_of("openai:m", f"{api.url}/v1")
    assert completion.text == "hello"
    assert completion.usage.prompt_tokens == 9


@pytest.mark.parametrize("provider", ["anthropic", "chat", "gemini", "ollama", "openai", "vllm"])
@pytest.mark.parametrize(
    "body",
    [b"", b"sorry", b"[]", b"null", b'{"a":' * 100_000, b'data: {"choices": [1]}', b"\xff"],
    ids=["empty", "no JSON", "a list", "null", "deep", "an odd stream", "no text"],
)
def test_an_answer_that_cannot_be_read_is_paid_for_once(provider, body):
    with serving(lambda _: Reply(body)) as api:
        completion = answer_of(f"{provider}:m", f"{api.url}/v1")
    assert len(api.calls) == 1
    assert completion.finish_reason == "error"
    assert completion.cost_usd is None
    assert "not in the API's form" in (completion.error or "")


WHOLE = "data: " + json.dumps(
    {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": "def f(x): return 1"}}]}
)
ENDS = "data: " + json.dumps({"id": "c", "choices": [{"delta": {}, "finish_reason": "stop"}]})
FAILS = "data: " + json.dumps({"error": {"message": "overloaded"}})


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([WHOLE], "length"),
        ([WHOLE, ENDS[:30]], "length"),
        ([WHOLE, FAILS], "length"),
        ([WHOLE, FAILS, "data: [DONE]"], "length"),
        ([WHOLE, ENDS], "stop"),
        ([WHOLE, "data: [DONE]"], "stop"),
        ([WHOLE, ENDS, "data: [DONE]"], "stop"),
    ],
)
@pytest.mark.parametrize("lost", [False, True], ids=["ends", "breaks"])
def test_a_stream_that_breaks_off_is_an_answer_cut_short_and_said_to_be(lines, reason, lost):
    body = "\n\n".join([*lines, ""]).encode()
    with serving(lambda _: Reply(body, cut=lost)) as api:
        completion, news = told(f"{api.url}/v1")
    assert len(api.calls) == 2
    assert (completion.text, completion.finish_reason) == ("def f(x): return 1", reason)
    broke = ["An answer of m broke off before its end. What had arrived counts as an answer that"]
    assert [one[: len(broke[0])] for one in news] == (broke if reason == "length" else [])


BEGINS = "data: " + json.dumps(
    {"id": "c", "choices": [{"delta": {"role": "assistant", "content": ""}}]}
)


@pytest.mark.parametrize("before", [[], [BEGINS], ['data: {"id": "c", "choices": []}']])
def test_a_stream_that_fails_before_the_first_word_is_that_error(before):
    found: list[str] = []
    body = "\n\n".join([*before, FAILS, "data: [DONE]", ""]).encode()
    response = mended(httpx2.Response(200, content=body, request=REQUEST), "m", found)
    assert (response.status_code, response.json()["error"]["message"]) == (503, "overloaded")
    assert found == []


def told(url: str) -> tuple[Completion, list[str]]:
    """The last of two answers, and all that was found out about the server."""

    async def asked() -> tuple[Completion, list[str]]:
        llm = model("chat:m", api_key=KEY, base_url=url, retries=0, timeout_seconds=20.0)
        news = []
        try:
            async for one in llm.complete(Request("p", range(1, 3))):
                last, news = one, news + llm.news()
        finally:
            await llm.aclose()
        return last, news

    return asyncio.run(asked())


def test_no_notice_is_lost_while_another_thread_adds_some():
    notices: list[str] = []
    wanted = [str(number) for number in range(200_000)]
    adding = threading.Thread(target=lambda: [notices.append(one) for one in wanted])
    found = []
    adding.start()
    while adding.is_alive():
        found += drained(notices)
    assert found + drained(notices) == wanted


@pytest.mark.filterwarnings("ignore:Failed to extract usage")
@pytest.mark.parametrize("usage", [{}, {"usage": None}, {"usage": {}}])
def test_a_message_without_usage_is_an_answer_at_an_unknown_price(usage):
    content = [{"type": "text", "text": "hello"}]
    message = {"type": "message", "role": "assistant", "content": content} | usage
    with serving(lambda _: Reply(message | {"model": "claude-opus-4-6"})) as api:
        completion = answer_of("anthropic:claude-opus-4-6", api.url)
    assert (completion.text, completion.cost_usd) == ("hello", None)
