"""Servers of chat completions and completions: payloads, probabilities, refusals, repeats."""

import math
from collections.abc import Iterator
from itertools import count

import pytest

from api_server import Call, Reply, serving
from canary import CANARY
from incontext.engines import SPLITS
from llm_erm.errors import ProviderError
from llm_erm.incontext.learn import learn
from llm_erm.incontext.prompt import ANSWER_SCHEMA, ANSWER_START
from llm_erm.incontext.questions import pose
from llm_erm.incontext.server import ServerEngine
from llm_erm.incontext.settings import InContextSettings
from llm_erm.llms import weights
from llm_erm.llms.runtime import GGUFModel
from llm_erm.runs.events import Answered

LOGPROBS = [("1", math.log(0.5)), ('"', math.log(0.3)), ("0", math.log(0.125))]


def reply(call: Call, **changes) -> dict:
    """What a server answers, as OpenAI documents it."""
    chat = call.path.endswith("/chat/completions")
    text = '{"label": "1"}'
    listed = [{"token": token, "logprob": logprob} for token, logprob in LOGPROBS]
    choice = {
        "index": 0,
        "finish_reason": "stop",
        "logprobs": {"content": [{"top_logprobs": listed}]}
        if chat
        else {"top_logprobs": [dict(LOGPROBS)]},
    }
    choice |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    usage = {
        "prompt_tokens": 300,
        "completion_tokens": 6,
        "prompt_tokens_details": {"cached_tokens": 288},
    }
    return {"id": "1", "object": "x", "choices": [choice], "usage": usage} | changes


def ask(url: str, settings: InContextSettings, queries: int = 6, **keywords):
    engine = ServerEngine("a-model", f"{url}/v1", CANARY, **keywords)
    try:
        return learn(pose(SPLITS, 8, queries, engine, settings), engine, settings)
    finally:
        engine.close()


def test_a_chat_gets_the_prompt_and_every_setting():
    settings = InContextSettings(temperature=0.0, top_p=0.5, max_new_tokens=7)
    with serving(lambda call: Reply(reply(call))) as api:
        run = ask(api.url, settings)
    assert run.model == "server:a-model"
    assert run.test.correct == 3
    assert (run.cost.prompt_tokens, run.facts.prompt_tokens_computed) == (1800, 72)
    assert {call.path for call in api.calls} == {"/v1/chat/completions"}
    assert {call.headers["authorization"] for call in api.calls} == {f"Bearer {CANARY}"}
    bodies = [call.body for call in api.calls]
    for body in bodies:
        (message,) = body["messages"]
        assert message["role"] == "user"
        assert message["content"].count(" -> ") == 8
        assert (body["model"], body["temperature"], body["top_p"]) == ("a-model", 0.0, 0.5)
        assert body["max_tokens"] == 7
        assert "response_format" not in body
    assert len({body["seed"] for body in bodies}) == 6


def test_constrained_answers_are_held_to_the_schema():
    for raw in (False, True):
        with serving(lambda call: Reply(reply(call))) as api:
            ask(api.url, InContextSettings(answer="constrained", raw_prompt=raw), queries=2)
        for call in api.calls:
            asked = call.body["response_format"]
            assert asked["type"] == "json_schema"
            assert asked["json_schema"]["schema"] == ANSWER_SCHEMA
            assert asked["json_schema"]["strict"] is True


def test_a_server_without_structured_output_is_not_asked_for_free_answers_instead():
    message = "Unrecognized request argument supplied: response_format"
    with (
        serving(lambda _: Reply({"error": {"message": message}}, 400)) as api,
        pytest.raises(ProviderError, match=r"argument.*use generated answers") as stop,
    ):
        ask(api.url, InContextSettings(answer="constrained"))
    assert stop.value.setting == "answer"
    assert len(api.calls) == 1


@pytest.mark.parametrize("raw", [False, True])
def test_a_score_is_one_token_after_the_beginning_of_the_answer(raw):
    with serving(lambda call: Reply(reply(call))) as api:
        run = ask(api.url, InContextSettings(answer="score", raw_prompt=raw))
    assert run.facts.predicted_1 == 6
    assert run.facts.log_loss == pytest.approx(-(math.log(0.8) + math.log(0.2)) / 2)
    for call in api.calls:
        assert call.body["max_tokens"] == 1
        if raw:
            assert call.path == "/v1/completions"
            assert call.body["prompt"].endswith(ANSWER_START)
            assert call.body["logprobs"] == 5
        else:
            assert call.body["messages"][-1] == {"role": "assistant", "content": ANSWER_START}
            assert (call.body["logprobs"], call.body["top_logprobs"]) == (True, 20)


