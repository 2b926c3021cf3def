"""What a result keeps of the inputs that were not predicted correctly."""

from dataclasses import replace

import numpy as np
import pytest

from llm_erm.execution import INVALID
from llm_erm.mistakes import MOST, MOST_CHARACTERS, Mistake, mistakes_in
from llm_erm.records import Verdict
from llm_erm.tasks.task import Dataset
from made_results import synthesized


def test_the_first_mistakes_are_kept_in_the_order_of_the_data():
    data = Dataset(tuple("abcde"), (0, 1, 1, 0, 1))
    predictions = np.array([0, 0, 1, INVALID, INVALID], np.uint8)
    assert mistakes_in(data, predictions.tolist()) == (
        Mistake("b", 1, 0),
        Mistake("d", 0, None),
        Mistake("e", 1, None),
    )
    assert mistakes_in(data, [0, None, 1, 0, 1]) == (Mistake("b", 1, None),)


def test_no_more_are_kept_than_one_looks_at():
    data = Dataset(tuple(map(str, range(100))), (1,) * 100)
    kept = mistakes_in(data, [0] * 100)
    assert [one.input for one in kept] == [str(i) for i in range(MOST)]


def test_long_inputs_are_cut_and_rows_are_text():
    data = Dataset(("x" * 501, {"age": 3, "plan": None}), (0, 0))
    long, row = mistakes_in(data, [1, 1])
    assert long.input == "x" * MOST_CHARACTERS + "…"
    assert row.input == '{"age": 3, "plan": null}'


@pytest.mark.parametrize(
    ("label", "prediction", "text"),
    [(1, 1, "x"), (-1, 0, "x"), (255, 0, "x"), (0, 255, "x"), (0, 1, "x" * 502)],
)
def test_what_is_no_mistake_is_refused(label, prediction, text):
    with pytest.raises(ValueError, match=r"is no mistake|has 502 characters"):
        Mistake(text, label, prediction)


@pytest.mark.parametrize("status", ["ok", "timeout"])
def test_a_result_has_no_more_mistakes_than_its_verdict_counts(status):
    verdict = Verdict(status, 0, 0, 30)
    wrong = tuple(Mistake(f"{i}", 1, 0) for i in range(21))
    with pytest.raises(ValueError, match=r"there are 21 test mistakes, more than can be"):
        replace(synthesized()[0], test=verdict, mistakes={"test": wrong})
    if status == "ok":
        assert replace(synthesized()[0], test=verdict, mistakes={"test": wrong[:20]}).mistakes
    else:
        with pytest.raises(ValueError, match="1 test mistakes"):
            replace(synthesized()[0], test=verdict, mistakes={"test": wrong[:1]})
