"""Learns a rule from a table: the best rule of each size on some rows, chosen on the others."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from llm_erm.erm.bounds import binomial_upper
from llm_erm.errors import InputError
from llm_erm.phrases import listed
from llm_erm.rulelists.alternatives import left_open
from llm_erm.rulelists.division import divide
from llm_erm.rulelists.evidence import Learned, LineCount, Size
from llm_erm.rulelists.m_of_n import FEWEST
from llm_erm.rulelists.pool import pool_of
from llm_erm.rulelists.redundancy import without_redundancy
from llm_erm.rulelists.rule import RuleList
from llm_erm.rulelists.search import Costs, Search
from llm_erm.rulelists.settings import ErrorCost, TableSettings
from llm_erm.rulelists.thresholds import settled
from llm_erm.rulelists.ties import roomiest
from llm_erm.tables.columns import Labelled, Table

MOST_COST = 1_000_000

TIES = 200
"""Equally good rules of a size among which the one with the most room is taken."""


def learn(data: Labelled, settings: TableSettings) -> Learned:
    """Returns a rule learned from labelled rows.

    The best rule of each size is found on a part of the rows. Of these few, the one whose errors
    cost least on the other rows is taken, the smaller one if two cost the same. So the exact
    binomial bound on its error, at the confidence shared among the sizes, holds for it.

    Raises:
        InputError: A setting is impossible for these rows.
    """
    costs = cost_matrix(settings.costs, data.schema.classes)
    division = divide(data, settings)
    learning = np.flatnonzero(division.learning)
    checking = np.flatnonzero(~division.learning)
    table, labels = data.table.take(learning), data.labels[learning]
    other, truth = data.table.take(checking), data.labels[checking]
    pool = pool_of(table)
    search = Search(pool, labels, data.schema.classes, costs)
    sizes = _lists(search, table, settings) + _of_m_of_n(search, table, settings)
    sizes = [_checked(size, other, truth, search.problem.costs) for size in sizes]
    chosen = min(
        (index for index, size in enumerate(sizes) if size.checked_cost is not None),
        key=lambda index: (sizes[index].checked_cost, sizes[index].conditions, index),
    )
    rule = sizes[chosen].rule
    given = rule.predict(data.table)
    errors = int((given[checking] != truth).sum())
    candidates = most_candidates(settings, len(data.schema.classes))
    bound = None
    if not division.no_bound:
        bound = binomial_upper(errors, len(checking), (1 - settings.confidence) / candidates)
    return Learned(
        rule,
        data.schema,
        tuple(sizes),
        chosen,
        line_counts(rule, table, labels),
        len(learning),
        len(checking),
        errors,
        tuple(int(number) for number in data.row_numbers[given != data.labels]),
        settings.costs,
        pool.thresholds,
        left_open(rule, data.table),
        candidates,
        settings.confidence,
        bound,
        division.no_bound,
        data.notices,
    )


def cost_matrix(costs: Sequence[ErrorCost], classes: tuple[str, ...]) -> Costs:
    """Returns what an error costs, shape ``(n_classes, n_classes)``, by true and given class.

    Raises:
        InputError: A class is unknown, or a cost is none.
    """
    matrix = 1 - np.eye(len(classes), dtype=np.int64)
    for one in costs:
        true, given, cost = one.true, one.given, one.cost
        for name in (true, given):
            if name not in classes:
                raise InputError(
                    f"There is no class {name!r}; the classes are {listed(classes)}.",
                    setting="cost",
                )
        if true == given or not 1 <= cost <= MOST_COST:
            raise InputError(
                f"{true}:{given}={cost} is not the cost of an error; name two different classes "
                f"and a whole number from 1 to {MOST_COST:,}.",
                setting="cost",
            )
        matrix[classes.index(true), classes.index(given)] = cost
    return matrix


def line_counts(rule: RuleList, table: Table, labels: NDArray[np.int32]) -> tuple[LineCount, ...]:
    """Returns what each line of a rule does on some rows, and the last one of those left over."""
    deciding, given = rule.lines_of(table), rule.predict(table)
    return tuple(
        LineCount(int(decided.sum()), int((given == labels)[decided].sum()))
        for decided in (deciding == index for index in range(len(rule.lines) + 1))
    )


def most_candidates(settings: TableSettings, classes: int) -> int:
    """Returns how many rules can meet the rows checked on: one for each form and size."""
    lists = settings.max_conditions + 1
    return lists + (max(settings.max_conditions - FEWEST + 1, 0) if classes == 2 else 0)


def _lists(search: Search, table: Table, settings: TableSettings) -> list[Size]:
    """Returns the best list of each size, and of equally good ones that with the most room."""
    sizes: list[Size] = []
    for best in search.best(settings.max_conditions, settings.effort):
        if sizes and best.cost == sizes[-1].cost:  # no candidate
            sizes.append(Size(best.conditions, sizes[-1].rule, best.cost, best.at_least, None))
            continue
        rules = [best.rule]
        if best.proved and best.conditions:
            tied, _ = search.equally_good(
                best.conditions, best.cost, most=TIES, looks=settings.effort.looks // 10
            )
            rules += tied
        rule = settled(without_redundancy(roomiest(rules, table), table), table)
        sizes.append(Size(best.conditions, rule, best.cost, best.at_least, 0))
    return sizes


def _of_m_of_n(search: Search, table: Table, settings: TableSettings) -> list[Size]:
    """Returns the best rule found of each size that needs some of its conditions."""
    sizes: list[Size] = []
    if len(search.classes) != 2:
        return sizes
    for conditions in range(FEWEST, settings.max_conditions + 1):
        cost, rules = search.m_of_n(conditions, looks=settings.effort.looks // 10)
        if rules and (not sizes or cost < sizes[-1].cost):
            rule = settled(without_redundancy(roomiest(rules, table), table), table)
            sizes.append(Size(conditions, rule, cost, 0, 0, "m of n"))
    return sizes


def _checked(size: Size, other: Table, truth: NDArray[np.int32], costs: Costs) -> Size:
    """Returns the size with its cost on the rows checked on, if it is a candidate."""
    if size.checked_cost is None:
        return size
    return replace(size, checked_cost=int(costs[truth, size.rule.predict(other)].sum()))
