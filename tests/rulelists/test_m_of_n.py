"""Rules that need some of their conditions: what they mean, and how they are found."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("numba")

from llm_erm.rulelists.alternatives import left_open
from llm_erm.rulelists.learn import learn, most_candidates
from llm_erm.rulelists.pool import pool_of
from llm_erm.rulelists.rule import Above, AtMost, Line, RuleList
from llm_erm.rulelists.search import Search
from llm_erm.rulelists.settings import TableSettings
from llm_erm.rulelists.thresholds import settled
from llm_erm.rulelists.words import proof
from llm_erm.tables.columns import NumberColumn, Table
from llm_erm.tables.reading import load

LOOKS = 10**7
NOT_TWO = 1 - np.eye(2, dtype=np.int64)


def table_of(**columns) -> Table:
    first = next(iter(columns.values()))
    return Table(
        tuple(NumberColumn(name, np.array(v, dtype=float), False) for name, v in columns.items()),
        len(first),
    )


def majority(rows: int, seed: int, noise: float = 0.0) -> dict[str, np.ndarray]:
    """Rows that are right if at least two of three columns are large; two columns say nothing."""
    random = np.random.default_rng(seed)
    columns = {name: random.random(rows) for name in "abcde"}
    votes = (columns["a"] > 0.5).astype(int) + (columns["b"] > 0.4) + (columns["c"] <= 0.6)
    return columns | {"label": (votes >= 2) ^ (random.random(rows) < noise)}


def test_line_holds_if_enough_conditions_do():
    table = table_of(a=[0, 1, 1, 1], b=[0, 0, 1, 1], c=[0, 0, 0, np.nan])
    line = Line((Above("a", 0.5), Above("b", 0.5), Above("c", 0.5)), 1, 2)
    assert line.holds(table).tolist() == [False, False, True, True]
    assert str(line) == "at least 2 hold of: a > 0.5; b > 0.5; c > 0.5"
    assert line.decided_by(2, table).tolist() == [False, True, False, False]


def test_thresholds_settle_between_the_rows_that_they_decide():
    table = table_of(a=[0, 1, 2, 9, 0], b=[0, 1, 0, 1, 0], c=[1, 0, 1, 1, 0])
    rule = RuleList((Line((Above("a", 1.0), Above("b", 0.5), Above("c", 0.5)), 1, 2),), 0, "ny")
    moved = settled(rule, table)
    assert (moved.predict(table) == rule.predict(table)).all()
    # Rows 0, 1 and 2 have one of the two others; row 1 has a = 1, the next larger is 2.
    assert moved.lines[0].conditions[0] == Above("a", 1.5)
    opened = left_open(rule, table)
    assert opened[0].room == (1.0, 2.0)


@pytest.mark.parametrize(
    ("low", "high", "threshold"),
    [(40, 41, 40), (40, 42, 40), (38, 43, 40), (-1, 1, 0), (0, 1, 0), (7, 9, 8), (97, 104, 100)],
)
def test_thresholds_of_whole_numbers_are_whole(low, high, threshold):
    values = np.array([low, high, low, high], dtype=float)
    table = Table((NumberColumn("x", values, integral=True),), 4)
    rule = RuleList((Line((AtMost("x", low + 0.5),), 1),), 0, "ny")
    (condition,) = settled(rule, table).lines[0].conditions
    assert str(condition) == f"x ≤ {threshold}"
    assert (condition.holds(table) == (values == low)).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(4, 8), st.booleans(), st.booleans())
def test_no_exchange_of_a_condition_lowers_the_cost(seed, rows, gaps, dear) -> None:
    random = np.random.default_rng(seed)
    values = random.integers(0, 4, (3, rows)).astype(float)
    if gaps:
        values[random.random(values.shape) < 0.2] = np.nan
    table = table_of(a=values[0], b=values[1], c=values[2])
    labels = random.integers(0, 2, rows).astype(np.int32)
    costs = NOT_TWO * np.array([[3, 1], [1, 2]]) if dear else NOT_TWO
    pool = pool_of(table)
    cost, rules = Search(pool, labels, ("no", "yes"), costs).m_of_n(3, looks=LOOKS)
    for rule in rules:
        (line,) = rule.lines
        assert costs[labels, rule.predict(table)].sum() == cost
        chains = {
            int(np.searchsorted(pool.first, pool.conditions.index(one), side="right"))
            for one in line.conditions
        }
        assert len(chains) == 3
        for place, new in ((p, c) for p in range(3) for c in pool.conditions):
            chain = int(np.searchsorted(pool.first, pool.conditions.index(new), side="right"))
            others = [one for i, one in enumerate(line.conditions) if i != place]
            taken = [np.searchsorted(pool.first, pool.conditions.index(o), "right") for o in others]
            if chain not in taken:
                changed = RuleList((Line((*others, new), line.label, 2),), rule.otherwise, "ny")
                assert costs[labels, changed.predict(table)].sum() >= cost


def test_local_search_finds_what_trying_all_finds():
    data = load(majority(60, seed=1, noise=0.1) | {}, "label")
    table = data.table.take(np.arange(60))
    coarse = Table(
        tuple(NumberColumn(c.name, np.floor(c.values * 5), False) for c in table.columns), 60
    )
    pool = pool_of(coarse)
    held = np.array([one.holds(coarse) for one in pool.conditions])
    chain = np.searchsorted(pool.first, np.arange(len(held)), side="right")
    errors = [
        min(wrong := int((given != data.labels).sum()), 60 - wrong)
        for three in combinations(range(len(held)), 3)
        if len({chain[i] for i in three}) == 3
        for given in [held[list(three)].sum(axis=0) >= 2]
    ]
    cost, _ = Search(pool, data.labels, ("no", "yes")).m_of_n(3, looks=LOOKS)
    assert cost == min(errors)


def test_majority_is_learned_printed_and_not_called_proved():
    rows = load(majority(240, seed=2), "label")
    learned = learn(rows, TableSettings(max_conditions=4))
    assert str(learned.rule).startswith("IF at least 2 hold of: ")
    assert learned.size.form == "m of n"
    assert not learned.size.proved or learned.size.cost == 0
    fresh = load(majority(2000, seed=3), "label")
    assert (learned.rule.predict(fresh.table) == fresh.labels).mean() > 0.95
    assert learned.check.candidates == most_candidates(TableSettings(max_conditions=4), 2) == 7


def test_proof_of_such_a_rule_is_about_lists():
    learned = learn(
        load(majority(240, seed=4, noise=0.08), "label"), TableSettings(max_conditions=3)
    )
    assert learned.size.form == "m of n"
    lists = [size for size in learned.sizes if size.form == "list"]
    text = proof(learned)
    assert f"no rule list with up to 3 conditions makes fewer than {lists[3].at_least} " in text
    assert "some were tried, not all" in text


def test_three_classes_have_no_such_rules():
    columns = majority(120, seed=5)
    columns["label"] = np.where(columns["d"] > 0.8, 2, columns["label"])
    learned = learn(load(columns, "label"), TableSettings(max_conditions=3))
    assert {size.form for size in learned.sizes} == {"list"}
    assert learned.check.candidates == 4
