"""Rows are written again as they were, each with the class that the rule gives it."""

import csv
import io
import json

import pytest

from llm_erm.errors import InputError
from llm_erm.rulelists.predictions import Predictions
from llm_erm.rulelists.rule import Above, Among, Line, RuleList
from llm_erm.tables.columns import ColumnSchema
from made_rules import HOSTILE, learned

AGE = ColumnSchema("age", "number")
PLAN = ColumnSchema("plan", "category", ("basic", "gold"))
EXTRA = ColumnSchema("unused", "number")
RULE = RuleList((Line((Among("plan", ("basic",)), Above("age", 31.5)), 1),), 0, ("no", "yes"))
KNOWN = learned(RULE, (AGE, PLAN, EXTRA), "churned")


def predicted(tmp_path, text: str | bytes, suffix: str = ".csv", rule=KNOWN):
    path = tmp_path / f"rows{suffix}"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    predictions = Predictions(rule, path)
    return "".join(predictions.texts()), predictions


def test_delimited_rows_get_two_cells_more(tmp_path):
    text, done = predicted(tmp_path, 'plan,note,age\nbasic,"a, b",40\ngold,,50\n basic ,"x\ny",\n')
    assert text == (
        "plan,note,age,churned_predicted,churned_line\n"
        'basic,"a, b",40,yes,1\n'
        "gold,,50,no,2\n"
        'basic ,"x\ny",,no,2\n'
    )
    assert (done.rows, done.labelled, done.wrong) == (3, 0, 0)
    assert done.notices() == ()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_stays(tmp_path, delimiter):
    rows = [["plan", "age", "note"], ["basic", "40", f"a{delimiter}b"]]
    text = "\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows)
    found, _ = predicted(tmp_path, text)
    written = list(csv.reader(io.StringIO(found), delimiter=delimiter))
    assert written == [
        [*rows[0], "churned_predicted", "churned_line"],
        [*rows[1], "yes", "1"],
    ]


def test_labels_are_counted(tmp_path):
    rows = "plan,age,churned\nbasic,40,yes\nbasic,40, no\ngold,1,no\ngold,1,NA\ngold,1,never\n"
    _, done = predicted(tmp_path, rows)
    assert (done.rows, done.labelled, done.wrong) == (5, 4, 2)
    assert done.notices() == (
        "1 label that the rule's data did not have ('never') counts as wrong.",
    )


def test_columns_of_the_same_names_stay(tmp_path):
    rows = "churned_predicted,plan,age,churned_line\nyes,basic,40,7\n"
    text, done = predicted(tmp_path, rows)
    assert done.names == ("churned_predicted (2)", "churned_line (2)")
    assert text.splitlines()[1] == "yes,basic,40,7,yes,1"


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "+cmd|' /C calc'!A0",
        "-2+cmd()",
        "@SUM(A1)",
        "'=1",
        "\t=1",
        " =1",
        "＝1",
        "=",
        "--",
        "+-1a",
    ],
)
def test_no_cell_is_executed_by_a_spreadsheet(tmp_path, cell):
    rows = io.StringIO(newline="")
    csv.writer(rows, quoting=csv.QUOTE_ALL).writerows([["plan", "age", cell], ["gold", "1", cell]])
    text, done = predicted(tmp_path, rows.getvalue())
    header, row = csv.reader(io.StringIO(text, newline=""))
    assert row[2] == f"'{cell}"
    assert header[2] == f"'{cell.strip()}"
    assert done.notices() == (
        "2 cells that a spreadsheet would take for formulas now begin with an apostrophe.",
    )


def test_spaces_after_a_delimiter_are_no_part_of_a_cell_without_quotation_marks(tmp_path):
    text, _ = predicted(tmp_path, 'plan, age, x, y\ngold, 1, =1 ," =1 "\ngold, 1, a ," a "\n')
    assert text.splitlines()[1:] == ["gold,1,'=1 ,' =1 ,no,2", "gold,1,a , a ,no,2"]


def test_classes_and_the_target_are_not_executed_either(tmp_path):
    rule = learned(RuleList((), 0, ("=cmd()", "b")), (AGE,), "=target")
    text, done = predicted(tmp_path, "age,x\n1,2\n", rule=rule)
    assert text == "age,x,'=target_predicted,'=target_line\n1,2,'=cmd(),1\n"
    assert "3 cells" in done.notices()[0]


