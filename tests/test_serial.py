"""What is written is JSON; what is read back is what was written, or an error that says where."""

import json
import math

import pytest

from llm_erm.certificates import Certificate
from llm_erm.errors import InputError
from llm_erm.facts import BaselineFacts, GridScore
from llm_erm.llms.llm import Completion
from llm_erm.records import Result, Verdict
from llm_erm.serial import RecordError, from_json, to_json
from llm_erm.settings import shaping
from llm_erm.synthesis.method import Synthesis
from llm_erm.tasks.spec import DataGrid, DataSpec
from llm_erm.tasks.task import DataKey

SELECTED_BY = ("train", "validation")


def result(**more) -> Result:
    facts = BaselineFacts("knn", {"k": 3, "hidden": (64, 32), "early": True, "depth": None}, ())
    values = {
        "method": "baseline:knn",
        "model": "knn",
        "data": DataKey("fn_a", 20, 42, 1, "abc"),
        "examples": 200,
        "seconds": 1.0,
        "program": "naïve \ud800 \u2028",
        "train": Verdict("ok", 3, 0, 3),
        "validation": Verdict("ok", 2, 0, 3),
        "test": Verdict("ok", 1, 0, 3, "lone \udfff"),
        "certificate": Certificate(0.95),
        "facts": facts,
    }
    return Result(**values | more)


def test_a_result_comes_back_as_it_was():
    assert from_json(Result, to_json(result())) == result()


def test_scripts_find_accuracies_and_bounds_beside_the_counts():
    line = json.loads(to_json(result(validation=Verdict("timeout", 0, 3, 3))))
    assert line["test"]["accuracy"] == 1 / 3
    assert line["validation"]["accuracy"] is None
    assert line["certificate"]["error_upper_bound"] is None


def test_numbers_that_json_cannot_write_are_null():
    text = to_json(GridScore({"a": math.inf, "b": 1.5}, math.nan, 1.0))
    assert json.loads(text) == {
        "parameters": {"a": None, "b": 1.5},
        "train_accuracy": None,
        "validation_accuracy": 1.0,
    }


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"seconds": "long"}, "seconds"),
        ({"data": {"function": "fn_a"}}, "data.length"),
        ({"facts": {"method": "magic"}}, "facts"),
        ({"test": {"status": "fine", "correct": 1, "invalid": 0, "total": 1}}, "test"),
    ],
)
def test_a_damaged_record_is_named_by_its_field(change, place):
    line = json.dumps(json.loads(to_json(result())) | change)
    with pytest.raises(RecordError, match=place):
        from_json(Result, line)


BOUND = {"error_upper_bound": 0.5, "errors": 1, "examples": 10, "choices": 1, "assumes": "a"}
VERDICT = {"status": "ok", "correct": 1, "invalid": 0, "total": 2}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        *(({name: None}, "a program has verdicts on the training") for name in SELECTED_BY),
        ({"seconds": -1.0}, "seconds is -1.0"),
        ({"seconds_to_selected": -1}, "seconds_to_selected is -1"),
        ({"attempts": -1}, "attempts is -1"),
        ({"candidates_to_selected": 10**30}, "candidates_to_selected is 10"),
        ({"certificate": {"confidence": 1.0}}, "confidence is 1.0"),
        ({"test": VERDICT | {"total": 0, "correct": 0}}, "the test verdict is on no examples"),
        ({"test": VERDICT | {"total": 10**400}}, "test.*total is 10"),
        ({"test": VERDICT | {"cpu_seconds": -0.5}}, "test.*cpu_seconds is -0.5"),
        *(
            ({"certificate": {"confidence": 0.95, "test": BOUND | bound}}, f"certificate.*{said}")
            for bound, said in (
                ({"errors": 10**30}, "errors on 10 examples"),
                ({"errors": -1}, "-1 errors"),
                ({"examples": 0, "errors": 0}, "examples is 0"),
                ({"examples": 10**400}, "examples is 10"),
                ({"choices": 0}, "choices is 0"),
                ({"error_upper_bound": 1.5}, "error_upper_bound is 1.5"),
                ({"error_upper_bound": -0.5}, "error_upper_bound is -0.5"),
            )
        ),
    ],
)
def test_a_record_that_no_run_writes_is_refused(change, said):
    line = json.dumps(json.loads(to_json(result())) | change)
    with pytest.raises(RecordError, match=said):
        from_json(Result, line)


def test_an_answer_that_took_less_than_no_time_is_refused():
    with pytest.raises(RecordError, match=r"latency_seconds is -0\.5"):
        from_json(Completion, '{"index": 1, "text": "", "latency_seconds": -0.5}')


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_is_not_finite_is_refused(number):
    line = to_json(result()).replace('"seconds": 1.0', f'"seconds": {number}')
    with pytest.raises(RecordError, match=f"{number} is not finite"):
        from_json(Result, line)


def test_a_strategy_without_a_name_of_its_own_has_no_fingerprint():
    method = Synthesis.of("local", attempts=1, strategy=lambda request, settings: None)
    with pytest.raises(InputError, match="no name that would tell it"):
        shaping(method)


def test_lists_and_texts_are_taken_as_callers_write_them(tmp_path):
    grid = DataGrid(functions=["fn_a"], lengths=[20], dataset_dir=str(tmp_path))
    assert grid.specs() == [DataSpec(function="fn_a", length=20)]
    assert grid.dataset_dir == tmp_path
    with pytest.raises(InputError, match="functions is the text 'fn_a'; give a list"):
        DataGrid(functions="fn_a")
