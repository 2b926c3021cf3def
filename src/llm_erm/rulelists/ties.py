"""Rules that the rows cannot tell apart: which of them to take."""

import math
from collections.abc import Sequence

import numpy as np

from llm_erm.rulelists.rule import (
    Above,
    Among,
    AtMost,
    Condition,
    NotAmong,
    Rows,
    RuleList,
    all_of,
    categories,
    numbers,
)
from llm_erm.rulelists.thresholds import room_of
from llm_erm.tables.columns import Table

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
    total = 0.0
    reaching = np.ones(table.n_rows, dtype=bool)
    for line in rule.lines:
        for place, condition in enumerate(line.conditions):
            decided = all_of(reaching, line.decided_by(place, table))
            total += math.log(_share(condition, table, decided))
        reaching &= ~line.holds(table)
    return total


def _share(condition: Condition, table: Table, decided: Rows) -> float:
    if isinstance(condition, Among | NotAmong):
        return 1 / len(categories(table, condition.column).levels)
    if not isinstance(condition, AtMost | Above):
        return _OTHER_SHARE
    found = room_of(condition, table, decided)
    if found is None:
        return 1 / (table.n_rows + 1)
    values = numbers(table, condition.column)
    within = int(((values > found[0]) & (values < found[1])).sum())
    return (within + 1) / (table.n_rows + 1)
