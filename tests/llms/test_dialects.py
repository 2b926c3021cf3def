"""Parameters that a server does not know are left out of its calls, and this is said once."""

import asyncio
import re

import pytest

from api_server import Call, Reply, serving
from llm_erm.errors import ProviderError
from llm_erm.incontext.engine import Prompt
from llm_erm.incontext.server import ServerEngine
from llm_erm.incontext.settings import InContextSettings
from llm_erm.llms.llm import Completion, Request
from llm_erm.llms.models import model
from llms.faults import ANSWER
from llms.odd_replies import as_stream
from responses_server import error, response, text

SEARCH = Request("p", indices=(1, 2))


def ask(url: str, *, raw: bool = False) -> tuple[list[Completion], list[str]]:
    """Asks two queries; returns the answers, and what was found out about the server."""
    engine = ServerEngine("m", url, "key", retries=0)
    prompts = [Prompt(index, "p", index) for index in (1, 2)]
    try:
        answers = [*engine.answer(prompts, InContextSettings(raw_prompt=raw))]
        return answers, engine.news()
    finally:
        engine.close()


def search(name: str, url: str, **settings) -> tuple[list[Completion], list[str]]:
    async def asked() -> tuple[list[Completion], list[str]]:
        llm = model(name, api_key="key", base_url=url, retries=0, **settings)
        try:
            answers = [one async for one in llm.complete(SEARCH)]
            return answers, [*llm.news(), *llm.news()]
        finally:
            await llm.aclose()

    return asyncio.run(asked())


def without(*names: str, said: str, status: int = 400, answer=ANSWER):
    """Answers calls that lack these parameters."""

    def reply(call: Call) -> Reply:
        found = next((name for name in names if name in call.body), None)
        if found is not None:
            return Reply(error(said.format(found), "unsupported_parameter"), status)
        return Reply(answer)

    return reply


@pytest.mark.parametrize(
    "said",
    [
        "Unsupported parameter: '{}' is not supported with this model.",
        "Unsupported value: '{}' does not support 0.2 with this model. Only the default (1) is.",
        "{}: Extra inputs are not permitted",
        "Unknown name `{}`",
    ],
)
def test_what_the_sampling_needs_is_left_out_if_the_server_does_not_know_it(said):
    with serving(without("temperature", "top_p", "seed", said=said)) as api:
        answers, news = ask(f"{api.url}/v1")
    assert [one.text for one in answers] == ["hello", "hello"]
    assert len(api.calls) == 3 + 2  # each is found out once
    assert not {"temperature", "top_p", "seed"} & api.calls[-1].body.keys()
    assert sorted(re.findall(r"--[\w-]+", " ".join(news))) == ["--temperature", "--top-p"]
    assert any("seed" in one and "repeated" in one for one in news)
    assert all(one.startswith("m does not take ") for one in news)


def test_of_two_that_exclude_each_other_one_stays():
    def reply(call: Call) -> Reply:
        if {"temperature", "top_p"} <= call.body.keys():
            said = "`temperature` and `top_p` cannot both be specified. Please use only one."
            return Reply(error(said, "x"), 400)
        return Reply(ANSWER)

    with serving(reply) as api:
        answers, (news,) = ask(f"{api.url}/v1")
    assert [one.text for one in answers] == ["hello", "hello"]
    assert api.calls[-1].body["temperature"] == 0.2
    assert "--top-p has no effect" in news


def test_a_value_that_is_out_of_range_is_the_users_to_change():
    said = "temperature must be at most 1"
    with serving(without("temperature", said=said)) as api, pytest.raises(ProviderError) as raised:
        ask(f"{api.url}/v1")
    assert len(api.calls) == 1
    assert said in str(raised.value)
    assert "examples" not in str(raised.value)
    assert raised.value.setting is None


def test_a_model_that_does_not_reason_is_asked_without_effort_and_verbosity():
    said = "Unsupported parameter: '{}' is not supported with this model."

    def reply(call: Call) -> Reply:
        for name, key in (("reasoning", "reasoning.effort"), ("text", "reasoning.effort")):
            if name in call.body:
                return Reply(error(said.format(key), "unsupported_parameter"), 400)
        return Reply(response([text("hello")]))

    with serving(reply) as api:
        answers, news = search("openai:m", f"{api.url}/v1")
    assert [one.text for one in answers] == ["hello", "hello"]
    assert len(api.calls) == 1 + 2
    assert re.findall(r"--[\w-]+", " ".join(news)) == ["--reasoning-effort", "--verbosity"]


@pytest.mark.parametrize("track", [ask, lambda url: search("chat:m", url)])
def test_the_limit_of_output_tokens_is_called_as_the_server_calls_it(track):
    said = "'{}' is not supported with this model. Use 'max_completion_tokens' instead."
    with serving(without("max_tokens", said=said)) as api:
        answers, news = track(f"{api.url}/v1")
    assert [one.text for one in answers] == ["hello", "hello"]
    first, second, third = (call.body for call in api.calls)
    assert second["max_completion_tokens"] == third["max_completion_tokens"] == first["max_tokens"]
    assert news == []


@pytest.mark.parametrize("track", [ask, lambda url: search("chat:m", url)])
def test_a_server_that_only_streams_is_asked_for_a_stream(track):
    def reply(call: Call) -> Reply:
        if call.body.get("stream"):
            return as_stream({"content": "hel"}, {"content": "lo"})
        said = "This model only support stream mode, please enable the stream parameter."
        return Reply(error(said, "invalid_request_error"), 400)

    with serving(reply) as api:
        answers, _ = track(f"{api.url}/v1")
    assert [one.text for one in answers] == ["hello", "hello"]
    assert {one.usage.completion_tokens for one in answers} == {300}
    assert len(api.calls) == 3


def test_a_server_that_refuses_whatever_is_left_out_is_not_asked_for_ever():
    said = "temperature, top_p and seed are not supported"
    with serving(lambda _: Reply(error(said, "x"), 400)) as api:
        with pytest.raises(ProviderError, match=said):
            ask(f"{api.url}/v1")
        assert len(api.calls) == 4


def test_thoughts_of_the_responses_api_are_kept_where_there_is_no_text():
    thoughts = {"type": "reasoning_text", "text": "hm"}
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "content": [thoughts]}
    with serving(lambda _: Reply(response([item]))) as api:
        (answer, _), _ = search("openai:m", f"{api.url}/v1")
    assert answer.text == "<think>\nhm\n</think>"
    assert answer.only_thoughts
