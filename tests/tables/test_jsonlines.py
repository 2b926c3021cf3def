"""JSON Lines, and examples whose inputs are objects."""

import json

import pytest

from llm_erm.tables import jsonlines
from llm_erm.tables.sources import open_source


def test_cells_are_as_they_are_written(read):
    loaded = read(
        '{"n": 1.50, "s": "x", "b": true, "y": 1.0}\n\n{"s": null, "b": false, "n": 2, "y": 1}\n'
        '{"n": NaN, "late": [1, {"k": "é"}], "s": " z ", "y": "1"}\n'
    )
    columns = {column.name: column for column in loaded.table.columns}
    assert loaded.schema.classes == ("1", "1.0")
    assert loaded.labels.tolist() == [1, 0, 0]
    assert columns["n"].values[:2].tolist() == [1.5, 2]
    assert columns["s"].levels == ("x", "z")
    assert columns["b"].levels == ("false", "true")
    assert columns["b"].codes.tolist() == [1, 0, -1]
    assert columns["late"].levels == ('["1", {"k": "é"}]',)
    assert columns["late"].codes.tolist() == [-1, -1, 0]


def test_a_label_after_an_arrow_is_the_target(read):
    loaded = read('{"age": 31, "plan": "a"} -> 1\n{"age": 40, "plan": "b"} -> 0\n', target="gone")
    assert loaded.schema.classes == ("0", "1")
    assert loaded.labels.tolist() == [1, 0]
    assert [column.name for column in loaded.table.columns] == ["age", "plan"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0101 -> 1\n0011 -> 0\n", "learn from texts with `llm-erm enumerate --task-file`"),
        ('{"y": 1} -> 1\n', "line 1: the object holds the target 'y', but a label also follows it"),
        ('{"y": 1}\n{"y": 1, "a": 2, "a": 3}\n', "line 2: two values for 'a'"),
        ('{"y": 1}\n{"a": 1, " a": 3}\n', "line 2: two columns are called 'a'"),
        ('{"y": 1}\n{"y": \n', "line 2: not valid JSON"),
        ('{"y": 1}\n[1]\n', "line 2: '[1]' is not a JSON object"),
        ('{"y": 1} {"y": 2}\n', "line 1: '{\"y\": 2}' follows the object"),
        ('{"y": ' + "[" * 100_000 + "\n", "line 1: not valid JSON (nested too deeply)"),
        ('[{"y": 1}]', "is one JSON array; write one object per line"),
    ],
)
def test_malformed_lines_are_refused(refusal, text, said):
    assert said in refusal(text)


def test_a_file_of_blank_lines_is_empty(refusal):
    assert "is empty" in refusal("\n\n", name="data.jsonl")


def test_more_keys_than_a_table_may_have_columns_are_refused(refusal):
    first, second = ({f"k{i}": 1 for i in keys} for keys in (range(5001), range(5001, 10_001)))
    lines = [json.dumps(row | {"y": index}) for index, row in enumerate((first, second))]
    assert "Cannot read the 10,002 columns of" in refusal("\n".join(lines))
    apart = f"{lines[0]}\n" * 30 + lines[1]
    assert "at most 10,000 can be read, so leave some out." in refusal(apart)


@pytest.mark.parametrize("limit", ["CHUNK_CHARACTERS", "CHUNK_CELLS"])
def test_rows_are_read_a_few_at_a_time(write, monkeypatch, limit):
    monkeypatch.setattr(jsonlines, limit, 500)
    lines = "".join(f'{{"a": "{"x" * 90}", "y": {index}}}\n' for index in range(200))
    chunks = list(open_source(write(lines), [], "y").chunks)
    assert [number for chunk in chunks for number in chunk.row_numbers] == list(range(1, 201))
    assert max(map(len, chunks[1:])) <= 50


def test_halves_of_characters_are_escaped(read):
    loaded = read('{"a": "\\ud800", "y": 1}\n{"a": "b", "y": 2}\n')
    assert loaded.table.columns[0].levels == ("\\ud800", "b")
