"""Whatever a model writes is a rule of this table or one failed attempt, never an error."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_erm.rulelists.names import names_of
from llm_erm.rulelists.proposed import UnreadableError, rule_in
from llm_erm.rulelists.rule import (
    Above,
    Among,
    AtMost,
    Line,
    Missing,
    MoreThan,
    NotAmong,
    NotMoreThan,
    Present,
    RuleList,
)
from llm_erm.tables.cells import days_at
from llm_erm.tables.columns import CategoryColumn, ColumnSchema, NumberColumn, Schema, Table


def whole(name: str, *values: float, dates: bool = False) -> NumberColumn:
    return NumberColumn(name, np.array(values), integral=True, dates=dates)


def named(name: str, *levels: str) -> CategoryColumn:
    return CategoryColumn(name, np.arange(3, dtype=np.int32) % len(levels), levels)


def schema_of(table: Table, classes: tuple[str, ...] = ("no", "yes")) -> Schema:
    columns = (
        ColumnSchema(one.name, "number", integral=one.integral, dates=one.dates)
        if isinstance(one, NumberColumn)
        else ColumnSchema(one.name, "category", one.levels)
        for one in table.columns
    )
    return Schema(tuple(columns), "churned", classes)


TABLE = Table(
    (
        whole("age", 18, 40, 60),
        NumberColumn("bmi", np.array([18.5, 20.1, np.nan]), integral=False),
        named("contract", "monthly", "two years", "yearly"),
        named("who", "me", "someone else"),
        whole("signed", 18_000, 18_300, 18_400, dates=True),
        whole("time in store", 0, 1, 1),
        whole("Time In Store", 0, 1, 2),
        NumberColumn("seen", np.array([18_000.25, 18_262.75, 18_300.5]), False, dates=True),
    ),
    3,
)


def read(answer: str, *classes: str, max_conditions: int = 5, blind: bool = False) -> RuleList:
    schema = schema_of(TABLE, classes or ("no", "yes"))
    return rule_in(answer, TABLE, names_of(schema, blind=blind), max_conditions)


@pytest.mark.parametrize(
    ("answer", "printed"),
    [
        (
            "IF age > 40 AND contract = monthly → yes / ELSE IF bmi <= 20 -> no / ELSE → yes",
            "IF age > 40 AND contract = monthly → yes\nELSE IF bmi ≤ 20 → no\nELSE → yes",
        ),
        (
            "First I thought:\nIF foo > 1 → yes\nELSE → no\nBetter:\n```text\n1. **if** `AGE` > 41 "
            "AND \"contract\" in {yearly, 'monthly'} THEN YES\n2. ELSE IF who = someone else "
            "then no\n3. ELSE no.\n```\nThat is it.",
            "IF age > 41 AND contract in {monthly, yearly} → yes\nELSE IF who = someone else → no"
            "\nELSE → no",
        ),
        ("IF age ≥ 40 → yes\nELSE → no", "IF age > 39 → yes\nELSE → no"),
        ("IF bmi < 25 → yes\nELSE → no", "IF bmi ≤ 24.95 → yes\nELSE → no"),
        ("IF bmi < 25.03 → yes\nELSE → no", "IF bmi ≤ 25.029999999999998 → yes\nELSE → no"),
        ("IF 20 < age <= 40 → yes\nELSE → no", "IF 20 < age ≤ 40 → yes\nELSE → no"),
        ("IF time in store = 1 → yes\nELSE → no", "IF time in store > 0 → yes\nELSE → no"),
        ("IF age > bmi → yes\nELSE → no", "IF age > bmi → yes\nELSE → no"),
        ("IF age < bmi → yes\nELSE → no", "IF bmi > age → yes\nELSE → no"),
        ("IF signed ≤ 2020-02-01 → yes\nELSE → no", "IF signed ≤ 2020-02-01 → yes\nELSE → no"),
        ("IF signed = 0001-01-01 → yes\nELSE → no", "IF signed ≤ 0001-01-01 → yes\nELSE → no"),
        ("IF age > 1,000.5 → yes\nELSE → no", "IF age > 1000.5 → yes\nELSE → no"),
        ("IF bmi is missing → churned = yes\nELSE → no", "IF bmi is missing → yes\nELSE → no"),
        ("IF bmi is not missing → yes\nELSE → no", "IF bmi is present → yes\nELSE → no"),
        (
            "IF age > 3 → yes\nIF contract is not yearly → no\nELSE → yes",
            "IF age > 3 → yes\nELSE IF contract ≠ yearly → no\nELSE → yes",
        ),
        (
            "IF at least 2 hold of: age > 4; bmi > 18; contract ≠ yearly → yes\nELSE → no",
            "IF at least 2 hold of: age > 4; bmi > 18; contract ≠ yearly → yes\nELSE → no",
        ),
        (
            "IF at least 1 of: age > 4; bmi > 18 → yes\nELSE → no",
            "IF age > 4 → yes\nELSE IF bmi > 18 → yes\nELSE → no",
        ),
        (
            "IF at least 2 of: age > 4; bmi > 18 → yes\nELSE → no",
            "IF age > 4 AND bmi > 18 → yes\nELSE → no",
        ),
        ("IF age > 4 AND age > 4 → yes\nELSE → no", "IF age > 4 → yes\nELSE → no"),
        ("always → no", "ALWAYS → no"),
        ("IF age > 4 → yes\nELSE → no\n\nIf you like, ask me.", "IF age > 4 → yes\nELSE → no"),
        (
            "IF age > 3 → yes\nELSEIF age > 2 => no\nOTHERWISE, yes",
            "IF age > 3 → yes\nELSE IF age > 2 → no\nELSE → yes",
        ),
        ("<think>IF age > 1 → no\nELSE → yes</think>\nALWAYS → no", "ALWAYS → no"),
    ],
)
def test_rule_is_read_however_it_is_laid_out(answer, printed):
    assert str(read(answer)) == printed


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("", "no rule"),
        ("def f(x): return 1", "no rule"),
        ("I cannot help with that.", "no rule"),
        ("IF height > 3 → yes\nELSE → no", "no column 'height'"),
        ("IF TIME IN STORE > 3 → yes\nELSE → no", "no column 'TIME IN STORE'"),
        ("IF contract = weekly → yes\nELSE → no", "'contract' is never 'weekly'"),
        ("IF contract > 3 → yes\nELSE → no", "no order"),
        ("IF contract in {monthly, weekly} → yes\nELSE → no", "never 'weekly'"),
        ("IF age ≠ 3 → yes\nELSE → no", "for categories"),
        ("IF age > old → yes\nELSE → no", "no column 'old'"),
        ("IF age > signed → yes\nELSE → no", "cannot be compared"),
        ("IF age > 1e999 → yes\nELSE → no", "'1e999'"),
        ("IF age > nan → yes\nELSE → no", "'nan'"),
        ("IF signed ≥ 0001-01-01 → yes\nELSE → no", "no day before 0001-01-01"),
        ("IF age > 3 → yes\nELSE → no\nIF age > 4 → perhaps\nELSE → no", "no class 'perhaps'"),
        ("IF age > 3 → perhaps\nELSE → no", "no class 'perhaps'"),
        ("IF age > 3 → yes", "an ELSE must end it"),
        ("IF age > 3 OR age < 1 → yes\nELSE → no", "'3 OR age < 1'"),
        ("IF not age > 3 → yes\nELSE → no", "no column 'not age'"),
        ("IF __import__('os') > 3 → yes\nELSE → no", "no column"),
        ("IF at least 2 of: age > 4; bmi > 18; age > 4 → yes\nELSE → no", "twice"),
        ("IF at least 9 of: age > 4; bmi > 18 → yes\nELSE → no", "9 of 2 conditions"),
        ("IF at least 2 of: 3 < age ≤ 4; bmi > 18; age > 4 → yes\nELSE → no", "interval"),
        (
            "IF at least 2 of: age > 4; bmi > 18; age > 9 → yes\nELSE IF age > 3 → no\nELSE → yes",
            "not its only one",
        ),
        ("<think>IF age > 3 → yes\nELSE → no", "within a thought"),
        ("IF age > 1 AND age > 2 AND age > 3 → yes\nELSE → no", "more than 2 conditions"),
    ],
)
def test_what_is_no_rule_of_the_table_is_a_fault_with_a_reason(answer, fault):
    with pytest.raises(UnreadableError, match=None) as raised:
        read(answer, max_conditions=2 if "more than 2" in fault else 5)
    assert fault in str(raised.value)


@pytest.mark.parametrize(
    ("comparison", "holds"),
    [
        ("seen ≤ 2020-01-01", [True, True, False]),
        ("seen > 2020-01-01", [False, False, True]),
        ("seen < 2020-01-01", [True, False, False]),
        ("seen ≥ 2020-01-01", [False, True, True]),
        ("seen = 2020-01-01", [False, True, False]),
    ],
)
def test_a_day_is_a_whole_one_where_a_column_has_times(comparison, holds):
    rule = read(f"IF {comparison} → yes\nELSE → no")
    assert rule.lines[0].holds(TABLE).tolist() == holds
    assert read(str(rule)) == rule


@pytest.mark.parametrize(
    ("comparison", "holds"),
    [
        ("seen ≤ 2020-01-01 18:00", [True, True, False]),
        ("seen < 2020-01-01T18:00", [True, False, False]),
        ("seen ≥ 2020-01-01 18:00:00", [False, True, True]),
        ("seen > 2020-01-01 17:59:59.5", [False, True, True]),
        ("seen = 2020-01-01 18:00", [False, True, False]),
        ("2019-04-14 05:59 < seen ≤ 2020-01-01 18:00", [True, True, False]),
        ("signed < 2020-02-08 12:00", [True, True, False]),
    ],
)
def test_a_time_of_day_is_read(comparison, holds):
    rule = read(f"IF {comparison} → yes\nELSE → no")
    assert rule.lines[0].holds(TABLE).tolist() == holds
    assert read(str(rule)) == rule


def test_what_is_before_a_moment_ends_a_second_earlier_or_a_microsecond():
    for values, printed in (
        ([1.0, 2.25], "IF x ≤ 2024-01-10 04:47:59 → yes\nELSE → no"),
        ([1.0, 2.25 + 1.5 / 86_400], "IF x ≤ 2024-01-10 04:47:59.999999 → yes\nELSE → no"),
    ):
        table = Table((NumberColumn("x", np.array(values), False, dates=True),), 2)
        names = names_of(schema_of(table))
        rule = rule_in("IF x < 2024-01-10 04:48 → yes\nELSE → no", table, names, 3)
        assert str(rule) == printed


def test_large_numbers_are_printed_whole():
    rule = RuleList((Line((AtMost("age", 1234567890123456.0),), 1),), 0, ("no", "yes"))
    assert read(str(rule)) == rule


def test_at_least_a_number_holds_for_it_however_large_it_is():
    table = Table((whole("x", 1e18, 2e18),), 2)
    names = names_of(schema_of(table))
    rule = rule_in("IF x ≥ 1e18 → yes\nELSE → no", table, names, 3)
    assert rule.predict(table).tolist() == [1, 1]


def test_a_threshold_just_below_zero_is_a_short_one():
    table = Table((NumberColumn("x", np.array([-0.123456789, 0, 1]), integral=False),), 3)
    names = names_of(schema_of(table))
    rule = rule_in("IF x ≥ 0 → yes\nELSE → no", table, names, 3)
    assert str(rule) == "IF x > -5e-324 → yes\nELSE → no"
    assert rule.predict(table).tolist() == [0, 1, 1]
    assert rule_in(str(rule), table, names, 3) == rule


def test_some_of_the_conditions_need_two_classes():
    with pytest.raises(UnreadableError, match="two classes"):
        read("IF at least 2 of: age > 4; bmi > 18; age > 9 → a\nELSE → b", "a", "b", "c")


def test_larger_sets_than_the_search_looks_at_are_refused():
    table = Table((named("x", *"abcdef"),), 3)
    names = names_of(schema_of(table))
    assert rule_in("IF x in {a, b, c} → yes\nELSE → no", table, names, 3)
    with pytest.raises(UnreadableError, match="up to 3 categories"):
        rule_in("IF x in {a, b, c, d} → yes\nELSE → no", table, names, 3)


def test_blind_names_stand_for_the_columns_and_no_others():
    rule = read("IF x0 > 40 AND x2 = c01 → y1\nELSE → y0", blind=True)
    assert str(rule) == "IF age > 40 AND contract = two years → yes\nELSE → no"
    with pytest.raises(UnreadableError, match="no column 'age'"):
        read("IF age > 40 → y1\nELSE → y0", blind=True)


def test_words_with_two_meanings_are_refused():
    table = Table((named("x", "a", "a, b", "b"),), 3)
    with pytest.raises(UnreadableError, match="more than one rule"):
        rule_in("IF x in {a, b} → yes\nELSE → no", table, names_of(schema_of(table)), 3)


def test_names_that_look_alike_or_are_long_are_told_apart():
    table = Table((whole("a\tb", 1, 2, 3), whole("a\nb", 1, 2, 3), whole("c" * 99, 1, 2, 3)), 3)
    names = names_of(schema_of(table))
    assert names.columns["a\nb"] == "a\N{REPLACEMENT CHARACTER}b (2)"
    for text, column in ((names.columns["a\nb"], "a\nb"), ("c" * 79 + "…", "c" * 99)):
        rule = rule_in(f"IF {text} > 1 → yes\nELSE → no", table, names, 3)
        assert rule.columns == (column,)
    rule = RuleList((Line((Above("c" * 99, 1),), 1),), 0, ("no", "yes"))
    assert rule_in(str(rule), table, names, 3) == rule


NUMBERS = ("age", "years at work", "x1", "size (cm)", "score_%")
CATEGORIES = {
    "contract": ("monthly", "two years", "yearly"),
    "seen by": ("Dr. No", "nobody", "someone else", "what?", "x-y"),
    "in": ("1", "2"),
}
MIXED = Table(
    (
        *(whole(name, 1, 2, 3) for name in NUMBERS),
        *(named(name, *levels) for name, levels in CATEGORIES.items()),
        *(whole(name, 1, 2, 3, dates=True) for name in ("from", "until")),
        NumberColumn("at", np.array([1.0, 2.25, 3.5]), integral=False, dates=True),
    ),
    3,
)
VALUES = st.floats(-1e9, 1e9) | st.integers(-1000, 1000).map(float)
LEVELS = st.sampled_from(sorted(CATEGORIES)).flatmap(
    lambda name: st.tuples(
        st.just(name),
        st.lists(st.sampled_from(CATEGORIES[name]), min_size=1, max_size=3, unique=True).map(
            lambda levels: tuple(sorted(levels))
        ),
    )
)
MOMENTS = st.integers(-(10**15), 4 * 10**15).map(days_at) | st.sampled_from([0.0, 19732.0, -1.0])
PAIRS = st.permutations(NUMBERS).map(lambda names: names[:2]) | st.permutations(["from", "until"])
CONDITIONS = st.one_of(
    st.builds(AtMost, st.sampled_from(NUMBERS), VALUES),
    st.builds(Above, st.sampled_from(NUMBERS), VALUES),
    st.builds(Above, st.sampled_from(["from", "until"]), st.integers(-9999, 99_999), st.just(True)),
    st.builds(AtMost, st.just("at"), MOMENTS, st.just(True), st.just(True)),
    st.builds(Above, st.just("at"), MOMENTS, st.just(True), st.just(True)),
    st.builds(Missing, st.sampled_from([*NUMBERS, *CATEGORIES])),
    st.builds(Present, st.sampled_from([*NUMBERS, *CATEGORIES])),
    LEVELS.map(lambda one: Among(*one)),
    LEVELS.map(lambda one: NotAmong(*one)),
    PAIRS.map(lambda names: NotMoreThan(*names)),
    PAIRS.map(lambda names: MoreThan(*names)),
)
SETS = st.lists(CONDITIONS, min_size=1, max_size=4, unique=True).map(tuple)
LISTS = st.builds(
    RuleList,
    st.lists(st.builds(Line, SETS, st.integers(0, 2)), max_size=3).map(tuple),
    st.integers(0, 2),
    st.just(("maybe: later", "no", "yes -> now")),
)
SOME = st.lists(CONDITIONS, min_size=3, max_size=5, unique=True).flatmap(
    lambda some: st.builds(
        lambda least, label: RuleList((Line(tuple(some), label, least),), 1 - label, ("no", "yes")),
        st.integers(2, len(some) - 1),
        st.integers(0, 1),
    )
)


def without_order(rule: RuleList) -> object:
    lines = [(frozenset(line.conditions), line.label, line.least) for line in rule.lines]
    return lines, rule.otherwise, rule.classes


@settings(max_examples=300, deadline=None)
@given(LISTS | SOME)
def test_printed_rule_reads_as_the_same(rule):
    names = names_of(schema_of(MIXED, rule.classes))
    found = rule_in(str(rule), MIXED, names, 12)
    assert without_order(found) == without_order(rule)


PIECES = st.sampled_from(
    [
        *("IF", "ELSE", "ELSE IF", "ALWAYS", "AND", "→", "->", "THEN", "at least 2 hold of:", ";"),
        *("\n", "\n1. ", "```", "*", "`", "/", ".", "≤", ">", "<", "=", "≠", "in {", "}", ","),
        *("age", "bmi", "contract", "who", "signed", "monthly", "yearly", "me", "yes", "no"),
        *("2020-01-01", "3", "-7.5e3", "1e999", "is missing", "is", "is not"),
    ]
)


@settings(max_examples=500, deadline=None)
@given(st.lists(PIECES, max_size=40).map(" ".join) | st.text(max_size=200))
def test_any_text_is_a_rule_within_the_limit_or_a_fault(text):
    try:
        rule = read(text, max_conditions=3)
    except UnreadableError as error:
        assert str(error)
    else:
        assert rule.conditions <= 3
        assert rule.predict(TABLE).shape == (3,)


@pytest.mark.parametrize(
    "text",
    [
        "IF " * 100_000,
        "IF age > " + " " * 300_000,
        "IF age > 3" + " AND age > 3" * 20_000 + " → yes\nELSE → no",
        "IF contract in {" + "monthly," * 20_000 + "} → yes\nELSE → no",
        "IF age > " + "9" * 300_000,
        "\n".join(["IF age > 3 ELSE"] * 20_000),
        "IF " + "age ≤ < " * 50_000 + "→ yes\nELSE → no",
        "IF age > 3 → " + "ELSE " * 50_000,
        "-" * 900_000 + "IF",
        "IF age > 3 → yes\nELSE → no" + "`" * 1_000_000,
        "→" * 300_000,
        "IF (" * 50_000,
        "IF " + ">" * 19_900,
        "IF " + "age>age→" * 2_400,
    ],
    ids=range(14),
)
def test_hostile_text_takes_no_time(text):
    began = time.process_time()
    with pytest.raises(UnreadableError):
        read(text)
    assert time.process_time() - began < 2
