"""Calls of a remote model against a real server: what is sent again, what is paid and said."""

import asyncio
import gc
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from genai_prices import Usage as PricedUsage
from genai_prices import calc_price

from api_server import Api, Call, Reply, serving
from canary import CANARY
from llm_erm.errors import ProviderError
from llm_erm.llms import calls
from llm_erm.llms.clients import RemoteSettings
from llm_erm.llms.llm import LLM, Completion, Request
from llm_erm.llms.models import model as named
from llm_erm.llms.reader import Reader
from recorded import anthropic
from responses_server import error, refusal, response, text

PROMPT = Request("prompt")
ANSWER = response([text("hello")])
DOLLARS = float(
    calc_price(
        PricedUsage(input_tokens=1200, cache_read_tokens=1024, output_tokens=300),
        "gpt-5",
        provider_id="openai",
    ).total_price
)
"""Of one call with the usage that every answer here has."""

OK = Reply(ANSWER)
BUSY = Reply(error("Slow down.", "rate_limit_exceeded", "requests"), 429)
NEVER = 3600.0
PLAIN = {"reasoning_effort": None, "verbosity": None}


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    monkeypatch.setattr(calls, "LONGEST_WAIT_SECONDS", 0.02)


def model(api: Api, **settings) -> LLM:
    return named("openai:gpt-5", api_key=CANARY, base_url=f"{api.url}/v1", **PLAIN | settings)


async def answers(llm: LLM, request: Request = PROMPT) -> list[Completion]:
    return [completion async for completion in llm.complete(request)]


def ask(api: Api, request: Request = PROMPT, **settings) -> list[Completion]:
    async def asked() -> list[Completion]:
        llm = model(api, **settings)
        try:
            return await answers(llm, request)
        finally:
            await llm.aclose()

    return asyncio.run(asked())


def in_turn(*replies: Reply):
    """Answers the n-th call with the n-th reply, and later ones with the last."""
    return lambda call: replies[min(call.number, len(replies) - 1)]


@dataclass(frozen=True)
class Fault:
    """Replies to one sample with two repeats allowed, and what is to come of them."""

    replies: tuple[Reply, ...]
    calls: int
    ending: str
    said: str | None = None
    cost: float | None = None


