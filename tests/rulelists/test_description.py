"""The bound from a rule's own rows: how many rules there are, and what chance allows."""

import math
from itertools import combinations, product

import numpy as np
import pytest
from scipy.stats import hypergeom

from llm_erm.rulelists import description
from llm_erm.rulelists.description import LATER, log_rules, upper_error
from llm_erm.rulelists.pool import pool_of
from llm_erm.rulelists.rule import Above, AtMost, Line, RuleList
from llm_erm.tables.columns import CategoryColumn, ColumnSchema, NumberColumn, Schema, Table

NUMBERS = Schema((ColumnSchema("x", "number"), ColumnSchema("y", "number")), "label", ("n", "y"))
ONE = RuleList((Line((AtMost("x", 0.5),), 1),), 0, ("n", "y"))
TWO = RuleList((Line((AtMost("x", 0.5), Above("y", 1.0)), 1),), 0, ("n", "y"))
SOME = RuleList((Line((AtMost("x", 0.5), Above("y", 1.0), Above("x", 3.0)), 1, 2),), 0, ("n", "y"))


@pytest.mark.parametrize(("errors", "later", "rows"), [(0, 30, 40), (3, 9, 20), (5, 200, 100)])
def test_chance_is_that_of_drawing_without_replacement(errors, later, rows):
    more = 4 * rows
    expected = hypergeom.logcdf(errors, rows + more, errors + later, rows)
    assert description._log_chance(errors, later, rows, more) == pytest.approx(expected)


def labellings(table: Table, conditions: int) -> set[tuple[int, ...]]:
    """What all rule lists with exactly so many conditions say of the rows."""
    held = {tuple(one.holds(table)) for one in pool_of(table).conditions}
    held |= {(True,) * table.n_rows, (False,) * table.n_rows}

    def lists(left: int) -> list[list[tuple[tuple[bool, ...], ...]]]:
        if left == 0:
            return [[]]
        return [
            [line, *rest]
            for size in range(1, left + 1)
            for line in combinations(sorted(held), size)
            for rest in lists(left - size)
        ]

    found = set()
    for lines in lists(conditions):
        for labels in product(range(2), repeat=len(lines) + 1):
            given = np.full(table.n_rows, labels[-1])
            for line, label in zip(reversed(lines), reversed(labels[:-1]), strict=True):
                given[np.logical_and.reduce(line)] = label
            found.add(tuple(given))
    return found


@pytest.mark.parametrize("conditions", [1, 2])
def test_no_more_rules_are_told_apart_than_are_counted(conditions):
    random = np.random.default_rng(conditions)
    values = random.permuted(np.tile(np.arange(6.0), (2, 1)), axis=1)
    values[0, 0] = np.nan
    codes = np.array([0, 1, 2, 0, 1, -1], dtype=np.int32)
    table = Table(
        (
            NumberColumn("x", values[0], False),
            NumberColumn("y", values[1], False),
            CategoryColumn("c", codes, ("p", "q", "r")),
        ),
        6,
    )
    columns = (*NUMBERS.columns, ColumnSchema("c", "category", ("p", "q", "r")))
    schema = Schema(columns, "label", ("n", "y"))
    found = labellings(table, conditions)
    rule = {1: ONE, 2: TWO}[conditions]
    assert len(found) <= math.exp(log_rules(rule, schema, 6))


def test_bound_grows_with_errors_and_length_and_shrinks_with_rows():
    zero = upper_error(ONE, NUMBERS, 0, 200, 9, 0.05)
    # So many later errors are too unlikely for all rules together; one fewer is not.
    later = round(zero * 200 * LATER)
    spare = math.log(0.05 / 2 / 9) - log_rules(ONE, NUMBERS, 200 * (1 + LATER))
    assert hypergeom.logcdf(0, 200 * (1 + LATER), later, 200) <= spare
    assert hypergeom.logcdf(0, 200 * (1 + LATER), later - 1, 200) > spare
    assert zero < upper_error(ONE, NUMBERS, 3, 200, 9, 0.05)
    assert zero < upper_error(TWO, NUMBERS, 0, 200, 9, 0.05)
    assert zero < upper_error(SOME, NUMBERS, 0, 200, 9, 0.05)
    assert upper_error(ONE, NUMBERS, 0, 1000, 9, 0.05) < zero
    assert upper_error(ONE, NUMBERS, 5, 5, 9, 0.05) == 1.0


def test_bound_covers_every_rule_at_once():
    """Labels are coins: each rule errs on half of new rows, however well it fits old ones."""
    random = np.random.default_rng(3)
    failures = 0
    for _ in range(200):
        values, labels = random.random(60), random.integers(0, 2, 60)
        order = np.argsort(values)
        right = np.concatenate([[0], np.cumsum(2 * labels[order] - 1)])
        wrong = [labels.sum() - right, 60 - labels.sum() + right]
        fewest = int(np.min(wrong))
        failures += upper_error(ONE, NUMBERS, fewest, 60, 1, 0.05) < 0.5
    assert failures <= 30  # 10 expected at most; more than 30 in less than one of 10^7 runs
