"""Texts: the input itself, and those derived from other texts."""

from functools import partial
from itertools import combinations

from llm_erm.enumeration import texts
from llm_erm.enumeration.bank import Bank, Grow
from llm_erm.enumeration.growing.arguments import each_text
from llm_erm.enumeration.language import Production, choice_bits, gamma_range


def _input(bank: Bank, production: Production, cost: int) -> None:
    if cost == 0:
        strings = [str(x) for x in bank.inputs]
        occurring = "".join(sorted(set().union(*map(set, strings))))
        alphabet = {"bits": "01", "digits": "0123456789"}.get(bank.kind, occurring)
        bank.add_text(texts.inputs_as_text(strings, alphabet))


def _view(bank: Bank, production: Production, cost: int) -> None:
    for index, bits in each_text(bank, production, cost):
        if bits == 0:
            bank.add_text(texts.derive(bank.texts[index], index, production.name))


def _slice(bank: Bank, production: Production, cost: int) -> None:
    for index, bits in each_text(bank, production, cost):
        text = bank.texts[index]
        for size in gamma_range(bits):
            if size < text.width:
                bank.add_text(texts.derive(text, index, production.name, size))


def _pairs(bank: Bank, production: Production, cost: int) -> None:
    for index, bits in each_text(bank, production, cost):
        text = bank.texts[index]
        if bits == 0 and text.alphabet == "01" and text.width > 1:
            bank.add_text(texts.pair_bits(text, index))


def _cancel(words: int, bank: Bank, production: Production, cost: int) -> None:
    for index, bits in each_text(bank, production, cost):
        text = bank.texts[index]
        base = len(text.alphabet)
        if bits == 2 * words * choice_bits(base):
            for cancelling in combinations(range(base * base), words):
                bank.check()
                bank.add_text(texts.cancel(text, index, production.name, cancelling))


PIECES: dict[str, Grow] = {
    "x": _input,
    **dict.fromkeys(("reverse", "first_half", "second_half", "evens", "odds"), _view),
    **dict.fromkeys(("drop_first", "drop_last", "take_first", "take_last"), _slice),
    "pairs": _pairs,
    "cancel_one": partial(_cancel, 1),
    "cancel_two": partial(_cancel, 2),
}
