"""Rules that are equally good on the rows: which of them to take, and which remain besides it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product

import numpy as np
from numpy.typing import NDArray

from llm_erm.rulelists.meaning import different, meaning
from llm_erm.rulelists.rule import (
    Above,
    Among,
    AtMost,
    Condition,
    NotAmong,
    Rows,
    RuleList,
    categories,
    numbers,
)
from llm_erm.rulelists.thresholds import Room, decided, room_of, settled
from llm_erm.tables.columns import Labelled, Table

TIES = 200
"""Equally good rules that are looked for at most."""

_OTHER_SHARE = 0.1
"""Share of conditions that say whether a value is missing, or compare two columns."""


def roomiest(rules: Sequence[RuleList], table: Table) -> RuleList:
    """Returns the rule whose thresholds could be moved furthest without any row noticing.

    Of rules with equal room, the one with fewer lines, then the first, is returned. Of all rules
    that label the rows alike, those with more room are more: if each threshold were drawn from the
    values of its column, such a rule would be drawn more often.
    """
    return max(rules, key=lambda rule: (round(room(rule, table), 9), -len(rule.lines)))


def room(rule: RuleList, table: Table) -> float:
    """Returns the logarithm of the share of thresholds that would label all rows alike."""
    shares = (_share(condition, table, rows) for *_, condition, rows in decided(rule, table))
    return math.fsum(map(math.log, shares))


def _share(condition: Condition, table: Table, rows: Rows) -> float:
    if isinstance(condition, Among | NotAmong):
        return 1 / len(categories(table, condition.column).levels)
    if not isinstance(condition, AtMost | Above):
        return _OTHER_SHARE
    found = room_of(condition, table, rows)
    if found is None:
        return 1 / (table.n_rows + 1)
    values = numbers(table, condition.column)
    within = int(((values > found[0]) & (values < found[1])).sum())
    return (within + 1) / (table.n_rows + 1)


@dataclass(frozen=True)
class Tie:
    """A rule that is as good as the one that was taken.

    Attributes:
        rule: The rule.
        rooms: The room that all rows leave each of its conditions; None for those without.
    """

    rule: RuleList
    rooms: tuple[Room | None, ...]


def others_as_good(
    taken: RuleList,
    rules: Sequence[RuleList],
    data: Labelled,
    learning: NDArray[np.bool_],
    costs: NDArray[np.int64],
) -> tuple[RuleList, ...]:
    """Returns the rules whose errors cost no more than those of the one that was taken.

    Of rules that say the same in other words (``meaning``), one is returned.

    Args:
        taken: The rule that was taken.
        rules: Rules that are as good on the rows learned from.
        data: All rows.
        learning: Shape ``(n_rows,)``: which of them are learned from; the others are checked on.
        costs: What errors cost, by true and given class.
    """
    table, labels = data.table.take(np.flatnonzero(learning)), data.labels[learning]
    other, truth = data.table.take(np.flatnonzero(~learning)), data.labels[~learning]

    def cost(rule: RuleList) -> int:
        return int(costs[truth, rule.predict(other)].sum())

    most = cost(taken)
    found = (
        one
        for rule in rules
        for one in _relabelled(settled(rule, table), table, labels, costs)
        if cost(one) <= most
    )
    others = different(found, table)
    others.pop(meaning(taken, table), None)
    return tuple(others.values())


def _relabelled(
    rule: RuleList, table: Table, labels: NDArray[np.int32], costs: NDArray[np.int64]
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
