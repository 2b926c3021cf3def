"""Finds the rules that are as good as the one that was learned."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, product

import numpy as np
from numpy.typing import NDArray

from llm_erm.rulelists.evidence import Size
from llm_erm.rulelists.m_of_n import FEWEST
from llm_erm.rulelists.meaning import different, meaning
from llm_erm.rulelists.pool import pool_of
from llm_erm.rulelists.redundancy import without_redundancy
from llm_erm.rulelists.rule import RuleList
from llm_erm.rulelists.search import Costs, Search
from llm_erm.rulelists.thresholds import rooms, settled
from llm_erm.rulelists.ties import TIES, Tie
from llm_erm.tables.columns import Table


def as_good(
    size: Size, table: Table, labels: NDArray[np.int32], costs: Costs, looks: int
) -> tuple[tuple[Tie, ...], bool]:
    """Returns the rules that are as good as the best of a size, and whether these are all.

    They have no more conditions than it needs: it may need fewer than its size allows.

    Conditions on different columns that hold on the same rows make different rules; thresholds that
    no row tells apart count as one. Of rules that say the same in other words (``meaning``), one is
    returned.

    Args:
        size: The size, and the rule that was taken.
        table: The rows learned from.
        labels: Shape ``(n_rows,)``: their classes.
        costs: What errors cost, by true and given class.
        looks: How many conditions the search may look at.
    """
    if size.form == "proposed":  # the search does not know how good others like it are
        return (), False
    search = Search(pool_of(table, distinct=False), labels, size.rule.classes, costs)
    conditions = size.rule.conditions
    rules, complete = [size.rule], conditions == 0
    if size.form == "m of n":
        cost, found = search.m_of_n(conditions, looks=looks)
        rules += found if cost == size.cost else []
    elif conditions:
        found, complete = search.equally_good(conditions, size.cost, most=TIES, looks=looks)
        rules += found
    relabelled = (
        other
        for rule in rules
        for other in _relabelled(
            settled(without_redundancy(rule, table), table), table, labels, costs
        )
    )
    others = different(relabelled, table)
    others.pop(meaning(size.rule, table), None)
    ties = tuple(Tie(rule, rooms(rule, table)) for rule in islice(others.values(), TIES))
    forms = len(size.rule.classes) > 2 or conditions < FEWEST  # else some of m of n are not tried
    return ties, forms and complete and size.proved and len(others) <= TIES


def _relabelled(
    rule: RuleList, table: Table, labels: NDArray[np.int32], costs: Costs
) -> Iterator[RuleList]:
    """Yields a rule with each choice of labels that cost least on the rows."""
    deciding = rule.lines_of(table)
    cheapest = []
    for index in range(len(rule.lines) + 1):
        counts = np.bincount(labels[deciding == index], minlength=len(costs))
        of_label = counts @ costs
        cheapest.append(np.flatnonzero(of_label == of_label.min()).tolist())
    for *given, otherwise in islice(product(*cheapest), TIES):
        lines = tuple(
            replace(line, label=label) for line, label in zip(rule.lines, given, strict=True)
        )
        yield replace(rule, lines=lines, otherwise=otherwise)
