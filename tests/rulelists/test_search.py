from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("numba")

from llm_erm.rulelists.pool import pool_of
from llm_erm.rulelists.search import Best, Search
from llm_erm.rulelists.thresholds import settled
from llm_erm.tables.columns import CategoryColumn, Column, NumberColumn, Table

CLASSES = ("a", "b", "c")


def least_costs(table: Table, labels, costs, most: int) -> list[int]:
    """Least cost per number of conditions: tries every rule list, without bounds."""
    pool = pool_of(table)
    holds = {tuple(condition.holds(table)) for condition in pool.conditions}
    n_rows = table.n_rows

    def leaf(rows: frozenset[int]) -> int:
        counts = np.bincount([labels[row] for row in rows], minlength=len(costs))
        return int((counts @ costs).min())

    sets = [frozenset(row for row in range(n_rows) if held[row]) for held in holds]
    memory: dict[tuple[frozenset[int], int], int] = {}

    def best(rows: frozenset[int], conditions: int) -> int:
        key = (rows, conditions)
        if key not in memory:
            least = leaf(rows)
            for size in range(1, conditions + 1):
                for chosen in combinations(sets, size):
                    held = rows.intersection(*chosen)
                    least = min(least, leaf(held) + best(rows - held, conditions - size))
            memory[key] = least
        return memory[key]

    return [best(frozenset(range(n_rows)), size) for size in range(most + 1)]


def numbers(values, name="x") -> NumberColumn:
    return NumberColumn(name, np.array(values, dtype=float), integral=False)


def by_size(found: list[Best], most: int) -> list[Best]:
    """One per size: the last one makes no error, so larger rules do no better."""
    return [found[min(size, len(found) - 1)] for size in range(most + 1)]


value = st.sampled_from([0.0, 1.0, 2.0, 3.0, float("nan")])


@st.composite
def problems(draw):
    n_rows = draw(st.integers(2, 9))
    classes = draw(st.integers(2, 3))
    columns: list[Column] = [
        numbers(draw(st.lists(value, min_size=n_rows, max_size=n_rows)), f"x{j}")
        for j in range(draw(st.integers(1, 2)))
    ]
    if draw(st.booleans()):
        codes = draw(st.lists(st.integers(-1, 2), min_size=n_rows, max_size=n_rows))
        columns.append(CategoryColumn("c", np.array(codes, dtype=np.int32), ("p", "q", "r")))
    labels = draw(st.lists(st.integers(0, classes - 1), min_size=n_rows, max_size=n_rows))
    costs = 1 - np.eye(classes, dtype=np.int64)
    if draw(st.booleans()):
        costs = costs * draw(st.integers(1, 3))
        costs[0] *= 2
    return Table(tuple(columns), n_rows), np.array(labels, dtype=np.int32), costs


@settings(max_examples=60, deadline=None)
@given(problems())
def test_least_cost_of_each_size_is_that_of_trying_every_rule(problem) -> None:
    table, labels, costs = problem
    if not pool_of(table).conditions:
        return
    search = Search(pool_of(table), labels, CLASSES[: len(costs)], costs)
    found = by_size(list(search.best(4, 10**9)), 4)
    expected = least_costs(table, labels, costs, 4)
    assert [one.cost for one in found] == expected
    assert all(one.proved for one in found)


@settings(max_examples=60, deadline=None)
@given(problems())
def test_cost_of_a_rule_is_what_it_costs_on_the_rows(problem) -> None:
    table, labels, costs = problem
    search = Search(pool_of(table), labels, CLASSES[: len(costs)], costs)
    for one in search.best(4, 10**6):
        assert costs[labels, one.rule.predict(table)].sum() == one.cost
        assert costs[labels, settled(one.rule, table).predict(table)].sum() == one.cost
        assert one.rule.conditions <= one.conditions
        assert one.at_least <= one.cost


@settings(max_examples=60, deadline=None)
@given(problems(), st.integers(0, 200))
def test_bound_of_a_search_that_is_cut_short_is_true(problem, looks: int) -> None:
    table, labels, costs = problem
    search = Search(pool_of(table), labels, CLASSES[: len(costs)], costs)
    expected = least_costs(table, labels, costs, 3)
    for one in search.best(3, looks):
        assert one.at_least <= expected[one.conditions] <= one.cost


@pytest.mark.parametrize("seed", range(4))
def test_proofs_agree_with_optimal_trees(seed: int) -> None:
    """A tree of depth 1 is a rule of one condition; rules of two are trees of depth 2."""
    trees = pytest.importorskip("pycontree")
    pandas = pytest.importorskip("pandas")
    random = np.random.default_rng(seed)
    values = random.random((60, 3)) + np.array([0, 2, 4])  # so that columns are not compared
    high = (values[:, 0] > 0.4) & (values[:, 1] > 2.3)
    labels = (high ^ (random.random(60) < 0.2)).astype(np.int32)
    table = Table(tuple(numbers(column, f"x{j}") for j, column in enumerate(values.T)), 60)
    found = list(Search(pool_of(table), labels, CLASSES[:2]).best(2, 10**8))
    assert all(one.proved for one in found)
    errors = []
    for depth in (1, 2):
        tree = trees.ConTree(max_depth=depth)
        tree.fit(pandas.DataFrame(values), pandas.Series(labels))
        errors.append(int((tree.predict(pandas.DataFrame(values)) != labels).sum()))
    assert found[1].cost == errors[0]
    assert errors[1] <= found[2].cost
