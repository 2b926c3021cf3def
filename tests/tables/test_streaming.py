"""Rows to predict, read as the rule's own data were."""

import math
import random
import tracemalloc

import numpy as np
import pytest

from llm_erm.errors import InputError
from llm_erm.serial import from_json, to_json
from llm_erm.tables.columns import MISSING_CODE, UNSEEN_CODE, Schema
from llm_erm.tables.streaming import Stream, stream

TRAIN = """n;d;c;y
1,5;2024-01-01;u;no
2;2024-01-02;v;yes
unknown;;u;no
3,25;2024-01-03;v;yes
unknown;;u;no
"""


@pytest.fixture
def schema(read):
    """Of numbers with decimal commas and a missing word, dates, and categories; as stored."""
    return from_json(Schema, to_json(read(TRAIN).schema))


@pytest.fixture
def batches(write):
    """Streams a text; returns the batches and the stream."""

    def made(text, schema, name="new.csv", **options):
        rows = stream(write(text, name), schema, **options)
        return list(rows), rows

    return made


def test_columns_are_found_by_name_in_any_order_among_others(batches, schema):
    (batch,), rows = batches("more;y;c;n;d\nx;;v;7,5;1970-01-02\ny;;w;unknown;\n", schema)
    number, date, category = batch.table.columns
    np.testing.assert_array_equal(number.values, [7.5, math.nan])
    np.testing.assert_array_equal(date.values, [1, math.nan])
    assert category.codes.tolist() == [1, UNSEEN_CODE]
    assert category.levels == ("u", "v")
    assert batch.rows == [["x", "", "v", "7,5", "1970-01-02"], ["y", "", "w", "unknown", ""]]
    assert (rows.form, rows.names, rows.delimiter) == (
        "delimited",
        ("more", "y", "c", "n", "d"),
        ";",
    )
    assert rows.notices() == ("1 value in c is new: the rule's data had none like it.",)


def test_a_missing_column_is_refused_by_name_if_it_is_needed(batches, schema):
    with pytest.raises(InputError, match="There is no column 'c' in .*; did you mean 'C'?"):
        batches("n;d;C\n1;2024-01-01;u\n", schema)
    (batch,), _ = batches("n\n1,5\n", schema, needed=["n"])
    assert batch.table.columns[0].values.tolist() == [1.5]
    assert np.isnan(batch.table.columns[1].values).all()
    assert batch.table.columns[2].codes.tolist() == [MISSING_CODE]


def test_columns_that_the_rule_knows_are_listed_but_never_meant(batches, read):
    known = read("depth;depths;y\n1;u;no\n2;v;yes\n1;u;no\n").schema
    with pytest.raises(
        InputError, match=r"no column 'depth' in .*; its columns are depths and x\."
    ):
        batches("depths;x\nu;1\n", known)


def test_of_columns_with_the_same_name_the_first_has_it_and_it_is_said(batches, read, schema):
    (batch,), rows = batches("n;d;c;c\n1;2024-01-01;u;v\n", schema)
    assert batch.table.columns[2].codes.tolist() == [0]
    assert "column 4 is now 'c (2)'." in rows.notices()[0]
    twice = read("n,n,y\n1,2,no\n3,4,yes\n").schema
    (batch,), _ = batches("n,n\n5,6\n", twice)
    assert [column.values.tolist() for column in batch.table.columns] == [[5], [6]]


def test_some_values_that_cannot_be_read_count_as_missing_and_are_said(batches, schema):
    (batch,), rows = batches("n;d;c\n1,5;2024-01-01;u\n1.5;soon;u\n", schema)
    assert np.isnan(batch.table.columns[0].values).tolist() == [False, True]
    assert np.isnan(batch.table.columns[1].values).tolist() == [False, True]
    assert rows.notices() == (
        "Column n should hold numbers with decimal commas; 1 other value ('1.5') counts as "
        "missing.",
        "Column d should hold dates written as YYYY-MM-DD; 1 other value ('soon') counts as "
        "missing.",
    )


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("1.5;2024-01-01;u", "Column 'n' .*holds '1.5', but the rule needs numbers with decimal"),
        ("1,5;1.1.2024;u", "Column 'd' .*holds '1.1.2024', but the rule needs dates"),
    ],
)
def test_a_needed_column_of_which_nothing_can_be_read_is_refused(batches, schema, row, said):
    with pytest.raises(InputError, match=said):
        batches(f"n;d;c\n{row}\n", schema)
    (batch,), rows = batches(f"n;d;c\n{row}\n", schema, needed=["c"])
    assert [np.isnan(column.values).all() for column in batch.table.columns[:2]] == [True, True]
    assert (batch.table.columns[2].codes.tolist(), rows.notices()) == ([0], ())


