"""The published figures that come with the package are read as they are, and damage is named."""

import math

import pytest

from llm_erm.errors import InputError
from llm_erm.reports.published import FILE, Point, published, read_published

TABLE = {
    "fn_g": (83.6, 49.2, 49.6, 47, 49.4, 100, 50.0, 49.9),
    "fn_v": (59.3, 53.6, 58.7, 58, 65.4, 80.6, 64.0, 50.2),
    "fn_aa": (51.1, 53.5, 65.7, 46, 51.3, 96.9, 51.0, 49.9),
}
"""Three rows of the published table, in the order of its columns."""
COLUMNS = (
    *("xgboost", "scratch", "finetuned", "incontext", "tabpfn", "search", "no-tools", "thinking"),
)


def at(experiment: str, task: str, length: int, examples: int, tested: int) -> Point:
    return Point(experiment, task, length, examples, tested)


@pytest.mark.parametrize("task", TABLE)
def test_rows_of_the_table_are_as_published(task):
    length = 300 if task == "fn_aa" else 100
    figures = published().figures("table1")
    point = at("table1", task, length, 200, length)
    assert [figures[point, name] for name in COLUMNS] == [round(x / 100, 6) for x in TABLE[task]]
    assert len(figures) == 13 * 8


def test_curves_have_a_point_per_number_of_examples_or_length():
    scaling, length = published().figures("scaling"), published().figures("length")
    assert [scaling[at("scaling", "fn_j", 100, n, 100), "search"] for n in (10, 100, 200)] == [
        *(0.503, 0.501, 1.0),
    ]
    assert scaling[at("scaling", "fn_i", 100, 100_000, 100), "scratch"] == 0.599
    assert len(scaling) == 3 * 6 + 3 * 3
    assert [
        length[at("length", "fn_g", 10, 200, n), "search"] for n in (10, 20, 25, 30, 50, 100)
    ] == [1, 1, 0.492, 0.703, 0.697, 0.696]
    transformer = {point.tested for point, method in length if method == "scratch"}
    assert transformer == {10, 100}  # the source gives no others
    assert not any(map(math.isnan, length.values()))


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("83.6", "183.6", "xgboost has a figure that is no percentage"),
        ("83.6, ", "", "xgboost has other rows than there are points, or other figures"),
        ('"fn_a", "fn_b"', '"fn_a", "fn_zz"', "there is no fn_zz"),
        ("xgboost = [[", "catboost = [[", "there is no catboost"),
        ("examples = [200]\nlength = 10\n", "examples = [200, 400]\nlength = 10\n", "varies both"),
        ("83.6", '"many"', "does not hold published figures"),
        ("[table1]", "[table1", "does not hold published figures"),
        ("sources =", "source =", "does not hold published figures"),
        ("notes = [\n", "footnotes = [\n", "does not hold published figures"),
    ],
)
def test_a_damaged_file_is_refused_by_name(tmp_path, old, new, fault):
    text = FILE.read_text()
    assert old in text
    (tmp_path / "figures.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=fault) as refused:
        read_published(tmp_path / "figures.toml")
    assert "figures.toml" in str(refused.value)
