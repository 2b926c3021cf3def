"""From the best programs of a search to the sources that are proposed."""

from collections.abc import Iterator

from llm_erm.enumeration.proposals import Proposal
from llm_erm.enumeration.search import Found, Search
from llm_erm.enumeration.terms import to_expression, to_list, to_program

ENUMERATION = "enumeration"


def exact_programs(search: Search, classes: int, count: int, seen: int) -> Iterator[Proposal]:
    """Yields what fits all training examples and was not there when ``seen`` programs were exact.

    With several classes these are decision lists of one program for each class but one.
    """
    if classes == 2:
        for found in search.exact[seen:]:
            yield _program(search, found)
    elif len(search.exact) > seen:
        for tests in _lists(search, classes, count):
            if all(found.errors == 0 for _, found in tests[:-1]):
                yield _decision_list(search, tests)


def best_programs(search: Search, classes: int, count: int) -> Iterator[Proposal]:
    """Yields the programs, or decision lists, with the fewest training errors."""
    if classes == 2:
        for found in search.best(count):
            yield _program(search, found)
    else:
        for tests in _lists(search, classes, count):
            yield _decision_list(search, tests)


def _program(search: Search, found: Found) -> Proposal:
    source = to_program(to_expression(search.term(found.index)))
    return Proposal(source, found.bits, found.considered, ENUMERATION)


def _lists(search: Search, classes: int, count: int) -> Iterator[list[tuple[int, Found]]]:
    """Yields one program a class, the surest class first: the best of each, the second best..."""
    ranked = [search.best(count, target=c) for c in range(classes)]
    for rank in range(min(map(len, ranked), default=0)):
        tests = [(c, ranked[c][rank]) for c in range(classes)]
        yield sorted(tests, key=lambda test: (test[1].errors, test[1].bits, test[0]))


def _decision_list(search: Search, tests: list[tuple[int, Found]]) -> Proposal:
    lines = [(to_expression(search.term(found.index, c)), c) for c, found in tests[:-1]]
    bits = sum(found.bits for _, found in tests[:-1])
    return Proposal(to_list(lines, tests[-1][0]), bits, search.considered, ENUMERATION)
