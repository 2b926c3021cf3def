"""From the programs of a search to what is proposed: single programs, or lists for more classes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llm_erm.enumeration.proposals import Proposal
from llm_erm.enumeration.search import Found, Search
from llm_erm.enumeration.terms import to_expression, to_list, to_program

ENUMERATION = "enumeration"


@dataclass(frozen=True)
class _Rules:
    """A decision list: expressions and their classes, the class of what is left, its errors."""

    tests: tuple[tuple[str, int], ...]
    otherwise: int
    bits: float
    errors: int


def exact_programs(
    search: Search, labels: Sequence[int], count: int, seen: int
) -> Iterator[Proposal]:
    """Yields what fits all training examples and was not there when ``seen`` programs were exact.

    With several classes these are decision lists of one program for each class but one.
    """
    if max(labels) <= 1:
        for found in search.exact[seen:]:
            yield _program(search, found)
    elif len(search.exact) > seen:
        for rules in _lists(search, labels, count):
            if rules.errors == 0:
                yield _proposal(search, rules)


def best_programs(search: Search, labels: Sequence[int], count: int) -> Iterator[Proposal]:
    """Yields the programs, or decision lists, with the fewest training errors."""
    if max(labels) <= 1:
        for found in search.best(count):
            yield _program(search, found)
    else:
        rules = list(_lists(search, labels, count))
        for one in sorted(rules, key=lambda rules: (rules.errors, rules.bits)):
            yield _proposal(search, one)


def _program(search: Search, found: Found) -> Proposal:
    source = to_program(to_expression(search.term(found.index)))
    return Proposal(source, found.bits, found.considered, ENUMERATION)


def _proposal(search: Search, rules: _Rules) -> Proposal:
    source = to_list(rules.tests, rules.otherwise)
    return Proposal(source, rules.bits, search.considered, ENUMERATION)


def _lists(search: Search, labels: Sequence[int], count: int) -> Iterator[_Rules]:
    """Yields decision lists, one for each of the surest first tests that there are.

    After the first, each test is the program with the fewest errors, among the classes left, on
    the examples that no earlier test claims.
    """
    wanted = np.array(labels)
    classes = range(int(wanted.max()) + 1)
    starts = [(found, c) for c in classes for found in search.best(count, target=c)]
    starts.sort(key=lambda start: (start[0].errors, start[0].bits, start[1]))
    for found, first in starts[:count]:
        yield _list_from(search, wanted, found, first)


def _list_from(search: Search, wanted: NDArray[np.int64], found: Found, label: int) -> _Rules:
    tests: list[tuple[str, int]] = []
    left = set(range(int(wanted.max()) + 1))
    unclaimed = np.ones(len(wanted), np.bool_)
    bits, errors = 0.0, 0
    while True:
        negated, claimed = search.oriented(found.index, unclaimed, wanted == label)
        tests.append((to_expression(search.term_as(found.index, negated=negated)), label))
        bits += found.bits
        errors += int(np.sum(unclaimed & claimed & (wanted != label)))
        unclaimed &= ~claimed
        left.remove(label)
        if len(left) == 1:
            otherwise = left.pop()
            errors += int(np.sum(unclaimed & (wanted != otherwise)))
            return _Rules(tuple(tests), otherwise, bits, errors)
        options = [(search.best_on(unclaimed, wanted == c), c) for c in sorted(left)]
        found, label = min(options, key=lambda option: (option[0].errors, option[0].bits))