@pytest.mark.parametrize(
    "cell", ["-5", "+3", "-1.5e-3", "-1,234.50", "-.5", "-5%", "-", "a=b", "'s"]
)
def test_numbers_and_all_else_stay(tmp_path, cell):
    text, done = predicted(tmp_path, f'plan,age,x\ngold,1,"{cell}"\n')
    assert next(csv.reader([text.splitlines()[1]]))[2] == cell
    assert done.notices() == ()


@pytest.mark.parametrize("cell", [one for one in HOSTILE if "\n" not in one])
def test_hostile_cells_come_back(tmp_path, cell):
    rows = io.StringIO(newline="")
    csv.writer(rows, quoting=csv.QUOTE_ALL).writerows([["plan", "age", "x"], ["gold", "1", cell]])
    text, _ = predicted(tmp_path, rows.getvalue())
    _, row = csv.reader(io.StringIO(text, newline=""))
    assert row[2] in (cell, f"'{cell}")


def test_line_ends_within_cells_come_back(tmp_path):
    text, _ = predicted(tmp_path, 'plan,age,x\ngold,1,"a\rb"\ngold,1,"a\r\nb"\n')
    _, first, second = csv.reader(io.StringIO(text, newline=""))
    assert (first[2], second[2]) == ("a\rb", "a\r\nb")


def test_objects_get_two_members_more(tmp_path):
    lines = [
        '{"plan": "basic", "age": 40.10, "big": 12345678901234567890123}',
        '  {"age":50,"plan":"gold","note":"a -> b }"}  ',
        '{"plan": "basic", "age": 99} -> yes',
        "{}",
        "",
        '{"plan": "basic", "age": 99, "churned": "no"}',
    ]
    text, done = predicted(tmp_path, "\n".join(lines), ".jsonl")
    assert text.splitlines() == [
        lines[0][:-1] + ', "churned_predicted": "yes", "churned_line": 1}',
        lines[1].strip()[:-1] + ', "churned_predicted": "no", "churned_line": 2}',
        lines[2][:-8] + ', "churned_predicted": "yes", "churned_line": 1} -> yes',
        '{"churned_predicted": "no", "churned_line": 2}',
        lines[5][:-1] + ', "churned_predicted": "yes", "churned_line": 1}',
    ]
    assert (done.labelled, done.wrong) == (2, 1)


@pytest.mark.parametrize("classes", [("0", "1"), ("false", "true"), ("-1.5", "2e3")])
def test_classes_that_are_values_of_json_are_written_as_such(tmp_path, classes):
    rule = learned(RuleList((), 1, classes), (AGE,), "churned")
    text, _ = predicted(tmp_path, '{"age": 1}\n', ".jsonl", rule)
    assert json.loads(text)["churned_predicted"] == json.loads(classes[1])


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_classes_are_texts_of_json(tmp_path, name):
    rule = learned(RuleList((), 0, (name, "b")), (AGE,), name)
    text, _ = predicted(tmp_path, '{"age": 1}\n', ".jsonl", rule)
    (line,) = text.rstrip("\n").split("\n")
    assert json.loads(line) == {"age": 1, f"{name}_predicted": name, f"{name}_line": 1}


def test_a_later_object_must_not_have_the_new_key(tmp_path):
    rows = ['{"plan": "gold", "age": 1}'] * 60_000 + ['{"churned_line": 3}']
    with pytest.raises(InputError, match=r"after row [0-9,]+ has the key 'churned_line'"):
        predicted(tmp_path, "\n".join(rows), ".jsonl")


def test_a_column_that_the_rule_needs_must_be_there_and_others_need_not(tmp_path):
    text, _ = predicted(tmp_path, "plan,age\nbasic,40\n")
    assert text.endswith("basic,40,yes,1\n")
    with pytest.raises(InputError, match="no column 'age'"):
        predicted(tmp_path, "plan,unused\nbasic,40\n")


def test_a_table_in_memory_becomes_csv():
    predictions = Predictions(KNOWN, {"plan": ["basic", None], "age": [40.0, float("nan")]})
    assert "".join(predictions.texts()) == (
        "plan,age,churned_predicted,churned_line\nbasic,40,yes,1\n,,no,2\n"
    )
