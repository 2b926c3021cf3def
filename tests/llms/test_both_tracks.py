"""A fault of a server has one outcome, whether a search or in-context learning makes the call."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from api_server import Api, serving
from llm_erm.errors import ProviderError
from llm_erm.incontext.engine import Prompt
from llm_erm.incontext.server import ServerEngine
from llm_erm.incontext.settings import InContextSettings
from llm_erm.llms import calls
from llm_erm.llms.budget import Budget
from llm_erm.llms.llm import Completion, Request, Usage
from llm_erm.llms.models import model
from llms.faults import FAULTS, RETRIES, TIMEOUT_SECONDS, Fault
from llms.odd_replies import ODD
from llms.spent import ROOM, spent

PROMPT = "the prompt"
MAX_TOKENS = 2048
WORST = len(PROMPT) + MAX_TOKENS


@dataclass
class Outcome:
    """What came of one sample: an answer, or an error that ends the run."""

    budget: Budget
    completion: Completion | None = None
    error: ProviderError | None = None


def search(url: str) -> Outcome:
    """What a search makes of it."""
    outcome = Outcome(Budget(ROOM))

    async def asked() -> Completion:
        llm = model(
            "chat:m",
            api_key="key",
            base_url=url,
            budget=outcome.budget,
            timeout_seconds=TIMEOUT_SECONDS,
            retries=RETRIES,
        )
        try:
            request = Request(PROMPT, max_tokens=MAX_TOKENS)
            (completion,) = [one async for one in llm.complete(request)]
        finally:
            await llm.aclose()
        return completion

    try:
        outcome.completion = asyncio.run(asked())
    except ProviderError as error:
        outcome.error = error
    return outcome


def in_context(url: str, *, raw: bool = False) -> Outcome:
    """What in-context learning makes of it."""
    outcome = Outcome(Budget(ROOM))
    engine = ServerEngine(
        *("m", url, "key"),
        timeout_seconds=TIMEOUT_SECONDS,
        retries=RETRIES,
        budget=outcome.budget,
    )
    settings = InContextSettings(max_new_tokens=MAX_TOKENS, raw_prompt=raw)
    try:
        (answer,) = engine.answer([Prompt(1, PROMPT, 0)], settings)
        outcome.completion = answer
    except ProviderError as error:
        outcome.error = error
    finally:
        engine.close()
    return outcome


@pytest.fixture
def pauses(monkeypatch) -> list[tuple[str, float | None]]:
    """What each failure that is sent again was and asked for; the waits themselves are cut."""
    seen = []

    def noting(state) -> float:
        failure = state.outcome.exception()
        seen.append((failure.kind, failure.pause_seconds))
        return wait(state) / 100

    wait = calls._wait
    monkeypatch.setattr(calls, "_wait", noting)
    return seen


def outcome_of(
    track: Callable[[str], Outcome], fault: Fault, pauses: list
) -> tuple[Outcome, Api, list]:
    pauses.clear()
    replies = fault.replies
    with serving(lambda call: replies[min(call.number, len(replies) - 1)]) as api:
        outcome = track(f"{api.url}/v1")
    return outcome, api, pauses.copy()


@pytest.mark.parametrize("fault", [*FAULTS.values(), *ODD.values()], ids=[*FAULTS, *ODD])
def test_a_fault_has_the_same_outcome_in_both_tracks(fault, pauses):
    both = [outcome_of(track, fault, pauses) for track in (search, in_context)]
    for outcome, api, waited in both:
        assert len(api.calls) == fault.calls
        assert tuple(asked for _, asked in waited) == fault.asked
        assert spent(outcome.budget) == (WORST if fault.tokens is None else fault.tokens)
    (searched, _, one), (asked, _, other) = both
    assert one == other
    if fault.kind == "answered":
        assert searched.completion is not None
        assert asked.completion is not None
        for completion in (searched.completion, asked.completion):
            assert completion.finish_reason == fault.finish_reason
            assert fault.said in (completion.error or "")
        for field in ("text", "usage", "cost_usd", "error"):
            assert getattr(searched.completion, field) == getattr(asked.completion, field)
        return
    assert asked.error is not None  # whatever failed: never a wrong label
    if fault.kind in ("unreachable", "refused"):  # no other call can succeed either
        assert searched.error is not None
        said, also = (re.sub(r"\w+:m |:\d+/v1", "", str(e)) for e in (searched.error, asked.error))
        assert also.startswith(said.rstrip(".").partition(" (use fewer")[0])
        assert fault.said in said
    else:  # a failed attempt
        assert searched.completion is not None
        unpaid = fault.kind == "unanswered"
        assert searched.completion.finish_reason == ("unanswered" if unpaid else "error")
        assert searched.completion.usage == Usage()
        assert searched.completion.cost_usd == (0.0 if unpaid else None)
        assert fault.said in searched.completion.error
        # In brackets each client says in its own words which part of the form it missed.
        assert searched.completion.error.partition(" (")[0].rstrip(".") in str(asked.error)


@pytest.mark.parametrize("track", [search, in_context])
def test_nobody_at_the_address_has_one_sentence(track, monkeypatch):
    monkeypatch.setattr(calls, "LONGEST_WAIT_SECONDS", 0.01)
    error = track("http://127.0.0.1:9/v1").error
    assert error is not None
    assert re.fullmatch(
        r"(chat|server):m cannot be reached at http://127.0.0.1:9/v1: could not connect; check the "
        r"address and whether a server is running there\.",
        str(error),
    )
    assert error.setting == "base_url"
