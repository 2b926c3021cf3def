"""The front of description length against training errors, and the price of both."""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_erm.enumeration.front import front, price
from llm_erm.enumeration.memory import Clock, Memory
from llm_erm.enumeration.search import BottomUpSearch

EXAMPLES = 30


@dataclass(frozen=True)
class Program:
    number: int
    bits: float
    errors: int


programs = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 15)), max_size=40).map(
    lambda pairs: [Program(i, bits, errors) for i, (bits, errors) in enumerate(pairs)]
)


def surpass(program, others):
    """How many others are no longer and make no more errors, the earlier one of those alike."""
    alike = (program.bits, program.errors)
    return sum(
        other.bits <= program.bits
        and other.errors <= program.errors
        and ((other.bits, other.errors) != alike or other.number < program.number)
        for other in others
    )


def cost(program):
    return price(program.bits, program.errors, EXAMPLES)


@given(programs, st.integers(1, 50))
def test_the_places_go_to_those_that_the_fewest_surpass(given, count):
    chosen = front(given, count, EXAMPLES)
    ranks = [surpass(program, given) for program in chosen]
    assert ranks == sorted(surpass(program, given) for program in given)[: len(chosen)]
    assert len(chosen) == len(set(chosen)) == min(count, len(given))
    for (rank, one), (next_rank, other) in pairwise(zip(ranks, chosen, strict=True)):
        assert rank < next_rank or cost(one) <= cost(other)


@given(programs)
def test_whatever_length_is_right_the_best_of_at_most_that_length_has_a_place(given):
    size = sum(surpass(program, given) == 0 for program in given)
    chosen = front(given, size, EXAMPLES)
    for bits in {program.bits for program in given}:
        fewest = min(program.errors for program in given if program.bits <= bits)
        assert any(p.bits <= bits and p.errors == fewest for p in chosen)


@given(programs, st.integers(1, 20))
def test_the_cheapest_program_comes_first(given, count):
    """So a budget of one goes to it."""
    if given:
        assert cost(front(given, count, EXAMPLES)[0]) == min(map(cost, given))


def test_the_price_of_errors_is_that_of_saying_which_examples_they_are():
    assert price(10, 0, 100) == 10
    assert price(10, 5, 100) == pytest.approx(10 + math.log2(75_287_520))
    assert price(0, 50, 100) == price(0, 93, 100) < 100


def searched():
    """A search that has ended."""
    rng = np.random.RandomState(0)
    inputs = ["".join(map(str, row)) for row in rng.randint(2, size=(EXAMPLES, 9))]
    labels = rng.randint(2, size=(1, EXAMPLES)).astype(bool)
    search = BottomUpSearch(
        "bits", inputs, labels, (), memory=Memory(2**27), clock=Clock(60), max_bits=17
    )
    for _ in search.levels():
        pass
    return search


def test_a_search_returns_the_front_of_all_that_it_has_kept():
    search = searched()
    kept = [Program(i, search.bits(i), search.errors(i, 0)) for i in range(search.kept)]
    chosen = search.front(7)
    assert search.kept > 500
    assert [found.index for found in chosen] == [p.number for p in front(kept, 7, EXAMPLES)]
    assert all(found.errors == search.errors(found.index, 0) for found in chosen)


def test_the_next_test_of_a_decision_list_is_the_cheapest_on_the_examples_left():
    search = searched()
    among = np.arange(EXAMPLES) % 3 > 0
    wanted = np.random.RandomState(1).randint(2, size=EXAMPLES).astype(bool)
    found, best = search.cheapest_on(among, wanted), search.best_on(among, wanted)
    prices = []
    for i in range(search.kept):
        _, claimed = search.oriented(i, among, wanted)
        wrong = int(np.sum((claimed != wanted) & among))
        prices.append(price(search.bits(i), wrong, int(among.sum())))
    assert prices[found.index] == pytest.approx(min(prices))
    assert best.errors < found.errors
    assert best.bits > found.bits