def test_numbers_of_a_frame_need_no_format(schema):
    (batch,) = stream({"n": np.array([1.5, 2.5]), "d": ["2024-01-01", ""], "c": ["u", 1]}, schema)
    assert batch.table.columns[0].values.tolist() == [1.5, 2.5]
    assert batch.rows == [["1.5", "2024-01-01", "u"], ["2.5", "", "1"]]
    with pytest.raises(InputError, match="Column 'd' holds numbers, but the rule needs dates"):
        list(stream({"n": [1], "d": np.array([3.0]), "c": ["u"]}, schema))


def test_lines_of_objects_are_given_as_they_are(batches, schema):
    lines = ['{"n": "1,5", "c": "u", "d": null}\n', '{"c": "v"}\n']
    (batch,), rows = batches("".join(lines), schema)
    assert batch.rows == lines
    assert rows.form == "jsonl"
    np.testing.assert_array_equal(batch.table.columns[0].values, [1.5, math.nan])
    assert batch.table.columns[2].codes.tolist() == [0, 1]


def test_a_malformed_row_is_refused_when_it_is_reached(write, schema):
    text = "n;d;c\n" + "1;2024-01-01;u\n" * 50_000 + "1;2;3;4\n"
    read = 0
    with pytest.raises(InputError, match="line 50002: 4 cells"):
        for batch in stream(write(text), schema):
            read += batch.table.n_rows
    assert read > 10_000


def test_values_that_python_alone_reads_as_numbers_are_none(batches, read):
    plain = read("n,y\n1.5,no\n2,yes\n").schema
    (batch,), rows = batches("n\n1_0\n٣\nnAn\n+1.5\n-inf\n1e999\n", plain)
    np.testing.assert_array_equal(
        batch.table.columns[0].values, [math.nan] * 3 + [1.5, math.nan, math.nan]
    )
    assert rows.notices() == (
        "Column n should hold numbers; 3 other values ('1_0', '٣', 'nAn') count as missing.",
    )


@pytest.mark.parametrize("cell", ["1_0", "nAn", "٣"])
def test_a_single_one_of_them_is_none_either(batches, read, cell):
    plain = read("n,y\n1.5,no\n2,yes\n").schema
    (batch,), rows = batches(f"n\n{cell}\n2\n", plain)
    np.testing.assert_array_equal(batch.table.columns[0].values, [math.nan, 2])
    assert repr(cell) in rows.notices()[0]


def test_every_value_that_cannot_be_read_is_counted(batches, read):
    plain = read("n,y\n1.5,no\n2,yes\n").schema
    text = "n\n" + "".join(f"word {index}\n2\n" for index in range(120_000))
    found, rows = batches(text, plain)
    assert len(found) > 2
    assert rows.notices()[0].startswith("Column n should hold numbers; 120,000 other values (")


def test_a_stream_closes_its_source_when_it_is_left(write, schema, monkeypatch):
    closed = []
    rows = stream(write("n;d;c\n1;2024-01-01;u\n"), schema)
    monkeypatch.setattr(rows, "close", lambda: closed.append(True))
    for _ in rows:
        break
    Stream.close(rows)
    assert closed


def test_a_stream_can_be_left_early_and_a_table_without_rows_has_no_batches(write, schema):
    text = "n;d;c\n" + "1;2024-01-01;u\n" * 50_000
    rows = stream(write(text), schema)
    assert next(iter(rows)).table.n_rows > 0
    rows.close()
    assert list(stream(write("n;d;c\n"), schema)) == []


def test_a_long_file_takes_little_memory(tmp_path, schema):
    """100,000 rows of 11 MB: as Python's texts, they would take some 50 MB."""
    path = tmp_path / "long.csv"
    rng = random.Random(0)
    block = "".join(
        f"{rng.random():.6f};2024-01-{index % 28 + 1:02d};{'uvw'[index % 3]};{'x' * 80}\n".replace(
            ".", ","
        )
        for index in range(20_000)
    )
    path.write_text("n;d;c;more\n" + block * 5)
    tracemalloc.start()
    try:
        n_rows = sum(batch.table.n_rows for batch in stream(path, schema))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert n_rows == 100_000
    assert peak < 30e6
