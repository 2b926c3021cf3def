"""Numbers: counts, lengths, digits, sums and remainders."""

import numpy as np
from numpy.typing import NDArray

from llm_erm.enumeration import kernels, string_kernels, texts
from llm_erm.enumeration.bank import Bank, Grow
from llm_erm.enumeration.growing.arguments import (
    each_block,
    each_literal,
    each_text,
    parameter_bits,
    positions,
)
from llm_erm.enumeration.language import NUMBER_OF, Production, gamma_range


def _count(bank: Bank, production: Production, cost: int) -> None:
    for index, size, names, ids in each_literal(bank, production, cost):
        bank.numbers.add(production.name, index, names, texts.counts(ids, len(names), size))


def _length(bank: Bank, production: Production, cost: int) -> None:
    for index, bits in each_text(bank, production, cost):
        if bits == 0:
            _add_one(bank, production, index, bank.texts[index].lengths)


def _digit_sum(bank: Bank, production: Production, cost: int) -> None:
    for index, bits in each_text(bank, production, cost):
        if bits == 0:
            sums = bank.texts[index].chars.sum(axis=1, dtype=np.int64)
            _add_one(bank, production, index, sums)


def _digit(bank: Bank, production: Production, cost: int) -> None:
    for position in positions(bank, parameter_bits(bank, cost)):
        column = np.array([int(str(x)[position]) for x in bank.inputs], np.int64)
        _add_one(bank, production, position, column)


def _add_one(bank: Bank, production: Production, left: int, column: NDArray[np.int64]) -> None:
    bank.numbers.add(production.name, left, np.zeros(1, np.int64), column[None, :])


def _value_mod(bank: Bank, production: Production, cost: int) -> None:
    for index, bits in each_text(bank, production, cost):
        text = bank.texts[index]
        moduli = [n + 1 for n in gamma_range(bits) if n < kernels.LARGEST]
        # int() fails on an empty text and would need a different base for pairs.
        if moduli and text.lengths.all() and len(text.alphabet) == len(bank.texts[0].alphabet):
            values = np.zeros((len(moduli), len(text.chars)), np.int64)
            string_kernels.values_mod(
                text.chars, text.lengths, len(text.alphabet), moduli[0], values
            )
            bank.numbers.add(production.name, index, np.array(moduli), values)


def _sums(bank: Bank, production: Production, cost: int) -> None:
    for a, b, once in bank.two(production, cost):
        bank.check()
        bank.numbers.reserve((a[1] - a[0]) * (b[1] - b[0]))
        kernels.pair_numbers(bank.numbers.arrays, NUMBER_OF[production.name], *a, *b, once)


def _remainder(bank: Bank, production: Production, cost: int) -> None:
    for start, stop, bits in each_block(bank, production, cost):
        moduli = gamma_range(bits)
        if moduli:
            largest = int(np.abs(bank.numbers.values[start:stop]).max())
            low, high = moduli[0] + 1, min(moduli[-1] + 1, largest)
            bank.numbers.reserve((stop - start) * max(high - low + 1, 0))
            kernels.remainders(
                bank.numbers.arrays, NUMBER_OF[production.name], start, stop, low, high
            )


PIECES: dict[str, Grow] = {
    "count": _count,
    "length": _length,
    **dict.fromkeys(("add", "subtract"), _sums),
    "remainder": _remainder,
    "digit": _digit,
    "digit_sum": _digit_sum,
    **dict.fromkeys(("value_mod", "binary_mod"), _value_mod),
}
