"""The conditions that a table allows, as chains of nested sets of rows."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from llm_erm.rulelists.rule import (
    Above,
    Among,
    AtMost,
    Condition,
    Missing,
    MoreThan,
    NotAmong,
    NotMoreThan,
    Present,
    Rows,
)
from llm_erm.tables.columns import CategoryColumn, NumberColumn, Table

MAX_SETS = 64
"""Sets of levels per column: all up to half of them, as long as there are no more than this."""

MOST_IN_SET = 3
"""Levels of the largest sets: of eight levels, those of three would be too many."""

MIN_BALANCE = 0.05
"""Two columns are compared if each is the larger one on at least this share of the rows."""


@dataclass(frozen=True, eq=False)
class Pool:
    """Conditions, ordered by chain, with the rows on which they hold.

    Attributes:
        conditions: One per row of ``bits``.
        bits: Shape ``(n_conditions, words)``, 64 rows per word; padding is zero.
        first: First condition of each chain; the sets of a chain are nested, ascending.
        end: One past its last.
        size: Number of rows per condition.
        twin: Whether a chain has the negations of an earlier one, exactly.
        n_rows: Number of rows.
        thresholds: Most thresholds per column, if some column has more; else None.
        skipped: What else was left out, as a sentence names it.
    """

    conditions: tuple[Condition, ...]
    bits: NDArray[np.uint64]
    first: NDArray[np.int64]
    end: NDArray[np.int64]
    size: NDArray[np.int64]
    twin: NDArray[np.bool_]
    n_rows: int
    thresholds: int | None
    skipped: tuple[str, ...]


MOST_CELLS = 3_000_000
"""Thresholds of a column times rows, at most; up to 1,700 rows that is every threshold."""


def pool_of(table: Table, *, distinct: bool = True) -> Pool:
    """Returns the conditions on a table's columns that hold on some of its rows and not on all.

    They depend on the columns alone, never on labels. Thresholds are midpoints between neighbouring
    values; of more than ``MOST_CELLS`` allow, so many are kept, evenly spaced by rows.
    Of two conditions that hold on the same rows, only the first is kept if they shall be distinct;
    of two that are the same, in any case.
    """
    max_thresholds = max(MOST_CELLS // table.n_rows, 100)
    conditions: list[Condition] = []
    bits: list[NDArray[np.uint64]] = []  # as they are found: bytes would take eight times as much
    size: list[int] = []
    first, end, twin = [], [], []
    seen: set[bytes | Condition] = set()
    for chain, is_twin in _chains(table, max_thresholds):
        start = len(bits)
        for condition, holds in chain:
            count = int(holds.sum())
            (words,) = packed(holds[None])
            key = words.tobytes() if distinct else condition
            if 0 < count < table.n_rows and key not in seen:
                seen.add(key)
                conditions.append(condition)
                bits.append(words)
                size.append(count)
        if len(bits) > start:
            first.append(start)
            end.append(len(bits))
            twin.append(is_twin)
    return Pool(
        tuple(conditions),
        np.array(bits, dtype=np.uint64).reshape(len(bits), max(-(-table.n_rows // 64), 1)),
        np.array(first, dtype=np.int64),
        np.array(end, dtype=np.int64),
        np.array(size, dtype=np.int64),
        np.array(twin, dtype=bool),
        table.n_rows,
        max_thresholds
        if any(_distinct(one) > max_thresholds + 1 for one in table.columns)
        else None,
        tuple(_skipped(table)),
    )


def packed(rows: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Returns sets of rows as 64-bit words, shape ``(n_sets, ceil(n_rows / 64))``."""
    sets, n_rows = rows.shape
    words = max(-(-n_rows // 64), 1)
    padded = np.zeros((sets, words * 64), dtype=bool)
    padded[:, :n_rows] = rows
    return np.packbits(padded, axis=1, bitorder="little").view(np.uint64).reshape(sets, words)


Chain = Sequence[tuple[Condition, Rows]]


def _chains(table: Table, max_thresholds: int) -> Iterator[tuple[Chain, bool]]:
    for column in table.columns:
        if isinstance(column, NumberColumn):
            yield from _thresholds(column, max_thresholds)
        else:
            yield from _sets(column)
        missing = _missing(column)
        if missing.any():
            yield [(Missing(column.name), missing)], False
            yield [(Present(column.name), ~missing)], True
    numbers = [column for column in table.columns if isinstance(column, NumberColumn)]
    for left, right in combinations(numbers, 2):
        if left.dates == right.dates:
            yield from _orders(left, right)


def _thresholds(column: NumberColumn, most: int) -> Iterator[tuple[Chain, bool]]:
    present = column.values[~np.isnan(column.values)]
    values = np.unique(present)
    middles = values[:-1] / 2 + values[1:] / 2  # without an overflow between
    middles = np.where(middles < values[1:], middles, values[:-1])  # neighbours among the floats
    if len(middles) > most:
        quantiles = np.quantile(present, np.linspace(0, 1, most + 2)[1:-1])
        middles = middles[np.unique(np.searchsorted(middles, quantiles).clip(0, len(middles) - 1))]
    thresholds = [float(middle) for middle in middles]
    name, date, times = column.name, column.dates, column.times
    yield [(AtMost(name, t, date, times), column.values <= t) for t in thresholds], False
    complete = len(present) == len(column.values)
    above = [(Above(name, t, date, times), column.values > t) for t in reversed(thresholds)]
    yield above, complete


def _sets(column: CategoryColumn) -> Iterator[tuple[Chain, bool]]:
    present = column.codes >= 0
    codes = np.unique(column.codes[present])
    levels = {int(code): column.levels[code] for code in codes}
    complete = bool(present.all())
    for chosen in _subsets(list(levels)):
        holds = np.isin(column.codes, chosen)
        names = tuple(levels[code] for code in chosen)
        others = tuple(levels[code] for code in levels if code not in chosen)
        yield [(Among(column.name, names), holds)], False
        negated = present & ~holds
        if len(others) <= len(names):
            yield [(Among(column.name, others), negated)], complete
        else:
            yield [(NotAmong(column.name, names), negated)], complete


def _subsets(codes: list[int]) -> Iterator[tuple[int, ...]]:
    """Single levels, and larger sets up to half of the levels while they are few."""
    total = 0
    for size in range(1, max(len(codes) // 2, 1) + 1):
        sets = list(combinations(codes, size))
        total += len(sets)
        if size > 1 and total > MAX_SETS:
            return
        yield from sets


def _skipped(table: Table) -> Iterator[str]:
    """Yields what is left out of the conditions on a table, besides thresholds."""
    for column in table.columns:
        if isinstance(column, CategoryColumn):
            levels = len(np.unique(column.codes[column.codes >= 0]))
            sets = sum(math.comb(levels, size) for size in range(1, levels // 2 + 1))
            if sets > MAX_SETS:
                yield "larger sets of categories"
                break
    numbers = [column for column in table.columns if isinstance(column, NumberColumn)]
    for left, right in combinations(numbers, 2):
        crossing = bool((left.values < right.values).any() and (left.values > right.values).any())
        if left.dates == right.dates and crossing and not _balanced(left, right):
            yield "pairs of columns of which one is seldom larger"
            break


def _balanced(left: NumberColumn, right: NumberColumn) -> bool:
    present = ~(np.isnan(left.values) | np.isnan(right.values))
    least = MIN_BALANCE * max(int(present.sum()), 1)
    smaller, larger = left.values < right.values, left.values > right.values
    return bool(smaller.sum() >= least and larger.sum() >= least)


def _orders(left: NumberColumn, right: NumberColumn) -> Iterator[tuple[Chain, bool]]:
    """Comparisons of two columns, where neither is larger throughout."""
    present = ~(np.isnan(left.values) | np.isnan(right.values))
    if not _balanced(left, right):
        return
    complete = bool(present.all())
    pairs = [(left, right)]
    if ((left.values == right.values) & present).any():
        pairs.append((right, left))
    for low, high in pairs:
        yield [(NotMoreThan(low.name, high.name), low.values <= high.values)], False
        yield [(MoreThan(low.name, high.name), low.values > high.values)], complete


def _distinct(column: NumberColumn | CategoryColumn) -> int:
    """Returns the number of distinct values of a column of numbers; 0 for another."""
    if not isinstance(column, NumberColumn):
        return 0
    return len(np.unique(column.values[~np.isnan(column.values)]))


def _missing(column: NumberColumn | CategoryColumn) -> Rows:
    if isinstance(column, NumberColumn):
        return np.isnan(column.values)
    return np.asarray(column.codes == -1)
