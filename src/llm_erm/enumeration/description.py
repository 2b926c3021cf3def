"""The description length of a program over bit strings, from its tree."""

from llm_erm.enumeration.language import (
    PRODUCTIONS,
    SIGN_BITS,
    choice_bits,
    gamma_bits,
    literal_bits,
    position_bits,
    positions_bits,
)
from llm_erm.enumeration.terms import Term

PAIR_DIGITS = 4
"""Letters of a text of bits that are read two at a time."""


def program_bits(term: Term, length: int) -> int:
    """Returns the description length of a program over bit strings of this length."""
    return SIGN_BITS + unsigned_bits(term, length)


def unsigned_bits(term: Term, length: int) -> int:
    """Returns the description length of an expression, without the bit that may negate it."""
    own = PRODUCTIONS[term.production].bits + _parameter_bits(term, length)
    signs = 2 * SIGN_BITS if term.production == "both" else 0
    return own + signs + sum(unsigned_bits(argument, length) for argument in term.arguments)


def holds_pairs(term: Term) -> bool:
    """Returns whether a text consists of bits read two at a time, as digits 0 to 3."""
    return term.production == "pairs" or any(map(holds_pairs, term.arguments))


def _parameter_bits(term: Term, length: int) -> int:
    base = PAIR_DIGITS if term.arguments and holds_pairs(term.arguments[0]) else 2
    match term.production, term.parameters:
        case "drop_first" | "drop_last" | "take_first" | "take_last", (int(size),):
            return gamma_bits(size)
        case "cancel_one" | "cancel_two", (tuple(words),):
            return 2 * len(words) * choice_bits(base)
        case "count" | "contains" | "starts" | "ends", (str(word),):
            return literal_bits(len(word), base)
        case "remainder" | "binary_mod", (int(modulus),):
            return gamma_bits(modulus - 1)
        case "equals" | "exceeds", (int(constant),):
            return gamma_bits(constant + 1)
        case "digit" | "character", (int(position), *_):
            return position_bits(position, length)
        case "parity_at", (tuple(positions),):
            return positions_bits(len(positions), length)
        case _:
            return 0
