"""Says for which rows the rules that are as good as the one that was taken disagree."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from llm_erm.rulelists.evidence import Learned
from llm_erm.rulelists.rule import Above, AtMost, Condition, Rows, RuleList
from llm_erm.rulelists.thresholds import Room
from llm_erm.tables.columns import Table

ENDS = (0.0, 1.0)
"""Where in its room each threshold is tried; at these two, every value within is on either side."""


def in_question(learned: Learned) -> tuple[RuleList, ...]:
    """Returns the rules that the rows do not speak against, the one that was taken first.

    These are the rule and its ties, each also with one of its thresholds at an end of its room, and
    the rule with one of its conditions exchanged for another that no row tells apart.
    """
    rule = learned.rule
    rules = [rule, *moved(rule, [one.room for one in learned.open], ENDS)]
    rules += [
        _exchanged(rule, one.line, one.place, other) for one in learned.open for other in one.others
    ]
    for tie in learned.ties:
        rules += [tie.rule, *moved(tie.rule, tie.rooms, ENDS)]
    return tuple(dict.fromkeys(rules))


def moved(
    rule: RuleList, rooms: Sequence[Room | None], places: Collection[float]
) -> Iterator[RuleList]:
    """Yields a rule with one threshold elsewhere in its room.

    Args:
        rule: The rule.
        rooms: One per condition, line by line.
        places: Where to put each threshold, from 0, the lower end of its room, to 1, the upper.
    """
    of_condition = iter(rooms)
    for index, line in enumerate(rule.lines):
        for place, condition in enumerate(line.conditions):
            room = next(of_condition, None)
            if room is None or not isinstance(condition, AtMost | Above):
                continue
            low, high = room[0], float(np.nextafter(room[1], room[0]))
            for share in places:
                value = min(max(low * (1 - share) + high * share, low), high)
                yield _exchanged(rule, index, place, replace(condition, value=value))


def given_by(rules: Collection[RuleList], table: Table) -> Iterator[NDArray[np.int32]]:
    """Yields what each rule gives to rows: indices of classes, shape ``(n_rows,)``.

    Each condition is looked at once, however many rules have it.
    """
    known: dict[Condition, Rows] = {}
    for rule in rules:
        given = np.full(table.n_rows, rule.otherwise, dtype=np.int32)
        for line in reversed(rule.lines):
            for condition in line.conditions:
                if condition not in known:
                    known[condition] = condition.holds(table)
            holding = [known[condition] for condition in line.conditions]
            given[np.sum(holding, axis=0) >= line.needed] = line.label
        yield given


def votes(rules: Collection[RuleList], table: Table, n_classes: int) -> NDArray[np.int64]:
    """Returns how many rules give each class to each row, shape ``(n_rows, n_classes)``."""
    counts = np.zeros((table.n_rows, n_classes), dtype=np.int64)
    rows = np.arange(table.n_rows)
    for given in given_by(rules, table):
        counts[rows, given] += 1
    return counts


def _exchanged(rule: RuleList, index: int, place: int, condition: Condition) -> RuleList:
    """Returns a rule with another condition in the place of one."""
    line = rule.lines[index]
    conditions = (*line.conditions[:place], condition, *line.conditions[place + 1 :])
    lines = (*rule.lines[:index], replace(line, conditions=conditions), *rule.lines[index + 1 :])
    return replace(rule, lines=lines)
