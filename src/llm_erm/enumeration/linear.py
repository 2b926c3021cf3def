"""Exact parities of input bits by elimination over GF(2), sparsest solution first.

About 100 examples never determine 101 unknowns, so the solutions form a coset: one of them plus any
vector of a null space. If the coset is small, all of it is examined; otherwise, solutions over
random sets of positions are. A sparse rule is found once an information set holds all its
positions (Prange, IRE Transactions on Information Theory 8, 1962).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from numpy.random import RandomState

from llm_erm.enumeration.language import (
    PRODUCTIONS,
    SIGN_BITS,
    position_bits,
    positions_bits,
)
from llm_erm.enumeration.memory import Clock, LimitReachedError
from llm_erm.enumeration.terms import Term

MAX_DIMENSIONS = 16
"""Dimensions of the null space up to which all solutions are examined."""

RANDOM_SETS = 500
"""Random sets of positions that are solved for if the null space has more dimensions."""


@dataclass(frozen=True)
class ParityRule:
    """A parity of some positions that fits all training examples.

    Attributes:
        positions: The positions, ascending; at least one.
        negated: Whether the label is 1 for an even number of ones.
        bits: Its description length in the language.
        considered: Number of solutions examined.
    """

    positions: tuple[int, ...]
    negated: bool
    bits: float
    considered: int

    @property
    def term(self) -> Term:
        """The rule as an expression."""
        if len(self.positions) == 1:
            return Term("character", (), (self.positions[0], "1"), self.negated)
        return Term("parity_at", (), (self.positions,), self.negated)


def linear_rules(
    inputs: Sequence[str], labels: Sequence[int], most: int, clock: Clock
) -> list[ParityRule]:
    """Returns the sparsest parities that fit all examples, at most ``most`` of them.

    Args:
        inputs: Bit strings of equal length.
        labels: Labels, each 0 or 1.
        most: Number of rules to return, at most.
        clock: Time limit, after which the rules found so far are returned.
    """
    length = len(inputs[0])
    if any(len(x) != length for x in inputs):
        return []
    # The lowest bit is the label, the next one the constant, and the rest are the positions.
    rows = [
        sum(1 << (2 + p) for p, c in enumerate(x) if c == "1") | 2 | label
        for x, label in zip(inputs, labels, strict=True)
    ]
    order = [1, *range(2, length + 2)]
    solved = _solve(rows, order)
    if solved is None:
        return []
    solution, null = solved
    if len(null) <= MAX_DIMENSIONS:
        found = {solution ^ member for member in _span(null)}
        considered = len(found)
    else:
        found, considered = _by_random_sets(rows, order, solution, clock)
    found.discard(0)
    found.discard(2)
    best = sorted(found, key=lambda vector: ((vector >> 2).bit_count(), vector))[:most]
    return [_rule(vector, length, considered) for vector in best]


def _rule(vector: int, length: int, considered: int) -> ParityRule:
    positions = tuple(p for p in range(length) if vector >> (2 + p) & 1)
    if len(positions) == 1:
        bits = PRODUCTIONS["character"].bits + position_bits(positions[0], length)
    else:
        bits = PRODUCTIONS["parity_at"].bits + positions_bits(len(positions), length)
    return ParityRule(positions, bool(vector & 2), bits + SIGN_BITS, considered)


def _solve(rows: Sequence[int], order: Sequence[int]) -> tuple[int, list[int]] | None:
    """Returns a solution and a basis of the null space, or None if there is no solution.

    The unknowns are the bits of a row, whose lowest bit is the right-hand side. Those early in
    ``order`` are solved for; the others are zero in the solution.
    """
    left = list(rows)
    pivots: list[tuple[int, int]] = []
    for unknown in order:
        at = next((i for i, row in enumerate(left) if row >> unknown & 1), None)
        if at is None:
            continue
        pivot = left.pop(at)
        left = [row ^ pivot if row >> unknown & 1 else row for row in left]
        pivots = [(u, row ^ pivot if row >> unknown & 1 else row) for u, row in pivots]
        pivots.append((unknown, pivot))
    if any(row & 1 for row in left):
        return None
    solution = sum(1 << unknown for unknown, row in pivots if row & 1)
    bound = {unknown for unknown, _ in pivots}
    null = [
        (1 << free) | sum(1 << unknown for unknown, row in pivots if row >> free & 1)
        for free in order
        if free not in bound
    ]
    return solution, null


def _span(basis: Sequence[int]) -> list[int]:
    members = [0]
    for vector in basis:
        members += [member ^ vector for member in members]
    return members


def _by_random_sets(
    rows: Sequence[int], order: Sequence[int], solution: int, clock: Clock
) -> tuple[set[int], int]:
    """Returns solutions over random sets of positions and their neighbours one vector away.

    The second value is the number of solutions examined.
    """
    rng = RandomState(0)
    found = {solution}
    considered = 1
    for _ in range(RANDOM_SETS):
        try:
            clock.check()
        except LimitReachedError:
            break
        shuffled = [order[i] for i in rng.permutation(len(order))]
        solved = _solve(rows, shuffled)
        assert solved is not None  # whether a solution exists does not depend on the order
        found.add(solved[0])
        found.update(solved[0] ^ vector for vector in solved[1])
        considered += 1 + len(solved[1])
    return found, considered
