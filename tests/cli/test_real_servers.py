"""The embedded model behind llama.cpp's own server: both of its APIs, and the local code tool."""

import asyncio
import json
import re
from collections.abc import Iterator

import pytest

from llm_erm.llms import weights
from llm_erm.llms.llm import Completion, Request
from llm_erm.llms.models import model

TEMPLATE = """\
{%- macro call(code) -%}
<tool_call>
{"name": "run_python", "arguments": {"code": {{ code | tojson }}}}
</tool_call><|im_end|>
{% endmacro -%}
{%- for message in messages -%}
{% if message.role == "tool" %}<|im_start|>user
<tool_response>
{{ message.content }}
</tool_response><|im_end|>
{% elif message.tool_calls %}<|im_start|>assistant
{% if message.content %}{{ message.content }}{% endif -%}
{% for tool_call in message.tool_calls -%}
{% if tool_call.function is defined %}{% set tool_call = tool_call.function %}{% endif -%}
<tool_call>
{"name": "{{ tool_call.name }}", "arguments": {{ tool_call.arguments | tojson }}}
</tool_call>{% endfor %}<|im_end|>
{% else %}<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endif -%}
{% endfor -%}
{% if tools and messages[-1].role != "tool" -%}
{% for _ in range(4) -%}
<|im_start|>user
Call {{ tools[0].function.name }}.<|im_end|>
<|im_start|>assistant
{{ call("sum(y for x, y in examples)") }}{% endfor -%}
<|im_start|>user
Call {{ tools[0].function.name }}.<|im_end|>
{% endif -%}
{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
"""The model's own format, which knows no tools; where there is one, examples show its use."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    xllamacpp = pytest.importorskip("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = str(weights.embedded())
    params.chat_template = TEMPLATE
    params.n_ctx = 4096
    params.n_parallel = 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.sampling.temp = 0.0
    params.port = 0
    params.verbosity = -1
    params.warmup = False
    server = xllamacpp.Server(params)
    # Freed before its loop runs, the runtime waits forever; an answer shows that the loop runs.
    server.handle_completions({"prompt": "x", "n_predict": 1, "stream": True}, lambda _: False)
    yield server.listening_address


@pytest.fixture
def synthesize(invoke, address, tmp_path):
    def run(provider: str, *arguments: object) -> list[dict]:
        done = invoke(
            *("synthesize", "--provider", provider, "--base-url", f"{address}/v1"),
            *("--model", "smollm2", "--functions", "fn_a", "--lengths", 8, "--out-dir", "out"),
            *("--train-size", 4, "--val-size", 4, "--test-size", 8, *arguments),
            OPENAI_API_KEY="unused",
        )
        assert done.returncode == 0, done.stderr
        attempts, answers = (
            [json.loads(line) for line in (tmp_path / f"out/{name}.jsonl").read_text().splitlines()]
            for name in ("attempts", "answers")
        )
        return [
            {**one["attempt"]["candidate"], "completion": other["answer"]}
            for one, other in zip(attempts, answers, strict=True)
        ]

    return run


PROVIDERS = pytest.mark.parametrize("provider", ["chat", "openai"])


@PROVIDERS
def test_a_real_server_takes_the_request_counts_the_tokens_and_truncation_is_told(
    synthesize, provider
):
    candidates = synthesize(provider, "--attempts", 2, "--max-output-tokens", 6)
    completions = [candidate["completion"] for candidate in candidates]
    assert [one["usage"]["completion_tokens"] for one in completions] == [6, 6]
    prompts = [one["usage"]["prompt_tokens"] for one in completions]
    assert prompts[0] == prompts[1] > 200
    assert completions[1]["usage"]["cached_tokens"] == prompts[1] - 1
    assert completions[0]["text"]
    assert [one["finish_reason"] for one in completions] == ["length", "length"]
    assert candidates[0]["reason"].startswith("truncated")


@PROVIDERS
def test_a_real_model_uses_the_local_code_tool_and_then_answers(synthesize, provider):
    (candidate,) = synthesize(
        provider, "--attempts", 1, "--max-output-tokens", 48, "--code-tool", "local"
    )
    completion = candidate["completion"]
    calls = completion["tool_calls"]
    assert calls, completion
    assert all(call["tool"] == "run_python" and call["code"] for call in calls), completion
    assert all(call["output"] for call in calls)
    assert completion["text"]
    assert completion["finish_reason"] in ("stop", "length")


def answer(address: str, **asked) -> Completion:
    async def first() -> Completion:
        llm = model("chat:m", base_url=f"{address}/v1")
        try:
            (completion,) = [one async for one in llm.complete(Request("Write code.", **asked))]
            return completion
        finally:
            await llm.aclose()

    return asyncio.run(first())


def test_a_real_server_holds_answers_to_a_grammar_and_to_a_schema(address):
    grammar = 'root ::= "```python" [a-z]{3} "```"'
    assert re.fullmatch("```python[a-z]{3}```", answer(address, grammar=grammar).text)
    code = {"type": "string", "maxLength": 20}
    schema = {"type": "object", "properties": {"code": code}, "required": ["code"]}
    assert json.loads(answer(address, json_schema=schema).text).keys() == {"code"}


def test_a_block_of_code_is_all_that_a_real_model_can_answer(synthesize):
    (candidate,) = synthesize(
        *("chat", "--attempts", 1, "--max-output-tokens", 24, "--constraint", "block")
    )
    assert re.match(r"```python\n((?!`).*\n)*?def f\(x\):\n", candidate["completion"]["text"]), (
        candidate
    )
