"""Reconstructs the expression of a kept program from the arrays of a search."""

from dataclasses import replace
from math import comb

from llm_erm.enumeration import kernels
from llm_erm.enumeration.bank import Bank
from llm_erm.enumeration.columns import Columns
from llm_erm.enumeration.growing.arguments import literal
from llm_erm.enumeration.growing.tables import parameters as table_parameters
from llm_erm.enumeration.language import NAMES, PRODUCTIONS, Sort
from llm_erm.enumeration.terms import Term


def term_of(bank: Bank, index: int, *, negated: bool) -> Term:
    """Returns the tree of a kept truth as its column is stored, or of its negation."""
    sign = int(bank.truths.sign[index])
    term = _stored(bank, bank.truths, index, sign)
    return replace(term, negated=negated ^ bool(sign & kernels.FLIPPED))


def _stored(bank: Bank, columns: Columns, index: int, sign: int = 0) -> Term:
    """Returns the tree of a kept truth or number, without its own sign."""
    production = PRODUCTIONS[NAMES[columns.production[index]]]
    left, right = int(columns.left[index]), int(columns.right[index])
    arguments = tuple(
        _argument(bank, sort, place, negated=bool(sign & bit))
        for sort, place, bit in zip(
            production.arguments,
            (left, right),
            (kernels.NEGATE_LEFT, kernels.NEGATE_RIGHT),
            strict=False,
        )
    )
    return Term(production.name, arguments, _parameters(bank, production.name, left, right))


def _argument(bank: Bank, sort: Sort, index: int, *, negated: bool) -> Term:
    match sort:
        case "truth":
            return term_of(bank, index, negated=negated)
        case "number":
            return _stored(bank, bank.numbers, index)
        case "text":
            text = bank.texts[index]
            child = () if text.child < 0 else (_argument(bank, sort, text.child, negated=False),)
            return Term(text.production, child, text.parameters)


def _parameters(bank: Bank, name: str, left: int, right: int) -> tuple[object, ...]:
    match name:
        case "equals" | "exceeds" | "remainder" | "value_mod" | "binary_mod":
            return (right,)
        case "contains" | "starts" | "ends" | "count":
            return (literal(right, bank.texts[left].alphabet),)
        case "digit":
            return (left,)
        case "prime":
            return (f"{right:+d}" if right else "",)
        case "character":
            return left, bank.texts[0].alphabet[right]
        case "parity_at":
            return (_combination(right, left, bank.shortest),)
        case "above" | "category" | "missing" | "larger":
            return table_parameters(bank.inputs, name, left, right)
        case _:
            return ()


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
