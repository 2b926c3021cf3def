"""Turns the results of a search into proposals: programs, or decision lists for more classes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llm_erm.enumeration.front import front
from llm_erm.enumeration.language import LIST_BITS, choice_bits, gamma_bits
from llm_erm.enumeration.proposals import Proposal
from llm_erm.enumeration.search import BottomUpSearch, Found
from llm_erm.enumeration.terms import to_expression, to_list, to_program

ENUMERATION = "enumeration"


@dataclass(frozen=True)
class _DecisionList:
    """Expressions and their classes, the class of all other inputs, length and errors."""

    tests: tuple[tuple[str, int], ...]
    otherwise: int
    bits: float
    errors: int


def exact_programs(
    search: BottomUpSearch, labels: Sequence[int], count: int, seen: int
) -> Iterator[Proposal]:
    """Yields what fits all training examples and is new since ``seen`` programs were exact.

    With more than two classes, these are decision lists with one program for each class but one.
    """
    if max(labels) <= 1:
        for found in search.exact[seen:]:
            yield _program(search, found)
    elif len(search.exact) > seen:
        for decisions in _lists(search, labels, count):
            if decisions.errors == 0:
                yield _proposal(search, decisions)


def front_programs(search: BottomUpSearch, labels: Sequence[int], count: int) -> Iterator[Proposal]:
    """Yields programs, or decision lists, from the front of length against training errors."""
    if max(labels) <= 1:
        for found in search.front(count):
            yield _program(search, found)
    else:
        for decisions in front(_priced_lists(search, labels, count), count, len(labels)):
            yield _proposal(search, decisions)


def _program(search: BottomUpSearch, found: Found) -> Proposal:
    source = to_program(to_expression(search.term(found.index)))
    return Proposal(source, found.bits, found.considered, ENUMERATION)


def _proposal(search: BottomUpSearch, decisions: _DecisionList) -> Proposal:
    source = to_list(decisions.tests, decisions.otherwise)
    return Proposal(source, decisions.bits, search.considered, ENUMERATION)


def _lists(search: BottomUpSearch, labels: Sequence[int], count: int) -> Iterator[_DecisionList]:
    """Yields up to ``count`` decision lists, starting with the tests that make the fewest errors.

    Each further test is the program, for any of the classes left, that makes the fewest errors on
    the examples that no earlier test matches.
    """
    wanted = np.array(labels)
    classes = range(int(wanted.max()) + 1)
    starts = [(found, c) for c in classes for found in search.best(count, target=c)]
    starts.sort(key=lambda start: (start[0].errors, start[0].bits, start[1]))
    for found, first in starts[:count]:
        yield _list_from(search, wanted, found, first, search.best_on)


def _priced_lists(
    search: BottomUpSearch, labels: Sequence[int], count: int
) -> Iterator[_DecisionList]:
    """Yields about ``count`` decision lists, whose tests are on the front or have low prices."""
    wanted = np.array(labels)
    classes = range(int(wanted.max()) + 1)
    for label in classes:
        for found in search.front(-(-count // len(classes)), target=label):
            yield _list_from(search, wanted, found, label, search.cheapest_on)


def _list_from(
    search: BottomUpSearch,
    wanted: NDArray[np.int64],
    found: Found,
    label: int,
    choose: Callable[[NDArray[np.bool_], NDArray[np.bool_]], Found],
) -> _DecisionList:
    tests: list[tuple[str, int]] = []
    left = set(range(int(wanted.max()) + 1))
    unclaimed = np.ones(len(wanted), np.bool_)
    bits, errors = float(LIST_BITS + gamma_bits(len(left) - 2)), 0
    while True:
        negated, claimed = search.oriented(found.index, unclaimed, wanted == label)
        tests.append((to_expression(search.term_as(found.index, negated=negated)), label))
        bits += choice_bits(len(left)) + found.bits
        errors += int(np.sum(unclaimed & claimed & (wanted != label)))
        unclaimed &= ~claimed
        left.remove(label)
        if len(left) == 1:
            otherwise = left.pop()
            errors += int(np.sum(unclaimed & (wanted != otherwise)))
            return _DecisionList(tuple(tests), otherwise, bits, errors)
        options = [(choose(unclaimed, wanted == c), c) for c in sorted(left)]
        found, label = min(options, key=lambda option: (option[0].errors, option[0].bits))
