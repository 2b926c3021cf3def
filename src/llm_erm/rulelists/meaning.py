"""Tells rules that say the same in other words from those that differ."""

from collections.abc import Iterable

import numpy as np

from llm_erm.rulelists.rule import Condition, MoreThan, NotMoreThan, RuleList
from llm_erm.tables.columns import Table

Key = tuple[tuple[str, ...], bytes]


def different(rules: Iterable[RuleList], table: Table) -> dict[object, RuleList]:
    """Returns the first rule of each meaning, by its meaning; see ``meaning``."""
    found: dict[object, RuleList] = {}
    for rule in rules:
        found.setdefault(meaning(rule, table), rule)
    return found


def meaning(rule: RuleList, table: Table) -> object:
    """Returns what two rules share if they say the same wherever the rows of a table have values.

    Conditions on a column count as one if they hold on the same rows, and as opposites if they hold
    on the others. So rules differ that have their conditions on different columns, although no row
    may tell them apart; those differ not that only have their lines in another order.
    """
    known = {
        condition: _key(condition, table) for line in rule.lines for condition in line.conditions
    }
    keys = sorted({key for key, _ in known.values()})
    truths = np.indices((2,) * len(keys), dtype=bool).reshape(len(keys), 2 ** len(keys))
    given = np.full(truths.shape[1], rule.otherwise, dtype=np.int32)
    for line in reversed(rule.lines):
        literals = [known[condition] for condition in line.conditions]
        holding = [truths[keys.index(key)] != opposite for key, opposite in literals]
        given[np.sum(holding, axis=0) >= line.needed] = line.label
    return tuple(keys), given.tobytes()


def _key(condition: Condition, table: Table) -> tuple[Key, bool]:
    """Returns the columns and rows of a condition or of its opposite, and whether of that."""
    other = (condition.other,) if isinstance(condition, NotMoreThan | MoreThan) else ()
    holds = condition.holds(table)
    opposite = bool(holds[:1].any())
    return ((condition.column, *other), np.packbits(holds ^ opposite).tobytes()), opposite
