"""The search's inner loops, compiled by numba: rule lists over bitsets of rows.

A set of rows is W 64-bit words, one bit per row. The conditions of a *chain* are nested (``age ≤
30`` holds wherever ``age ≤ 20`` does), in ascending order. A state is a rule list that is begun:
the rows ``inside`` that meet the conditions of its last line so far, and the rows ``outside`` that
the line leaves to later ones. Rows that earlier lines decide are in neither; their cost is
``spent``.

Why whole stretches of a chain need no look: exchange a condition for another of its chain, with d
rows of the state between the two. Without those d rows both give the same state, removing rows
never raises the least cost, and adding a row raises it by at most ``dearest``. So if the best
completion of the one costs v, that of the other costs at least v - d * dearest. Two cases need
care: conditions that decide nothing in one of the states are completions with fewer conditions
there, which are counted among its completions; and a line that is empty in one of them leaves a
rule with at least two conditions fewer, whose least cost from where the line began is ``shorter``.

Sources of the idea: the similarity bound of Demirović et al., MurTree (JMLR 23, 2022), on chains of
thresholds as by Brița et al., Optimal classification trees for continuous feature data (AAAI 2025).

Functions that call each other must stay in this file; see ``enumeration/kernels.py``.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llm_erm.compiled import bits_set, kernel

Array = NDArray[Any]
Integer = Any
"""A Python or a NumPy integer; numba takes both for one of 64 bits."""
Flag = Any
"""A Python or a NumPy truth."""

NEW_LINE, END = -1, -2
"""In a path of conditions: the line before is complete; the rule is complete."""

LOOKS, LIMIT, FOUND, COST = 0, 1, 2, 3
"""What ``found`` holds: conditions looked at, at most how many may be, rules stored, and the cost
of the stored rule, or the most that a rule to be collected may cost."""

FAR = np.int64(1) << np.int64(60)
"""More than any cost."""

# numba compiles a function anew for each literal argument, and machine code that calls itself with
# other types crashes when it is read from the cache. Constants with types are not literals.
_ZERO, _ONE = np.int64(0), np.int64(1)
_NO, _YES = np.bool_(False), np.bool_(True)


class Problem(NamedTuple):
    """What a search is about; a named tuple, since numba takes no other records.

    Attributes:
        bits: Shape ``(n_conditions, words)``: the rows on which each condition holds.
        first: First condition of each chain.
        end: One past its last.
        size: Shape ``(n_conditions,)``: number of rows on which a condition holds.
        twin: Whether a chain has the negations of an earlier one.
        labelled: Shape ``(n_classes, words)``: the rows of each class.
        costs: Shape ``(n_classes, n_classes)``: cost of giving a row of the first class the second.
        dearest: The largest cost, 1 or more.
    """

    bits: Array
    first: Array
    end: Array
    size: Array
    twin: Array
    labelled: Array
    costs: Array
    dearest: Integer


class Space(NamedTuple):
    """Memory that a search works in.

    Attributes:
        inside: Shape ``(depths, words)``.
        outside: Shape ``(depths, words)``.
        lows: Shape ``(depths, 64)``: begin of the stretches of a chain still to be looked at.
        highs: Their ends.
        path: Shape ``(depths,)``: the conditions so far.
        of_class: Shape ``(n_classes, words)``.
        counts: Shape ``(depths, 4, n_classes)``.
    """

    inside: Array
    outside: Array
    lows: Array
    highs: Array
    path: Array
    of_class: Array
    counts: Array


@kernel
def _shared(left: Array, right: Array) -> Integer:
    """Number of rows in both sets."""
    count = np.int64(0)
    for word in range(left.shape[0]):
        count += bits_set(left[word] & right[word])
    return count


@kernel
def _tally(rows: Array, labelled: Array, counts: Array) -> Integer:
    """Counts rows by class; returns how many there are."""
    total = np.int64(0)
    for label in range(labelled.shape[0]):
        counts[label] = _shared(rows, labelled[label])
        total += counts[label]
    return total


@kernel
def _least(counts: Array, costs: Array) -> Integer:
    """Cost of the rows counted by class, if all get the class that costs least."""
    least = FAR
    for given in range(counts.shape[0]):
        cost = np.int64(0)
        for true in range(counts.shape[0]):
            cost += counts[true] * costs[true, given]
        least = min(least, cost)
    return least


@kernel
def _record(
    cost: Integer, path: Array, length: Integer, rules: Array, found: Array, keep: Flag
) -> None:
    """Stores a rule: the first one of the least cost, or all that cost no more than asked for."""
    place = np.int64(0)
    if keep:
        if cost > found[COST]:
            return
        place = found[FOUND]
        found[FOUND] += 1
        if place >= rules.shape[0]:
            return
    elif found[FOUND] == 0 or cost < found[COST]:
        found[FOUND] = 1
        found[COST] = cost
    else:
        return
    rules[place, :length] = path[:length]
    rules[place, length] = END


@kernel
def _last_condition(  # noqa: PLR0915 - a call in the hottest loop costs a third of the time
    problem: Problem,
    rows: Array,
    totals: Array,
    from_chain: Integer,
    alone: Flag,
    added: Integer,
    under: Integer,
    spent: Integer,
    path: Array,
    depth: Integer,
    rules: Array,
    found: Array,
    keep: Flag,
    of_class: Array,
    counts: Array,
) -> Integer:
    """Least cost of dividing rows by one condition; a lower bound if not below ``under``.

    ``totals`` counts the rows by class, with those that the remaining ones would join. ``added`` is
    a cost that is added. ``alone`` leaves out conditions whose negation is another.
    """
    bits, size, costs, dearest = problem.bits, problem.size, problem.costs, problem.dearest
    classes, words = problem.labelled.shape
    for label in range(classes):
        for word in range(words):
            of_class[label, word] = rows[word] & problem.labelled[label, word]
    least = FAR
    looks = np.int64(0)
    for chain in range(from_chain, problem.first.shape[0]):
        if alone and problem.twin[chain]:
            continue
        row, stop = problem.first[chain], problem.end[chain]
        before = np.int64(-1)
        while row < stop:
            looks += 1
            inside = np.int64(0)
            for label in range(classes):  # what _tally does, without its slices: the hottest loop
                count = np.int64(0)
                for word in range(words):
                    count += bits_set(of_class[label, word] & bits[row, word])
                counts[label] = count
                inside += count
            here, there = FAR, FAR
            for given in range(classes):
                cost, other = np.int64(0), np.int64(0)
                for true in range(classes):
                    cost += counts[true] * costs[true, given]
                    other += (totals[true] - counts[true]) * costs[true, given]
                here, there = min(here, cost), min(there, other)
            value = added + here + there
            least = min(least, value)
            if value < under:
                if inside != before:
                    path[depth] = row
                    _record(spent + value, path, depth + 1, rules, found, keep)
                before = inside
                if not keep:
                    under = value
            room = (value - under) // dearest
            if room <= 0:
                row += 1
                continue
            further = min(row + room + 1, stop)
            while size[further - 1] > size[row] + room:
                further -= 1
            least = min(least, value - (size[further - 1] - size[row]) * dearest)
            row = further
    found[LOOKS] += looks
    return least


@kernel
def search(  # noqa: PLR0915 - machine code that calls itself: other functions would have to, too
    problem: Problem,
    space: Space,
    rules: Array,
    found: Array,
    depth: Integer,
    conditions: Integer,
    under: Integer,
    spent: Integer,
    in_line: Integer,
    last_chain: Integer,
    shorter: Integer,
    slack: Integer,
    keep: Flag,
) -> Integer:
    """Returns the least cost of completing a state by up to ``conditions`` conditions.

    Exact if it is below ``under``, and then the rule is in ``rules``; else only a lower bound. Zero
    if the limit on looks is reached.

    Args:
        problem: What the search is about.
        space: Memory to work in; ``inside`` and ``outside`` hold the state at ``depth``.
        rules: Shape ``(n_kept, depths)``: receives rules.
        found: Shape ``(4,)``: see ``LOOKS``.
        depth: Index of the state.
        conditions: How many conditions may be added, 1 or more.
        under: Only a cost below this is of interest.
        spent: Cost of the lines before the state's last one.
        in_line: Number of conditions in the last line, which are in the order of their chains.
        last_chain: Chain of its last condition.
        shorter: Least cost with two conditions fewer from where the line began.
        slack: How far above ``under`` a cost is still worked out exactly, to skip more of a chain.
        keep: Whether to collect all rules below ``under``, up to the length of ``rules``.
    """
    if found[LOOKS] > found[LIMIT] or (keep and found[FOUND] > rules.shape[0]):
        return np.int64(0)
    here, there = space.inside[depth], space.outside[depth]
    held, left, totals = space.counts[depth, 0], space.counts[depth, 1], space.counts[depth, 2]
    words = here.shape[0]
    rows = _tally(here, problem.labelled, held)
    others = _tally(there, problem.labelled, left)
    for label in range(held.shape[0]):
        totals[label] = held[label] + left[label]
    closed = _least(held, problem.costs)
    can_close = in_line > 0 and others > 0
    from_chain = _ZERO
    bound = closed
    if in_line > 0:
        from_chain = last_chain + 1
        bound = min(closed + _least(left, problem.costs), shorter)
    if can_close and closed >= under:
        bound = min(bound, closed)
        can_close = False
    if conditions == 1:
        value = _last_condition(
            problem, here, totals, from_chain, in_line == 0, _ZERO, under, spent, space.path, depth,
            rules, found, keep, space.of_class, space.counts[depth, 3],
        )  # fmt: skip
        bound = min(bound, value)
        if not keep:
            under = min(under, value)
        if can_close:
            space.path[depth] = NEW_LINE
            value = _last_condition(
                problem, there, left, _ZERO, _YES, closed, under, spent, space.path, depth + 1,
                rules, found, keep, space.of_class, space.counts[depth, 3],
            )  # fmt: skip
            bound = min(bound, value)
        return bound
    if in_line == 0:
        shorter = closed
        if conditions > 2:
            counters = found.copy()
            counters[FOUND] = 0
            for word in range(words):
                space.inside[depth + 1, word] = here[word]
                space.outside[depth + 1, word] = there[word]
            shorter = search(
                problem, space, np.zeros((1, space.path.shape[0]), np.int64), counters, depth + 1,
                conditions - 2, under + slack, spent, _ZERO, _ZERO, _ZERO, slack, _NO,
            )  # fmt: skip
            found[LOOKS] = counters[LOOKS]
    if can_close:
        for word in range(words):
            space.inside[depth + 1, word] = there[word]
            space.outside[depth + 1, word] = np.uint64(0)
        space.path[depth] = NEW_LINE
        value = closed + search(
            problem, space, rules, found, depth + 1, conditions, under - closed, spent + closed,
            _ZERO, _ZERO, _ZERO, slack, keep,
        )  # fmt: skip
        bound = min(bound, value)
        if not keep:
            under = min(under, value)
    for chain in range(from_chain, problem.first.shape[0]):
        low, high = problem.first[chain], problem.end[chain]
        while low < high and _shared(here, problem.bits[low]) == 0:
            low += 1
        while low < high and _shared(here, problem.bits[high - 1]) == rows:
            high -= 1
        top = -1
        if low < high:
            top = 0
            space.lows[depth, 0], space.highs[depth, 0] = low, high
        while top >= 0:
            low, high = space.lows[depth, top], space.highs[depth, top]
            top -= 1
            middle = (low + high) >> 1
            holds = problem.bits[middle]
            size = _shared(here, holds)
            far = max(
                size - _shared(here, problem.bits[low]),
                _shared(here, problem.bits[high - 1]) - size,
            )
            for word in range(words):
                space.inside[depth + 1, word] = here[word] & holds[word]
                space.outside[depth + 1, word] = there[word] | (here[word] & ~holds[word])
            space.path[depth] = middle
            value = search(
                problem, space, rules, found, depth + 1, conditions - 1,
                under + min(slack, far * problem.dearest), spent, in_line + 1, chain, shorter,
                slack, keep,
            )  # fmt: skip
            if found[LOOKS] > found[LIMIT]:
                return np.int64(0)
            if not keep:
                under = min(under, value)
            room = max(value - under, 0) // problem.dearest
            away = np.int64(0)
            row = middle
            while row > low:
                distance = size - _shared(here, problem.bits[row - 1])
                if distance > room:
                    break
                away = distance
                row -= 1
            if row > low:
                top += 1
                space.lows[depth, top], space.highs[depth, top] = low, row
            row = middle + 1
            while row < high:
                distance = _shared(here, problem.bits[row]) - size
                if distance > room:
                    break
                away = max(away, distance)
                row += 1
            if row < high:
                top += 1
                space.lows[depth, top], space.highs[depth, top] = row, high
            bound = min(bound, value - away * problem.dearest)
    return bound
