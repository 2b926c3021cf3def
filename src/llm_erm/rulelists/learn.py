"""Learns a rule from a table: the best rule of each size on some rows, chosen on the others."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from llm_erm.erm.bounds import binomial_upper
from llm_erm.errors import InputError
from llm_erm.phrases import listed
from llm_erm.rulelists.alternatives import left_open
from llm_erm.rulelists.division import divide
from llm_erm.rulelists.evidence import Learned, LineCount, Size
from llm_erm.rulelists.pool import pool_of
from llm_erm.rulelists.rule import RuleList
from llm_erm.rulelists.search import Costs, Search
from llm_erm.rulelists.settings import ErrorCost, TableSettings
from llm_erm.rulelists.thresholds import rooms, settled
from llm_erm.rulelists.ties import TIES, Tie, others_as_good, roomiest
from llm_erm.tables.columns import Labelled, Table

MOST_COST = 1_000_000


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
    everything = Search(pool_of(table, distinct=False), labels, data.schema.classes, costs)
    sizes, tied = _sizes(search, everything, table, other, truth, settings)
    chosen = min(
        (size for size in sizes if size.checked_cost is not None),
        key=lambda size: (size.checked_cost, size.conditions),
    )
    rule = chosen.rule
    rules, complete = tied[chosen.conditions]
    others = others_as_good(rule, rules, data, division.learning, costs)
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
        tuple(Tie(one, rooms(one, data.table)) for one in others[:TIES]),
        complete and len(others) <= TIES,
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


_Tied = dict[int, tuple[list[RuleList], bool]]
"""By size: rules that are equally good on the rows learned from, and whether these are all."""


def _sizes(
    search: Search,
    everything: Search,
    table: Table,
    other: Table,
    truth: NDArray[np.int32],
    settings: TableSettings,
) -> tuple[list[Size], _Tied]:
    """Returns the best rule of each size, with its cost on the rows checked on, and its ties.

    Args:
        search: Over conditions that differ on the rows learned from.
        everything: Over all conditions.
        table: The rows learned from.
        other: The rows checked on.
        truth: Their labels.
        settings: How to learn.
    """
    sizes: list[Size] = []
    ties: _Tied = {}
    for best in search.best(settings.max_conditions, settings.effort):
        if sizes and best.cost == sizes[-1].cost:
            sizes.append(Size(best.conditions, sizes[-1].rule, best.cost, best.at_least, None))
            continue
        tied, complete = [best.rule], best.conditions == 0
        if best.proved and best.conditions:
            found, complete = everything.equally_good(
                best.conditions, best.cost, most=TIES, looks=settings.effort.looks // 10
            )
            tied += found
        ties[best.conditions] = tied, complete
        rule = settled(roomiest(tied, table), table)
        checked = int(search.problem.costs[truth, rule.predict(other)].sum())
        sizes.append(Size(best.conditions, rule, best.cost, best.at_least, checked))
    return sizes, ties
