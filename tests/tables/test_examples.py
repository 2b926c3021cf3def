"""Examples whose inputs are rows are read as a table of the columns x0, x1, …"""

import pytest

from llm_erm.errors import InputError
from llm_erm.tables.columns import CategoryColumn, NumberColumn
from llm_erm.tables.reading import load
from llm_erm.tables.sources import open_source


def lines(count: int) -> str:
    return "".join(f"x0:{i}.50,x1:c{i % 3}{i % 2} -> {i % 2}\n" for i in range(count))


@pytest.fixture
def file(tmp_path):
    def written(text: str):
        path = tmp_path / "train.txt"
        path.write_text(text)
        return path

    return written


def test_the_columns_are_numbers_and_categories_and_the_label_is_the_target(file):
    data = load(file(lines(20)), "label")
    first, second = data.table.columns

    assert isinstance(first, NumberColumn)
    assert first.values.tolist() == [i + 0.5 for i in range(20)]
    assert isinstance(second, CategoryColumn)
    assert data.schema.target == "label"
    assert data.schema.classes == ("0", "1")
    assert data.labels.tolist() == [i % 2 for i in range(20)]


def test_long_files_are_read_in_parts(file):
    opened = open_source(file("\n" + lines(9_000)), (), "y")
    chunks = list(opened.chunks)

    assert opened.names == ("x0", "x1", "y")
    assert len(chunks) > 1
    assert [int(n) for chunk in chunks for n in chunk.row_numbers] == list(range(1, 9_001))


@pytest.mark.parametrize(
    "odd",
    ["x0:1,x1:c00,x2:3 -> 0", "x0:1 -> 0", "x0:1,x2:c00 -> 1", "x0:1,x1:c00", "a,b"],
)
def test_a_line_of_another_form_is_named(file, odd):
    path = file(lines(60) + odd + "\n")
    with pytest.raises(InputError, match=r"train.txt, line 61: .* does not give 2 columns"):
        load(path, "label")


@pytest.mark.parametrize("names", [("x0", "x0"), ("x0", "x2")])
def test_columns_that_are_not_numbered_in_order_are_refused(file, names):
    with pytest.raises(InputError, match=r"line 1: .* does not give 2 columns in order"):
        load(file(f"{names[0]}:1,{names[1]}:2 -> 1\n"), "label")


def test_a_target_of_the_name_of_a_column_is_refused(file):
    with pytest.raises(InputError, match="'x1' is a column of the inputs"):
        load(file(lines(4)), "x1")


def test_ten_thousand_columns_are_enough(file):
    wide = ",".join(f"x{i}:1" for i in range(10_001))
    with pytest.raises(InputError, match="10,001 columns"):
        load(file(f"{wide} -> 1\n"), "label")


def test_other_texts_are_still_texts(file):
    with pytest.raises(InputError, match="texts with labels"):
        load(file("0110 -> 1\n0111 -> 0\n"), "label")
