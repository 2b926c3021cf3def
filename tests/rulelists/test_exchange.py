"""Rule lists found by exchanging conditions."""

import numpy as np
import pytest

pytest.importorskip("numba")

from llm_erm.rulelists import exchange
from llm_erm.rulelists.pool import pool_of
from llm_erm.rulelists.search import Search
from llm_erm.tables.columns import NumberColumn, Table


def table(rows: int, seed: int, columns: int = 6) -> Table:
    values = np.random.default_rng(seed).integers(0, 40, (columns, rows)).astype(float)
    return Table(
        tuple(NumberColumn(f"x{i}", one, integral=True) for i, one in enumerate(values)), rows
    )


def test_rule_is_found_whose_first_condition_tells_nothing():
    rows = table(200, seed=1)
    high, wide = (column.values > 20 for column in rows.columns[:2])
    labels = (high ^ wide).astype(np.int32)
    search = Search(pool_of(rows), labels, ("no", "yes"))
    cost, path = exchange.improved(search.problem, [], 4, looks=10**7)
    assert cost == 0
    assert (search.rule(path).predict(rows) == labels).all()


def test_many_rows_need_no_more_looks():
    random = np.random.default_rng(4)
    values = random.normal(size=(6, 3000))
    rows = Table(tuple(NumberColumn(f"x{i}", one, False) for i, one in enumerate(values)), 3000)
    planted = (values[0] > 0.3) & ((values[1] > -0.2) | (values[2] > 0.7))
    labels = (planted ^ (random.random(3000) < 0.1)).astype(np.int32)
    found = list(Search(pool_of(rows), labels, ("no", "yes")).best(3, 0))
    assert found[3].cost <= (planted != labels).sum()


@pytest.mark.parametrize("classes", [2, 3])
def test_no_exchange_lowers_the_cost_that_is_told(classes):
    random = np.random.default_rng(classes)
    rows = table(30, seed=2, columns=2)
    labels = random.integers(0, classes, 30).astype(np.int32)
    costs = random.integers(1, 4, (classes, classes)) * (1 - np.eye(classes, dtype=np.int64))
    search = Search(pool_of(rows), labels, ("a", "b", "c")[:classes], costs)
    for conditions in (1, 2, 3):
        cost, path = exchange.improved(search.problem, [], conditions, looks=10**5)
        assert costs[labels, search.rule(path).predict(rows)].sum() == cost
        for place in (place for place, index in enumerate(path) if index >= 0):
            for new in range(len(search.pool.conditions)):
                other = search.rule([*path[:place], new, *path[place + 1 :]])
                assert costs[labels, other.predict(rows)].sum() >= cost


def test_one_condition_is_the_best_of_all():
    rows = table(50, seed=3)
    labels = np.random.default_rng(3).integers(0, 2, 50).astype(np.int32)
    search = Search(pool_of(rows), labels, ("no", "yes"))
    cost, _ = exchange.improved(search.problem, [], 1, looks=0)
    held = np.array([condition.holds(rows) for condition in search.pool.conditions])
    best = min(
        min((labels[one] != a).sum() + (labels[~one] != b).sum() for a in (0, 1) for b in (0, 1))
        for one in held
    )
    assert cost == best
