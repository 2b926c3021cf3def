"""Puts the thresholds of a rule in the middle of the room that the rows leave them."""

from dataclasses import replace

import numpy as np

from llm_erm.rulelists.rule import Above, AtMost, Rows, RuleList, all_of, numbers
from llm_erm.tables.columns import Table


def settled(rule: RuleList, table: Table) -> RuleList:
    """Returns the same rule with thresholds in the middle of the room the rows leave them.

    The room of a threshold lies between two values of the rows that the condition decides: those
    that reach its line and on which the line's other conditions leave open whether it holds. In the
    middle half of it, the number with the fewest digits is taken. No row of the table gets another
    label.
    """
    lines = list(rule.lines)
    reaching = np.ones(table.n_rows, dtype=bool)
    for index, line in enumerate(lines):
        for place, condition in enumerate(line.conditions):
            if not isinstance(condition, AtMost | Above):
                continue
            decided = all_of(reaching, lines[index].decided_by(place, table))
            room = room_of(condition, table, decided)
            if room is not None:
                conditions = list(lines[index].conditions)
                conditions[place] = replace(condition, value=_plainest(*room))
                lines[index] = replace(line, conditions=tuple(conditions))
        reaching &= ~lines[index].holds(table)
    return replace(rule, lines=tuple(lines))


def room_of(condition: AtMost | Above, table: Table, rows: Rows) -> tuple[float, float] | None:
    """Returns the values of these rows next to a threshold, or None if it does not divide them."""
    values = numbers(table, condition.column)[rows]
    below, above = values[values <= condition.value], values[values > condition.value]
    if not (len(below) and len(above)):
        return None
    return float(below.max()), float(above.min())


def _plainest(low: float, high: float) -> float:
    quarter = high / 4 - low / 4  # without an overflow between
    middle = low / 2 + high / 2
    for digits in range(-15, 16):
        rounded = round(middle, digits)
        if low + quarter <= rounded <= high - quarter:
            return rounded
    return middle if low <= middle < high else low
