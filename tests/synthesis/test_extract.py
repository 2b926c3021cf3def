"""The program is found in every form that models answer in, and its absence is named."""

import json
import time

import pytest

from llm_erm.llms.llm import Completion
from llm_erm.synthesis.extract import extract_source
from synthesis.answer_forms import ASKED, CHOSEN, FORMS, OTHER, PARITY, WHOLE, as_json, fence


def source(text: str, **kwargs) -> str | None:
    return extract_source(Completion(1, text, **kwargs))[0]


def reason(text: str, **kwargs) -> str | None:
    found, why = extract_source(Completion(1, text, **kwargs))
    assert found is None
    return why


@pytest.mark.parametrize("text", CHOSEN.values(), ids=CHOSEN)
def test_neither_a_test_nor_a_stub_nor_the_placeholder_is_taken_for_the_program(text):
    assert source(text) == PARITY


@pytest.mark.parametrize("code", WHOLE.values(), ids=WHOLE)
def test_a_block_that_parses_is_the_program(code):
    for text in (fence(code), as_json(code), f"```\n{code}", as_json(fence(code))):
        assert source(text) == code


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_every_form_gives_a_program_that_the_sandbox_can_call(text):
    names: dict[str, object] = {"__name__": "candidate"}
    exec(source(text), names)
    function = names.get("f") or names["solve"]
    assert [function(x) for x in ("0110", "1000", "", "111")] == [0, 1, 0, 1]


@pytest.mark.parametrize(
    "text",
    [
        as_json(PARITY),
        f"The rule is parity.\n{as_json(PARITY)}\nI am sure.",
        f"{as_json(OTHER)} or rather {as_json(PARITY)}",
        '{"code": "def f(x):\n    return x.count(\'1\') % 2"}',
        json.dumps({"why": {"a": 1}, "code": PARITY, "sure": {"b": 2}}),
        f'{{"note": "no code here"}}\n{PARITY}',
        PARITY,
    ],
)
def test_the_program_is_returned_as_it_was_written(text):
    assert source(text) == PARITY


def test_of_equals_the_last_counts_and_json_before_fences():
    assert source(fence(OTHER) + fence(PARITY)) == PARITY
    assert source(as_json(OTHER) + as_json(PARITY)) == PARITY
    assert source(as_json(PARITY) + fence(OTHER)) == PARITY
    assert source(as_json(OTHER.replace("f(", "g(")) + fence(PARITY)) == PARITY


def test_only_blocks_that_are_needed_are_joined():
    helper, used = fence("def ones(x):\n    return 1"), fence("print(f('1'))\nlimit = 3")
    assert source(helper + fence(PARITY) + used) == PARITY


def test_a_list_of_lines_that_does_not_end_is_no_program():
    lines = '{"code": ["def f(x):", "    n = 0", "    for c in x: n += c == "1"", "    return n"]}'
    assert source(lines) is None


def test_code_that_is_cut_short_is_no_program():
    for text in (f"```python\n{PARITY}", as_json(PARITY)[:-2], PARITY, "`f = lambda x: 1"):
        assert reason(text, finish_reason="length").startswith("truncated")
    assert source(f"{fence(PARITY)}\nFor exam", finish_reason="length") == PARITY


def test_bare_code_keeps_its_imports_constants_and_helpers():
    code = (
        "import re\nSIZE = 2\n\ndef g(x):\n    return len(x)\n\ndef f(x):\n    return g(x) % SIZE"
    )
    assert source(f"The code:\n{code}\nIt works.") == code
    constants_first = "SIZE = 2\n\ndef f(x):\n    return len(x) % SIZE"
    assert source(f"The code:\n{constants_first}") == constants_first


def test_a_lambda_is_a_program():
    assert source("f = lambda x: 1") == "f = lambda x: 1"


def test_broken_python_in_json_is_kept_for_the_sandbox_to_judge():
    assert source(as_json("def f(x) return 1")) == "def f(x) return 1"


@pytest.mark.parametrize(
    ("text", "keywords", "start"),
    [
        ("", {}, "empty"),
        (" \n", {}, "empty"),
        ("<think>so far", {}, "truncated"),
        ('{"code": "def f(x):\\n    ret', {"finish_reason": "length"}, "truncated"),
        ("def f(x):\n    y = 1\n    ret", {"finish_reason": "length"}, "truncated"),
        ('{"code": "def f(x) return 1"', {}, "bad JSON"),
        ("It looks random to me.", {}, "no code"),
        (ASKED, {}, "no code: the answer holds only the placeholder"),
        ('{"code": ["<python function>"]}', {}, "no code: the answer holds only the placeholder"),
        (fence("def test_f():\n    assert f('1')"), {}, "no code"),
        ('{"code": ""}', {}, "bad JSON"),
        ('{"code": 7}', {}, "bad JSON"),
        ("", {"finish_reason": "refusal", "error": "I cannot"}, "refusal: I cannot"),
        (as_json(PARITY), {"finish_reason": "error", "error": "timed out"}, "error: timed out"),
    ],
)
def test_the_reason_for_no_program_is_named(text, keywords, start):
    assert reason(text, **keywords).startswith(start)


def test_a_whole_program_before_the_token_limit_counts():
    assert source(as_json(PARITY) + " and then", finish_reason="length") == PARITY


@pytest.mark.parametrize(
    "text",
    [
        *('{"a":' * 100_000, "{" * 100_000, "def f(x):\n" + " (" * 100_000, "[" * 100_000),
        *("```" + " " * 200_000, "@a\n" * 7_000, "```\n" * 50_000 + "@a\n" * 7_000),
    ],
    ids=lambda text: text[:12],
)
def test_text_without_end_or_sense_ends_in_a_reason_soon(text):
    began = time.process_time()
    assert reason(text)
    assert time.process_time() - began < 20


def test_a_program_after_endless_blank_lines_is_found_soon():
    began = time.process_time()
    assert source("\n" * 200_000 + PARITY) == PARITY
    assert time.process_time() - began < 15
