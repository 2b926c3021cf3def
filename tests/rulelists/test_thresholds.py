"""Where a rule's thresholds end up, no row of the table gets another label."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

pytest.importorskip("numba")

from llm_erm.rulelists.learn import learn
from llm_erm.rulelists.rule import Above, AtMost, Line, RuleList
from llm_erm.rulelists.settings import TableSettings
from llm_erm.rulelists.thresholds import settled
from llm_erm.rulelists.undetermined import moved
from llm_erm.tables.cells import DAY_MICROSECONDS, days_at, read_date
from llm_erm.tables.columns import NumberColumn, Table
from llm_erm.tables.reading import load

FIRST_DAY, LAST_DAY = -719_162, 2_932_896
"""0001-01-01 and 9999-12-31."""
MOMENTS = st.integers(FIRST_DAY * DAY_MICROSECONDS, (LAST_DAY + 1) * DAY_MICROSECONDS - 1).map(
    days_at
)
ROUND = st.builds(lambda digits, number: number / 10**digits, st.integers(0, 6), st.integers())
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | ROUND.filter(math.isfinite)
WHOLE = st.integers(-(2**70), 2**70).map(float)


def table_of(values, kind: str) -> Table:
    whole, dates = kind == "whole", kind == "moments"
    values = np.array(values)
    return Table((NumberColumn("x", values, integral=whole, dates=dates),), len(values))


def condition(kind: str, value: float, form=AtMost):
    return form("x", value, kind == "moments", kind == "moments")


@st.composite
def neighbours(draw):
    """Some floats that are next to each other, or nearly."""
    kind, values = draw(
        st.sampled_from([("numbers", NUMBERS), ("whole", WHOLE), ("moments", MOMENTS)])
    )
    found = {draw(values)}
    for steps in draw(st.lists(st.integers(-4, 4), min_size=1, max_size=6)):
        near = draw(st.sampled_from(sorted(found)))
        for _ in range(abs(steps)):
            near = math.nextafter(near, math.copysign(math.inf, steps))
        found.add(near)
    usable = np.rint if kind == "whole" else np.asarray
    return kind, sorted({float(usable(one)) + 0.0 for one in found if math.isfinite(one)})


@settings(max_examples=300, deadline=None)
@given(neighbours())
@example(("numbers", [0.7999999999999999, 0.8]))
@example(("numbers", [0.06999999999999999, 0.07]))
@example(("numbers", [-5e-324, 0.0]))
@example(("whole", [2.0**53, 2.0**53 + 2]))
@example(("whole", [1e18 - 128, 1e18]))
@example(("moments", [days_at(253_300_000_000_000_000), 2_931_712.962962963]))
def test_a_threshold_between_neighbours_divides_them(found):
    kind, values = found
    table = table_of(values, kind)
    for value in values[:-1]:
        for form in (AtMost, Above):
            rule = RuleList((Line((condition(kind, value, form),), 1),), 0, ("no", "yes"))
            assert (settled(rule, table).predict(table) == rule.predict(table)).all()


@settings(max_examples=200, deadline=None)
@given(neighbours(), st.data())
def test_a_rule_with_settled_thresholds_labels_all_rows_alike(found, data):
    kind, values = found
    table = table_of(values, kind)
    one = st.builds(
        condition, st.just(kind), st.sampled_from(values), st.sampled_from([AtMost, Above])
    )
    some = st.lists(one, min_size=1, max_size=4).map(tuple)
    lines = st.builds(
        lambda given, label, least: Line(given, label, min(least, len(given)) or None),
        some,
        st.integers(0, 1),
        st.integers(0, 3),
    )
    rule = RuleList(tuple(data.draw(st.lists(lines, max_size=3))), 0, ("no", "yes"))
    assert (settled(rule, table).predict(table) == rule.predict(table)).all()


@settings(max_examples=200, deadline=None)
@given(neighbours(), st.floats(0, 1))
def test_a_threshold_moved_within_its_room_stays_there(found, share):
    kind, values = found
    for low, high in pairwise(values):
        rule = RuleList((Line((condition(kind, low),), 1),), 0, ("no", "yes"))
        (other,) = moved(rule, [(low, high)], [share])
        assert low <= other.lines[0].conditions[0].value < high


def test_a_rule_between_neighbouring_numbers_makes_the_errors_that_it_says():
    texts = ["0.7999999999999999", "0.8"] * 30
    data = load({"x": texts, "y": ["no", "yes"] * 30}, "y")
    learned = learn(data, TableSettings(max_conditions=1, looks=20_000))
    assert str(learned.rule) == "IF x ≤ 0.7999999999999999 → no\nELSE → yes"
    assert learned.size.cost == len(learned.wrong) == 0


def test_a_threshold_of_zero_has_no_sign():
    table = table_of([-1.5, 0.5], "numbers")
    rule = RuleList((Line((AtMost("x", -1.0),), 1),), 0, ("no", "yes"))
    assert str(settled(rule, table)) == "IF x ≤ 0 → yes\nELSE → no"


@settings(max_examples=500, deadline=None)
@given(
    st.integers(FIRST_DAY * DAY_MICROSECONDS, LAST_DAY * DAY_MICROSECONDS),
    st.sampled_from([1, 10, 1000, 10**6, 60 * 10**6, DAY_MICROSECONDS]),
)
@example(158_742_008_607_000_000, 10**6)
def test_a_threshold_between_two_moments_of_any_year_divides_them_as_it_is_printed(start, apart):
    values = sorted({days_at(start), days_at(start + apart)})
    table = table_of(values, "moments")
    rule = RuleList((Line((condition("moments", values[0]),), 1),), 0, ("no", "yes"))
    line = settled(rule, table).lines[0].conditions[0]
    assert read_date(line.threshold) == line.value
    assert (line.holds(table) == (table.columns[0].values == values[0])).all()
