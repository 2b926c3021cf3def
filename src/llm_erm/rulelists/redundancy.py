"""Leaves out what a rule does not need on the rows it was learned from."""

from collections.abc import Iterator
from dataclasses import replace

from llm_erm.rulelists.rule import Line, RuleList
from llm_erm.tables.columns import Table


def without_redundancy(rule: RuleList, table: Table) -> RuleList:
    """Returns the rule without conditions and lines that change the label of no row of a table.

    The first one that can go does, until none can.
    """
    labels = rule.predict(table)
    while True:
        for shorter in _shorter(rule):
            if (shorter.predict(table) == labels).all():
                rule = shorter
                break
        else:
            return rule


def _shorter(rule: RuleList) -> Iterator[RuleList]:
    """Yields the rules that lack one line, then those that lack one condition."""
    lines = rule.lines
    for index in range(len(lines)):
        yield replace(rule, lines=lines[:index] + lines[index + 1 :])
    for index, line in enumerate(lines):
        for place in range(len(line.conditions)):
            if (shorter := _without(line, place)) is not None:
                yield replace(rule, lines=(*lines[:index], shorter, *lines[index + 1 :]))


def _without(line: Line, place: int) -> Line | None:
    """Returns a line without a condition, None if it has no other."""
    rest = line.conditions[:place] + line.conditions[place + 1 :]
    if not rest:
        return None
    return replace(line, conditions=rest, least=None if line.needed >= len(rest) else line.least)
