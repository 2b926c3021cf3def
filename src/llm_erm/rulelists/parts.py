"""The best rules of each form and size on a part of the rows, and how they do on the others."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from llm_erm.rulelists.best_proposal import best_proposal
from llm_erm.rulelists.evidence import Size
from llm_erm.rulelists.m_of_n import FEWEST
from llm_erm.rulelists.pool import pool_of
from llm_erm.rulelists.redundancy import without_redundancy
from llm_erm.rulelists.rule import RuleList
from llm_erm.rulelists.search import Costs, Search
from llm_erm.rulelists.settings import TableSettings
from llm_erm.rulelists.thresholds import settled
from llm_erm.rulelists.ties import TIES, roomiest
from llm_erm.tables.columns import Labelled, Table

FOLD_LOOKS = 10
"""Share of the looks, as one over this, that goes into the best rules for a fold."""


@dataclass(frozen=True, eq=False)
class Searches:
    """Searches that do not depend on each other, one per part of the rows.

    Attributes:
        data: All rows.
        settings: How to learn.
        costs: What errors cost, by true and given class.
        learned_from: Shape ``(n_rows,)`` each: which rows to learn from.
        proposed: Rules that a model proposed for them, for each.
    """

    data: Labelled
    settings: TableSettings
    costs: Costs
    learned_from: tuple[NDArray[np.bool_], ...]
    proposed: tuple[tuple[RuleList, ...], ...]


@dataclass(frozen=True)
class Found:
    """The best rules on some rows.

    Attributes:
        sizes: The best rule of each form and size, with nothing checked yet.
        thresholds: Most thresholds that were tried per column; None if all were.
        skipped: What other conditions were not tried.
    """

    sizes: list[Size]
    thresholds: int | None
    skipped: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Part:
    """The best rules on some rows, and the other rows.

    Attributes:
        found: The best rules.
        table: The rows learned from.
        labels: Their classes.
        other: The rows checked on.
        truth: Their classes.
    """

    found: Found
    table: Table
    labels: NDArray[np.int32]
    other: Table
    truth: NDArray[np.int32]

    def of(self, size: Size) -> Size:
        """Returns the best of a form and size, or of the largest smaller one that was better."""
        most = math.inf if size.form == "proposed" else size.conditions
        fitting = [one for one in self.found.sizes if one.conditions <= most]
        same = [one for one in fitting if one.form == size.form]
        return (same or [one for one in fitting if one.form == "list"])[-1]

    def errors(self, size: Size) -> int:
        """Returns the errors of a form and size on the rows checked on."""
        return int((self.of(size).rule.predict(self.other) != self.truth).sum())

    def confusion(self, size: Size, classes: int) -> tuple[tuple[int, ...], ...]:
        """Returns the number of rows checked on by true and given class."""
        counts = np.zeros((classes, classes), dtype=np.int64)
        np.add.at(counts, (self.truth, self.of(size).rule.predict(self.other)), 1)
        return tuple(map(tuple, counts.tolist()))

    def checked_cost(self, size: Size, costs: Costs) -> int:
        """Returns what these errors cost."""
        return int(costs[self.truth, self.of(size).rule.predict(self.other)].sum())


def search(searches: Searches, index: int) -> Found:
    """Returns the best rules on one part of the rows, and the best of those proposed for it."""
    data, settings = searches.data, searches.settings
    learning, costs = searches.learned_from[index], searches.costs
    table, labels = data.table.take(np.flatnonzero(learning)), data.labels[learning]
    pool = pool_of(table)
    over = Search(pool, labels, data.schema.classes, costs)
    if not learning.all() and not settings.keep_checked:
        settings = replace(settings, looks=settings.looks // FOLD_LOOKS)
    sizes = _lists(over, table, settings) + _of_m_of_n(over, table, settings)
    sizes += best_proposal(searches.proposed[index], table, labels, costs)
    return Found(sizes, pool.thresholds, pool.skipped)


def part_of(data: Labelled, learning: NDArray[np.bool_], found: Found) -> Part:
    """Returns what was found on some rows, with these and the others."""
    return Part(
        found,
        data.table.take(np.flatnonzero(learning)),
        data.labels[learning],
        data.table.take(np.flatnonzero(~learning)),
        data.labels[~learning],
    )


def _lists(search: Search, table: Table, settings: TableSettings) -> list[Size]:
    """Returns the best list of each size, and of equally good ones that with the most room."""
    sizes: list[Size] = []
    for best in search.best(settings.max_conditions, settings.looks):
        if sizes and best.cost == sizes[-1].cost:
            sizes.append(Size(best.conditions, sizes[-1].rule, best.cost, best.at_least, 0))
            continue
        rules = [best.rule]
        if best.proved and best.conditions:
            tied, _ = search.equally_good(
                best.conditions, best.cost, most=TIES, looks=settings.looks // 10
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
        cost, rules = search.m_of_n(conditions, looks=settings.looks // 10)
        if rules and (not sizes or cost < sizes[-1].cost):
            rule = settled(without_redundancy(roomiest(rules, table), table), table)
            sizes.append(Size(conditions, rule, cost, 0, 0, "m of n"))
    return sizes
