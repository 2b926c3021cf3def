"""Whatever a file holds, reading it gives rows or a sentence."""

import csv
import io
import json
import os

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from llm_erm.errors import InputError, LLMERMError
from llm_erm.tables.columns import CategoryColumn, Labelled
from llm_erm.tables.reading import load
from llm_erm.tables.streaming import stream

EXAMPLES = int(os.environ.get("LLM_ERM_FUZZ_EXAMPLES", "150"))

ODD_CELLS = """
1 1.0 0 -3 1,5 1.234,5 1'000 1e999 nan NA inf ? yes no é 2024-01-31 2024-02-31 007 " "a" "" 5% $5
=1+1 3+ true \ufeff a;b -> { 1_0 ٣ ² −5 99999999999999999999 0001-01-01T00:00+23:59
""".split()  # noqa: SIM905 - shorter
CELLS = st.sampled_from(["", " x ", "\x1c", "-> 1", "9" * 400, *ODD_CELLS]) | st.text(max_size=8)
NUMBERS = st.floats(width=16).map(str) | st.integers(-30, 2000).map(str)
DELIMITERS = st.sampled_from([",", ";", "\t", "|", ", ", " -> "])
ENDS = st.sampled_from(["\n", "\r\n", "\r", "\n\n", "\x0b"])
ENCODINGS = st.sampled_from(
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252", "latin-1"]
)


@st.composite
def delimited(draw):
    """A table, or almost."""
    delimiter, end = draw(DELIMITERS), draw(ENDS)
    width = draw(st.integers(1, 4))
    least = draw(st.sampled_from([0, 1, width, width]))
    header = ["y", *draw(st.lists(st.sampled_from(["a", "id", "", "a ", "1", "y"]), max_size=3))]
    cells = st.lists(CELLS, min_size=min(least, len(header)), max_size=max(least, len(header)))
    rows = draw(st.lists(cells, max_size=30))
    text = end.join(delimiter.join(row) for row in [header, *rows])
    return text.encode(draw(ENCODINGS), "replace")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | CELLS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(CELLS, inner, max_size=3),
    max_leaves=4,
)


@st.composite
def json_lines(draw):
    """Almost JSON Lines."""
    keys = st.sampled_from(["y", "a", "b"]) | CELLS
    rows = draw(st.lists(st.dictionaries(keys, JSON, max_size=4), min_size=1, max_size=20))
    rest = draw(st.sampled_from(["", " -> 1", " x", "{}"]))
    text = "\n".join(json.dumps(row) + rest for row in rows)
    return draw(st.sampled_from([text, text.replace('"', "'", 1), text[:-1]])).encode()


@st.composite
def well_formed(draw):
    """A table of odd cells with two classes."""
    names = draw(
        st.lists(st.sampled_from(["a", "id", "", "b ", "1"]) | CELLS, min_size=1, max_size=3)
    )
    column = st.sampled_from([CELLS, NUMBERS, NUMBERS | CELLS, st.sampled_from(ODD_CELLS[:9])])
    kinds = [draw(column) for _ in names]
    labels = ["no", "yes", *draw(st.lists(st.sampled_from(["no", "yes", "", "NA"]), max_size=25))]
    rows = [[*map(draw, kinds), label] for label in labels]
    if draw(st.booleans()):
        names = [f"{index} {name.strip()}" for index, name in enumerate(names)]
        lines = (dict(zip([*names, "y"], row, strict=True)) for row in rows)
        return "\n".join(map(json.dumps, lines)).encode()
    text = io.StringIO(newline="")
    written = csv.writer(text, delimiter=draw(st.sampled_from(",;\t|")), quoting=csv.QUOTE_ALL)
    written.writerows([[*names, "y"], *rows])
    return text.getvalue().encode(draw(ENCODINGS), "replace")


@st.composite
def examples(draw):
    """Almost examples whose inputs are rows."""
    cells = st.sampled_from(["", "-3.14", "c07", "c0", "->", "x1:"]) | CELLS
    names = draw(st.sampled_from([["x0"], ["x0", "x1"], ["x0", "x2"], ["x0", "x0"], ["x0", "y"]]))
    labels = ["0", "1", *draw(st.lists(CELLS, max_size=15))]
    rows = [(",".join(f"{name}:{draw(cells)}" for name in names), label) for label in labels]
    end = draw(ENDS)
    return "".join(f"{row} -> {label}{end}" for row, label in rows).encode(
        draw(ENCODINGS), "replace"
    )


@st.composite
def damaged(draw):
    """A file of which some bytes were changed."""
    data = bytearray(draw(well_formed() | delimited() | json_lines() | examples()) or b"\0")
    for _ in range(draw(st.integers(0, 3))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data)


def check(loaded: Labelled) -> None:
    """Checks what the docstrings promise."""
    n_rows = loaded.table.n_rows
    assert loaded.labels.shape == loaded.row_numbers.shape == (n_rows,)
    assert (np.diff(loaded.row_numbers) > 0).all()
    assert set(loaded.labels.tolist()) == set(range(len(loaded.schema.classes)))
    for column, schema in zip(loaded.table.columns, loaded.schema.columns, strict=True):
        assert column.name == schema.name
        if isinstance(column, CategoryColumn):
            assert column.codes.shape == (n_rows,)
            assert set(column.codes.tolist()) <= set(range(-1, len(column.levels)))
        else:
            assert column.values.shape == (n_rows,)
            assert not np.isinf(column.values).any()


@settings(max_examples=EXAMPLES)
@given(
    data=well_formed()
    | well_formed()
    | delimited()
    | json_lines()
    | damaged()
    | st.binary(max_size=200)
)
def test_any_bytes_give_rows_or_a_sentence(data, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "fuzzed"
    path.write_bytes(data)
    try:
        loaded = load(path, "y")
    except LLMERMError as error:  # without pyarrow, a Parquet file is no error of the file
        assert str(error).strip()
        event("refused")
        return
    event("read")
    check(loaded)
    batches = list(stream(path, loaded.schema))
    rows = {
        number: index
        for index, number in enumerate(
            np.concatenate([batch.row_numbers for batch in batches]).tolist()
        )
    }
    kept = [rows[number] for number in loaded.row_numbers.tolist()]
    for index, column in enumerate(loaded.table.columns):
        name = "codes" if isinstance(column, CategoryColumn) else "values"
        parts = [getattr(batch.table.columns[index], name) for batch in batches]
        np.testing.assert_array_equal(np.concatenate(parts)[kept], getattr(column, name))


def test_a_file_that_the_fuzzer_should_accept_is_accepted(tmp_path):
    path = tmp_path / "good.csv"
    path.write_text("a,y\n1,no\n2,yes\n")
    check(load(path, "y"))
    with pytest.raises(InputError):
        load(path, "z")
