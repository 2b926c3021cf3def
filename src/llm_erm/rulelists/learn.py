"""Learns a rule from a table: the best rule of each size on some rows, chosen on the others."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from llm_erm.erm.bounds import binomial_upper
from llm_erm.errors import InputError
from llm_erm.phrases import either
from llm_erm.rulelists.pool import pool_of
from llm_erm.rulelists.rule import RuleList, settled
from llm_erm.rulelists.search import Costs, Effort, Search
from llm_erm.rulelists.ties import roomiest
from llm_erm.tables.columns import Labelled, Schema, Table

MOST_CONDITIONS = 12
MOST_COST = 1_000_000

TIES = 200
"""Equally good rules of a size among which the one with the most room is taken."""


@dataclass(frozen=True, kw_only=True)
class TableSettings:
    """How a rule is learned from a table.

    Attributes:
        max_conditions: Most conditions of the rule.
        checked: Share of the rows that are not learned from: they choose the size and check the
            rule.
        costs: What an error costs, by the true class and the one given, 1 where nothing is said:
            whole numbers.
        confidence: Probability with which the bound on new rows holds.
        independent: Whether the rows are independent draws of what the rule will be used on.
        seed: Of the random division into rows to learn from and rows to check on.
        effort: How much work the search may do.
    """

    max_conditions: int = 5
    checked: float = 0.4
    costs: tuple[tuple[str, str, int], ...] = ()
    confidence: float = 0.95
    independent: bool = True
    seed: int = 0
    effort: Effort = field(default_factory=Effort)


@dataclass(frozen=True)
class Size:
    """The best rule with at most so many conditions.

    Attributes:
        conditions: How many it may have.
        rule: The rule.
        cost: What its errors cost on the rows learned from.
        at_least: No rule with so many conditions costs less there.
        checked_cost: What its errors cost on the rows checked on; None if a smaller rule costs as
            little on those learned from, so that this one is no candidate.
    """

    conditions: int
    rule: RuleList
    cost: int
    at_least: int
    checked_cost: int | None

    @property
    def proved(self) -> bool:
        """Whether no rule with so many conditions costs less on the rows learned from."""
        return self.cost == self.at_least


@dataclass(frozen=True)
class LineCount:
    """What a line of the rule does on the rows learned from.

    Attributes:
        rows: How many it decides.
        right: How many of these it gets right.
    """

    rows: int
    right: int


@dataclass(frozen=True)
class Learned:
    """A rule and what is known of it.

    Attributes:
        rule: The rule.
        schema: How to read other rows for it.
        sizes: The best rule of each size, smallest first.
        chosen: The size of the rule.
        lines: One per line of the rule, and one for the rows that no line decides.
        learned_rows: Number of rows learned from.
        checked_rows: Number of rows checked on.
        checked_errors: Errors on these.
        wrong: Numbers, in the source, of the rows that the rule gets wrong.
        candidates: Most rules that can meet the rows checked on: one per size.
        confidence: Probability with which ``error_at_most`` holds.
        error_at_most: Upper bound on the share of new rows that the rule gets wrong; None if the
            data support none.
        no_bound: Why they support none; empty if they do.
        notices: What the user should know of the data, a sentence each.
    """

    rule: RuleList
    schema: Schema
    sizes: tuple[Size, ...]
    chosen: int
    lines: tuple[LineCount, ...]
    learned_rows: int
    checked_rows: int
    checked_errors: int
    wrong: tuple[int, ...]
    candidates: int
    confidence: float
    error_at_most: float | None
    no_bound: str
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Division:
    """Which rows are learned from, and whether the others tell of new rows.

    Attributes:
        learning: Shape ``(n_rows,)``: whether a row is learned from; it is checked on if not.
        no_bound: Why the rows checked on bound no error on new rows; empty if they do.
    """

    learning: NDArray[np.bool_]
    no_bound: str


def learn(data: Labelled, settings: TableSettings) -> Learned:
    """Returns a rule learned from labelled rows.

    The best rule of each size is found on a part of the rows. Of these few, the one whose errors
    cost least on the other rows is taken, the smaller one if two cost the same. So the exact
    binomial bound on its error, at the confidence shared among the sizes, holds for it.

    Raises:
        InputError: A setting is impossible for these rows.
    """
    costs = cost_matrix(settings.costs, data.schema.classes)
    division = divide(data, settings)
    learning = np.flatnonzero(division.learning)
    checking = np.flatnonzero(~division.learning)
    table, labels = data.table.take(learning), data.labels[learning]
    other, truth = data.table.take(checking), data.labels[checking]
    sizes = _sizes(table, labels, other, truth, data.schema.classes, costs, settings)
    chosen = min(
        (size for size in sizes if size.checked_cost is not None),
        key=lambda size: (size.checked_cost, size.conditions),
    )
    rule = chosen.rule
    given = rule.predict(data.table)
    errors = int((given[checking] != truth).sum())
    candidates = settings.max_conditions + 1
    bound = None
    if not division.no_bound:
        bound = binomial_upper(errors, len(checking), (1 - settings.confidence) / candidates)
    return Learned(
        rule,
        data.schema,
        tuple(sizes),
        chosen.conditions,
        line_counts(rule, table, labels),
        len(learning),
        len(checking),
        errors,
        tuple(int(number) for number in data.row_numbers[given != data.labels]),
        candidates,
        settings.confidence,
        bound,
        division.no_bound,
        data.notices,
    )


def cost_matrix(costs: Sequence[tuple[str, str, int]], classes: tuple[str, ...]) -> Costs:
    """Returns what an error costs, shape ``(n_classes, n_classes)``, by true and given class.

    Raises:
        InputError: A class is unknown, or a cost is none.
    """
    matrix = 1 - np.eye(len(classes), dtype=np.int64)
    for true, given, cost in costs:
        for name in (true, given):
            if name not in classes:
                raise InputError(
                    f"there is no class {name!r}; the classes are {either(classes)}",
                    setting="cost",
                )
        if true == given or not 1 <= cost <= MOST_COST:
            raise InputError(
                f"{true}:{given}={cost} is no cost of an error; name two different classes and a "
                f"whole number from 1 to {MOST_COST:,}",
                setting="cost",
            )
        matrix[classes.index(true), classes.index(given)] = cost
    return matrix


def divide(data: Labelled, settings: TableSettings) -> Division:
    """Returns which rows to learn from.

    They are drawn at random; with groups, whole groups are; with times, the earliest are taken.

    Raises:
        InputError: One of the two parts would be empty.
    """
    rows = len(data.labels)
    to_check = round(settings.checked * rows)
    if not 1 <= to_check < rows:
        raise InputError(
            f"{settings.checked:g} of {rows} rows leaves none to "
            f"{'check on' if to_check < 1 else 'learn from'}; give a share between 0 and 1, and "
            "more rows",
            setting="checked",
        )
    learning = np.ones(rows, dtype=bool)
    no_bound = "" if settings.independent else "the rows are said not to be independent"
    random = np.random.RandomState(settings.seed)
    if data.times is not None:
        latest = np.argsort(data.times, kind="stable")[rows - to_check :]
        learning[latest] = False
        no_bound = "the rows checked on are later than those learned from, and the next are later"
    elif data.groups is not None:
        groups = random.permutation(np.unique(data.groups))
        sizes = np.array([(data.groups == group).sum() for group in groups])
        taken = groups[: int(np.searchsorted(sizes.cumsum(), to_check)) + 1]
        learning[np.isin(data.groups, taken)] = False
        if not learning.any():
            raise InputError(
                "there are too few groups to divide the rows by; without groups, rows are divided "
                "one by one",
                setting="groups",
            )
        no_bound = "rows of a group are no independent draws"
    else:
        learning[random.permutation(rows)[:to_check]] = False
    return Division(learning, no_bound)


def line_counts(rule: RuleList, table: Table, labels: NDArray[np.int32]) -> tuple[LineCount, ...]:
    """Returns what each line of a rule does on some rows, and the last one of those left over."""
    deciding, given = rule.lines_of(table), rule.predict(table)
    return tuple(
        LineCount(int(decided.sum()), int((given == labels)[decided].sum()))
        for decided in (deciding == index for index in range(len(rule.lines) + 1))
    )


def _sizes(
    table: Table,
    labels: NDArray[np.int32],
    other: Table,
    truth: NDArray[np.int32],
    classes: tuple[str, ...],
    costs: Costs,
    settings: TableSettings,
) -> list[Size]:
    """Returns the best rule of each size, with its cost on the rows checked on."""
    search = Search(pool_of(table), labels, classes, costs)
    sizes: list[Size] = []
    for best in search.best(settings.max_conditions, settings.effort):
        if sizes and best.cost == sizes[-1].cost:
            sizes.append(Size(best.conditions, sizes[-1].rule, best.cost, best.at_least, None))
            continue
        rules = [best.rule]
        if best.proved and best.conditions:
            tied, _ = search.equally_good(
                best.conditions, best.cost, most=TIES, looks=settings.effort.looks // 10
            )
            rules += tied
        rule = settled(roomiest(rules, table), table)
        checked = int(costs[truth, rule.predict(other)].sum())
        sizes.append(Size(best.conditions, rule, best.cost, best.at_least, checked))
    return sizes
