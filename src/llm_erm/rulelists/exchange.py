"""Rule lists that no exchange of one condition improves.

They begin as the best rule with a condition less and one more anywhere, or at random. So those are
found whose first condition says nothing by itself, as in "exactly one of two".

Functions that call each other must stay in this file; see ``enumeration/kernels.py``.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_erm.compiled import bits_set, kernel
from llm_erm.rulelists.kernels import NEW_LINE, Problem

Array = NDArray[Any]

STARTS = 100
"""Random rules to start from, if the looks suffice."""

WORDS = 4
"""64-bit words of 256 rows, for which limits on looks are meant."""

Start = tuple[NDArray[np.int64], NDArray[np.int64], int]
"""The conditions of a rule, the line of each, ascending from 0, and which to exchange first."""


def improved(
    problem: Problem, shorter: list[int], conditions: int, *, looks: int
) -> tuple[int, list[int]]:
    """Returns the cost and the path of the best rule found.

    Args:
        problem: What the search is about.
        shorter: Path of the best rule with fewer conditions.
        conditions: How many the rule has at most, 1 or more.
        looks: How many conditions may be looked at from random starts, for up to 256 rows; in
            proportion fewer for more. A start that is begun is ended.
    """
    left = looks * WORDS // max(problem.bits.shape[1], WORDS)
    every = np.bitwise_or.reduce(problem.labelled, axis=0)
    found: tuple[int, list[int]] | None = None
    for path, line, place in _longer(shorter):
        cost, _ = _descend(problem, every, path, line, np.int64(place))
        if found is None or cost < found[0]:
            found = int(cost), _path(path, line)
    assert found is not None
    random = np.random.RandomState(0)
    for _ in range(STARTS):
        if left <= 0:
            break
        drawn = random.randint(len(problem.first), size=conditions)
        path = np.array([random.randint(problem.first[i], problem.end[i]) for i in drawn])
        line = np.concatenate([[0], random.randint(2, size=conditions - 1)]).cumsum()
        cost, used = _descend(problem, every, path, line, np.int64(0))
        left -= int(used)
        if cost < found[0]:
            found = int(cost), _path(path, line)
    return found


def _longer(path: list[int]) -> Iterator[Start]:
    """Yields a rule with a condition more, in each of its lines and in a line before or after it.

    Which condition that is does not matter: it is the first to be exchanged.
    """
    lines: list[list[int]] = [[]]
    for index in path:
        if index == NEW_LINE:
            lines.append([])
        else:
            lines[-1].append(index)
    lines = [line for line in lines if line]
    ways = [[*lines[:i], [*lines[i], 0], *lines[i + 1 :]] for i in range(len(lines))]
    ways += [[*lines[:i], [0], *lines[i:]] for i in range(len(lines) + 1)]
    for number, way in enumerate(ways):
        own = number if number < len(lines) else number - len(lines)
        sizes = [len(line) for line in way]
        place = sum(sizes[: own + 1]) - 1
        yield np.concatenate(way).astype(np.int64), np.repeat(np.arange(len(way)), sizes), place


def _path(conditions: NDArray[np.int64], line: NDArray[np.int64]) -> list[int]:
    """Returns the conditions with a mark between lines; those of a line in the pool's order."""
    path: list[int] = []
    for index in range(int(line[-1]) + 1):
        path += [NEW_LINE] if index else []
        path += sorted(set(conditions[line == index].tolist()))
    return path


@kernel
def _descend(
    problem: Problem,
    every: Array,
    path: Array,
    line: Array,
    place: Any,  # noqa: ANN401 - an integer of Python or NumPy
) -> Any:  # noqa: ANN401 - two of them
    """Exchanges conditions while that lowers the cost; returns it and the looks used.

    Args:
        problem: What the search is about.
        every: The rows to learn from.
        path: Shape ``(n_conditions,)``: indices of the conditions; changed in place.
        line: Shape ``(n_conditions,)``: the line of each, ascending from 0.
        place: Which condition to exchange first.
    """
    bits, costs = problem.bits, problem.costs
    classes, words = problem.labelled.shape
    leaves = line[-1] + 2
    open_to = np.zeros((leaves, classes, words), np.uint64)
    fixed = np.zeros((leaves, classes), np.int64)
    totals = np.zeros((leaves, classes), np.int64)
    within, rest = np.zeros(classes, np.int64), np.zeros(classes, np.int64)
    lowest, looks, unchanged = np.int64(1) << np.int64(60), np.int64(0), 0
    while unchanged < path.shape[0]:
        before = _divide(problem, every, path, line, place, open_to, fixed, totals)
        own = line[place]
        best = np.int64(-1)
        for row in range(bits.shape[0]):
            value = before
            within[:] = 0
            for leaf in range(own + 1, leaves):
                for label in range(classes):
                    count = np.int64(0)
                    for word in range(words):
                        count += bits_set(open_to[leaf, label, word] & bits[row, word])
                    within[label] += count
                    rest[label] = fixed[leaf, label] + totals[leaf, label] - count
                value += _least(rest, costs)
            value += _least(within, costs)
            if value < lowest:
                lowest, best = value, np.int64(row)
        looks += bits.shape[0]
        unchanged += 1
        if best >= 0:
            path[place] = best
            unchanged = 1
        place = (place + 1) % path.shape[0]
    return lowest, looks


@kernel
def _divide(
    problem: Problem,
    every: Array,
    path: Array,
    line: Array,
    place: Any,  # noqa: ANN401 - an integer of Python or NumPy
    open_to: Array,
    fixed: Array,
    totals: Array,
) -> Any:  # noqa: ANN401 - the same
    """Finds the rows that the condition at a place decides; returns the cost of the lines before.

    Stores, for each later line and what is left over, the rows that it gets if the condition does
    not hold (``open_to``, counted by class in ``totals``), and counts those that it gets anyway.
    """
    bits, labelled = problem.bits, problem.labelled
    classes, words = labelled.shape
    leaves = open_to.shape[0]
    own = line[place]
    open_to[:] = 0
    fixed[:] = 0
    totals[:] = 0
    counts = np.zeros(classes, np.int64)
    reaching, decided = every.copy(), np.zeros(words, np.uint64)
    cost = np.int64(0)
    for leaf in range(leaves):
        holding = np.full(words, ~np.uint64(0))
        for i in range(path.shape[0]):
            if line[i] == leaf and i != place:
                for word in range(words):
                    holding[word] &= bits[path[i], word]
        if leaf == own:
            for word in range(words):
                decided[word] = reaching[word] & holding[word]
            continue
        for label in range(classes):
            counts[label] = 0
            for word in range(words):
                caught = reaching[word] & holding[word] & labelled[label, word]
                if leaf < own:
                    counts[label] += bits_set(caught)
                else:
                    open_to[leaf, label, word] = caught & decided[word]
                    totals[leaf, label] += bits_set(caught & decided[word])
                    fixed[leaf, label] += bits_set(caught & ~decided[word])
        for word in range(words):
            reaching[word] &= ~holding[word]
        if leaf < own:
            cost += _least(counts, problem.costs)
    return cost


@kernel
def _least(counts: Array, costs: Array) -> Any:  # noqa: ANN401
    """Cost of the rows counted by class, if all get the class that costs least."""
    least = np.int64(1) << np.int64(60)
    for given in range(counts.shape[0]):
        cost = np.int64(0)
        for true in range(counts.shape[0]):
            cost += counts[true] * costs[true, given]
        least = min(least, cost)
    return least