@pytest.mark.parametrize(
    ("listed", "probability"),
    [
        ([("1", 0.5), (" 1", 0.25), ("0", 0.25)], 0.75),
        ([("0", 0.9), ("x", 0.1)], 0.1),  # 1 is at most as probable as the least one listed
        ([("x", 0.9), ("y", 0.1)], None),
    ],
)
def test_what_a_server_does_not_tell_is_bounded_or_not_parsed(listed, probability):
    logprobs = [{"token": token, "logprob": math.log(p)} for token, p in listed]

    def answer(call: Call) -> Reply:
        content = reply(call)
        content["choices"][0]["logprobs"] = {"content": [{"top_logprobs": logprobs}]}
        return Reply(content)

    with serving(answer) as api:
        run = ask(api.url, InContextSettings(answer="score"))
    if probability is None:
        assert run.test.invalid == 6
        assert run.facts.log_loss is None
    else:
        half = -(math.log(probability) + math.log(1 - probability)) / 2
        assert run.facts.log_loss == pytest.approx(half)


def test_a_server_that_counts_no_cached_tokens_leaves_them_unknown():
    usage = {"prompt_tokens": 300, "completion_tokens": 6}
    with serving(lambda call: Reply(reply(call, usage=usage))) as api:
        assert ask(api.url, InContextSettings()).facts.prompt_tokens_computed is None


def test_the_first_query_goes_alone_and_the_others_together():
    def answer(call: Call) -> Reply:
        return Reply(reply(call), after=0.2, together=4 if call.number else 0)

    with serving(answer) as api:
        ask(api.url, InContextSettings(), queries=10, concurrency=4)
    first, *others = api.calls
    assert all(call.at >= first.left for call in others)
    assert api.most_in_flight == 4


def test_what_was_not_answered_is_sent_again():
    numbers = count()

    def answer(call: Call) -> Reply:
        match next(numbers):
            case 0:
                return Reply({"error": {"message": "busy"}}, 429, (("retry-after", "0.1"),))
            case 1:
                return Reply(reset=True)
            case 2:
                return Reply({"error": {"message": "oops"}}, 503)
            case _:
                return Reply(reply(call))

    with serving(answer) as api:
        run = ask(api.url, InContextSettings(), queries=2)
    assert run.test.total == 2
    assert len(api.calls) == 5
    assert api.calls[1].at - api.calls[0].left >= 0.09


def test_a_refusal_ends_the_run_with_the_servers_words_and_keeps_what_is_answered():
    numbers = count()

    def answer(call: Call) -> Reply:
        number = next(numbers)
        if number == 3:
            message = "This model's maximum context length is 4096 tokens."
            return Reply({"error": {"message": message}}, 400, after=0.05)
        return Reply(reply(call), after=2.0 if number else 0)

    kept = []
    with serving(answer) as api:
        engine = ServerEngine("a-model", f"{api.url}/v1", "k", concurrency=3)
        questions = pose(SPLITS, 8, 10, engine, InContextSettings())
        with pytest.raises(
            ProviderError, match="maximum context length.*use fewer examples"
        ) as stop:
            learn(questions, engine, InContextSettings(), observe=kept.append)
        engine.close()
    assert stop.value.setting == "shots"
    answers = [event for event in kept if isinstance(event, Answered)]
    assert 3 <= len(answers) <= 4  # the first and those in flight, of the nine not refused
    assert len(api.calls) == len(answers) + 1


def test_a_slow_call_is_not_sent_again():
    with serving(lambda call: Reply(reply(call), after=10)) as api:
        with pytest.raises(ProviderError, match=r"no answer within 1.5 seconds$"):
            ask(api.url, InContextSettings(), timeout_seconds=1.5)
        assert len(api.calls) == 1


@pytest.mark.parametrize("content", [{}, {"choices": []}, [], b"", b"1"])
def test_an_answer_in_another_form_is_named(content):
    with (
        serving(lambda call: Reply(content)) as api,
        pytest.raises(ProviderError, match="not in the API's form"),
    ):
        ask(api.url, InContextSettings())


def test_nobody_at_the_address_is_one_sentence():
    with pytest.raises(ProviderError, match="cannot be reached"):
        ask("http://127.0.0.1:9", InContextSettings(), retries=0)


@pytest.fixture(scope="module")
def llama() -> Iterator[str]:
    """The embedded model behind llama.cpp's own server."""
    model = GGUFModel(weights.embedded(), "smollm2", threads=1)
    model.load(context_tokens=1024, parallel=1)
    yield model.address
    model.unload()


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("answer", ["constrained", "score"])
def test_a_real_server_answers_all_queries(llama, answer, raw):
    settings = InContextSettings(answer=answer, max_new_tokens=16, raw_prompt=raw)
    run = ask(llama, settings, queries=2, concurrency=1)
    assert run.test.invalid == 0
    assert run.facts.prompt_tokens_computed < 0.75 * run.cost.prompt_tokens
    assert (run.facts.log_loss is not None) == (answer == "score")
