"""The tasks on public tables give rows in the published blind form, and promise what others do."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.random import RandomState

from drawn import Drawn, draw_all
from llm_erm.errors import InputError
from llm_erm.tasks import rows, uci
from llm_erm.tasks.archives import RawColumn, RawTable
from llm_erm.tasks.drawing import seconds_to_draw
from llm_erm.tasks.rows import TABLES, blind
from llm_erm.tasks.spec import DataGrid, DataSpec
from llm_erm.tasks.stream import stream
from llm_erm.tasks.suite import SUITE, TASKS, get, in_words, name_of
from llm_erm.tasks.task import describe_inputs
from public_tables import bare, rows_of

MADE = 400


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with small tables of pulsars, which are all different, and of chess positions."""
    place = tmp_path / "tables"
    place.mkdir()
    (place / "HTRU_2.csv").write_text(bare(rows_of(uci.HTRU2, MADE)))
    few = [(values[:2] + ["a"] * 33, label) for values, label in rows_of(uci.CHESS, MADE)]
    (place / "kr-vs-kp.data").write_text(bare(few, between="x"))
    for fn in ("fn_p", "fn_q"):
        monkeypatch.setitem(rows._SOURCES, fn, replace(rows._SOURCES[fn], rows=MADE))
    return place


@pytest.fixture
def draw(folder: Path, tmp_path: Path):
    def drawn(fn: str, **settings) -> Drawn:
        sizes = {"train_size": 20, "val_size": 30, "test_size": 100, "seed": 5}
        sizes |= {"length": get(fn).lengths[0], "dataset_dir": tmp_path, "tables_dir": folder}
        return draw_all(get(fn), **(sizes | settings))

    return drawn


def inputs_of(data: Drawn) -> list[str]:
    return [*data.train.inputs, *data.validation.inputs, *data.test.inputs]


def test_the_tables_come_after_the_suite():
    assert list(TASKS) == [*SUITE, "fn_m", "fn_n", "fn_o", "fn_p", "fn_q"]
    assert {task.id: task.lengths for task in TABLES.values()} == {
        "fn_m": (14,),
        "fn_n": (20,),
        "fn_o": (21,),
        "fn_p": (8,),
        "fn_q": (35,),
    }
    assert [len(source.numeric) for source in rows._SOURCES.values()] == [6, 3, 7, 8, 0]
    assert get("htru2") is TASKS["fn_p"]
    assert name_of("fn_q") == "chess"
    assert in_words("fn_n") == "mushroom (fn_n): a mushroom is edible"


def test_numbers_are_mapped_and_categories_numbered():
    numbers = RawColumn((-2.0, 0.5, 10.0), np.array([2, 0, 1]))
    letters = RawColumn(tuple("abcdefghijk"), np.array([0, 10, 3]))
    table = RawTable((numbers, letters, numbers), np.array([0, 1, 1]))
    rng = RandomState(3)
    factors, shifts = rng.standard_normal(2), rng.standard_normal(2)
    first, last = (
        [f"{value * factor + shift:.2f}" for value in (10.0, -2.0, 0.5)]
        for factor, shift in zip(factors, shifts, strict=True)
    )

    assert blind(table, frozenset({0, 2}), RandomState(3)) == [
        f"x0:{first[0]},x1:c00,x2:{last[0]}",
        f"x0:{first[1]},x1:c10,x2:{last[1]}",
        f"x0:{first[2]},x1:c03,x2:{last[2]}",
    ]


def test_zero_has_no_sign(monkeypatch):
    class Zero:
        def standard_normal(self, size):
            return np.full(size, -1e-9)

    table = RawTable((RawColumn((1.0,), np.array([0])),), np.array([0]))
    assert blind(table, frozenset({0}), Zero()) == ["x0:0.00"]  # type: ignore[arg-type]


def test_ten_categories_have_one_digit():
    table = RawTable((RawColumn(tuple("abcdefghij"), np.array([9])),), np.array([0]))
    assert blind(table, frozenset(), RandomState(0)) == ["x0:c9"]


def test_the_splits_are_balanced_distinct_and_disjoint(draw):
    data = draw("fn_p")

    assert [len(part) for part in (data.train, data.validation, data.test)] == [20, 30, 100]
    assert all(2 * sum(p.labels) == len(p) for p in (data.train, data.validation, data.test))
    assert len(set(inputs_of(data))) == 150
    assert data.independent
    assert data.warnings == ()
    assert data.contrast is data.length_generalization is None


