"""Finds the rows without a label whose labels would tell most.

The rows that the first fold checks on shape no question, and rows that were asked about are checked
on in no fold. So the bounds hold as if nothing had been asked.
"""

import math

import numpy as np
from numpy.typing import NDArray

from llm_erm.rulelists.division import divide
from llm_erm.rulelists.learn import cost_matrix
from llm_erm.rulelists.meaning import different
from llm_erm.rulelists.pool import Pool, pool_of
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
    """Returns the rows on which rules that are about as good split most evenly.

    Of rows that the same of these rules give the same classes, only the first is returned: one
    answer tells about them all. None is returned if the rules agree on all rows.

    Args:
        data: The rows with labels.
        settings: How a rule is learned from them.
        table: The rows without.
        most: How many rows to return at most.
    """
    rules = _about_as_good(data, settings)
    largest = votes(rules, table, len(data.schema.classes)).max(axis=1, initial=0)
    split = np.flatnonzero(largest < len(rules))
    best = split[np.argsort(largest[split], kind="stable")][: 100 * most]
    given = np.stack(list(given_by(rules, table.take(best))), axis=1)
    first = np.sort(np.unique(given, axis=0, return_index=True)[1])[:most]
    return best[first]


def _about_as_good(data: Labelled, settings: TableSettings) -> list[RuleList]:
    """Returns rules of two sizes that err at most once more often than the best of the size.

    That is on the rows that the first fold learns from. The first size is the one whose best rule
    describes their labels most briefly, since the rows checked on may not choose it; the second is
    the next larger. Each rule is also there with one of its thresholds elsewhere in its room.
    """
    learning = np.flatnonzero(divide(data, settings).learning)
    table, labels = data.table.take(learning), data.labels[learning]
    classes, costs = data.schema.classes, cost_matrix(settings.costs, data.schema.classes)
    looks = settings.looks // LESS
    everything = pool_of(table, distinct=False)
    search = Search(pool_of(table), labels, classes, costs)
    found = list(search.best(settings.max_conditions, looks))
    briefest = min(found, key=lambda best: _bits(best.rule, table, labels, everything))
    sizes = [best for best in found if best.conditions - briefest.conditions in (0, 1)]
    search = Search(everything, labels, classes, costs)
    rules = [best.rule for best in sizes]
    for best in sizes:
        if not best.conditions:
            continue
        # Rules as good as a smaller one may be that one and a condition that changes nothing.
        most = min(best.cost + 1, found[best.conditions - 1].cost - 1)
        rules += search.equally_good(best.conditions, most, most=TIES, looks=looks)[0]
    rules = list(different((settled(rule, table) for rule in rules), table).values())
    elsewhere = (other for rule in rules for other in moved(rule, rooms(rule, table), PLACES))
    return list(dict.fromkeys([*rules, *elsewhere]))


def _bits(rule: RuleList, table: Table, labels: NDArray[np.int32], pool: Pool) -> float:
    """Returns how many bits describe the labels by a rule and the set of rows it gets wrong."""
    of, wrong = len(labels), int((rule.predict(table) != labels).sum())
    ways = math.lgamma(of + 1) - math.lgamma(wrong + 1) - math.lgamma(of - wrong + 1)
    return ways / math.log(2) + rule.conditions * math.log2(max(len(pool.conditions), 2))
