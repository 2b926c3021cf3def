"""Every rule is short, needs all that it says, and says nothing twice."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("numba")

from llm_erm.rulelists.learn import learn
from llm_erm.rulelists.redundancy import without_redundancy
from llm_erm.rulelists.rule import Above, AtMost, Line, RuleList
from llm_erm.rulelists.settings import TableSettings
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
