"""The embedded model, for real: same samples again, resumable, within the grammar."""

import ast
import asyncio
import json
import re
from pathlib import Path

import pytest

from llm_erm import grammar
from llm_erm.errors import InputError, MissingExtraError
from llm_erm.llms import samples as samples_of
from llm_erm.llms import weights
from llm_erm.llms.llm import Completion, PromptRead, Request, State, Written
from llm_erm.llms.local import LocalLLM
from llm_erm.synthesis.prompt import BLOCK_GRAMMAR


@pytest.fixture(scope="module")
def llm():
    model = LocalLLM(threads=1, parallel=4)
    yield model
    asyncio.run(model.aclose())


def draw(llm: LocalLLM, first: int, last: int, **keywords) -> list[Completion]:
    continued = {"prompt": grammar.PROMPT, "grammar": grammar.gbnf(), "continued": True}
    asked = keywords if "prompt" in keywords else continued | keywords
    request = Request(**({"max_tokens": 64} | asked), indices=range(first, last + 1))

    async def collect() -> list[Completion]:
        return [completion async for completion in llm.complete(request)]

    return asyncio.run(collect())


@pytest.fixture(scope="module")
def samples(llm):
    return draw(llm, 1, 8, seed=3)


def texts(completions: list[Completion]) -> list[str]:
    return [completion.text for completion in completions]


def test_samples_come_in_order_within_the_grammar_and_are_paid_in_tokens(samples):
    assert [sample.index for sample in samples] == list(range(1, 9))
    finished = [sample for sample in samples if sample.finish_reason == "stop"]
    assert len(finished) >= 7
    for sample in finished:
        ast.parse(grammar.to_program(sample.text))
        assert sample.usage.completion_tokens > 0
        assert sample.usage.prompt_tokens > sample.usage.cached_tokens > 0
        assert sample.cost_usd == 0.0
        assert sample.latency_seconds > 0


def test_a_resumed_request_gives_the_samples_of_the_whole_one(llm, samples):
    assert texts(draw(llm, 6, 8, seed=3)) == texts(samples[5:])


def test_the_number_of_threads_changes_no_sample_of_the_embedded_model(samples):
    shared = LocalLLM(threads=2, parallel=4)
    try:
        assert texts(draw(shared, 1, 8, seed=3)) == texts(samples)
    finally:
        asyncio.run(shared.aclose())


def test_another_seed_gives_other_samples(llm, samples):
    assert texts(draw(llm, 1, 4, seed=4)) != texts(samples[:4])


def test_a_schema_is_kept_to(llm):
    schema = {
        "type": "object",
        "properties": {"code": {"type": "string", "maxLength": 20}},
        "required": ["code"],
        "additionalProperties": False,
    }
    (sample,) = draw(llm, 1, 1, prompt="Write code.", json_schema=schema)
    assert json.loads(sample.text).keys() == {"code"}


def test_a_grammar_holds_for_answers_in_the_chat_format(llm):
    (sample,) = draw(llm, 1, 1, prompt="Write code.", grammar='root ::= "```python" [a-z]{3} "```"')
    assert re.fullmatch("```python[a-z]{3}```", sample.text)
    for begun in draw(llm, 1, 4, prompt="Write code.", grammar=BLOCK_GRAMMAR):
        assert begun.text.startswith("```python\n")
        assert begun.text.count("```") == 1 + (begun.finish_reason == "stop")


def test_an_answer_cut_off_at_the_limit_says_so(llm):
    (sample,) = draw(llm, 1, 1, prompt="Count: 1 2 3", max_tokens=3)
    assert sample.finish_reason == "length"
    assert sample.usage.completion_tokens <= 3


def test_closing_early_stops_drawing(llm):
    async def first_of_many() -> str:
        request = Request(
            grammar.PROMPT,
            range(1, 10**6),
            grammar=grammar.gbnf(),
            continued=True,
            max_tokens=8,
        )
        completions = llm.complete(request)
        async for completion in completions:
            await completions.aclose()
            return completion.text
        raise AssertionError

    assert asyncio.run(first_of_many())


def test_a_prompt_beyond_the_context_is_refused_with_both_lengths():
    small = LocalLLM(threads=1, context_tokens=256)
    try:
        with pytest.raises(InputError, match="tokens, but .* can read at most"):
            draw(small, 1, 1, prompt="0110 " * 400)
    finally:
        asyncio.run(small.aclose())


@pytest.mark.parametrize("content", [b"", b"nonsense", b"GGUF", b"GGUF" + b"\0" * 1000])
def test_a_file_that_is_no_model_is_named(tmp_path, content):
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(InputError, match="model.gguf"):
        draw(LocalLLM(path, threads=1), 1, 1)


def test_what_is_not_installed_is_named_with_the_command(monkeypatch):
    monkeypatch.setattr(weights, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match="pip install"):
        LocalLLM()


def test_a_runtime_that_does_not_load_is_named_with_what_it_needs(monkeypatch):
    def fail(name):
        raise ImportError("libgomp.so.1: cannot open shared object file")

    monkeypatch.setattr(weights, "import_module", fail)
    with pytest.raises(MissingExtraError, match="libgomp.so.1.*apt-get install libgomp1"):
        LocalLLM()


@pytest.mark.parametrize("keywords", [{"threads": 0}, {"context_tokens": 0}, {"parallel": 0}])
def test_numbers_out_of_range_are_refused(keywords):
    with pytest.raises(InputError, match="1 or more"):
        LocalLLM(**keywords)


def test_a_missing_file_is_named():
    with pytest.raises(InputError, match="nowhere.gguf"):
        LocalLLM(Path("nowhere.gguf"))


def test_what_was_asked_before_changes_no_sample(llm, samples):
    draw(llm, 1, 8, prompt="def g(x):\n    return", max_tokens=8)
    assert texts(draw(llm, 1, 8, seed=3)) == texts(samples)


def test_a_long_prompt_is_told_part_by_part_and_once_for_all_copies():
    told: list[State] = []
    llm = LocalLLM(threads=2, parallel=1)
    try:
        (answer,) = draw(llm, 1, 1, prompt="01 " * 200, max_tokens=1, tell=told.append)
    finally:
        asyncio.run(llm.aclose())
    total = answer.usage.prompt_tokens
    assert told == [PromptRead(n, total) for n in (0, 512, total)]


def test_a_model_of_ones_own_tells_how_much_it_has_written(monkeypatch):
    monkeypatch.setattr(samples_of, "TELL_SECONDS", 0.0)
    told: list[State] = []
    llm = LocalLLM(weights.embedded(), threads=1, parallel=2)
    try:
        drawn = draw(llm, 1, 2, prompt="Count to nine.", max_tokens=5, tell=told.append)
    finally:
        asyncio.run(llm.aclose())
    written = [one for one in told if isinstance(one, Written)]
    assert {one.most for one in written[:-1]} == {10}
    tokens = [one.tokens for one in written[:-1]]
    assert tokens == sorted(tokens)
    assert 0 < tokens[-1] < 10, "the samples may yet be longer"
    assert written[-1] == Written(1, 1)
    assert len(drawn) == 2
