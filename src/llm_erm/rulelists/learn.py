"""Learns a rule from a table: the best rule of each size on some rows, chosen on the others."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from llm_erm.erm.binomial import binomial_upper
from llm_erm.errors import InputError
from llm_erm.phrases import listed
from llm_erm.rulelists.alternatives import left_open
from llm_erm.rulelists.division import divide
from llm_erm.rulelists.evidence import Learned, LineCount, Size
from llm_erm.rulelists.pool import pool_of
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
    sizes = _sizes(search, table, other, truth, settings)
    chosen = min(
        (size for size in sizes if size.checked_cost is not None),
        key=lambda size: (size.checked_cost, size.conditions),
    )
    rule = chosen.rule
    given = rule.predict(data.table)
    errors = int((given[checking] != truth).sum())
    candidates = settings.max_conditions + 1
    bound = None
    if not division.no_bound:
        bound = binomial_upper(errors, len(checking), (1 - settings.confidence) / candidates)
    return Learned(
        rule,
        data.schema,
        tuple(sizes),
        chosen.conditions,
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


def _sizes(
    search: Search,
    table: Table,
    other: Table,
    truth: NDArray[np.int32],
    settings: TableSettings,
) -> list[Size]:
    """Returns the best rule of each size, with its cost on the rows checked on."""
    sizes: list[Size] = []
    for best in search.best(settings.max_conditions, settings.effort):
        if sizes and best.cost == sizes[-1].cost:
            sizes.append(Size(best.conditions, sizes[-1].rule, best.cost, best.at_least, None))
            continue
        rules = [best.rule]
        if best.proved and best.conditions:
            tied, _ = search.equally_good(
                best.conditions, best.cost, most=TIES, looks=settings.effort.looks // 10
            )
            rules += tied
        rule = settled(roomiest(rules, table), table)
        checked = int(search.problem.costs[truth, rule.predict(other)].sum())
        sizes.append(Size(best.conditions, rule, best.cost, best.at_least, checked))
    return sizes
