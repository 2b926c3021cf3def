"""The room that the rows leave the thresholds of a rule, and the middle of it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from llm_erm.rulelists.rule import Above, AtMost, Condition, Rows, RuleList, all_of, numbers
from llm_erm.tables.cells import days_at, microsecond_at
from llm_erm.tables.columns import NumberColumn, Table

_DAY = 86_400
"""Seconds."""

Room = tuple[float, float]
"""Between which two values of its column a threshold may lie: from the first, below the second."""


def settled(rule: RuleList, table: Table) -> RuleList:
    """Returns the same rule with thresholds in the middle of the room the rows leave them.

    The room of a threshold lies between two values of the rows that the condition decides: those
    that reach its line and on which the line's other conditions leave open whether it holds. In the
    middle half of it, the number with the fewest digits is taken, of whole numbers where the column
    has no others; of dates with times, a day, or else a whole hour, minute or second. No row of the
    table gets another label.
    """
    lines = list(rule.lines)
    reaching = np.ones(table.n_rows, dtype=bool)
    for index, line in enumerate(lines):
        for place, condition in enumerate(line.conditions):
            if not isinstance(condition, AtMost | Above):
                continue
            rows = all_of(reaching, lines[index].decided_by(place, table))
            room = room_of(condition, table, rows)
            if room is not None:
                conditions = list(lines[index].conditions)
                plainest = _plainest_whole if _whole(table, condition) else _plainest
                plainest = _plainest_moment if condition.times else plainest
                conditions[place] = replace(condition, value=plainest(*room))
                lines[index] = replace(line, conditions=tuple(conditions))
        reaching &= ~lines[index].holds(table)
    return replace(rule, lines=tuple(lines))


def decided(rule: RuleList, table: Table) -> Iterator[tuple[int, int, Condition, Rows]]:
    """Yields each condition of a rule, with its line, its place there, and the rows it decides."""
    reaching = np.ones(table.n_rows, dtype=bool)
    for index, line in enumerate(rule.lines):
        for place, condition in enumerate(line.conditions):
            yield index, place, condition, all_of(reaching, line.decided_by(place, table))
        reaching &= ~line.holds(table)


def rooms(rule: RuleList, table: Table) -> tuple[Room | None, ...]:
    """Returns the room of each condition of a rule; None for those without."""
    return tuple(room_of(condition, table, rows) for *_, condition, rows in decided(rule, table))


def room_of(condition: Condition, table: Table, rows: Rows) -> Room | None:
    """Returns the values of these rows next to a threshold; None without one between any."""
    if not isinstance(condition, AtMost | Above):
        return None
    values = numbers(table, condition.column)[rows]
    below, above = values[values <= condition.value], values[values > condition.value]
    if not (len(below) and len(above)):
        return None
    return float(below.max()), float(above.min())


def _whole(table: Table, condition: AtMost | Above) -> bool:
    (column,) = (one for one in table.columns if one.name == condition.column)
    return isinstance(column, NumberColumn) and column.integral


def _plainest(low: float, high: float) -> float:
    middle = low / 2 + high / 2  # without an overflow between
    quarter = high / 4 - low / 4
    numbers = (round(middle, digits) for digits in range(-15, 16))
    return _first_of((*numbers, middle), (low + quarter, high - quarter), (low, high))


def _plainest_moment(low: float, high: float) -> float:
    """As ``_plainest``, of dates with times: a day, or else a whole hour, minute or second."""
    middle = low / 2 + high / 2
    quarter = high / 4 - low / 4
    moments = [
        days_at(round(middle * _DAY / unit) * unit * 1_000_000) for unit in (_DAY, 3600, 60, 1)
    ]
    moments.append(days_at(microsecond_at(middle)))
    return _first_of(moments, (low + quarter, high - quarter), (low, high))


def _plainest_whole(low: float, high: float) -> float:
    """As ``_plainest``, of the whole numbers that divide others like the two."""
    last = high - 1
    quarter = last / 4 - low / 4
    numbers = (float(round(low / 2 + last / 2, digits)) for digits in range(-15, 1))
    between = float(np.floor(low + quarter)), float(np.ceil(last - quarter))
    return _first_of(numbers, between, (low, high))


def _first_of(numbers: Iterable[float], between: tuple[float, float], room: Room) -> float:
    """Returns the first number between two, themselves included; of none, the room's lower end.

    It is in the room even where the two are rounded to what is not, such as the upper end.
    """
    low, high = room
    for number in numbers:
        if between[0] <= number <= between[1] and low <= number < high:
            return number + 0.0  # never -0
    return low + 0.0
