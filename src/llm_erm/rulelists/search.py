"""The best rule list of each size: found by exchanges, proved by branch and bound."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_erm.rulelists import exchange, kernels, m_of_n
from llm_erm.rulelists.pool import Pool, packed, pool_of
from llm_erm.rulelists.rule import Condition, Line, RuleList
from llm_erm.tables.columns import NumberColumn, Table

Costs = NDArray[np.int64]

SLACK = 4
"""How many rows above the best a value is still worked out, to skip more of its chain."""


EXCHANGES = 10
"""Share of the looks, as one over this, that goes into exchanging conditions, for each size."""


@dataclass(frozen=True)
class Best:
    """The best rule found with a number of conditions, and what is known of all others.

    Attributes:
        conditions: Most conditions that the rule may have.
        rule: The rule.
        cost: Its cost on the rows: the number of errors, unless errors have costs.
        at_least: No rule with so many conditions costs less than this.
    """

    conditions: int
    rule: RuleList
    cost: int
    at_least: int

    @property
    def proved(self) -> bool:
        """Whether no rule with so many conditions costs less."""
        return self.cost == self.at_least


class Search:
    """Searches over one table's rows and labels.

    Args:
        pool: The conditions.
        labels: Shape ``(n_rows,)``: indices of classes.
        classes: The classes as written.
        costs: Shape ``(n_classes, n_classes)``: cost of giving the second class to a row of the
            first, whole numbers with zeros on the diagonal; one per error if left out.
        rows: The rows to learn from, all if left out.
    """

    def __init__(
        self,
        pool: Pool,
        labels: NDArray[np.int32],
        classes: tuple[str, ...],
        costs: Costs | None = None,
        rows: NDArray[np.bool_] | None = None,
    ) -> None:
        self.pool = pool
        self.classes = classes
        costs = 1 - np.eye(len(classes), dtype=np.int64) if costs is None else costs
        chosen = np.ones(pool.n_rows, dtype=bool) if rows is None else rows
        members = np.array([(labels == label) & chosen for label in range(len(classes))])
        labelled = packed(members)
        self.all_rows = np.bitwise_or.reduce(labelled, axis=0)
        self.problem = kernels.Problem(
            pool.bits,
            pool.first,
            pool.end,
            pool.size,
            pool.twin,
            labelled,
            costs,
            max(int(costs.max(initial=0)), 1),
        )

    def best(self, max_conditions: int, looks: int) -> Iterator[Best]:
        """Yields the best rule for each number of conditions from 0, until none makes an error.

        If the pool is empty, there is but the rule without conditions.
        Half of the remaining looks go into each proof.
        """
        cost, otherwise = self._majority()
        yield Best(0, RuleList((), otherwise, self.classes), cost, cost)
        if cost == 0 or not self.pool.conditions:
            return
        path: list[int] = []
        left = looks * exchange.WORDS // max(len(self.all_rows), exchange.WORDS)
        for conditions in range(1, max_conditions + 1):
            local = exchange.improved(self.problem, path, conditions, looks=looks // EXCHANGES)
            if local[0] < cost:
                cost, path = local
            at_least, found, used = self._prove(conditions, cost, left // 2)
            left -= used
            if found is not None:
                cost, path = found
            yield Best(conditions, self.rule(path), cost, at_least)
            if cost == 0:
                return

    def equally_good(
        self, conditions: int, cost: int, *, most: int, looks: int
    ) -> tuple[list[RuleList], bool]:
        """Returns rules with so many conditions and at most this cost, and whether these are all.

        Thresholds that no row tells apart count as one. The cost must be less than that of every
        rule with fewer conditions.
        """
        rules = np.zeros((most, _depths(conditions)), dtype=np.int64)
        found = np.array([0, looks, 0, cost], dtype=np.int64)
        self._run(conditions, cost + 1, rules, found, keep=True)
        number = int(found[kernels.FOUND])
        complete = number <= most and bool(found[kernels.LOOKS] <= looks)
        return [self.rule(_until_end(rule)) for rule in rules[:number]], complete

    def m_of_n(self, conditions: int, *, looks: int) -> tuple[int, list[RuleList]]:
        """Returns the least cost found of rules with one line that needs 2 … n - 1 of n conditions.

        And the rules found that cost no more, none if there is none: a local search from random
        draws. There must be two classes.
        """
        found = m_of_n.local_optima(self.problem, conditions, looks=looks)
        cost = min(found.values(), default=0)
        return cost, [
            RuleList(
                (Line(tuple(self.pool.conditions[i] for i in indices), label, least),),
                1 - label,
                self.classes,
            )
            for (label, least, indices), one in found.items()
            if one == cost
        ]

    def rule(self, path: list[int]) -> RuleList:
        """Returns the rule of a path: indices of conditions, with a mark between lines."""
        lines: list[Line] = []
        reaching = self.all_rows.copy()
        for indices in _split(path):
            inside = np.bitwise_and.reduce([reaching, *(self.pool.bits[i] for i in indices)])
            conditions: tuple[Condition, ...] = tuple(self.pool.conditions[i] for i in indices)
            lines.append(Line(conditions, self._cheapest(inside)[1]))
            reaching &= ~inside
        return RuleList(tuple(lines), self._cheapest(reaching)[1], self.classes)

    def _majority(self) -> tuple[int, int]:
        return self._cheapest(self.all_rows)

    def _cheapest(self, rows: NDArray[np.uint64]) -> tuple[int, int]:
        members = np.unpackbits((self.problem.labelled & rows).view(np.uint8), axis=1)
        counts = members.sum(axis=1, dtype=np.int64)
        costs = counts @ self.problem.costs
        label = int(np.lexsort((np.arange(len(counts)), -counts, costs))[0])
        return int(costs[label]), label

    def _prove(
        self, conditions: int, cost: int, looks: int
    ) -> tuple[int, tuple[int, list[int]] | None, int]:
        """Raises the least cost that rules may have until it meets the cost of a rule.

        Returns what no rule costs less than, a better rule if there was one, and the looks used.
        """
        at_least, used, under = 0, 0, 1
        while at_least < cost:
            rules = np.zeros((1, _depths(conditions)), dtype=np.int64)
            found = np.array([0, looks - used, 0, 0], dtype=np.int64)
            value = self._run(conditions, under, rules, found, keep=False)
            used += int(found[kernels.LOOKS])
            better = found[kernels.FOUND] and found[kernels.COST] < cost
            if found[kernels.LOOKS] > found[kernels.LIMIT]:
                if better:
                    return at_least, (int(found[kernels.COST]), _until_end(rules[0])), used
                return at_least, None, used
            if value < under:
                assert better and found[kernels.COST] == value
                return value, (value, _until_end(rules[0])), used
            at_least = min(value, cost)
            under = min(max(2 * under, value + 1), cost)
        return at_least, None, used

    def _run(
        self,
        conditions: int,
        under: int,
        rules: NDArray[np.int64],
        found: NDArray[np.int64],
        *,
        keep: bool,
    ) -> int:
        depths = _depths(conditions)
        classes, words = self.problem.labelled.shape
        space = kernels.Space(
            np.zeros((depths, words), dtype=np.uint64),
            np.zeros((depths, words), dtype=np.uint64),
            np.zeros((depths, 64), dtype=np.int64),
            np.zeros((depths, 64), dtype=np.int64),
            np.zeros(depths, dtype=np.int64),
            np.zeros((classes, words), dtype=np.uint64),
            np.zeros((depths, 4, classes), dtype=np.int64),
        )
        space.inside[0] = self.all_rows
        slack = SLACK * self.problem.dearest
        return int(
            kernels.search(
                self.problem, space, rules, found, 0, conditions, under, 0, 0, 0, 0, slack, keep
            )
        )


def _depths(conditions: int) -> int:
    return 2 * conditions + 3


def _until_end(rule: NDArray[np.int64]) -> list[int]:
    indices: list[Any] = rule.tolist()
    return indices[: indices.index(kernels.END)]


def _split(path: list[int]) -> Iterator[list[int]]:
    line: list[int] = []
    for index in path:
        if index == kernels.NEW_LINE:
            yield line
            line = []
        else:
            line.append(index)
    if line:
        yield line


def prepare() -> None:
    """Loads the machine code of the search, compiling it if it is not cached."""
    values = np.arange(8.0)
    table = Table((NumberColumn("x", values, integral=True),), len(values))
    search = Search(pool_of(table), np.array([0, 1] * 4, dtype=np.int32), ("no", "yes"))
    for best in search.best(3, 1000):
        search.equally_good(max(best.conditions, 1), best.cost, most=1, looks=1000)
    search.m_of_n(3, looks=1)
    exchange.improved(search.problem, [], 3, looks=1)
