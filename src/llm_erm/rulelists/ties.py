"""Rules that are equally good on the rows: which of them to take, and those that are left."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

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
from llm_erm.rulelists.thresholds import Room, decided, room_of
from llm_erm.tables.columns import Table

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
