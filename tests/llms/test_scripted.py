"""The scripted model: sample i is answer i, and a file that is none is an InputError."""

import asyncio
import json

import pytest

from llm_erm.errors import InputError
from llm_erm.llms.llm import Request
from llm_erm.llms.scripted import ScriptedLLM


def texts(llm, first, last):
    async def collect():
        return [c async for c in llm.complete(Request("", range(first, last + 1)))]

    return [(c.index, c.text) for c in asyncio.run(collect())]


def test_each_sample_gets_its_answer_and_the_last_one_repeats():
    llm = ScriptedLLM(["a", "b", "c"])
    assert texts(llm, 1, 5) == [(1, "a"), (2, "b"), (3, "c"), (4, "c"), (5, "c")]


def test_a_later_start_changes_no_sample():
    llm = ScriptedLLM(["a", "b", "c"])
    assert texts(llm, 2, 4) == texts(llm, 1, 4)[1:]


def test_the_name_is_that_of_the_file(tmp_path):
    path = tmp_path / "answers.json"
    path.write_text(json.dumps(["é"]), encoding="utf-8")
    llm = ScriptedLLM.from_file(path)
    assert llm.name == "scripted:answers.json"
    assert texts(llm, 1, 1) == [(1, "é")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1}', "not a JSON list of strings"),
        (b'["a", 1]', "not a JSON list of strings"),
        (b"[]", "is empty"),
        (b"def f", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
    ],
)
def test_a_file_without_a_list_of_texts_is_refused(tmp_path, content, message):
    path = tmp_path / "answers.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        ScriptedLLM.from_file(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        ScriptedLLM.from_file(tmp_path / "none.json")


def test_no_answers_are_refused():
    with pytest.raises(InputError, match="needs answers"):
        ScriptedLLM([])
