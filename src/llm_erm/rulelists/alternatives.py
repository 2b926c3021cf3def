"""Conditions that the rows cannot tell from those of a rule."""

from dataclasses import dataclass

import numpy as np

from llm_erm.rulelists.pool import packed, pool_of
from llm_erm.rulelists.rule import Above, AtMost, Condition, RuleList
from llm_erm.rulelists.thresholds import Room, decided, room_of
from llm_erm.tables.columns import Table


@dataclass(frozen=True)
class Open:
    """What the rows leave open about a condition: no row would get another label.

    Attributes:
        line: Index of its line.
        place: Index of the condition in the line.
        room: Between which two values of its column a threshold may lie: from the first, below the
            second; None if it has none.
        others: Conditions on other columns that could stand in its place, or on the same one if it
            has no threshold; one per column and kind.
    """

    line: int
    place: int
    room: Room | None
    others: tuple[Condition, ...]


def left_open(rule: RuleList, table: Table) -> tuple[Open, ...]:
    """Returns what the rows of a table leave open about each condition of a rule.

    Conditions are exchanged one at a time: where several are open, more rules agree on all rows.
    """
    pool = pool_of(table, distinct=False)
    found = []
    for index, place, condition, rows in decided(rule, table):
        holds, among = packed(np.stack([condition.holds(table), rows]))
        differing = pool.bits ^ holds
        same = ~(differing & among).any(axis=1)
        matches = [
            pool.conditions[i]
            for i in np.flatnonzero(same)
            if pool.conditions[i].column != condition.column
            or differing[i].any()  # else the same in other words
        ]
        room = room_of(condition, table, rows)
        found.append(Open(index, place, room, _others(condition, matches)))
    return tuple(found)


def _others(condition: Condition, matches: list[Condition]) -> tuple[Condition, ...]:
    """Returns the middle one of those on each column, without those on a threshold's own."""
    by_column: dict[tuple[str, ...], list[Condition]] = {}
    for match in matches:
        if match == condition:
            continue
        if isinstance(condition, AtMost | Above) and match.column == condition.column:
            continue
        by_column.setdefault((match.kind, match.column), []).append(match)
    return tuple(group[len(group) // 2] for group in by_column.values())
