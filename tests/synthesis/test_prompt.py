"""The prompt stays as it is unless changed on purpose, and shows training examples alone."""

from pathlib import Path

import pytest

from llm_erm.synthesis.prompt import build_prompt
from llm_erm.tasks.task import Dataset

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        ("binary", ("0110", "1010")),
        ("decimal", ("1009", "1011")),
        ("graph", ("u01v02u02v01", "u01v02u02v03")),
        ("text", ("abba", "abab")),
        ("table", ({"age": 3, "name": "a"}, {"age": None, "name": "b"})),
    ],
)
def test_the_prompt_is_the_golden_one(kind, inputs):
    prompt = build_prompt(Dataset(inputs, (1, 0)), kind, 4)
    assert prompt == (GOLDEN / f"prompt-{kind}.txt").read_text()


def test_a_block_is_asked_for_by_another_form_of_the_answer_alone():
    data = Dataset(("0110", "1010"), (1, 0))
    head, json_form = build_prompt(data, "binary", 4).split("# Answer\n")
    assert build_prompt(data, "binary", 4, block=True) == (
        f"{head}# Answer\nReply with one fenced block of Python code and nothing else:\n"
        "```python\ndef f(x):\n    ...\n```\n"
    )
    assert "JSON" in json_form
