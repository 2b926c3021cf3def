"""Which rows are asked about, and what becomes of the answers."""

import csv
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("numba")

from llm_erm.errors import InputError
from llm_erm.rulelists.answers import read_answers, write_answers
from llm_erm.rulelists.asking import most_telling
from llm_erm.rulelists.division import divide
from llm_erm.rulelists.settings import TableSettings
from llm_erm.tables.answers import Answers
from llm_erm.tables.columns import Labelled, NumberColumn, Table
from llm_erm.tables.reading import load
from llm_erm.tables.unlabelled import waiting_rows

ROWS = 40
SETTINGS = TableSettings(max_conditions=2)


def halves(**more: object) -> Labelled:
    """Rows with ``x`` below 20 or above 30, and labels that say which."""
    x = np.where(np.arange(ROWS) % 2 == 1, np.arange(ROWS) % 10 + 30, np.arange(ROWS) % 10 + 10)
    labels = np.where(x > 25, "yes", "no")
    return load({"x": x, **more, "label": labels}, "label")


def numbers(**columns: object) -> Table:
    made = [NumberColumn(name, np.array(v, float), False) for name, v in columns.items()]
    return Table(tuple(made), len(made[0].values))


def test_the_middle_of_the_gap_tells_most():
    asked = most_telling(halves(), SETTINGS, numbers(x=[12, 20, 25, 30, 38]))
    assert asked.tolist()[0] == 2
    assert set(asked.tolist()) <= {1, 2, 3}


def test_rows_on_which_columns_disagree_are_asked_about_one_of_each_kind():
    y = np.where(np.arange(ROWS) % 2 == 1, 9, 1)
    rows = numbers(x=[12, 12, 12, 38, 38, 38], y=[1, 9, 9, 1, 1, 9])
    assert sorted(most_telling(halves(y=y), SETTINGS, rows).tolist()) == [1, 3]


def test_no_more_rows_than_asked_for():
    rows = numbers(x=np.linspace(19, 31, 100))
    assert len(most_telling(halves(), SETTINGS, rows, most=2)) == 2


def test_nothing_is_asked_where_all_agree():
    assert most_telling(halves(), SETTINGS, numbers(x=[12, 12, 38])).tolist() == []


def test_rows_checked_on_shape_no_question():
    random = np.random.default_rng(3)
    columns = {"x": random.normal(size=ROWS), "y": random.normal(size=ROWS)}
    labels = np.where(columns["x"] + 0.3 * random.normal(size=ROWS) > 0, "yes", "no")
    data = load({**columns, "label": labels}, "label")
    rows = numbers(x=random.normal(size=200), y=random.normal(size=200))
    learning = divide(data, SETTINGS).learning
    flipped = np.where(learning, data.labels, 1 - data.labels).astype(np.int32)
    asked = [most_telling(one, SETTINGS, rows) for one in (data, replace(data, labels=flipped))]
    assert asked[0].tolist() == asked[1].tolist()
    assert len(asked[0]) == 5


def part(labelled: int = 30) -> dict[str, list[str]]:
    texts = [str(number % 7) for number in range(ROWS)]
    labels = [("no", "yes")[number % 2] if number < labelled else "" for number in range(ROWS)]
    return {"name": [f"n{number}" for number in range(ROWS)], "x": texts, "label": labels}


def answers(table: dict[str, list[str]], **labels: str) -> Answers:
    rows = {}
    for row, label in labels.items():
        number = int(row[1:])
        cells = {name: cells[number - 1] for name, cells in table.items()}
        rows[number] = cells | {"label": label}
    return Answers("answers.csv", rows)


def test_rows_that_were_asked_about_are_learned_from_and_change_no_other_row():
    table = part()
    plain = load(table, "label", columns=["x"])
    data = load(table, "label", columns=["x"], answers=answers(table, r40="yes", r32="no"))
    assert data.row_numbers.tolist() == [*range(1, 31), 32, 40]
    assert data.asked.tolist() == [False] * 30 + [True] * 2
    assert [data.schema.classes[label] for label in data.labels[-2:]] == ["no", "yes"]
    for seed in range(5):
        settings = TableSettings(seed=seed)
        learning = divide(data, settings).learning
        assert learning[:30].tolist() == divide(plain, settings).learning.tolist()
        assert learning[30:].all()