FAULTS = {
    "429": Fault((BUSY, OK), 2, "stop", cost=DOLLARS),
    "500": Fault((Reply(error("boom", "server_error"), 500), OK), 2, "stop", cost=DOLLARS),
    "502 in HTML": Fault((Reply(b"<html>later</html>", 502), OK), 2, "stop", cost=DOLLARS),
    "503": Fault((Reply(error("later", "overloaded"), 503), OK), 2, "stop", cost=DOLLARS),
    "connection reset": Fault((Reply(reset=True), OK), 2, "stop", cost=DOLLARS),
    "one fault after another": Fault((BUSY, Reply(reset=True), OK), 3, "stop", cost=DOLLARS),
    "429 every time": Fault((BUSY,), 3, "unanswered", "Slow down.", 0.0),
    "503 every time": Fault((Reply(b"<html>later</html>", 503),), 3, "unanswered", "503", 0.0),
    "stalled headers": Fault((Reply(ANSWER, after=NEVER), OK), 1, "error", "within 1.5 seconds"),
    "stalled before the body": Fault((Reply(ANSWER, stall=0), OK), 1, "error", "within 1.5"),
    "stalled body": Fault((Reply(ANSWER, stall=200), OK), 1, "error", "within 1.5 seconds"),
    "HTML with status 200": Fault((Reply(b"<html>busy</html>"),), 3, "unanswered", "page", 0.0),
    "truncated JSON": Fault(
        (
            Reply(json.dumps(ANSWER)[:200].encode(), headers=(("content-type", "text/json"),)),
            OK,
        ),
        1,
        "error",
        "JSON",
    ),
    "wrong schema": Fault((Reply({"hello": 1}), OK), 1, "error", "not in the API's form"),
    "endless nesting": Fault(
        (Reply(b'{"a":' * 100_000, headers=(("content-type", "application/json"),)), OK),
        1,
        "error",
        "recursion",
    ),
    "an error that says nothing": Fault(
        (Reply(response([], status="failed", error={"a": 1})), OK), 2, "stop", cost=DOLLARS
    ),
    "a list": Fault((Reply([1]), OK), 1, "error", "not in the API's form"),
    "no text": Fault((Reply(response([])), OK), 1, "stop", cost=DOLLARS),
    "refusal": Fault(
        (Reply(response([refusal("I cannot help.")])), OK),
        1,
        "refusal",
        "I cannot help.",
        DOLLARS,
    ),
    "incomplete": Fault(
        (
            Reply(
                response(
                    [], status="incomplete", incomplete_details={"reason": "max_output_tokens"}
                )
            ),
            OK,
        ),
        1,
        "length",
        cost=DOLLARS,
    ),
    "content filter": Fault(
        (
            Reply(
                response([], status="incomplete", incomplete_details={"reason": "content_filter"})
            ),
            OK,
        ),
        1,
        "refusal",
        "content filter",
        DOLLARS,
    ),
    "failed on the way": Fault(
        (Reply(response([], status="failed", error={"code": "server_error", "message": "boom"})),),
        3,
        "unanswered",
        "boom",
        0.0,
    ),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_sent_again_or_becomes_a_completion_that_says_what_failed(fault):
    with serving(in_turn(*fault.replies)) as api:
        limit = 1.5 if "within" in (fault.said or "") else 30.0
        (completion,) = ask(api, timeout_seconds=limit, retries=2)
        time.sleep(0.1)  # for a call that should not come
    assert len(api.calls) == fault.calls
    assert completion.finish_reason == fault.ending
    assert (completion.error is None) == (fault.said is None)
    assert (fault.said or "") in (completion.error or "")
    assert completion.cost_usd == (None if fault.cost is None else pytest.approx(fault.cost))
    assert completion.usage.completion_tokens == (300 if fault.cost else 0)


def test_a_form_that_the_client_library_asserts_never_to_see_is_a_failed_call_too():
    async def asked(url: str) -> list[Completion]:
        llm = named("anthropic:m", api_key="key", base_url=url)
        try:
            return await answers(llm)
        finally:
            await llm.aclose()

    with serving(lambda _: Reply(anthropic("text", {"type": "text", "text": "1"}))) as api:
        (completion,) = asyncio.run(asked(api.url))
    assert completion.finish_reason == "error"
    assert "not in the API's form" in completion.error


@pytest.mark.parametrize(
    ("reply", "calls", "said"),
    [
        (Reply(error("Incorrect API key provided.", "invalid_api_key"), 401), 1, "Incorrect API"),
        (Reply(error("You have no access.", "forbidden"), 403), 1, "no access"),
        (Reply(error("The model `x` does not exist.", "model_not_found"), 404), 1, "not exist"),
        (Reply(error("Unsupported parameter.", "unsupported"), 400), 1, "Unsupported"),
        (
            Reply(
                error("You exceeded your current quota.", "insufficient_quota", "insufficient"),
                429,
            ),
            1,
            "current quota",
        ),
        (Reply(reset=True), 3, "cannot be reached"),
        (Reply(BUSY.content, 429, (("retry-after", "3600"),)), 1, "Slow down.*1 h 00 min"),
    ],
    ids=[
        *("wrong key", "no access", "unknown model", "bad request", "quota gone", "always reset"),
        "a pause of an hour",
    ],
)
def test_what_no_call_can_escape_is_raised_with_the_providers_sentence(reply, calls, said):
    with serving(in_turn(reply)) as api, pytest.raises(ProviderError, match=said):
        ask(api, Request("prompt", range(1, 6)), retries=2)
    assert len(api.calls) == calls


@pytest.mark.parametrize(
    ("name", "value", "seconds"),
    [
        ("retry-after", lambda: "1", 1.0),
        ("retry-after-ms", lambda: "700", 0.7),
        ("retry-after", lambda: format_datetime(datetime.now(UTC) + timedelta(seconds=2), True), 1),
    ],
    ids=["seconds", "milliseconds", "date"],
)
def test_a_server_that_asks_for_time_gets_it(name, value, seconds):
    def busy_first(call: Call) -> Reply:  # a date counts from the answer, not from a slow start
        return OK if call.number else Reply(BUSY.content, 429, ((name, value()),))

    with serving(busy_first) as api:
        (completion,) = ask(api)
    assert completion.text == "hello"
    first, second = api.calls
    assert seconds <= second.at - first.at < seconds + 6


def test_without_retry_after_the_waits_grow_at_random_and_outlast_a_short_outage(monkeypatch):
    monkeypatch.setattr(calls, "LONGEST_WAIT_SECONDS", 60.0)
    wait, waits = calls._wait, [[] for _ in range(7)]

    def noting(state) -> float:
        waits[state.attempt_number - 1].append(wait(state))
        return 0.0

    monkeypatch.setattr(calls, "_wait", noting)
    with serving(in_turn(BUSY)) as api:
        ask(api, Request("prompt", range(1, 9)), retries=6)
    assert all(
        min(2**i, 60) <= seconds <= 2 * 2**i for i, nth in enumerate(waits) for seconds in nth
    )
    assert all(len(set(nth)) == 8 for nth in waits)
    by_default = waits[: RemoteSettings().retries]
    assert sum(map(min, by_default)) >= 15


def test_a_server_that_is_not_there_is_told_soon(monkeypatch):
    waits = []
    wait = calls._wait
    monkeypatch.setattr(calls, "LONGEST_WAIT_SECONDS", 60.0)
    monkeypatch.setattr(calls, "_wait", lambda state: waits.append(wait(state)) or 0.0)
    with serving(in_turn(Reply(reset=True))) as api, pytest.raises(ProviderError, match="reached"):
        ask(api)
    assert 3.75 <= sum(waits[:4]) <= 7.5  # the fifth would come after the last try


def test_no_retries_means_one_call():
    with serving(in_turn(BUSY, OK)) as api:
        (completion,) = ask(api, retries=0)
    assert len(api.calls) == 1
    assert (completion.finish_reason, completion.error) == ("unanswered", "Slow down.")


def test_a_failed_sample_does_not_stop_the_others():
    with serving(in_turn(OK, Reply(b"no JSON"), OK)) as api:
        endings = [c.finish_reason for c in ask(api, Request("prompt", (1, 2, 3)))]
    assert endings == ["stop", "error", "stop"]


def together(api: Api, requests: int, **settings) -> list[list[Completion]]:
    """Asks as many requests at the same time, of one sample each."""

    async def asked() -> list[list[Completion]]:
        llm = model(api, **settings)
        try:
            return await asyncio.gather(*(answers(llm) for _ in range(requests)))
        finally:
            await llm.aclose()

    return asyncio.run(asked())


def test_calls_in_flight_reach_the_limit_and_never_pass_it():
    with serving(lambda _: Reply(ANSWER, after=0.3, together=4)) as api:
        assert len(together(api, 12, concurrency=4)) == 12
    assert len(api.calls) == 12
    assert api.most_in_flight == 4


def test_hundreds_of_calls_can_be_in_flight():
    with serving(lambda _: Reply(ANSWER, together=256)) as api:
        together(api, 256, concurrency=256)
    assert api.most_in_flight == 256


def test_waiting_for_a_place_is_no_part_of_a_calls_time():
    with serving(lambda _: Reply(ANSWER, after=1.0)) as api:
        done = together(api, 4, concurrency=1, timeout_seconds=3.5)
    assert [c.finish_reason for (c,) in done] == ["stop"] * 4


@pytest.mark.parametrize("speculative", [1, 3])
def test_a_request_has_as_many_samples_in_flight_as_it_may(speculative):
    with serving(lambda _: Reply(ANSWER, after=0.3, together=speculative)) as api:
        got = ask(api, Request("prompt", range(1, 6)), concurrency=5, speculative=speculative)
    assert sorted(c.index for c in got) == list(range(1, 6))
    assert len(api.calls) == 5
    assert api.most_in_flight == speculative


def test_speculative_samples_stay_below_the_limit_of_all_calls():
    with serving(lambda _: Reply(ANSWER, after=0.3, together=2)) as api:
        ask(api, Request("prompt", range(1, 8)), concurrency=2, speculative=5)
    assert api.most_in_flight == 2


def test_closing_early_cancels_what_is_in_flight_and_frees_its_place():
    def first_answers(call: Call) -> Reply:
        return Reply(ANSWER, after=0.1 if call.number in (0, 3) else NEVER, together=3)

    async def closed(api: Api) -> float:
        llm = model(api, concurrency=3, speculative=3)
        stream = llm.complete(Request("prompt", range(1, 10)))
        assert (await anext(stream)).index in (1, 2, 3)
        began = time.monotonic()
        await stream.aclose()
        took = time.monotonic() - began
        assert [c.text for c in await asyncio.wait_for(answers(llm), 60)] == ["hello"]
        await llm.aclose()
        return took

    with serving(first_answers) as api:
        assert asyncio.run(closed(api)) < 30  # and not an hour
    assert len(api.calls) == 4


def test_calls_given_up_in_flight_are_told_and_those_never_sent_are_not():
    told: list[Completion] = []

    def first_answers(call: Call) -> Reply:
        return Reply(ANSWER, after=0.1 if call.number == 0 else NEVER)

    async def stopped(api: Api) -> list[int]:
        llm = model(api, concurrency=2, speculative=4)
        async with Reader(llm, Request("prompt", range(1, 10)), told.append) as completions:
            first = await anext(completions)
            async with asyncio.timeout(60):
                while len(api.calls) < 3:
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)  # for a fourth that should not come
            await completions.stop()
            more = [one.index async for one in completions]
        await llm.aclose()
        return [first.index, *more]

    with serving(first_answers) as api:
        yielded = asyncio.run(stopped(api))
    reasons = [completion.finish_reason for completion in told]
    assert reasons == ["stop", *["cancelled"] * (len(api.calls) - 1)]
    assert [told[0].index] == yielded
    assert len(api.calls) == 3  # of four begun, one waited for its place
    assert all(one.cost_usd is None and one.latency_seconds > 0.2 for one in told[1:])


