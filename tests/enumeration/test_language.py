"""Description lengths come from a prefix-free code, and programs translate to valid Python."""

from itertools import product
from math import factorial

import numpy as np
import pytest

from llm_erm.enumeration import language
from llm_erm.enumeration.language import (
    LIST_BITS,
    PRODUCTIONS,
    choice_bits,
    gamma_bits,
    gamma_range,
    literal_bits,
    offset_bits,
    position_bits,
    positions_bits,
    productions_for,
)
from llm_erm.enumeration.memory import Clock, Memory
from llm_erm.enumeration.search import BottomUpSearch
from llm_erm.enumeration.terms import Term, to_expression, to_list, to_program

KINDS = ("bits", "digits", "text", "table")


@pytest.mark.parametrize(("kind", "sort"), list(product(KINDS, ("text", "number", "truth"))))
def test_the_productions_of_a_sort_satisfy_krafts_inequality(kind, sort):
    lengths = [p.bits for p in productions_for(kind) if p.sort == sort]
    assert sum(2.0**-bits for bits in lengths) <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_decision_list_has_a_code_that_no_single_program_has(kind):
    programs = sum(2.0**-p.bits for p in productions_for(kind) if p.sort == "truth")
    assert programs + 2.0**-LIST_BITS <= 1
    for classes in range(3, 9):
        labels = sum(choice_bits(left) for left in range(2, classes + 1))
        assert factorial(classes) * 2.0**-labels <= 1


@pytest.mark.parametrize(
    ("kind", "alphabet", "length"), [("bits", "01", 12), ("digits", "0123456789", 6)]
)
def test_all_programs_together_have_no_more_than_probability_one(kind, alphabet, length):
    """Counted in a search of the language itself: each column stands for two programs."""
    rng = np.random.RandomState(0)
    rows = rng.randint(len(alphabet), size=(200, length))
    inputs = ["".join(alphabet[i] for i in row) for row in rows]
    labels = rng.randint(2, size=(1, 200)).astype(bool)
    search = BottomUpSearch(
        kind, inputs, labels, (), memory=Memory(2**28), clock=Clock(60), max_bits=21
    )
    shares = [2 * level.considered * 2.0**-level.bits for level in search.levels()]
    assert search.considered > 4_000
    assert 0.05 < sum(shares) <= 1


def test_the_codes_of_parameters_are_prefix_free_too():
    assert sum(2.0 ** -gamma_bits(n) for n in range(1, 1 << 14)) <= 1
    assert sum(2.0 ** -offset_bits(n) for n in range(-(1 << 12), 1 << 12)) <= 1
    assert sum(10**n * 2.0 ** -literal_bits(n, 10) for n in range(1, 40)) <= 1
    near_or_far = [*language.NEAR, *range(20)]  # a near position has two codes
    assert sum(2.0 ** -position_bits(p, 20) for p in set(near_or_far)) <= 1
    assert position_bits(7, 100) == 8
    assert positions_bits(3, 100) == 3 + 18


def test_gamma_ranges_hold_the_numbers_of_their_code_length():
    for bits in range(1, 12):
        assert list(gamma_range(bits)) == [n for n in range(1, 100) if gamma_bits(n) == bits]


def test_every_production_has_python_that_parses():
    for production in PRODUCTIONS.values():
        if production.sort != "truth":
            continue
        arguments = {
            "text": Term("x"),
            "number": Term("length", (Term("x"),)),
            "truth": Term("never"),
        }
        term = Term(
            production.name,
            tuple(arguments[sort] for sort in production.arguments),
            ("" if production.name == "prime" else (1, 2), 1),
        )
        for negated in (False, True):
            signed = Term(term.production, term.arguments, term.parameters, negated)
            compile(to_program(to_expression(signed)), "program", "exec")


def test_expressions_have_no_redundant_parentheses():
    count = Term("count", (Term("reverse", (Term("x"),)),), ("10",))
    assert to_expression(Term("odd", (count,))) == "x[::-1].count('10') % 2"
    both = Term("both", (Term("never"), Term("equals", (count,), (2,), negated=True)))
    assert to_expression(both) == "0 and x[::-1].count('10') != 2"


def test_a_negated_conjunction_of_negations_becomes_a_disjunction():
    left = Term("contains", (Term("x"),), ("11",), negated=True)
    right = Term("starts", (Term("x"),), ("0",), negated=True)
    either = Term("both", (left, right), negated=True)
    assert to_expression(either) == "'11' in x or x.startswith('0')"


def test_a_program_imports_what_it_needs():
    source = to_program(to_expression(Term("prime", (Term("x"),), (" - 47",))))
    scope: dict = {}
    exec(source, scope)
    assert [scope["f"](x) for x in ("1048", "1060", "1098")] == [False, True, True]
    assert "import" not in to_program("x == x[::-1]")


def test_a_decision_list_answers_with_its_first_test_that_holds():
    scope: dict = {}
    exec(to_list([("'11' in x", 2), ("'1' in x", 0)], 1), scope)
    assert [scope["f"](x) for x in ("0110", "0100", "0000")] == [2, 0, 1]