def test_rows_that_were_asked_about_are_in_every_sample():
    table = part()
    plain = load(table, "label", columns=["x"], max_rows=10)
    data = load(table, "label", columns=["x"], max_rows=10, answers=answers(table, r35="yes"))
    assert data.row_numbers.tolist() == [*plain.row_numbers.tolist(), 35]


def test_row_that_has_its_label_by_now_is_still_no_draw():
    table = part()
    asked = answers(table, r31="no")
    table["label"][30] = "no"
    assert load(table, "label", answers=asked).asked.tolist() == [False] * 30 + [True]


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [("x", "99", "'99' in 'x'"), ("label", "yes", "'yes' in 'label'")],
)
def test_answers_about_other_rows_are_refused(column, value, told):
    table = part()
    asked = answers(table, r31="no")
    table[column][30] = value
    with pytest.raises(InputError, match=f"Row 31 of .* has {told}, but in answers.csv"):
        load(table, "label", answers=asked)


@pytest.mark.parametrize("answer", ["maybe", "", " ? ", "No"])
def test_answer_that_is_no_class_of_the_table_is_refused(answer):
    table = part()
    told = rf"In answers.csv, row 31 has {answer!r} in 'label', .*: no and yes; correct"
    with pytest.raises(InputError, match=told.replace("?", "[?]")) as raised:
        load(table, "label", answers=answers(table, r31=answer))
    assert raised.value.setting == "answered"


def test_answer_may_be_a_class_of_rows_outside_the_sample():
    table = part()
    table["label"][7] = "rare"
    asked = answers(table, r31="rare")
    kept = load(table, "label", max_rows=10, answers=asked)
    assert 8 not in kept.row_numbers
    assert kept.schema.classes[kept.labels[-1]] == "rare"


def test_answer_for_a_row_that_is_not_there_is_refused():
    table = part()
    asked = Answers("answers.csv", {77: {"label": "no"}})
    with pytest.raises(InputError, match=r"answer for row 77, but .* has 40 rows"):
        load(table, "label", answers=asked)


def test_rows_without_a_label_wait_until_they_are_answered():
    table = part()
    asked = answers(table, r33="no")
    waiting = waiting_rows(table, load(table, "label").schema, asked, 4)
    assert waiting.row_numbers.tolist() == [31, 32, 34, 35]
    assert waiting.cells[2] == {"name": "n33", "x": "5", "label": ""}
    assert waiting.table.n_rows == 4
    assert waiting.names == ("name", "x", "label")


def test_file_of_answers_holds_them_and_no_formula(tmp_path):
    path = tmp_path / "answers.csv"
    names = ["=note", "row", "depth", "label"]
    rows = {
        7: {"=note": "=1+1", "row": "'quoted'", "depth": "-5", "label": "-yes"},
        3: {"=note": "a,\nb", "row": "", "depth": "'-5", "label": "'=no"},
    }
    write_answers(path, Answers(str(path), rows), names)
    assert read_answers(path, "label").rows == rows
    with path.open(newline="") as file:
        cells = [cell for line in csv.reader(file) for cell in line]
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))] == ["-5"]
    assert read_answers(tmp_path / "none.csv", "label").rows == {}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "there is no column 'label'"),
        ("row,other\n1,x\n", "there is no column 'label'"),
        ("label,row\n1,no\n", "there is no column 'label'"),
        ("row,label\nx,no\n", "its first column holds no row numbers, but 'x'"),
        ("row,label\n-1,no\n", "its first column holds no row numbers, but '-1'"),
        ("row,label\n1\n", "a row has 1 cell, not 2"),
        ('row,label\n1,"no', "unexpected end of data"),
    ],
)
def test_file_that_holds_no_answers_is_named(tmp_path, text, why):
    path = tmp_path / "answers.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"answers.csv does not hold .* 'label' \({why}\); name"):
        read_answers(path, "label")
