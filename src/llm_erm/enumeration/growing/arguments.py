"""The arguments of productions: kept texts, literals that occur in them, positions, numbers."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from llm_erm.enumeration import texts
from llm_erm.enumeration.bank import Bank
from llm_erm.enumeration.language import NEAR, Production, choice_bits, literal_bits

NUMBERS_PER_CALL = 1 << 10
"""Numbers that one kernel call turns into truths or remainders."""

_MAX_LITERALS = 1 << 31
"""Literals up to a length, at most, since each is identified by a 32-bit integer."""


def parameter_bits(bank: Bank, cost: int) -> int:
    """Returns the bits left for parameters, or -1 if that is not a whole number."""
    bits, rest = divmod(cost, bank.costs.unit)
    return -1 if rest else bits


def each_text(bank: Bank, production: Production, cost: int) -> Iterator[tuple[int, int]]:
    """Yields the index of each text and the bits left for parameters."""
    for start, stop, bits in bank.one(production, cost):
        for index in range(start, stop):
            bank.check()
            yield index, bits


def each_block(bank: Bank, production: Production, cost: int) -> Iterator[tuple[int, int, int]]:
    """Yields ranges of numbers, each short enough for one kernel call, and the bits left."""
    for start, stop, bits in bank.one(production, cost):
        for first in range(start, stop, NUMBERS_PER_CALL):
            bank.check()
            yield first, min(first + NUMBERS_PER_CALL, stop), bits


def each_literal(
    bank: Bank, production: Production, cost: int
) -> Iterator[tuple[int, int, NDArray[np.int64], NDArray[np.int64]]]:
    """Yields the literals that occur in each text and use up all bits.

    Literals that occur nowhere do not distinguish the inputs and are not considered.

    Yields:
        The text's index, the size of the literals, their numbers, and which of them
        starts at each place of each string, -1 for none.
    """
    for index, bits in each_text(bank, production, cost):
        text = bank.texts[index]
        size = literal_size(bits, len(text.alphabet))
        if 0 < size <= text.width:
            runs, ids = texts.gram_ids(text, size)
            yield index, size, runs + _shorter(size, len(text.alphabet)), ids


def literal_size(bits: int, alphabet: int) -> int:
    """Returns the length of the literals whose code has exactly this many bits, 0 for none."""
    size = 1
    while literal_bits(size, alphabet) < bits:
        size += 1
    fits = literal_bits(size, alphabet) == bits and _shorter(size + 1, alphabet) < _MAX_LITERALS
    return size if fits else 0


def _shorter(size: int, alphabet: int) -> int:
    """Returns the number of literals shorter than ``size``, which are numbered first."""
    return sum(alphabet**length for length in range(1, size))


def literal(number: int, alphabet: str) -> str:
    """Returns the literal with this number."""
    size = 1
    while number >= len(alphabet) ** size:
        number, size = number - len(alphabet) ** size, size + 1
    return texts.spell(number, size, alphabet)


def positions(bank: Bank, bits: int) -> list[int]:
    """Returns the positions whose code has this many bits and that every input has."""
    near = [p for p in NEAR if p < bank.shortest and -p <= bank.shortest]
    result = near if bits == 4 else []
    if bits == 1 + choice_bits(bank.shortest):
        result = result + [p for p in range(bank.shortest) if p not in near]
    return result
