"""What a model's comparisons with dates divide, in every year of the calendar."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("numba")

from llm_erm.rulelists.names import names_of
from llm_erm.rulelists.proposed import rule_in
from llm_erm.rulelists.rule import RuleList
from llm_erm.tables.cells import (
    DAY_MICROSECONDS,
    date_text,
    days_at,
    microsecond_at,
    moment_text,
    read_date,
)
from llm_erm.tables.columns import ColumnSchema, NumberColumn, Schema, Table

FIRST_DAY, LAST_DAY = -719_162, 2_932_896
"""0001-01-01 and 9999-12-31."""
SECOND = 10**6
CALENDAR = FIRST_DAY * DAY_MICROSECONDS, (LAST_DAY + 1) * DAY_MICROSECONDS - 1
SCHEMA = Schema((ColumnSchema("until", "number", dates=True),), "label", ("no", "yes"))


def read(text: str, table: Table) -> RuleList:
    return rule_in(text, table, names_of(SCHEMA), 3)


def table_of(moments) -> Table:
    values = np.array([one if isinstance(one, float) else read_date(one) for one in moments])
    return Table((NumberColumn("until", values, integral=False, dates=True),), len(values))


def divides(sign: str, text: str, table: Table) -> tuple[list[bool], str]:
    """The rows that a comparison holds on, and the rule as printed, which says the same."""
    rule = read(f"IF until {sign} {text} → yes\nELSE → no", table)
    rows = rule.lines[0].holds(table).tolist()
    assert read(str(rule), table).lines[0].holds(table).tolist() == rows
    return rows, str(rule)


@st.composite
def columns(draw):
    """Moments near each other and far apart, with or without parts of seconds."""
    unit = draw(st.sampled_from([1, SECOND]))
    moments = {draw(st.integers(CALENDAR[0] // unit, CALENDAR[1] // unit)) * unit}
    for _ in range(draw(st.integers(1, 5))):
        near = draw(st.sampled_from(sorted(moments)))
        steps = draw(st.sampled_from([1, -1, SECOND, -SECOND, 60 * SECOND, DAY_MICROSECONDS]))
        far = draw(st.integers(CALENDAR[0] // unit, CALENDAR[1] // unit)) * unit
        midnight = near // DAY_MICROSECONDS * DAY_MICROSECONDS
        ends = [far, midnight, midnight - unit, midnight + DAY_MICROSECONDS - unit, CALENDAR[1]]
        found = draw(st.sampled_from([near + steps, *ends])) // unit * unit
        moments.add(min(max(found, CALENDAR[0]), CALENDAR[1] // unit * unit))
    return sorted(set(map(days_at, moments)))


@settings(max_examples=400, deadline=None)
@given(columns(), st.data())
def test_a_moment_divides_the_rows_as_it_says(values, data):
    table = table_of(values)
    days = data.draw(st.sampled_from(values))
    shift = data.draw(st.sampled_from([0, 0, 1, -1, SECOND // 2, -SECOND // 2]))
    microsecond = min(max(microsecond_at(days) + shift, CALENDAR[0]), CALENDAR[1])
    text = moment_text(days_at(microsecond), times=True)
    moment = read_date(text)
    array = np.array(values)
    expected = {
        "≤": array <= moment,
        ">": array > moment,
        "=": array == moment,
        "<": array < moment,
        "≥": array >= moment,
    }
    for sign, rows in expected.items():
        if moment > FIRST_DAY or sign not in ("<", "≥"):  # nothing is before the first moment
            assert divides(sign, text, table)[0] == rows.tolist()


@settings(max_examples=400, deadline=None)
@given(columns(), st.data())
def test_a_day_divides_the_rows_as_a_whole_one(values, data):
    table = table_of(values)
    day = int(np.floor(data.draw(st.sampled_from(values))))
    day = min(max(day + data.draw(st.integers(-1, 1)), FIRST_DAY + 1), LAST_DAY)
    array = np.array(values)
    start, end = array >= day, array < (day + 1 if day < LAST_DAY else np.inf)
    expected = {"<": ~start, "≥": start, "≤": end, ">": ~end, "=": start & end}
    for sign, rows in expected.items():
        assert divides(sign, date_text(day), table)[0] == rows.tolist()


def test_the_last_day_holds_every_time_of_it():
    table = table_of(["2024-01-10 10:00:00", "9999-12-30 23:59:59", "9999-12-31 23:59:59"])
    assert divides("=", "9999-12-31", table) == (
        [False, False, True],
        "IF until > 9999-12-30 23:59:59 → yes\nELSE → no",
    )
    assert divides("≤", "9999-12-31", table)[0] == [True, True, True]
    for time in ("00:00", "23:59:59", "23:59:59.999999"):
        ending = table_of(["2024-01-10 10:00:00", "9999-12-30 23:59:59", f"9999-12-31 {time}"])
        assert divides("=", "9999-12-31", ending)[0] == [False, False, True]


def test_a_far_date_leaves_a_column_of_whole_seconds_one():
    table = table_of(["2024-01-10 10:00:00", "9999-12-31 12:34:56"])
    far, near = "9999-12-31 12:34:56", "2024-01-10 10:00"
    assert divides("≥", far, table)[0] == [False, True]
    assert divides("<", far, table)[0] == [True, False]
    assert divides("=", far, table)[0] == [False, True]
    rows, printed = divides("≥", near, table)
    assert rows == [True, True]
    assert printed == "IF until > 2024-01-10 09:59:59 → yes\nELSE → no"


def test_a_part_of_a_second_divides_a_column_of_whole_ones():
    table = table_of(["2020-01-01 17:59:59", "2020-01-01 18:00:00"])
    rows, printed = divides("<", "2020-01-01 17:59:59.5", table)
    assert rows == [True, False]
    assert printed == "IF until ≤ 2020-01-01 17:59:59 → yes\nELSE → no"


def test_nothing_is_before_the_first_moment():
    table = table_of(["0001-01-01 00:00:00.5", "2020-01-01 18:00:00"])
    assert divides("≤", "0001-01-01", table)[0] == [True, False]
    assert divides(">", "0001-01-01", table)[0] == [False, True]


@given(
    st.lists(st.floats(-1e300, 1e300) | st.sampled_from([0.5, 1e17, 1e15 + 0.5]), min_size=2),
    st.data(),
)
def test_a_number_divides_those_below_it_from_others_however_large_it_is(values, data):
    table = Table((NumberColumn("until", np.array(values), integral=False),), len(values))
    value = data.draw(st.sampled_from(values))
    rows, _ = divides("<", repr(value), table)
    assert rows == [one < value for one in values]
