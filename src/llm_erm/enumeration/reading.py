"""Reconstructs the expression of a kept program from the arrays of a search."""

from math import comb

from llm_erm.enumeration import kernels
from llm_erm.enumeration.bank import Bank
from llm_erm.enumeration.growing.arguments import literal
from llm_erm.enumeration.growing.tables import parameters as table_parameters
from llm_erm.enumeration.language import NAMES
from llm_erm.enumeration.terms import Term


def term_of(bank: Bank, index: int, *, negated: bool) -> Term:
    """Returns the tree of a kept truth as its column is stored, or of its negation."""
    truths = bank.truths
    name = NAMES[truths.production[index]]
    left, right = int(truths.left[index]), int(truths.right[index])
    sign = int(truths.sign[index])
    negated ^= bool(sign & kernels.FLIPPED)
    arguments, parameters = _truth_parts(bank, name, left, right, sign)
    return Term(name, arguments, parameters, negated)


def _truth_parts(
    bank: Bank, name: str, left: int, right: int, sign: int
) -> tuple[tuple[Term, ...], tuple[object, ...]]:
    match name:
        case "both" | "differ":
            return (
                term_of(bank, left, negated=bool(sign & kernels.NEGATE_LEFT)),
                term_of(bank, right, negated=bool(sign & kernels.NEGATE_RIGHT)),
            ), ()
        case "same" | "greater":
            return (_number_term(bank, left), _number_term(bank, right)), ()
        case "odd":
            return (_number_term(bank, left),), ()
        case "equals" | "exceeds":
            return (_number_term(bank, left),), (right,)
        case "equal":
            return (_text_term(bank, left), _text_term(bank, right)), ()
        case "contains" | "starts" | "ends":
            return (_text_term(bank, left),), (literal(right, bank.texts[left].alphabet),)
        case "empty":
            return (_text_term(bank, left),), ()
        case "prime":
            return (_text_term(bank, left),), (f"{right:+d}" if right else "",)
        case "character":
            return (), (left, bank.texts[0].alphabet[right])
        case "parity_at":
            return (), (_combination(right, left, bank.shortest),)
        case "never":
            return (), ()
        case _:
            return (), table_parameters(bank.inputs, name, left, right)


def _number_term(bank: Bank, index: int) -> Term:
    numbers = bank.numbers
    name = NAMES[numbers.production[index]]
    left, right = int(numbers.left[index]), int(numbers.right[index])
    match name:
        case "add" | "subtract":
            return Term(name, (_number_term(bank, left), _number_term(bank, right)))
        case "remainder":
            return Term(name, (_number_term(bank, left),), (right,))
        case "digit":
            return Term(name, (), (left,))
        case "count":
            counted = literal(right, bank.texts[left].alphabet)
            return Term(name, (_text_term(bank, left),), (counted,))
        case "value_mod" | "binary_mod":
            return Term(name, (_text_term(bank, left),), (right,))
        case _:
            return Term(name, (_text_term(bank, left),))


def _text_term(bank: Bank, index: int) -> Term:
    text = bank.texts[index]
    arguments = () if text.child < 0 else (_text_term(bank, text.child),)
    return Term(text.production, arguments, text.parameters)


def _combination(rank: int, count: int, length: int) -> tuple[int, ...]:
    """Returns the set of positions with this rank in lexicographic order."""
    positions = []
    position = 0
    for left in range(count, 0, -1):
        while (block := comb(length - position - 1, left - 1)) <= rank:
            rank -= block
            position += 1
        positions.append(position)
        position += 1
    return tuple(positions)
