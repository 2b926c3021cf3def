"""A bound on a rule's error from the rows that it was learned from: the shorter, the tighter.

Imagine more rows of the same kind, drawn later. On all rows together, a column of numbers can be
divided by a threshold in no more ways than there are rows, so that the rules of a size are finite
in number, wherever their thresholds lie. If one of them erred often on all rows, but seldom on
those that it was learned from, that would be chance: which rows came first is as likely as any
other order. The number of rules times that chance, a hypergeometric tail, is at most ``delta``.

It does not matter who wrote a rule, or after seeing what. So the bound holds for one that a
language model proposed as well: what is read from its answers (``proposed``) has a form, a size
and conditions that are counted here, with thresholds anywhere and sets of up to ``MOST_IN_SET``
categories. A rule that repeats itself says what a smaller one says, whose limit is lower.

Sources: Vapnik and Chervonenkis, Theory of Probability and its Applications 16 (1971), for the
imagined rows; Blum and Langford, PAC-MDL bounds (COLT 2003), for exact tails and lengths.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

from llm_erm.rulelists.pool import MOST_IN_SET
from llm_erm.rulelists.rule import RuleList
from llm_erm.tables.columns import Schema

LATER = 8
"""Imagined rows per row: more of them make the tail smaller, and the rules more numerous."""


def upper_error(
    rule: RuleList, schema: Schema, errors: int, rows: int, shares: int, delta: float
) -> float:
    """Returns an upper limit on a rule's error on new rows, from all rows that it was learned from.

    It holds for the rules of each form and size at once, however one of them is chosen.

    Args:
        rule: The rule.
        schema: The columns that it could have used, the classes, and the categories of each column,
            all of which are taken to be known beforehand.
        errors: Number of errors on the rows.
        rows: Number of rows: independent draws of what the rule will be used on.
        shares: Number of forms and sizes.
        delta: Probability with which the limit may fail.
    """
    later = LATER * rows
    limit = math.log(delta / 2 / shares) - log_rules(rule, schema, rows + later)
    if _log_chance(errors, later, rows, later) > limit:
        return 1.0
    few, many = 0, later  # so many errors on later rows are likely enough, or too unlikely
    while many - few > 1:
        middle = (few + many) // 2
        if _log_chance(errors, middle, rows, later) > limit:
            few = middle
        else:
            many = middle
    return many / later


def log_rules(rule: RuleList, schema: Schema, rows: int) -> float:
    """Returns the logarithm of the number of rules of this one's form and size.

    Rules that label so many rows alike count as one.
    """
    classes, conditions = len(schema.classes), rule.conditions
    choices = math.log(max(_conditions(schema, rows), 1))
    if any(line.least is not None for line in rule.lines):
        ways = conditions * classes**2
        return conditions * choices - math.lgamma(conditions + 1) + math.log(ways)
    # Lines of 1, 2, … conditions in any order, and a class for each and for the rows left over.
    numbers = [float(classes)]
    for size in range(1, conditions + 1):
        numbers.append(
            sum(
                classes * numbers[size - line] / math.factorial(line) for line in range(1, size + 1)
            )
        )
    return conditions * choices + math.log(numbers[conditions])


def _conditions(schema: Schema, rows: int) -> int:
    """Returns in how many ways one condition can divide so many rows, at most."""
    numbers = sum(column.kind == "number" for column in schema.columns)
    thresholds = 2 * numbers * (rows + 1)
    orders = 2 * numbers * (numbers - 1)
    missing = 2 * len(schema.columns)
    levels = [len(column.levels) for column in schema.columns if column.kind == "category"]
    sets = 2 * sum(
        math.comb(number, size) for number in levels for size in range(1, MOST_IN_SET + 1)
    )
    return thresholds + orders + missing + sets


def _log_chance(errors: int, later_errors: int, rows: int, later: int) -> float:
    """Returns the logarithm of the chance that no more of all errors fall on the first rows."""
    total = errors + later_errors
    first = np.arange(max(0, total - later), min(errors, rows) + 1)
    ways = _log_ways(total, first) + _log_ways(rows + later - total, rows - first)
    return float(logsumexp(ways) - _log_ways(rows + later, np.array(rows)))


def _log_ways(of: int, some: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(gammaln(of + 1) - gammaln(some + 1) - gammaln(of - some + 1))
