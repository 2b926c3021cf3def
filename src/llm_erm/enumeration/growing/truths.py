"""Truths: tests of texts and numbers, and combinations of two truths."""

import gmpy2
import numpy as np

from llm_erm.enumeration import kernels, texts
from llm_erm.enumeration.bank import Bank, Grow, pack_bits
from llm_erm.enumeration.growing.arguments import (
    each_block,
    each_literal,
    each_text,
    parameter_bits,
    positions,
)
from llm_erm.enumeration.language import (
    NUMBER_OF,
    Production,
    choice_bits,
    gamma_range,
    positions_bits,
)

TEXTS_PER_BATCH = 1 << 10
"""Texts that another text is compared with at a time, to bound the memory."""

_NOTHING = np.zeros(1, np.int64)


def _contains(bank: Bank, production: Production, cost: int) -> None:
    for index, size, names, ids in each_literal(bank, production, cost):
        there = texts.counts(ids, len(names), size) > 0
        bank.truths.add(production.name, index, names, pack_bits(there))


def _edge(bank: Bank, production: Production, cost: int) -> None:
    for index, size, names, ids in each_literal(bank, production, cost):
        at = np.zeros_like(bank.texts[index].lengths)
        if production.name == "ends":
            at = np.maximum(bank.texts[index].lengths - size, 0)
        there = ids[np.arange(len(ids)), at] == np.arange(len(names))[:, None]
        occurs = there.any(axis=1)
        bank.truths.add(production.name, index, names[occurs], pack_bits(there[occurs]))


def _character(bank: Bank, production: Production, cost: int) -> None:
    alphabet = bank.texts[0].alphabet if bank.texts else ""
    # With two characters, testing for one is the negation of testing for the other.
    wanted = alphabet[-1:] if len(alphabet) <= 2 else alphabet
    codes = np.array([alphabet.index(c) for c in wanted], np.int64)
    for position in positions(bank, parameter_bits(bank, cost) - choice_bits(len(wanted))):
        characters = np.array([str(x)[position] for x in bank.inputs])
        there = characters == np.array(list(wanted))[:, None]
        bank.truths.add(production.name, position, codes, pack_bits(there))


def _parity_at(bank: Bank, production: Production, cost: int) -> None:
    bits, length = parameter_bits(bank, cost), bank.shortest
    counts = [n for n in range(2, length) if positions_bits(n, length) == bits]
    if not counts:
        return
    ones = np.array([[str(x)[p] == "1" for x in bank.inputs] for p in range(length)])
    columns = pack_bits(ones)
    for count in counts:
        chosen = np.arange(count)
        rank, tried = 0, kernels.PARITIES_PER_CALL
        while tried == kernels.PARITIES_PER_CALL:
            bank.check()
            bank.truths.reserve(tried)
            tried = kernels.parities_at(bank.truths.arrays, columns, chosen, rank, tried)
            rank += tried


def _prime(bank: Bank, production: Production, cost: int) -> None:
    for index, bits in each_text(bank, production, cost):
        text = bank.texts[index]
        offsets = [0] if bits == 1 else [s * n for n in gamma_range(bits - 2) for s in (1, -1)]
        if not offsets or not text.lengths.all():
            continue
        values = [
            int("".join(map(str, row[:length].tolist())))
            for row, length in zip(text.chars, text.lengths.tolist(), strict=True)
        ]
        for offset in offsets:
            bank.check()
            there = np.array([[v + offset > 1 and gmpy2.is_prime(v + offset) for v in values]])
            bank.truths.add(production.name, index, np.array([offset]), pack_bits(there))


def _never(bank: Bank, production: Production, cost: int) -> None:
    if cost == 0:
        there = np.zeros((1, len(bank.inputs)), np.bool_)
        bank.truths.add(production.name, 0, _NOTHING, pack_bits(there))


def _equal(bank: Bank, production: Production, cost: int) -> None:
    for (a, a_end), (begin, end), once in bank.two(production, cost):
        for b in range(begin, end, TEXTS_PER_BATCH):
            b_end = min(b + TEXTS_PER_BATCH, end)
            others = np.array([text.hashes for text in bank.texts[b:b_end]])
            for left in range(a, min(a_end, b_end) if once else a_end):
                bank.check()
                first = max(b, left + 1) if once else b
                there = others[first - b :] == bank.texts[left].hashes
                bank.truths.add(production.name, left, np.arange(first, b_end), pack_bits(there))


def _empty(bank: Bank, production: Production, cost: int) -> None:
    for index, bits in each_text(bank, production, cost):
        if bits == 0:
            there = (bank.texts[index].lengths == 0)[None, :]
            bank.truths.add(production.name, index, _NOTHING, pack_bits(there))


def _odd(bank: Bank, production: Production, cost: int) -> None:
    for start, stop, bits in each_block(bank, production, cost):
        if bits == 0:
            bank.truths.reserve(stop - start)
            kernels.odd_numbers(bank.truths.arrays, bank.numbers.values, start, stop)


def _constants(bank: Bank, production: Production, cost: int) -> None:
    for start, stop, bits in each_block(bank, production, cost):
        constants = gamma_range(bits)
        if constants:
            largest = int(bank.numbers.values[start:stop].max())
            low, high = constants[0] - 1, min(constants[-1] - 1, largest)
            bank.truths.reserve((stop - start) * max(high - low + 1, 0))
            kernels.compare_constants(
                bank.truths.arrays,
                NUMBER_OF[production.name],
                bank.numbers.values,
                start,
                stop,
                low,
                high,
            )


def _comparisons(bank: Bank, production: Production, cost: int) -> None:
    for a, b, once in bank.two(production, cost):
        bank.check()
        bank.truths.reserve((a[1] - a[0]) * (b[1] - b[0]))
        kernels.compare_numbers(
            bank.truths.arrays, NUMBER_OF[production.name], bank.numbers.values, *a, *b, once
        )


def _both(bank: Bank, production: Production, cost: int) -> None:
    _two_truths(bank, production, cost - bank.sign_cost(2), 4)


def _differ(bank: Bank, production: Production, cost: int) -> None:
    _two_truths(bank, production, cost, 1)


def _two_truths(bank: Bank, production: Production, cost: int, signs: int) -> None:
    for a, b, once in bank.two(production, cost):
        bank.check()
        bank.truths.reserve((a[1] - a[0]) * (b[1] - b[0]) * signs)
        kernels.pair_truths(bank.truths.arrays, NUMBER_OF[production.name], *a, *b, once)


PIECES: dict[str, Grow] = {
    "contains": _contains,
    **dict.fromkeys(("starts", "ends"), _edge),
    "equal": _equal,
    "empty": _empty,
    "odd": _odd,
    **dict.fromkeys(("equals", "exceeds"), _constants),
    **dict.fromkeys(("same", "greater"), _comparisons),
    "both": _both,
    "differ": _differ,
    "character": _character,
    "parity_at": _parity_at,
    "prime": _prime,
    "never": _never,
}
