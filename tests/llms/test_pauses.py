"""Whoever waits for a server is told how long and why, by both tracks."""

import asyncio

import pytest

from api_server import Reply, serving
from llm_erm.incontext.engine import Prompt
from llm_erm.incontext.server import ServerEngine
from llm_erm.incontext.settings import InContextSettings
from llm_erm.llms import calls
from llm_erm.llms.faults import CallFailedError
from llm_erm.llms.llm import Paused, Request, State
from llm_erm.llms.models import model
from llm_erm.llms.pauses import Pauses
from recorded import chat
from responses_server import error

BUSY = error("Slow down.", "rate_limit_exceeded")
RETRIES = 4


def search(url: str) -> list[State]:
    told: list[State] = []

    async def asked() -> None:
        llm = model("chat:m", api_key="key", base_url=url, retries=RETRIES)
        try:
            assert [one.text async for one in llm.complete(Request("x", tell=told.append))] == ["1"]
        finally:
            await llm.aclose()

    asyncio.run(asked())
    return told


def in_context(url: str) -> list[State]:
    told: list[State] = []
    engine = ServerEngine("m", url, "key", retries=RETRIES)
    try:
        (answer,) = engine.answer([Prompt(1, "x", 0)], InContextSettings(), told.append)
    finally:
        engine.close()
    assert answer.text == "1"
    return told


@pytest.mark.parametrize("track", [search, in_context])
@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(BUSY, 429, (("retry-after-ms", "400"),)), "the server asked for a pause (429)"),
        (Reply(BUSY, 503), "the server is busy (503)"),
        (Reply(BUSY, 500), "the server did not answer (500)"),
        (Reply(reset=True), "the server cannot be reached"),
    ],
    ids=["a pause", "busy", "failing", "reset"],
)
def test_both_tracks_tell_how_long_they_wait_for_a_server_and_why(track, reply, why, monkeypatch):
    monkeypatch.setattr(calls, "LONGEST_WAIT_SECONDS", 0.4)
    with serving(lambda call: Reply(chat("1")) if call.number == 2 else reply) as api:
        told = track(f"{api.url}/v1")
    waits, ends = told[::2], told[1::2]
    assert [one.why for one in waits] == [why] * 2
    assert all(0.25 <= one.seconds <= 0.8 for one in waits)
    assert ends == [Paused(0.0)] * 2


@pytest.mark.parametrize("track", [search, in_context])
def test_the_last_try_is_followed_by_no_pause(track, monkeypatch):
    monkeypatch.setattr(calls, "LONGEST_WAIT_SECONDS", 0.01)
    with serving(
        lambda call: Reply(chat("1")) if call.number == RETRIES else Reply(BUSY, 503)
    ) as api:
        told = track(f"{api.url}/v1")
    assert len(told) == 2 * RETRIES


def test_hundreds_of_calls_that_wait_are_told_as_one():
    told: list[State] = []
    pauses = Pauses()
    failure = CallFailedError("unanswered", "Slow down.", 432.0, 429)
    for call in range(256):
        pauses.begin(call, 432 + call / 512, failure, told.append)
    pauses.begin(256, 470, failure, told.append)
    for call in (*range(255), 256, 256, 300):
        pauses.end(call, told.append)
    why = "the server asked for a pause (429)"
    assert told == [Paused(432, why), Paused(470, why)], "one call still waits"
    pauses.end(255, told.append)
    assert told[2:] == [Paused(0.0)]
    pauses.begin(1, 2, failure, told.append)
    assert told[3:] == [Paused(2, why)]
