"""Every rule is short, needs all that it says, and says nothing twice."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("numba")

from llm_erm.rulelists.learn import learn
from llm_erm.rulelists.openness import left_open
from llm_erm.rulelists.redundancy import without_redundancy
from llm_erm.rulelists.rule import Above, AtMost, Line, RuleList
from llm_erm.rulelists.settings import TableSettings
from llm_erm.rulelists.stored import read_rule, write_rule
from llm_erm.rulelists.thresholds import settled
from llm_erm.tables.cells import read_date
from llm_erm.tables.columns import NumberColumn, Table
from llm_erm.tables.reading import load

TABLE = Table((NumberColumn("x", np.arange(6.0), integral=True),), 6)


def test_what_changes_no_label_is_left_out():
    rule = RuleList(
        (
            Line((AtMost("x", 1.5), AtMost("x", 4.5)), 1),
            Line((Above("x", 9.5),), 1),
            Line((Above("x", 4.5), Above("x", 3.5), Above("x", 7.0)), 0, 2),
        ),
        0,
        ("no", "yes"),
    )
    assert without_redundancy(rule, TABLE) == RuleList(
        (Line((AtMost("x", 1.5),), 1),), 0, ("no", "yes")
    )


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        ("2024-01-10 04:48", "2024-03-10 07:00", "2024-02-09 00:00"),
        ("2024-01-10 04:48", "2024-01-10 07:00", "2024-01-10 06:00"),
        ("2024-01-10 04:48", "2024-01-10 04:52", "2024-01-10 04:50"),
        ("2024-01-10 04:48", "2024-01-10 04:48:05", "2024-01-10 04:48:02"),
        ("2024-01-10 04:48", "2024-01-10 04:48:00.000001", "2024-01-10 04:48"),
    ],
)
def test_a_threshold_between_two_times_is_a_plain_one_that_is_printed_as_it_is(low, high, text):
    values = np.array([read_date(low), read_date(high)])
    table = Table((NumberColumn("at", values, integral=False, dates=True),), 2)
    given = AtMost("at", float(values[0]), date=True, times=True)
    rule = settled(RuleList((Line((given,), 1),), 0, ("no", "yes")), table)
    assert str(rule) == f"IF at ≤ {text} → yes\nELSE → no"
    assert read_date(text) == rule.lines[0].conditions[0].value
    assert rule.predict(table).tolist() == [1, 0]


def test_a_line_that_needs_some_conditions_becomes_one_that_needs_all():
    line = Line((Above("x", 1.5), AtMost("x", 3.5), Above("x", 9.0)), 1, 2)
    rule = RuleList((line,), 0, ("no", "yes"))
    assert without_redundancy(rule, TABLE).lines == (Line(line.conditions[:2], 1),)


@st.composite
def problems(draw):
    n_rows = draw(st.integers(12, 40))
    seed = draw(st.integers(0, 10**6))
    random = np.random.default_rng(seed)
    columns = {
        "age": random.integers(0, 8, n_rows),
        "score": random.random(n_rows).round(2),
        "city": random.choice(["Rome", "Lima", "Oslo", ""], n_rows),
    }
    classes = draw(st.integers(2, 3))
    labels = random.integers(0, classes, n_rows)
    labels[:classes] = np.arange(classes)
    return columns | {"label": [f"class {label}" for label in labels]}


@settings(max_examples=30, deadline=None)
@given(problems(), st.integers(0, 5))
def test_learned_rules_are_readable(columns, max_conditions) -> None:
    data = load(columns, "label")
    learned = learn(data, TableSettings(max_conditions=max_conditions, looks=20_000))
    for size in learned.sizes:
        rule = size.rule
        assert rule.conditions <= size.conditions <= max_conditions
        assert all(line.least is None for line in rule.lines) or len(rule.lines) == 1
        for index, line in enumerate(rule.lines):
            assert line.least is None or 1 < line.least < len(line.conditions)
            assert len(set(line.conditions)) == len(line.conditions)
            rest = rule.lines[:index] + rule.lines[index + 1 :]
            shorter = [replace(rule, lines=rest)]
            for place in range(len(line.conditions) if len(line.conditions) > 1 else 0):
                left = line.conditions[:place] + line.conditions[place + 1 :]
                least = None if line.least is None else min(line.least, len(left))
                one = Line(left, line.label, least)
                shorter.append(
                    replace(rule, lines=(*rule.lines[:index], one, *rule.lines[index + 1 :]))
                )
            labels = rule.predict(data.table)
            assert all((one.predict(data.table) != labels).any() for one in shorter)


def test_times_of_day_are_told_wherever_a_rule_is(tmp_path):
    times = [f"2024-01-{10 + i // 24:02} {i % 24:02}:{(17 * i) % 60:02}" for i in range(60)]
    data = load({"at": times, "label": ["early" if i < 30 else "late" for i in range(60)]}, "label")
    learned = learn(data, TableSettings(max_conditions=1, looks=20_000))
    assert str(learned.rule) == "IF at ≤ 2024-01-11 06:00 → early\nELSE → late"
    (told,) = left_open(learned)
    assert "any threshold from 2024-01-11 05:13 to below 2024-01-11 06:30;" in told
    write_rule(tmp_path / "rule.json", learned)
    assert read_rule(tmp_path / "rule.json").rule == learned.rule
