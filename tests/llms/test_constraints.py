"""What answers must match goes to each server in its own words."""

import asyncio
import re
from typing import Any, get_args

import pytest

from api_server import Api, Call, Reply, serving
from llm_erm import Synthesis
from llm_erm.errors import InputError
from llm_erm.llms.llm import Completion, Request
from llm_erm.llms.models import model
from llm_erm.llms.providers import PROVIDERS, Constraint
from llm_erm.llms.scripted import ScriptedLLM
from llm_erm.synthesis.settings import SynthesisSettings
from llms.faults import ANSWER
from responses_server import error

GRAMMAR = 'root ::= "a"'
SCHEMA = {"type": "object", "properties": {"code": {"type": "string"}}}
RESPONSE_FORMAT = {
    "type": "json_schema",
    "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
}
SERVERS = ("chat", "ollama", "vllm")


def ask(name: str, reply=lambda call: Reply(ANSWER), **asked: Any) -> tuple[Api, list[str]]:
    """Asks a server twice; returns what it got, and what was found out about it."""

    async def answers(url: str) -> tuple[list[Completion], list[str]]:
        llm = model(f"{name}:m", api_key="key", base_url=url, retries=0)
        try:
            request = Request("p", indices=(1, 2), **asked)
            return [one async for one in llm.complete(request)], llm.news()
        finally:
            await llm.aclose()

    with serving(reply) as api:
        found, news = asyncio.run(answers(f"{api.url}/v1"))
    assert [one.text for one in found] == ["hello", "hello"]
    return api, news


def added(name: str, **asked: Any) -> dict[str, Any]:
    """The parameters of a call that a free one does not have."""
    (free, _), (held, _) = ask(name), ask(name, **asked)
    plain = free.calls[0].body
    assert plain.items() <= held.calls[0].body.items()
    return {key: held.calls[0].body[key] for key in held.calls[0].body.keys() - plain.keys()}


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("chat", {"grammar": GRAMMAR}), ("vllm", {"structured_outputs": {"grammar": GRAMMAR}})],
)
def test_a_grammar_is_sent_as_the_server_takes_it(name, parameters):
    assert added(name, grammar=GRAMMAR) == parameters


@pytest.mark.parametrize("name", SERVERS)
def test_a_schema_is_sent_as_openai_defined_it(name):
    assert added(name, json_schema=SCHEMA) == {"response_format": RESPONSE_FORMAT}


@pytest.mark.parametrize(
    ("name", "asked", "parameter"),
    [
        ("chat", {"grammar": GRAMMAR}, "grammar"),
        ("vllm", {"grammar": GRAMMAR}, "structured_outputs"),
        ("ollama", {"json_schema": SCHEMA}, "response_format"),
    ],
)
@pytest.mark.parametrize(
    "said", ["Unrecognized request argument supplied: {}", "This {} type is unavailable now"]
)
def test_a_server_that_lacks_it_is_asked_without_and_that_is_said_once(
    name, asked, parameter, said
):
    def reply(call: Call) -> Reply:
        if parameter in call.body:
            return Reply(error(said.format(parameter), "invalid_request_error"), 400)
        return Reply(ANSWER)

    api, news = ask(name, reply, **asked)
    assert [parameter in call.body for call in api.calls] == [True, False, False]
    assert news == [
        f"m does not take {parameter}; it is asked without, so --constraint has no effect."
    ]


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_constraint_of_a_provider_is_taken_and_the_others_are_refused(name):
    row = PROVIDERS[name]
    assert row.usual("m", None).constraint in row.constraints
    for constraint in get_args(Constraint):
        if constraint in row.constraints:
            assert row.usual("m", constraint).constraint == constraint
        else:
            said = f"{name} cannot hold answers to the constraint {constraint}; give .*none"
            with pytest.raises(InputError, match=said) as raised:
                row.usual("m", constraint)
            assert raised.value.setting == "constraint"


def test_what_cannot_be_held_to_a_grammar_is_refused_from_python_too():
    with pytest.raises(InputError, match="ollama cannot hold .* block; give free-block, schema"):
        Synthesis.of("ollama:m", constraint="block")


def test_the_published_model_is_asked_for_json_and_held_to_nothing():
    assert PROVIDERS["openai"].usual(None, None).constraint == "none"


@pytest.mark.parametrize("constraint", get_args(Constraint))
def test_a_model_that_must_match_something_has_no_code_tool(constraint):
    settings = SynthesisSettings(1, constraint=constraint, code_tool=True)
    method = Synthesis(llm=ScriptedLLM(["none"]), settings=settings)
    if constraint in ("free-block", "none"):
        assert method.jobs([]) == []
    else:
        with pytest.raises(InputError, match=re.escape("free-block or none")):
            method.jobs([])
