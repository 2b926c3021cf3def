"""Tables in memory: data frames, mappings, arrays, lists of rows."""

import errno
import importlib.util
import math
import os
import sys
import threading

import numpy as np
import pytest

from llm_erm.errors import InputError, MissingExtraError
from llm_erm.tables.reading import load, load_unlabelled

pandas = pytest.importorskip("pandas")


def check(loaded):
    n, s, f, y = loaded.table.columns
    assert [column.name for column in (n, s, f, y)] == ["n", "s", "f", "b"]
    np.testing.assert_array_equal(n.values, [1, 2, 3])
    assert n.integral
    assert s.levels == ("u", "v")
    assert s.codes.tolist() == [0, -1, 1]
    np.testing.assert_array_equal(f.values, [0.5, math.nan, 2])
    assert y.levels == ("False", "True")
    assert loaded.schema.classes == ("0", "1")
    assert loaded.labels.tolist() == [0, 1, 1]


COLUMNS = {
    "n": [1, 2, 3],
    "s": ["u", None, "v"],
    "f": [0.5, None, 2.0],
    "b": [True, False, True],
    "y": [0, 1, 1],
}


@pytest.mark.parametrize(
    "make",
    [
        lambda: COLUMNS,
        lambda: pandas.DataFrame(COLUMNS),
        lambda: pandas.DataFrame(COLUMNS).convert_dtypes(),
        lambda: pandas.DataFrame(COLUMNS).astype(object),
        lambda: pandas.DataFrame(COLUMNS, index=[7, 7, 9]),
        lambda: {name: pandas.Series(COLUMNS[name], index=[0.5, 1.5, 9.0]) for name in COLUMNS},
        lambda: {name: tuple(values) for name, values in COLUMNS.items()},
        lambda: [
            dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)
        ],
    ],
    ids=["mapping", "pandas", "nullable", "objects", "repeated index", "series", "tuples", "rows"],
)
def test_every_form_gives_the_same_table(make):
    check(load(make(), "y"))


def test_polars_gives_the_same_table():
    polars = pytest.importorskip("polars")
    check(load(polars.DataFrame(COLUMNS), "y"))
    with pytest.raises(InputError, match="collect a lazy one first"):
        load(polars.DataFrame(COLUMNS).lazy(), "y")


def test_pyarrow_gives_the_same_table():
    pyarrow = pytest.importorskip("pyarrow")
    check(load(pyarrow.table(COLUMNS), "y"))
    twins = pyarrow.table({"a": [1, 2, 2], "b": [1, 2, 2], "y": [0, 1, 1]})
    assert [column.name for column in load(twins, "y").table.columns] == ["a", "b"]
    with pytest.raises(InputError, match="Several columns of the table are called 'a'"):
        load(twins.rename_columns(["a", "a", "y"]), "y")


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes")
def test_parquet_in_a_pipe_gives_the_same_table(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table(COLUMNS), tmp_path / "data")
    os.mkfifo(tmp_path / "pipe")
    data = (tmp_path / "data").read_bytes()
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(data,), daemon=True)
    writer.start()
    check(load(tmp_path / "pipe", "y"))


def test_parquet_that_the_system_does_not_let_us_read_is_refused(tmp_path, monkeypatch):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")

    def failing(*_, **__):
        raise OSError(errno.EIO, "Input/output error")

    parquet.write_table(pyarrow.table(COLUMNS), tmp_path / "data")
    monkeypatch.setattr(parquet.ParquetFile, "iter_batches", failing)
    with pytest.raises(InputError, match="Cannot read .*data: Input/output error; name a file"):
        load(tmp_path / "data", "y")


def test_parquet_gives_the_same_table(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "data"
    parquet.write_table(pyarrow.table(COLUMNS), path)
    check(load(path, "y"))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match="Cannot read .* as Parquet .*; restore the file"):
        load(path, "y")


@pytest.mark.parametrize(
    ("library", "source"),
    [("pyarrow", "data.parquet"), ("narwhals", pandas.DataFrame(COLUMNS))],
    ids=["pyarrow", "narwhals"],
)
def test_a_missing_library_is_named_with_the_command(tmp_path, monkeypatch, library, source):
    find = importlib.util.find_spec
    for module in ("memory", "parquet"):
        monkeypatch.setattr(
            f"llm_erm.tables.{module}.find_spec",
            lambda name: None if name == library else find(name),
        )
    if isinstance(source, str):
        source = tmp_path / source
        source.write_bytes(b"PAR1....PAR1")
    with pytest.raises(MissingExtraError, match=rf"{library}.*pip install 'llm-erm\[tables\]'"):
        load(source, "y")


