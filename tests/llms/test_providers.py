"""What each provider is sent and what its documented answers become, through one code path."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from genai_prices import Usage as PricedUsage
from genai_prices import calc_price

from api_server import Api, Call, Reply, serving
from canary import CANARY
from llm_erm.errors import ProviderError
from llm_erm.llms import calls
from llm_erm.llms.llm import Completion, Request, Tool, ToolCall, Usage
from llm_erm.llms.models import model
from recorded import anthropic, anthropic_error, chat, chat_call, gemini, gemini_error
from responses_server import error, response, text

PROMPT = "the prompt"
PLAIN = {"reasoning_effort": None, "verbosity": None}
DESCRIPTION = "Runs Python."
PARAMETERS = {
    "type": "object",
    "properties": {"code": {"type": "string"}},
    "required": ["code"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Wire:
    """How one provider is reached and what goes over the wire.

    Attributes:
        model: A model of it.
        base: What follows the server's address.
        path: Where a call goes.
        key: The header that holds the key.
        body: The request for the prompt with 999 output tokens.
        answer: An answer with the given text.
        cut: An answer that the token limit ended.
        refused: Answers that a refusal or filter ended, with what the completion says of it.
        effort: What `--reasoning-effort high` adds to the body.
        uses_tool: An answer that asks for the tool.
        tools: What a tool adds to the body.
        told: What the second request holds after the tool was run once.
        closed: What the body holds once the tool must not be used any more.
        priced_as: Provider and model in the price list, or None.
        reasoning: Thought tokens that the answer tells of.
    """

    model: str
    base: str
    path: str
    key: tuple[str, str]
    body: Mapping[str, Any]
    answer: Callable[[str], dict[str, Any]]
    cut: dict[str, Any]
    refused: Mapping[str, dict[str, Any]]
    effort: Mapping[str, Any]
    uses_tool: dict[str, Any]
    tools: Mapping[str, Any]
    told: Callable[[dict[str, Any]], Any]
    closed: Mapping[str, Any]
    priced_as: tuple[str, str] | None
    reasoning: int = 256


def chat_api(model: str, priced_as: tuple[str, str] | None, limit: str, strict: bool) -> Wire:
    function = {"name": "run", "description": DESCRIPTION, "parameters": PARAMETERS}
    if strict:
        function["strict"] = True
    return Wire(
        model=model,
        base="/v1",
        path="/v1/chat/completions",
        key=("authorization", f"Bearer {CANARY}"),
        body={
            "model": model,
            "stream": False,
            "messages": [{"role": "user", "content": PROMPT}],
            limit: 999,
        },
        answer=lambda text: chat(text) | {"model": model},
        cut=chat("def f", "length") | {"model": model},
        refused={
            "I cannot help.": chat(None, refusal="I cannot help.") | {"model": model},
            "content filter": chat(None, "content_filter") | {"model": model},
        },
        effort={"reasoning_effort": "high"},
        uses_tool=chat_call("run", {"code": "1 + 1"}) | {"model": model},
        tools={"tools": [{"type": "function", "function": function}], "tool_choice": "auto"},
        told=lambda body: body["messages"][-1],
        closed={"tool_choice": "none"},
        priced_as=priced_as,
    )


OPENAI_TOOL = {"type": "function", "name": "run", "description": DESCRIPTION}
APIS: dict[str, Wire] = {
    "openai": Wire(
        model="gpt-5",
        base="/v1",
        path="/v1/responses",
        key=("authorization", f"Bearer {CANARY}"),
        body={
            "model": "gpt-5",
            "stream": False,
            "input": [{"role": "user", "content": PROMPT}],
            "max_output_tokens": 999,
            "tool_choice": "auto",
            "include": ["reasoning.encrypted_content"],
        },
        answer=lambda value: response([text(value)]),
        cut=response(
            [text("def f")],
            status="incomplete",
            incomplete_details={"reason": "max_output_tokens"},
        ),
        refused={
            "content filter": response(
                [], status="incomplete", incomplete_details={"reason": "content_filter"}
            )
        },
        effort={"reasoning": {"effort": "high"}},
        uses_tool=response(
            [
                {
                    "type": "function_call",
                    "id": "fc_1",
                    "call_id": "call_1",
                    "name": "run",
                    "arguments": '{"code": "1 + 1"}',
                    "status": "completed",
                }
            ]
        ),
        tools={"tools": [OPENAI_TOOL | {"parameters": PARAMETERS, "strict": True}]},
        told=lambda body: body["input"][-1],
        closed={"tool_choice": "none"},
        priced_as=("openai", "gpt-5"),
    ),
    "chat": chat_api("gpt-5", ("openai", "gpt-5"), "max_tokens", strict=True),
    "vllm": chat_api("Qwen/Qwen3-8B", None, "max_completion_tokens", strict=True),
    "ollama": chat_api("qwen3", None, "max_tokens", strict=False),
    "anthropic": Wire(
        model="claude-opus-4-6",
        base="",
        path="/v1/messages",
        key=("authorization", f"Bearer {CANARY}"),
        body={
            "model": "claude-opus-4-6",
            "max_tokens": 999,
            "stream": False,
            "messages": [{"role": "user", "content": [{"type": "text", "text": PROMPT}]}],
        },
        answer=lambda value: anthropic({"type": "text", "text": value}),
        cut=anthropic({"type": "text", "text": "def f"}, stop_reason="max_tokens"),
        refused={"(refusal)": anthropic(stop_reason="refusal")},
        effort={"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
        uses_tool=anthropic(
            {"type": "tool_use", "id": "call_1", "name": "run", "input": {"code": "1 + 1"}},
            stop_reason="tool_use",
        ),
        tools={
            "tools": [{"name": "run", "description": DESCRIPTION, "input_schema": PARAMETERS}],
            "tool_choice": {"type": "auto"},
        },
        told=lambda body: body["messages"][-1],
        closed={"tool_choice": {"type": "none"}},
        priced_as=("anthropic", "claude-opus-4-6"),
        reasoning=0,
    ),
    "gemini": Wire(
        model="gemini-2.5-pro",
        base="",
        path="/v1beta/models/gemini-2.5-pro:generateContent",
        key=("x-goog-api-key", CANARY),
        body={
            "contents": [{"role": "user", "parts": [{"text": PROMPT}]}],
            "generationConfig": {"maxOutputTokens": 999, "responseModalities": ["TEXT"]},
        },
        answer=lambda value: gemini({"text": value}),
        cut=gemini({"text": "def f"}, finish_reason="MAX_TOKENS"),
        refused={
            "SAFETY": gemini(finish_reason="SAFETY"),
            "RECITATION": gemini(finish_reason="RECITATION"),
        },
        effort={},
        uses_tool=gemini({"functionCall": {"name": "run", "args": {"code": "1 + 1"}}}),
        tools={
            "tools": [
                {
                    "functionDeclarations": [
                        {
                            "name": "run",
                            "description": DESCRIPTION,
                            "parameters_json_schema": PARAMETERS,
                        }
                    ]
                }
            ]
        },
        told=lambda body: body["contents"][-1],
        closed={"toolConfig": {"functionCallingConfig": {"mode": "NONE"}}},
        priced_as=("google", "gemini-2.5-pro"),
    ),
}
PROVIDERS = pytest.mark.parametrize("provider", APIS)


async def ask_llm(api: Api, provider: str, tool: Tool | None, **settings) -> Completion:
    known = APIS[provider]
    if provider == "openai":
        settings = PLAIN | settings
    url = api.url + known.base
    llm = model(f"{provider}:{known.model}", api_key=CANARY, base_url=url, **settings)
    try:
        request = Request(PROMPT, max_tokens=999, tool=tool)
        (completion,) = [one async for one in llm.complete(request)]
    finally:
        await llm.aclose()
    return completion


def ask(
    provider: str, *bodies: Any, tool: Tool | None = None, **settings
) -> tuple[Completion, list[Call]]:
    """The completion that comes of the replies in turn, and the calls that were made for it."""
    replies = [body if isinstance(body, Reply) else Reply(body) for body in bodies]
    with serving(lambda call: replies[min(call.number, len(replies) - 1)]) as api:
        completion = asyncio.run(ask_llm(api, provider, tool, **settings))
    return completion, api.calls


@PROVIDERS
def test_the_request_is_the_documented_one(provider):
    known = APIS[provider]
    _, (call,) = ask(provider, known.answer("hello"))
    assert call.path == known.path
    assert call.headers[known.key[0]] == known.key[1]
    assert call.body == known.body


@PROVIDERS
def test_the_effort_is_sent_where_it_is_given(provider):
    known = APIS[provider]
    _, (call,) = ask(provider, known.answer("hello"), reasoning_effort="high")
    if provider == "gemini":
        assert call.body["generationConfig"]["thinkingConfig"]["thinking_budget"] > 10_000
    else:
        assert call.body == {**known.body, **known.effort}


@PROVIDERS
def test_temperature_and_top_p_are_sent_where_they_are_given(provider):
    known = APIS[provider]
    _, (call,) = ask(provider, known.answer("hello"), temperature=0.3, top_p=0.9)
    if provider == "gemini":
        own = call.body["generationConfig"]
        assert (own["temperature"], own["topP"]) == (0.3, 0.9)
    else:
        assert call.body == {**known.body, "temperature": 0.3, "top_p": 0.9}


@PROVIDERS
def test_usage_counts_cached_and_thought_tokens_once_and_the_cost_is_the_price_lists(provider):
    known = APIS[provider]
    completion, _ = ask(provider, known.answer("hello"))
    assert (completion.text, completion.finish_reason) == ("hello", "stop")
    assert completion.usage == Usage(1200, 1024, 300, known.reasoning)
    if known.priced_as is None:
        assert completion.cost_usd is None
        return
    usage = PricedUsage(input_tokens=1200, cache_read_tokens=1024, output_tokens=300)
    where, model = known.priced_as
    price = calc_price(usage, model, provider_id=where).total_price
    assert completion.cost_usd == pytest.approx(float(price))


@PROVIDERS
def test_an_answer_that_the_limit_ended_is_told_apart_from_a_whole_one(provider):
    completion, _ = ask(provider, APIS[provider].cut)
    assert (completion.text, completion.finish_reason) == ("def f", "length")
    assert completion.error is None
    assert completion.usage.completion_tokens == 300


@pytest.mark.parametrize(
    ("provider", "said"), [(name, said) for name, known in APIS.items() for said in known.refused]
)
def test_a_refusal_says_why(provider, said):
    completion, _ = ask(provider, APIS[provider].refused[said])
    assert completion.finish_reason == "refusal"
    assert said in completion.error
    assert completion.usage.prompt_tokens == 1200


@PROVIDERS
def test_the_tool_is_offered_run_and_its_output_sent_back(provider):
    known, ran = APIS[provider], []
    tool = Tool("run", DESCRIPTION, lambda code: ran.append(code) or "the output: é", calls=3)
    completion, (first, second) = ask(provider, known.uses_tool, known.answer("hello"), tool=tool)
    shared = {key: value for key, value in known.tools.items() if key in known.body}
    offered = {key: first.body[key] for key in known.tools}
    assert offered == known.tools
    assert {key: first.body[key] for key in known.body} == {**known.body, **shared}
    assert ran == ["1 + 1"]
    assert "the output: é" in json.dumps(known.told(second.body), ensure_ascii=False)
    assert completion.text == "hello"
    assert completion.tool_calls == (ToolCall("run", "1 + 1", "the output: é"),)
    assert completion.usage == Usage(2400, 2048, 600, 2 * known.reasoning)


@PROVIDERS
def test_a_model_that_never_stops_using_the_tool_is_stopped(provider):
    known, ran = APIS[provider], []
    tool = Tool("run", DESCRIPTION, lambda code: ran.append(code) or "more", calls=2)
    completion, made = ask(provider, known.uses_tool, tool=tool)
    assert len(made) == 3
    assert len(ran) == 2
    body = made[-1].body
    assert {key: body[key] for key in known.closed} == known.closed
    assert completion.text == ""
    assert [call.output for call in completion.tool_calls] == ["more", "more"]


@PROVIDERS
def test_a_tool_call_of_the_wrong_form_is_answered_and_not_run(provider):
    known, ran = APIS[provider], []
    tool = Tool("other", DESCRIPTION, lambda code: ran.append(code) or "", calls=3)
    completion, (_, second) = ask(provider, known.uses_tool, known.answer("hello"), tool=tool)
    assert ran == []
    assert "There is one tool, other" in json.dumps(known.told(second.body))
    assert completion.text == "hello"


def test_arguments_that_are_no_json_are_answered_and_not_run():
    ran = []
    tool = Tool("run", DESCRIPTION, lambda code: ran.append(code) or "", calls=3)
    broken = chat_call("run", {})
    broken["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] = '{"code": "1 +'
    completion, made = ask("chat", broken, chat("hello"), tool=tool)
    assert (ran, len(made), completion.text) == ([], 2, "hello")


HOSTED: dict[str, dict[str, Any]] = {
    "anthropic": anthropic(
        {"type": "text", "text": "I will compute it."},
        {
            "type": "server_tool_use",
            "id": "srvtoolu_1",
            "name": "code_execution",
            "input": {"code": "print(1 + 1)"},
        },
        {
            "type": "code_execution_tool_result",
            "tool_use_id": "srvtoolu_1",
            "content": {
                "type": "code_execution_result",
                "stdout": "2\n",
                "stderr": "",
                "return_code": 0,
                "content": [],
            },
        },
        {"type": "text", "text": "def f(x): return 1"},
    ),
    "gemini": gemini(
        {"text": "I will compute it."},
        {"executableCode": {"language": "PYTHON", "code": "print(1 + 1)"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2\n"}},
        {"text": "def f(x): return 1"},
    ),
    "openai": response(
        [
            text("I will compute it."),
            {
                "type": "code_interpreter_call",
                "id": "ci_1",
                "code": "print(1 + 1)",
                "container_id": "cntr_1",
                "status": "completed",
                "outputs": [{"type": "logs", "logs": "2\n"}],
            },
            text("def f(x): return 1"),
        ]
    ),
}


@pytest.mark.parametrize("provider", HOSTED)
def test_the_hosted_interpreters_code_and_output_are_kept_and_text_stays_apart(provider):
    completion, (call,) = ask(provider, HOSTED[provider], code_interpreter=True)
    (tool,) = call.body["tools"]
    kind = str(tool.get("type") or next(iter(tool)))
    assert kind.startswith(("code_interpreter", "code_execution", "codeExecution"))
    assert completion.tool_calls == (ToolCall("code_execution", "print(1 + 1)", "2\n"),)
    assert completion.text == "I will compute it.\ndef f(x): return 1"


def test_a_turn_that_pauses_for_a_hosted_tool_goes_on():
    paused = HOSTED["anthropic"] | {"stop_reason": "pause_turn"}
    final = anthropic({"type": "text", "text": "hello"})
    completion, made = ask("anthropic", paused, paused, final, code_interpreter=True)
    assert [message["role"] for message in made[2].body["messages"]] == [
        *("user", "assistant", "assistant")
    ]
    assert completion.text == "hello"
    assert len(completion.tool_calls) == 2
    assert completion.usage == Usage(3600, 3072, 900, 0)


def test_pauses_without_end_are_ended():
    paused = HOSTED["anthropic"] | {"stop_reason": "pause_turn"}
    _, made = ask("anthropic", paused, code_interpreter=True)
    assert len(made) == 17


BUSY = Reply(b"<html>busy</html>", 503)
OVERLOADED = Reply(anthropic_error("overloaded_error", "Overloaded"), 529)


@pytest.mark.parametrize(
    ("provider", "reply"), [*((name, BUSY) for name in APIS), ("anthropic", OVERLOADED)]
)
def test_the_clients_own_repeats_are_off(provider, reply, monkeypatch):
    monkeypatch.setattr(calls, "LONGEST_WAIT_SECONDS", 0.01)
    completion, made = ask(provider, reply, retries=1)
    assert len(made) == 2
    assert completion.finish_reason == "unanswered"


RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}
PER_DAY = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
}


def test_gemini_tells_in_the_body_how_long_to_wait():
    busy = Reply(gemini_error(429, "RESOURCE_EXHAUSTED", "Too fast.", RETRY_INFO), 429)
    completion, (first, second) = ask("gemini", busy, gemini({"text": "hello"}))
    assert second.at - first.at >= 1
    assert completion.text == "hello"


@pytest.mark.parametrize(
    ("provider", "status", "body", "said"),
    [
        (
            "anthropic",
            401,
            anthropic_error("authentication_error", "invalid x-api-key"),
            "call: invalid x-api-key$",
        ),
        ("anthropic", 404, anthropic_error("not_found_error", "model: claude-99"), "call: model"),
        (
            "anthropic",
            400,
            anthropic_error("invalid_request_error", "Your credit balance is too low to access"),
            "call: Your credit balance",
        ),
        (
            "gemini",
            400,
            gemini_error(400, "INVALID_ARGUMENT", "API key not valid."),
            "call: API key not valid.$",
        ),
        ("gemini", 404, gemini_error(404, "NOT_FOUND", "models/g is not found"), "call: models/g"),
        (
            "gemini",
            429,
            gemini_error(429, "RESOURCE_EXHAUSTED", "You exceeded your quota", PER_DAY),
            "call: You exceeded",
        ),
        ("chat", 401, error("Incorrect API key", "invalid_api_key"), "call: Incorrect API key$"),
        ("chat", 402, error("Insufficient Balance", "invalid"), "call: Insufficient Balance$"),
        (
            "vllm",
            404,
            {"object": "error", "message": "The model `x` does not exist.", "code": 404},
            "call: The model `x` does not exist.$",
        ),
        (
            "ollama",
            404,
            {"error": {"message": "model 'x' not found", "type": "not_found_error"}},
            "call: model 'x' not found$",
        ),
    ],
)
def test_a_wrong_key_model_or_quota_is_raised_with_the_providers_own_sentence(
    provider, status, body, said
):
    with pytest.raises(ProviderError, match=said):
        ask(provider, Reply(body, status))


def test_no_client_gives_up_before_our_own_time_limit(monkeypatch):
    """A reply after six seconds, and what each client asks of the connection meanwhile."""
    import httpx
    import httpx2

    asked: list[dict[str, float | None]] = []
    for library in (httpx, httpx2):
        send = library.AsyncClient.send

        async def noting(self, request, send=send, **keywords):
            asked.append(request.extensions["timeout"])
            return await send(self, request, **keywords)

        monkeypatch.setattr(library.AsyncClient, "send", noting)

    def late(call: Call) -> Reply:
        (known,) = [known for known in APIS.values() if known.path == call.path][:1]
        return Reply(known.answer("hello"), after=6.0)

    async def all_at_once(api: Api) -> list[Completion]:
        return await asyncio.gather(*(ask_llm(api, provider, None) for provider in APIS))

    with serving(late) as api:
        completions = asyncio.run(all_at_once(api))
    assert [one.text for one in completions] == ["hello"] * len(APIS)
    assert len(asked) == len(APIS)
    day = 24 * 3600
    assert all(seconds is None or seconds > day for one in asked for seconds in one.values())
