"""Each sieve holds back what it should, and lets other programs through."""

import pytest

from llm_erm.enumeration.behaviours import Behaviours
from llm_erm.enumeration.description import program_bits
from llm_erm.enumeration.sieves import Sieves, is_defined, simplifications
from llm_erm.enumeration.terms import Term, to_expression

LENGTH = 20
X = Term("x")
ONES = Term("count", (X,), ("1",))
PARITY = Term("odd", (ONES,))
CANCELLED = Term("cancel_one", (X,), (("01",),))
TURNED = Term("count", (Term("reverse", (Term("reverse", (X,)),)),), ("110",))


def bit(position: int, *, negated: bool = False) -> Term:
    return Term("character", (), (position, "1"), negated)


def both(left: Term, right: Term) -> Term:
    return Term("both", (left, right))


def positions(*chosen: int) -> Term:
    return Term("parity_at", (), (chosen,))


def repeated(term: Term, production: str, times: int) -> Term:
    for _ in range(times):
        term = Term(production, (term,))
    return term


@pytest.fixture(scope="module")
def behaviours() -> Behaviours:
    return Behaviours(LENGTH, 20, lambda: None)


@pytest.fixture
def sieves(behaviours) -> Sieves:
    return Sieves(LENGTH, behaviours)


@pytest.mark.parametrize(
    ("program", "fault"),
    [
        (Term("never"), "unbalanced"),
        (Term("contains", (X,), ("1",)), "unbalanced"),
        (Term("equal", (X, Term("reverse", (X,)))), "unbalanced"),
        (Term("exceeds", (ONES,), (14,)), "unbalanced"),
        (bit(3), "position"),
        (bit(3, negated=True), "position"),
        (both(bit(3), Term("contains", (X,), ("11",))), "position"),
        (positions(1, 2), "insensitive"),
        (both(bit(3), bit(4)), "insensitive"),
        (Term("odd", (Term("count", (Term("reverse", (X,)),), ("1",)),)), "shorter"),
        (Term("differ", (Term("never"), PARITY)), "shorter"),
        (Term("odd", (Term("binary_mod", (CANCELLED,), (3,)),)), "undefined"),
        (Term("differ", (PARITY, Term("contains", (X,), ("1" * 9,)))), "nearly"),
        (PARITY, None),
        (positions(1, 2, 3), None),
        (Term("odd", (Term("binary_mod", (X,), (3,)),)), None),
        (Term("exceeds", (ONES,), (11,)), None),
    ],
    ids=lambda part: to_expression(part) if isinstance(part, Term) else part,
)
def test_the_sieve_that_holds_back(sieves, program, fault):
    assert sieves.fault(program) == fault


def test_a_program_comes_through_once_whatever_its_form(sieves):
    """Of two as short as each other, the second is a repetition; so is a negation."""
    assert sieves.fault(PARITY) is None
    assert sieves.fault(Term("odd", (Term("count", (X,), ("0",)),))) == "repeated"
    assert sieves.fault(Term(PARITY.production, PARITY.arguments, (), negated=True)) == "repeated"


def test_the_share_is_that_of_the_program_let_through(sieves):
    assert sieves.fault(Term("exceeds", (ONES,), (11,))) is None
    assert sieves.share == pytest.approx(0.252, abs=0.05)


LONG = both(Term("contains", (X,), ("01101",)), positions(0, 3, 5, 8, 11, 17))


@pytest.mark.parametrize(
    ("program", "fault"),
    [
        (LONG, None),
        # A part that another part makes superfluous.
        (both(LONG, Term("contains", (X,), ("011",))), "shorter"),
        # A part that is another way to say a shorter one.
        (Term("differ", (LONG, Term("odd", (Term("digit", (), (2,)),)))), "shorter"),
        # A text that is turned round for nothing.
        (both(positions(0, 3, 5, 8, 11, 17), Term("odd", (TURNED,))), "shorter"),
    ],
    ids=["not longer than need be", "superfluous", "another way", "turned round"],
)
def test_a_program_beyond_what_is_known_is_searched_for_shorter_parts(sieves, program, fault):
    assert program_bits(program, LENGTH) > 20
    assert sieves.fault(program) == fault


@pytest.mark.parametrize(
    ("program", "defined"),
    [
        (Term("binary_mod", (X,), (3,)), True),
        (Term("binary_mod", (repeated(X, "first_half", 4),), (3,)), True),
        (Term("binary_mod", (repeated(X, "first_half", 5),), (3,)), False),
        (Term("binary_mod", (repeated(X, "second_half", 9),), (3,)), True),
        (Term("binary_mod", (repeated(X, "evens", 9),), (3,)), True),
        (Term("binary_mod", (repeated(X, "odds", 5),), (3,)), False),
        (Term("binary_mod", (Term("drop_first", (X,), (19,)),), (3,)), True),
        (Term("binary_mod", (Term("drop_last", (X,), (20,)),), (3,)), False),
        (Term("binary_mod", (Term("take_first", (X,), (1,)),), (3,)), True),
        (Term("binary_mod", (Term("take_last", (CANCELLED,), (1,)),), (3,)), False),
        (Term("binary_mod", (Term("reverse", (X,)),), (3,)), True),
        (Term("binary_mod", (Term("pairs", (X,)),), (3,)), False),
        (Term("count", (Term("pairs", (X,)),), ("2",)), True),
        (Term("count", (repeated(X, "pairs", 2),), ("2",)), False),
        (Term("count", (CANCELLED,), ("1",)), True),
    ],
    ids=lambda part: to_expression(part) if isinstance(part, Term) else "",
)
def test_a_number_is_read_only_from_a_text_that_holds_one(program, defined):
    assert is_defined(program, LENGTH) == defined
    assert is_defined(Term("odd", (program,)), LENGTH) == defined


def test_simplifications_are_shorter_and_reach_every_part():
    program = both(Term("contains", (Term("reverse", (X,)),), ("11",)), Term("odd", (ONES,)))
    found = list(simplifications(program, LENGTH))
    assert all(program_bits(one, LENGTH) < program_bits(program, LENGTH) for one in found)
    assert both(Term("contains", (X,), ("11",)), PARITY) in found
    assert PARITY in found
    assert Term("odd", (ONES,), (), negated=True) in found
    assert program not in found


def test_the_shortest_parts_have_no_simplification():
    assert list(simplifications(X, LENGTH)) == []
    assert list(simplifications(ONES, LENGTH)) == []