def test_dates_and_declared_categories_of_a_frame_are_kept():
    frame = pandas.DataFrame(
        {
            "when": pandas.to_datetime(["2024-01-01 00:00", None, "2024-01-02 12:00"]),
            "code": pandas.Categorical([3, 1, 3]),
            "y": ["p", "q", "q"],
        }
    )
    when, code = load(frame, "y").table.columns
    assert when.dates
    np.testing.assert_array_equal(when.values, [19723, math.nan, 19724.5])
    assert code.levels == ("1", "3")
    assert code.codes.tolist() == [1, 0, 1]


def test_columns_of_a_frame_that_are_numbers_or_pairs_have_their_texts_as_names():
    frame = pandas.DataFrame([[5, 0], [6, 1], [7, 1]])
    assert load(frame, 1).table.columns[0].name == "0"
    assert load(frame, "1").table.columns[0].values.tolist() == [5, 6, 7]
    frame.columns = pandas.MultiIndex.from_tuples([("a", "b"), ("c", "d")])
    assert load(frame, "('c', 'd')").table.columns[0].values.tolist() == [5, 6, 7]


def test_lists_in_cells_are_texts():
    loaded = load({"a": [[1], [1, 2], [1]], "y": ["p", "q", "q"]}, "y")
    assert loaded.table.columns[0].levels == ("[1, 2]", "[1]")


def test_masked_values_are_missing_and_times_of_arrays_are_dates():
    columns = {
        "m": np.ma.masked_array([1.0, 2.0, 3.0], mask=[False, True, False]),
        "t": np.array(["1970-01-02", "NaT", "1970-01-03"], dtype="datetime64[ns]"),
        "y": ["p", "q", "q"],
    }
    masked, times = load(columns, "y").table.columns
    np.testing.assert_array_equal(masked.values, [1, math.nan, 3])
    np.testing.assert_array_equal(times.values, [1, math.nan, 2])
    assert times.dates


def test_whole_numbers_in_a_float_column_are_labels_without_a_point():
    frame = pandas.DataFrame({"a": [1, 2, 3], "y": [0, 1, None]})
    assert load(frame, "y").schema.classes == ("0", "1")


@pytest.mark.parametrize("dtype", [float, int, object, np.float32])
def test_columns_of_arrays_and_lists_are_numbered(dtype):
    array = np.array([[1, 0], [2, 1], [3, 1]], dtype=dtype)
    for source in (array, array.tolist()):
        loaded = load(source, "x1")
        assert loaded.table.columns[0].name == "x0"
        assert loaded.table.columns[0].values.tolist() == [1, 2, 3]
        assert loaded.schema.classes == ("0", "1")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (np.zeros(3), "an array of shape (3,)"),
        (np.zeros((2, 2), dtype=complex), "an array of complex128"),
        ([], "an empty list"),
        ([1, 2], "Row 1 of the table is of type int"),
        (["ab", "cd"], "Row 1 of the table is of type str"),
        ([[1, 2], 3], "Row 2 of the table is of type int"),
        ([[1, 2], {"a": 3}], "Row 2 of the table is of type dict"),
        ([[1, 2], [3]], "Row 2 of the table has 1 value, but row 1 has 2"),
        ({"a": [1], "y": [1, 2]}, "Column 'y' has 2 values, but column 'a' has 1"),
        ({"a": "xy", "y": [1, 2]}, "Column 'a' is of type str"),
        ({"a": np.zeros((2, 2)), "y": [1, 2]}, "Column 'a' has 2 dimensions"),
        ({"a": {1: 2}, "y": [1, 2]}, "Column 'a' is of type dict"),
        ({"a": {1, 2}, "y": [1, 2]}, "Column 'a' is of type set"),
        (3, "of type int"),
        (None, "of type NoneType"),
        ({}, "it has no columns"),
        (
            pandas.DataFrame([[1, 2], [3, 4]], columns=["y", "y"]),
            "Several columns of the table are called 'y'",
        ),
        (pandas.DataFrame([[1, 2], [3, 4]], columns=["1", 1]), "Several columns of the table are"),
        (pandas.Series([1, 2]), "The table is of type Series of pandas"),
    ],
)
def test_what_is_no_table_is_refused(source, said):
    with pytest.raises(InputError) as caught:
        load(source, "y")
    assert said in str(caught.value)


def test_columns_without_a_target_are_all_read():
    read = load_unlabelled(np.arange(24.0).reshape(12, 2))
    assert [column.name for column in read.columns] == ["x0", "x1"]
    assert read.table.n_rows == 12
