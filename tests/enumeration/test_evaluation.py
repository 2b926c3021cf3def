"""Programs of the language run in this process as they would in the sandbox."""

import numpy as np
import pytest

from llm_erm.enumeration.evaluation import OwnPrograms
from llm_erm.enumeration.terms import Term, to_expression, to_list, to_program
from llm_erm.execution import INVALID, Limits, Outputs
from llm_erm.sandbox import Sandbox

X = Term("x")
TEXTS = {
    "odd": Term("odd", (Term("count", (X,), ("1",)),)),
    "past the end": Term("character", (), (5, "1")),
    "no number": Term(
        "equals", (Term("binary_mod", (Term("drop_first", (X,), (3,)),), (5,)),), (0,)
    ),
    "brackets": Term("empty", (Term("cancel_one", (X,), (("01", "10"),)),), negated=True),
    "never": Term("never"),
}
ROWS = {
    "above": Term("above", (), ("a", 2.5)),
    "missing": Term("missing", (), ("a",), negated=True),
}


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as opened:
        yield opened


@pytest.mark.parametrize("name", [*TEXTS, *ROWS])
def test_answers_are_those_of_the_sandbox(name, sandbox):
    inputs = ["011", "010110", "1", "111011", "0000000"]
    if name in ROWS:
        inputs = [{"a": 3}, {"a": None}, {"a": 2}, {"a": "three"}, {"b": 1}]
    source = to_program(to_expression({**TEXTS, **ROWS}[name]))
    here = OwnPrograms().execute(source, inputs)
    there = sandbox.execute(source, inputs)
    assert here.status == there.status == "ok"
    assert here.predictions.tolist() == there.predictions.tolist()
    assert (here.message is None) == (there.message is None)


def test_an_input_on_which_a_program_is_undefined_has_no_prediction():
    source = to_program(to_expression(TEXTS["past the end"]))
    ran = OwnPrograms().execute(source, ["1", "000001"])
    assert ran.predictions.tolist() == [INVALID, 1]
    assert ran.message == "IndexError: string index out of range"


def test_a_list_for_several_classes_gives_their_places():
    source = to_list([("x[0] == '1'", 2), ("x[1] == '1'", 1)], 0)
    ran = OwnPrograms().execute(source, ["10", "01", "00"], Limits(), Outputs((0, 1, 2)))
    assert ran.predictions.tolist() == [2, 1, 0]
    assert ran.predictions.dtype == np.uint8


@pytest.mark.parametrize(
    "text",
    [
        "'] or open('pwned', 'w') or x['",
        '"] or open("pwned", "w") or x["',
        "'''\nopen('pwned', 'w')\n'''",
        "\\",
        "{0.__class__}{p}",
        "a\nb\u2028c\0",
    ],
)
@pytest.mark.parametrize("production", ["category", "contains"])
def test_texts_of_the_data_are_never_code(production, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if production == "category":
        term, inputs = Term("category", (), (text, text)), [{text: text}, {text: "other"}]
    else:
        term, inputs = Term("contains", (X,), (text,)), [f"1{text}0", "10"]
    ran = OwnPrograms().execute(to_program(to_expression(term)), inputs)
    assert ran.predictions.tolist() == [1, 0]
    assert list(tmp_path.iterdir()) == []
