"""Finds the rows without a label whose labels would tell most.

Only the rows learned from are asked with which rows to go on. What the rows checked on say shapes
no question, so the bound that they give afterwards holds as if nothing had been asked.
"""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from llm_erm.rulelists.division import divide
from llm_erm.rulelists.learn import cost_matrix
from llm_erm.rulelists.meaning import different
from llm_erm.rulelists.pool import pool_of
from llm_erm.rulelists.rule import RuleList
from llm_erm.rulelists.search import Search
from llm_erm.rulelists.settings import TableSettings
from llm_erm.rulelists.thresholds import rooms, settled
from llm_erm.rulelists.ties import TIES
from llm_erm.rulelists.undetermined import given_by, moved, votes
from llm_erm.tables.columns import Labelled, Table

MOST_ASKED = 5
"""Rows that are asked about before the next search, at most."""

PLACES = (0.0, 0.25, 0.75, 1.0)
"""Where in its room each threshold is tried besides the middle, so that rows there tell most."""

LESS = 10
"""By how much the search for what to ask is shorter than the one for the rule."""


def most_telling(
    data: Labelled, settings: TableSettings, table: Table, most: int = MOST_ASKED
) -> NDArray[np.intp]:
    """Returns the rows on which rules that are as good on the rows learned from split most evenly.

    Of rows on which all these rules agree with each other alike, only the first is returned: one
    answer tells about them all. None is returned if nothing is left open.

    Args:
        data: The rows with labels.
        settings: How a rule is learned from them.
        table: The rows without.
        most: How many rows to return at most.
    """
    rules = _as_good(data, settings)
    counts = votes(rules, table, len(data.schema.classes))
    largest = counts.max(axis=1, initial=0)
    split = np.flatnonzero(largest < len(rules))
    best = split[np.argsort(largest[split], kind="stable")][: 100 * most]
    given = np.stack(list(given_by(rules, table.take(best))), axis=1)
    first = np.sort(np.unique(given, axis=0, return_index=True)[1])[:most]
    return best[first]


def _as_good(data: Labelled, settings: TableSettings) -> list[RuleList]:
    """Returns the rules of one size that are best on the rows learned from.

    Each is also there with one of its thresholds elsewhere in its room. The size is the one by
    which the labels can be described most briefly, since those of the rows checked on may not
    choose it here.
    """
    learning = np.flatnonzero(divide(data, settings).learning)
    table, labels = data.table.take(learning), data.labels[learning]
    classes, costs = data.schema.classes, cost_matrix(settings.costs, data.schema.classes)
    pool = pool_of(table)
    effort = replace(settings.effort, looks=settings.effort.looks // LESS)
    found = list(Search(pool, labels, classes, costs).best(settings.max_conditions, effort))
    per_condition = math.log2(max(len(pool.conditions), 2))

    def bits(rule: RuleList) -> float:
        wrong = int((rule.predict(table) != labels).sum())
        return _bits_of_set(wrong, len(labels)) + per_condition * rule.conditions

    best = min(found, key=lambda one: bits(one.rule))
    rules = [best.rule]
    if best.rule.lines:
        everything = Search(pool_of(table, distinct=False), labels, classes, costs)
        conditions = best.rule.conditions
        tied, _ = everything.equally_good(conditions, best.cost, most=TIES, looks=effort.looks)
        rules += tied
    rules = list(different((settled(rule, table) for rule in rules), table).values())
    shifted = [other for rule in rules for other in moved(rule, rooms(rule, table), PLACES)]
    return list(dict.fromkeys([*rules, *shifted]))


def _bits_of_set(size: int, of: int) -> float:
    """Returns how many bits it takes to say which ones of some things are in a set of this size."""
    ways = math.lgamma(of + 1) - math.lgamma(size + 1) - math.lgamma(of - size + 1)
    return ways / math.log(2)
