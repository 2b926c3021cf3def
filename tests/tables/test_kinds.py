"""What columns hold: numbers in many spellings, dates, categories, and what is missing."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llm_erm.tables.cells import (
    DAY_MICROSECONDS,
    MISSING,
    certainly_commas,
    date_text,
    days_at,
    microsecond_at,
    moment_text,
    numbers_in,
    read_date,
    read_number,
)
from llm_erm.tables.columns import NumberColumn


@pytest.fixture
def column(read):
    """Reads a column of these cells beside labels of two classes; returns it and what was said."""

    def made(cells, *, delimiter=";", other=None, **options):
        rows = [
            delimiter.join(
                [f'"{cell}"', str(other or index % 7 + 0.5), "no" if index % 3 else "yes"]
            )
            for index, cell in enumerate(cells)
        ]
        header = delimiter.join(["a", "b", "y"])
        loaded = read("\n".join([header, *rows]), **options)
        first = loaded.table.columns[0]
        said = " ".join(notice for notice in loaded.notices if "Classes" not in notice)
        return first, said, loaded.schema.columns[0]

    return made


@pytest.mark.parametrize(
    ("cells", "values", "said"),
    [
        (["1", "-2.5", "+3", ".5", "5.", "1e3"], [1, -2.5, 3, 0.5, 5, 1000], ""),
        (
            ["1,5", "-2,25", "3"],
            [1.5, -2.25, 3],
            "Column a: commas are decimal marks ('1,5' was read as 1.5).",
        ),
        (["1.234,5", "2", "3"], [1234.5, 2, 3], "points separate thousands and commas are decimal"),
        (["1,234.5", "2", "3"], [1234.5, 2, 3], "('1,234.5' was read as 1234.5)"),
        (["1,234,567", "2", "3"], [1234567, 2, 3], "Column a: commas separate thousands"),
        (["1 234", "2", "3"], [1234, 2, 3], "spaces separate thousands ('1 234' was read"),
        (["1\u202f234,5", "2", "3"], [1234.5, 2, 3], "spaces separate thousands and commas"),
        (["1'234.5", "2", "3"], [1234.5, 2, 3], "apostrophes separate thousands"),
        (["\u22121", "2", "3"], [-1, 2, 3], ""),
        (["5%", "12.5 %", "7"], [5, 12.5, 7], "Column a: signs such as % and $ were removed."),
        (["$5", "€1,234.5", "7"], [5, 1234.5, 7], "signs such as % and $ were removed."),
        (["1", "inf", "3"], [1, math.nan, 3], "Column a: infinite values count as missing."),
        (["1", "1e999", "3"], [1, math.nan, 3], "infinite values count as missing."),
        (["1", "NA", "?", "3"], [1, math.nan, math.nan, 3], "'?' and 'NA' count as missing."),
    ],
)
def test_numbers_are_read_in_every_spelling(column, cells, values, said):
    for delimiter in (",", ";"):
        found, heard, _ = column(cells, delimiter=delimiter)
        np.testing.assert_array_equal(found.values, values)
        assert said in heard
        assert said or not heard


def test_a_comma_before_three_digits_means_what_the_file_says(column):
    """Thousands by default, decimals between semicolons or beside certain decimals."""
    cells = ["1,234", "5,678", "9,012"]
    assert column(cells, delimiter=",")[0].values.tolist() == [1234, 5678, 9012]
    assert column(cells, delimiter=";")[0].values.tolist() == [1.234, 5.678, 9.012]
    beside = column(cells, delimiter="|", other="2,75")
    assert beside[0].values.tolist() == [1.234, 5.678, 9.012]


def test_a_point_before_three_digits_means_thousands_beside_decimal_commas_alone(column):
    cells = ["1.234", "5.678", "9.012"]
    assert column(cells, delimiter=";")[0].values.tolist() == [1.234, 5.678, 9.012]
    found, said, _ = column(cells, delimiter=";", other="2,75")
    assert found.values.tolist() == [1234, 5678, 9012]
    assert "points separate thousands" in said
    assert "('9.012' was read as 9012)" in said or "('1.234' was read as 1234)" in said


@pytest.mark.parametrize(
    "text", ["1_000", "0x10", "1e", "--1", "1.2.3", "1,23,4", "٣", "²", "nan", ""]
)
def test_what_is_no_number_is_none(text):
    assert all(read_number(text, form) is None for form in {numbers_in(["1"], "point")[0]})


def test_certain_commas_are_those_that_separate_no_thousands():
    assert certainly_commas(["1,5", "2"])
    assert certainly_commas(["1.234,5", "2"])
    assert not certainly_commas(["1,234", "2"])
    assert not certainly_commas(["a, b", "c, d"])
    assert not certainly_commas(["1", "2.5"])


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("1970-01-02", 1),
        ("1969-12-31T12:00", -0.5),
        ("1970-01-01 00:00:00.000", 0),
        ("1970-01-01T01:00+01:00", 0),
        ("1970-01-01T06:00:00Z", 0.25),
        ("2024-02-31", None),
        ("19700102", None),
        ("1970-1-2", None),
        ("0001-01-01T00:00+23:59", None),
    ],
)
def test_iso_dates_are_days(text, days):
    assert read_date(text) == (None if days is None else pytest.approx(days, abs=1e-9))


@pytest.mark.parametrize(
    ("days", "text"),
    [
        (0, "1970-01-01"),
        (-719162, "0001-01-01"),
        (19723.5, "2024-01-01 12:00:00"),
        (1e300, "9999-12-31 23:59:59"),
        (-1e300, "0001-01-01"),
    ],
)
def test_days_are_written_as_dates(days, text):
    assert date_text(days) == text
    if abs(days) < 1e6:
        assert read_date(text) == days


@pytest.mark.parametrize(
    ("days", "times", "text"),
    [
        (19732, False, "2024-01-10"),
        (19732, True, "2024-01-10 00:00"),
        (19732.2, False, "2024-01-10 04:48"),
        (19732.20001, True, "2024-01-10 04:48:00.864"),
        (-0.25, True, "1969-12-31 18:00"),
        (1e300, False, "9999-12-31 23:59:59.999999"),
        (math.inf, False, "9999-12-31 23:59:59.999999"),
        (2932896.999988426, False, "9999-12-31 23:59:59"),
        (-1e300, False, "0001-01-01"),
    ],
)
def test_a_moment_is_written_to_its_microsecond(days, times, text):
    assert moment_text(days, times=times) == text
    if abs(days) < 1e6:
        assert read_date(text) == days


NEAR = 65_000
"""Days from 1970, to 1792 and 2147, within which days as floats tell microseconds apart."""


@given(st.integers(-NEAR * DAY_MICROSECONDS, NEAR * DAY_MICROSECONDS))
def test_a_moment_reads_back_as_itself(microsecond):
    days = days_at(microsecond)
    assert microsecond_at(days) == microsecond
    assert read_date(moment_text(days)) == days
    assert read_date(moment_text(days, times=True)) == days


FIRST, LAST = -719_162 * DAY_MICROSECONDS, 2_932_897 * DAY_MICROSECONDS - 1
"""The calendar, from 0001-01-01 to 9999-12-31 23:59:59.999999."""
SECONDS = st.integers(FIRST // 10**6, LAST // 10**6)
ANY = st.integers(FIRST, LAST) | SECONDS.map(lambda second: second * 10**6)


@settings(max_examples=1000)
@given(ANY)
@example(FIRST)
@example(LAST)
@example(LAST - 999_999)
def test_each_moment_of_the_calendar_reads_back_as_the_same_days(microsecond):
    days = days_at(microsecond)
    assert days_at(microsecond_at(days)) == days
    assert microsecond % 10**6 or microsecond_at(days) == microsecond
    for times in (False, True):
        assert read_date(moment_text(days, times=times)) == days


@settings(max_examples=1000)
@given(ANY.map(days_at) | st.floats(FIRST / DAY_MICROSECONDS, LAST / DAY_MICROSECONDS))
def test_dates_are_divided_alike_by_days_and_by_what_is_written_of_them(days):
    for near in (days, math.nextafter(days, -math.inf), math.nextafter(days, math.inf)):
        if not FIRST <= near * DAY_MICROSECONDS <= LAST:
            continue
        found = microsecond_at(near)
        last = read_date(moment_text(near))
        assert last == days_at(found) <= near
        assert last == near or near < days_at(found + 1)


def test_dates_are_numbers_that_print_as_dates(column):
    found, said, schema = column(["1970-01-03", "", "1970-01-01", "1970-01-03"])
    np.testing.assert_array_equal(found.values, [2, math.nan, 0, 2])
    assert found.dates
    assert schema.dates
    assert said == ""


def test_one_word_among_numbers_means_missing_and_is_counted(column):
    found, said, schema = column(["unknown", "1", "unknown", "2", "3"])
    np.testing.assert_array_equal(found.values, [math.nan, 1, math.nan, 2, 3])
    assert "2 of its 5 values are not ('unknown') and count as missing." in said
    assert schema.missing == ("unknown",)


def test_a_few_words_among_many_numbers_mean_missing_and_are_counted(column):
    cells = [str(index + 0.25) for index in range(97)] + ["n/k", "twelve", "<1"]
    found, said, _ = column(cells)
    assert np.isnan(found.values[97:]).all()
    assert np.isfinite(found.values[:97]).all()
    assert (
        "Column a was read as numbers; 3 of its 100 values are not ('n/k', 'twelve', '<1') and "
        "count as missing."
    ) in said


def test_words_among_numbers_are_categories_where_they_are_many_and_it_is_said(column):
    found, said, _ = column(["1", "2", "low", "high", "1", "2"])
    assert found.levels == ("1", "2", "high", "low")
    assert "Column a was read as text: 4 of its 6 values are numbers, but others are not" in said


def test_one_word_that_is_not_repeated_among_few_numbers_is_a_category(column):
    assert column(["x", "1", "2"])[0].levels == ("1", "2", "x")


def test_a_decimal_mark_that_no_value_has_is_not_said(column):
    found, said, schema = column(["unknown", "1", "unknown", "2", "3"], other="2,75")
    np.testing.assert_array_equal(found.values, [math.nan, 1, math.nan, 2, 3])
    assert schema.decimal == ","
    assert "Column b: commas are decimal marks" in said
    assert "Column a: commas" not in said
    assert "Columns a" not in said


def test_a_single_number_or_word_is_said_in_the_singular(column):
    said = column(["x", "w", "2"])[1]
    assert "text: 1 of its 3 values is a number, but others are not ('x', 'w')." in said
    said = column([str(index + 0.25) for index in range(30)] + ["n/k"])[1]
    assert "1 of its 31 values is not ('n/k') and counts as missing." in said


def test_a_value_like_3_or_more_is_a_category(column):
    found, said, _ = column(["0", "1", "2", "3+"] * 5)
    assert found.levels == ("0", "1", "2", "3+")
    assert "('3+')" in said


@pytest.mark.parametrize("cells", [["007", "012", "007"], ["1" * 16, "2" * 16, "1" * 16]])
def test_codes_are_no_numbers(column, cells):
    found, said, _ = column(cells)
    assert found.levels == tuple(sorted(set(cells)))
    assert "Column a: read as codes, not as numbers" in said


@pytest.mark.parametrize("cells", [["05", "10", "15"], ["007", "7", "12"], ["100", "200", "300"]])
def test_numbers_with_a_zero_first_are_numbers_unless_all_are_equally_long(column, cells):
    found, said, _ = column(cells)
    assert found.values.tolist() == [float(cell) for cell in cells]
    assert said == ""


def test_words_for_missing_are_kept_in_the_schema_if_they_are_few(column):
    cells = [str(index + 0.25) for index in range(300)]
    assert column([*cells, "n/k"])[2].missing == ("n/k",)
    assert column([*cells, *(f"word {index}" for index in range(30))])[2].missing == ()


def test_none_is_a_category_but_nothing_is_missing(column):
    found, _, _ = column(["None", "", "pool", "null"])
    assert found.levels == ("None", "pool")
    assert found.codes.tolist() == [0, -1, 1, -1]


def test_booleans_are_categories(column):
    assert column(["True", "False", "True"])[0].levels == ("False", "True")


def test_numbers_are_categories_where_the_user_says_so(column):
    found, _, _ = column(["2", "10", "2.0", "2"], categories=["a"])
    assert found.levels == ("2", "2.0", "10")


def test_whole_numbers_are_known(column):
    assert column(["1", "2.0", ""])[0].integral
    assert not column(["1", "2.5", ""])[0].integral
    assert isinstance(column(["1", "2", "3"])[0], NumberColumn)


def test_what_is_missing_everywhere_is_said_except_nothing(column):
    for word in MISSING - {""}:
        found, said, _ = column(["p", word, "q"])
        assert found.codes.tolist() == [0, -1, 1]
        assert f"Column a: {word!r} counts as missing." in said
    assert column(["p", "", "q"])[1] == ""
