"""The sample of a long file."""

import numpy as np
import pytest

from llm_erm.errors import InputError
from llm_erm.tables import sample
from llm_erm.tables.chunks import Chunk
from llm_erm.tables.reading import load
from llm_erm.tables.sample import Sample


def chunks(n_rows, size):
    for start in range(0, n_rows, size):
        numbers = np.arange(start + 1, min(start + size, n_rows) + 1)
        yield Chunk({"a": numbers.astype(float), "b": [str(n) for n in numbers]}, numbers)


def drawn(n_rows, size, max_rows, seed=0):
    kept = Sample(max_rows, seed, "the table")
    for chunk in chunks(n_rows, size):
        kept.add(chunk)
    return kept.rows()


@pytest.mark.parametrize("size", [1, 7, 100, 1000])
def test_the_sample_does_not_depend_on_the_chunks(size):
    rows = drawn(1000, size, 30)
    assert rows.row_numbers.tolist() == drawn(1000, 333, 30).row_numbers.tolist()
    assert len(rows) == 30
    assert (np.diff(rows.row_numbers) > 0).all()
    assert rows.columns["a"].tolist() == rows.row_numbers.tolist()
    assert list(rows.columns["b"]) == [str(number) for number in rows.row_numbers]


def test_all_rows_are_kept_where_they_are_few():
    assert drawn(30, 7, 30).row_numbers.tolist() == list(range(1, 31))


def test_every_row_has_the_same_chance():
    """Each of 40 rows is in 10 of 40 places in 2,000 samples: 500 times, with deviation 19.4."""
    counts = sum(
        np.bincount(drawn(40, 9, 10, seed).row_numbers, minlength=41) for seed in range(2000)
    )
    assert abs(counts[1:] - 500).max() < 6 * 19.4
    assert counts.sum() == 20_000


def test_a_long_file_is_sampled_by_seed_and_it_is_said(read):
    rows = "".join(f"{index % 9},{'no' if index % 5 else 'yes'}\n" for index in range(5000))
    first, again, other = (read(f"a,y\n{rows}", max_rows=100, seed=seed) for seed in (0, 0, 1))
    assert first.row_numbers.tolist() == again.row_numbers.tolist()
    assert first.row_numbers.tolist() != other.row_numbers.tolist()
    assert "Only a random sample of the rows is used: 100 of 5,000 (seed 0)." in first.notices
    expected = [(number - 1) % 9 for number in first.row_numbers.tolist()]
    assert first.table.columns[0].values.tolist() == expected


def test_a_class_that_the_sample_lacks_is_said(read):
    rows = "".join(f"{index % 9},{'no' if index % 2 else 'yes'}\n" for index in range(5000))
    loaded = read(f"a,y\n{rows}3,rare\n", max_rows=100)
    assert loaded.schema.classes == ("no", "yes")
    assert (
        "Classes without a row in the sample cannot be predicted: rare (1 row)." in loaded.notices
    )


def test_a_wide_table_keeps_fewer_rows_and_says_so(monkeypatch):
    monkeypatch.setattr(sample, "MAX_CELLS", 60)
    array = np.random.RandomState(0).rand(50, 3)
    array[:, 2] = array[:, 2] > 0.5
    loaded = load(array, "x2")
    assert loaded.table.n_rows == 20
    assert any("is used: 20 of 50 (seed 0)" in notice for notice in loaded.notices)


def test_too_much_text_is_refused(monkeypatch):
    monkeypatch.setattr(sample, "MAX_CHARACTERS", 1000)
    data = {"a": ["x" * 99, "y" * 99] * 10, "y": [0, 1] * 10}
    with pytest.raises(InputError, match="20 rows hold 2,000 characters|20 rows hold 2,0"):
        load(data, "y")
    assert load(data | {"b": [1, 2] * 10}, "y", ignore=["a"]).table.n_rows == 20
