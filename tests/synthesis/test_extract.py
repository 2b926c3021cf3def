"""The program is found in every form that models answer in, and its absence is named."""

import json
import time

import pytest

from llm_erm.llms.llm import Completion
from llm_erm.synthesis.extract import extract_source

PARITY = "def f(x):\n    return x.count('1') % 2"
OTHER = "def f(x):\n    return 0"


def source(text: str, **kwargs) -> str | None:
    return extract_source(Completion(1, text, **kwargs))[0]


def reason(text: str, **kwargs) -> str | None:
    found, why = extract_source(Completion(1, text, **kwargs))
    assert found is None
    return why


def as_json(code: str) -> str:
    return json.dumps({"code": code})


@pytest.mark.parametrize(
    "text",
    [
        as_json(PARITY),
        f"The rule is parity.\n{as_json(PARITY)}\nI am sure.",
        f"```json\n{as_json(PARITY)}\n```",
        as_json(f"```python\n{PARITY}\n```"),
        f"{as_json(OTHER)} or rather {as_json(PARITY)}",
        '{"code": "def f(x):\n    return x.count(\'1\') % 2"}',
        json.dumps({"why": {"a": 1}, "code": PARITY, "sure": {"b": 2}}),
        f"<think>maybe {as_json(OTHER)}</think>{as_json(PARITY)}",
        f"{as_json(OTHER)}</think>\n{as_json(PARITY)}",
        f"Here it is:\n```python\n{PARITY}\n```\nDone.",
        f"```\n{OTHER}\n```\nBetter:\n```py\n{PARITY}\n```",
        f"1. First\n   ```python\n   {PARITY.replace(chr(10), chr(10) + '   ')}\n   ```",
        PARITY,
        f"Sure!\n\n{PARITY}\n\nThis counts the ones.",
        f'{{"note": "no code here"}}\n{PARITY}',
        f"From what I see\nfrom the examples the rule is clear:\n\n{PARITY}",
        f"class 1 means odd.\nimport is not needed here.\n\n{PARITY}",
    ],
)
def test_every_form_gives_the_program(text):
    assert source(text) == PARITY


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
        ('{"code": "def f(x): return 1"', {}, "bad JSON"),
        ("It looks random to me.", {}, "no code"),
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
