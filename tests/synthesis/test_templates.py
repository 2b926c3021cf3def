"""Prompts of the user's own."""

import json

import pytest

from llm_erm.errors import InputError
from llm_erm.llms.scripted import ScriptedLLM
from llm_erm.synthesis.method import Synthesis
from llm_erm.synthesis.prompt import build_prompt
from llm_erm.synthesis.settings import SynthesisSettings
from llm_erm.synthesis.templates import fill, read_prompts
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.task import Dataset

DATA = Dataset(("01", "10"), (1, 0))


def test_gaps_are_filled_and_all_other_braces_stay():
    template = 'x is {inputs}; {"a": {1}} {other}\n{examples}\n{answer}'
    prompt = build_prompt(DATA, "binary", 2, block=True, template=template)
    assert prompt == (
        'x is a string of 2 binary digits (each character is 0 or 1); {"a": {1}} {other}\n'
        "01 -> 1\n10 -> 0\nReply with one fenced block of Python code and nothing else:\n"
        "```python\ndef f(x):\n    ...\n```"
    )


def test_what_fills_a_gap_is_not_filled_again():
    assert fill("{examples}", examples="{answer}", inputs="", answer="x") == "{answer}"


def test_the_names_of_columns_are_part_of_what_inputs_are():
    rows = Dataset(("x0:1.00,x1:c0",), (1,))
    prompt = build_prompt(rows, "row", 2, columns=("age", "workclass"))
    assert "The columns are: x0 is age, x1 is workclass." in prompt
    assert "workclass" not in build_prompt(rows, "row", 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read as JSON"),
        ("[]", "holds no prompts"),
        ("{}", "holds no prompts"),
        ('{"a": 1}', "holds no prompts"),
        ('{"a": "{answer}"}', "'a' has no {examples}"),
        ('{"a": "{examples} {examples}"}', "has {examples} 2 times"),
        ('{"a/b": "{examples}"}', "A prompt is called 'a/b'"),
        ('{"": "{examples}"}', "A prompt is called ''"),
        ('{"a": "{examples}", "a": "{examples}"}', "two prompts have the same name"),
        ("[" * 100_000, "cannot be read as JSON"),
    ],
)
def test_a_file_without_usable_prompts_is_refused(tmp_path, text, said):
    path = tmp_path / "prompts.json"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_prompts(path)
    assert said in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_prompts(tmp_path / "nothing.json")


def test_prompts_are_read(tmp_path):
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps({"a": "{examples}"}), encoding="utf-8-sig")
    assert read_prompts(path) == {"a": "{examples}"}


def test_every_prompt_has_a_search_of_its_own_on_every_data_set():
    method = Synthesis(
        llm=ScriptedLLM(["1"]),
        settings=SynthesisSettings(2),
        prompts={"a": "{examples}", "b": "{answer} {examples}"},
    )
    jobs = method.jobs([DataSpec(function="fn_a", length=n) for n in (8, 9)])
    assert [(job.spec.length, job.variant) for job in jobs] == [
        (8, "prompt=a"),
        (8, "prompt=b"),
        (9, "prompt=a"),
        (9, "prompt=b"),
    ]
    assert [method.settings_of(job).prompt for job in jobs[:2]] == [
        "{examples}",
        "{answer} {examples}",
    ]