def test_an_answer_is_told_while_the_one_before_is_looked_at_and_nothing_more_is_begun():
    told: list[int] = []

    async def asked(api: Api) -> list[int]:
        llm = model(api, speculative=3)
        request = Request("prompt", range(1, 10))
        async with Reader(llm, request, lambda one: told.append(one.index)) as completions:
            await anext(completions)
            async with asyncio.timeout(60):
                while len(told) < 3:
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)  # for a fourth that should not come
            known = told.copy()
            assert len(api.calls) == 3
            await anext(completions)
            async with asyncio.timeout(60):
                while len(api.calls) < 4:
                    await asyncio.sleep(0.01)
        await llm.aclose()
        return known

    with serving(lambda call: Reply(ANSWER, after=0.1 + 0.1 * call.number)) as api:
        assert sorted(asyncio.run(asked(api))) == [1, 2, 3]


def test_answers_that_came_together_are_told_and_yielded_in_the_same_order():
    told = []

    async def asked(api: Api) -> list[int]:
        llm, got = model(api, speculative=3), []
        request = Request("prompt", range(1, 7))
        async with Reader(llm, request, lambda one: told.append(one.index)) as completions:
            async for completion in completions:
                got.append(completion.index)
                time.sleep(0.3)  # blocks, so that the other answers come meanwhile
        await llm.aclose()
        return got

    with serving(lambda _: Reply(ANSWER, after=0.1)) as api:
        got = asyncio.run(asked(api))
    assert got == told
    assert sorted(got) == list(range(1, 7))


def test_what_is_in_flight_when_one_call_is_refused_is_told_before_the_refusal():
    told: list[Completion] = []
    wrong = Reply(error("Incorrect API key provided.", "invalid_api_key"), 401, after=0.3)

    async def asked(api: Api) -> None:
        llm = model(api, speculative=3)
        try:
            async with Reader(llm, Request("prompt", range(1, 10)), told.append) as completions:
                async for _ in completions:
                    pass
        finally:
            await llm.aclose()

    with (
        serving(lambda call: wrong if call.number == 2 else Reply(ANSWER, after=NEVER)) as api,
        pytest.raises(ProviderError, match="Incorrect API key"),
    ):
        asyncio.run(asked(api))
    assert [one.finish_reason for one in told] == ["cancelled"] * 2
    assert len(api.calls) == 3


def test_a_refusal_of_several_calls_at_once_is_told_once_and_nothing_is_logged(caplog):
    wrong = Reply(error("Incorrect API key provided.", "invalid_api_key"), 401, after=0.2)
    with serving(lambda _: wrong) as api, pytest.raises(ProviderError):
        ask(api, Request("prompt", range(1, 9)), speculative=4)
    gc.collect()
    assert caplog.records == []
