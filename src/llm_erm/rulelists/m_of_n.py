"""Rules of one line that holds if at least m of its n conditions do, found by local search.

Conditions are drawn at random, then exchanged one at a time for the best of the pool until no
exchange helps. No rule list with three conditions says what "at least 2 of 3" says.

Source of the form: Towell and Shavlik, Extracting refined rules from knowledge-based neural
networks (Machine Learning 13, 1993).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_erm.compiled import bits_set, kernel
from llm_erm.rulelists.exchange import WORDS
from llm_erm.rulelists.kernels import Problem

Array = NDArray[Any]

FEWEST = 3
"""Conditions; of two, all or any must hold, which is a rule list."""

STARTS = 20
"""Random draws of conditions for each m."""


def local_optima(
    problem: Problem, conditions: int, *, looks: int
) -> dict[tuple[int, int, tuple[int, ...]], int]:
    """Returns what no exchange of a condition improves, with its cost.

    Each is the class of the rows on which the line holds, how many of its conditions must hold, and
    their indices, ascending and all of different chains.

    Args:
        problem: What the search is about, with two classes.
        conditions: How many conditions the line has, 3 or more.
        looks: How many conditions may be looked at, for up to 256 rows; in proportion fewer for
            more. A descent that is begun is ended.
    """
    chains, words = len(problem.first), problem.bits.shape[1]
    found: dict[tuple[int, int, tuple[int, ...]], int] = {}
    if chains < conditions:
        return found
    chain_of = np.repeat(np.arange(chains), problem.end - problem.first)
    random = np.random.RandomState(0)
    left = looks * WORDS // max(words, WORDS)
    for start in range(STARTS):
        for least in range(2, conditions):
            if left <= 0:
                return found
            drawn = random.permutation(chains)[:conditions]
            path = np.array(
                [random.randint(problem.first[chain], problem.end[chain]) for chain in drawn]
            )
            cost, used = _descend(problem, chain_of, path, np.int64(least), np.int64(start % 2))
            left -= int(used)
            found[start % 2, least, tuple(sorted(path.tolist()))] = int(cost)
    return found


@kernel
def _descend(
    problem: Problem,
    chain_of: Array,
    path: Array,
    least: Any,  # noqa: ANN401 - an integer of Python or NumPy
    label: Any,  # noqa: ANN401 - the same
) -> Any:  # noqa: ANN401 - two of them
    """Exchanges conditions of ``path`` while that lowers the cost; returns it and the looks used.

    Args:
        problem: What the search is about.
        chain_of: Shape ``(n_conditions,)``: the chain of each condition.
        path: Indices of the conditions; changed in place.
        least: How many of them must hold.
        label: The class of the rows on which so many hold; the others get the other one.
    """
    bits, labelled, costs = problem.bits, problem.labelled, problem.costs
    words = bits.shape[1]
    false_yes, false_no = costs[1 - label, label], costs[label, 1 - label]
    holding = np.zeros((least + 1, words), np.uint64)
    yes, no = np.zeros(words, np.uint64), np.zeros(words, np.uint64)
    cost, looks, unchanged, place = np.int64(1) << np.int64(60), np.int64(0), 0, 0
    while unchanged < path.shape[0]:
        _holding(bits, path, place, holding)
        settled = np.int64(0)
        for word in range(words):
            wrong, right = labelled[1 - label, word], labelled[label, word]
            enough, short = holding[least, word], holding[least - 1, word]
            settled += bits_set(enough & wrong) * false_yes
            settled += bits_set(~enough & ~short & right) * false_no
            yes[word], no[word] = short & right, short & wrong
        best = np.int64(-1)
        for row in range(bits.shape[0]):
            value = settled
            for word in range(words):
                value += bits_set(no[word] & bits[row, word]) * false_yes
                value += bits_set(yes[word] & ~bits[row, word]) * false_no
            if value < cost and not _taken(chain_of, path, place, chain_of[row]):
                cost, best = value, np.int64(row)
        looks += bits.shape[0]
        unchanged += 1
        if best >= 0:
            path[place] = best
            unchanged = 1
        place = (place + 1) % path.shape[0]
    return cost, looks


@kernel
def _holding(bits: Array, path: Array, place: Any, holding: Array) -> None:  # noqa: ANN401
    """Stores the rows on which 0, 1, … of the conditions at other places hold; last, or more."""
    most = holding.shape[0] - 1
    holding[0] = ~np.uint64(0)
    holding[1:] = 0
    for i in range(path.shape[0]):
        if i == place:
            continue
        for word in range(holding.shape[1]):
            held = bits[path[i], word]
            holding[most, word] |= holding[most - 1, word] & held
            for number in range(most - 1, 0, -1):
                holding[number, word] = (holding[number, word] & ~held) | (
                    holding[number - 1, word] & held
                )
            holding[0, word] &= ~held


@kernel
def _taken(chain_of: Array, path: Array, place: Any, chain: Any) -> bool:  # noqa: ANN401
    """Whether a condition at another place is of this chain."""
    taken = False
    for i in range(path.shape[0]):
        taken |= i != place and chain_of[path[i]] == chain
    return taken