def test_the_same_bytes_everywhere(draw):
    sha256 = "c3c1d15e90a3c7040cec072418b093a88537225a782fdd39cde035b36cf95f2a"

    assert draw("fn_p").key.sha256 == sha256
    assert draw("fn_p", published="pv").key.sha256 == sha256  # no two rows are equal


def test_another_seed_maps_the_numbers_otherwise(draw):
    assert not {*inputs_of(draw("fn_p"))} & {*inputs_of(draw("fn_p", seed=6))}


def test_labels_belong_to_their_rows(draw, folder):
    """The label of the made-up pulsars becomes the sign of the first number, times the map's."""
    made = rows_of(uci.HTRU2, MADE)
    signed = [([f"{-1 if label == '0' else 1}", *values[1:]], label) for values, label in made]
    (folder / "HTRU_2.csv").write_text(bare(signed))
    data = draw("fn_p")
    label_of = {}
    for x, label in zip(
        inputs_of(data),
        [*data.train.labels, *data.validation.labels, *data.test.labels],
        strict=True,
    ):
        label_of.setdefault(x.split(",")[0], set()).add(label)

    assert sorted(map(sorted, label_of.values())) == [[0], [1]]


def test_equal_rows_count_once_and_have_one_label(draw):
    sizes = {"train_size": 2, "val_size": 0, "test_size": 2}
    data = draw("fn_q", **sizes)  # of nine different rows, all have both labels
    assert len(set(inputs_of(data))) == 4
    assert data.independent

    with pytest.raises(
        InputError,
        match=r"chess .* has \d distinct rows of label 0, but all splits of fn_q .* ask for 10",
    ):
        draw("fn_q", train_size=10, val_size=0, test_size=10)


def test_the_published_draw_keeps_equal_rows(draw):
    data = draw("fn_q", published="pv")

    assert len(set(inputs_of(data))) == 9
    assert all(2 * sum(p.labels) == len(p) for p in (data.train, data.validation, data.test))
    assert not data.independent
    assert any("in more than one split" in warning for warning in data.warnings)


def test_too_few_rows_are_refused(draw):
    with pytest.raises(
        InputError, match=r"HTRU2 has \d+ distinct rows of label 0, .* smaller splits."
    ):
        draw("fn_p", test_size=1000)
    with pytest.raises(InputError, match=r"HTRU2 has \d+ rows of label 0, but all splits of fn_p"):
        draw("fn_p", test_size=1000, published="pv")


def test_the_paper_does_not_have_the_tables():
    spec = DataSpec(function="fn_m", length=14, published="erm")
    with pytest.raises(InputError, match="does not have fn_m; pv does"):
        spec.check()


def test_data_are_read_again_without_the_table(draw):
    before = draw("fn_p")

    assert draw("fn_p", tables_dir=None) == before


def test_a_length_is_a_number_of_columns():
    assert [spec.length for spec in DataGrid(functions=("fn_m", "fn_q")).specs()] == [14, 35]
    with pytest.raises(InputError, match="fn_m does not exist at length 20: its rows have 14 col"):
        DataSpec(function="fn_m", length=20).check()


def test_a_malformed_row_is_an_error(draw, tmp_path):
    draw("fn_p")
    (path,) = tmp_path.glob("htru2/*/*/train.txt")
    path.write_text(re.sub("x3:[^,]*,", "", path.read_text(), count=1))
    with pytest.raises(InputError, match="train.txt, line 1: .* is not of the form"):
        draw("fn_p")


def test_drawing_needs_no_estimate_that_would_read_the_table():
    assert seconds_to_draw(DataSpec(function="fn_p", length=8, test_size=1000)) == 0


def test_no_table_has_fresh_examples_for_ever():
    task = get("fn_p")
    with pytest.raises(InputError, match="fn_p draws rows of a table") as raised:
        stream(task, task.draw, 8, 0, ())
    assert raised.value.setting == "online"


def test_a_prompt_says_how_rows_are_written():
    assert "one row of a table of 8 columns, as in `x0:-3.14,x1:c07`" in describe_inputs("row", 8)
