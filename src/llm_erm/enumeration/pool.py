"""The inputs that define observational equivalence, and their kind.

Two programs are treated as equivalent if they agree on all training inputs and on about a hundred
unlabelled neighbours of them: copies with a few characters changed. Without the neighbours, a
shorter program that happens to agree with the true rule on the training inputs would hide it.
Validation inputs are not used for this, because the bound on a selected program's error requires
candidates that do not depend on them.
"""

from collections.abc import Mapping, Sequence

from numpy.random import RandomState

from llm_erm.enumeration.language import InputKind
from llm_erm.execution import Input

MIN_NEIGHBOURS = 100
"""Neighbours at least; more are added to fill the last 64-bit word."""

_CHANGES = (1, 1, 2, 4)
"""Characters changed per neighbour: half of them differ from a training input in one place."""


def kind_of(inputs: Sequence[Input]) -> InputKind:
    """Returns the kind of the inputs: table rows, bit strings, decimal numbers or other text."""
    if any(isinstance(x, Mapping) for x in inputs):
        return "table"
    characters = set().union(*map(set, inputs))
    if characters <= set("01"):
        return "bits"
    return "digits" if characters <= set("0123456789") else "text"


def neighbours(inputs: Sequence[Input], seed: int) -> list[Input]:
    """Returns at least ``MIN_NEIGHBOURS`` unlabelled inputs that differ little from the given ones.

    A neighbour of a string has one, two or four of its characters replaced by others that occur in
    the inputs; a neighbour of a table row has as many of its values replaced by those of other
    rows.
    """
    rng = RandomState(seed % 2**32)  # those that other commands accept may be larger
    count = MIN_NEIGHBOURS + -(len(inputs) + MIN_NEIGHBOURS) % 64
    changes = [_CHANGES[i % len(_CHANGES)] for i in range(count)]
    chosen = [inputs[i] for i in rng.randint(len(inputs), size=count)]
    if kind_of(inputs) == "table":
        rows = [dict(row) for row in inputs if isinstance(row, Mapping)]
        return [
            _changed_row(rng, dict(row), rows, n) for row, n in zip(chosen, changes, strict=True)
        ]
    alphabet = sorted(set().union(*map(set, inputs)))
    return [_changed(rng, str(x), alphabet, n) for x, n in zip(chosen, changes, strict=True)]


def _changed(rng: RandomState, text: str, alphabet: Sequence[str], changes: int) -> str:
    characters = list(text)
    for at in rng.permutation(len(text))[:changes]:
        others = [c for c in alphabet if c != characters[at]]
        if others:
            characters[at] = others[rng.randint(len(others))]
    return "".join(characters)


def _changed_row(
    rng: RandomState, row: dict[str, object], rows: Sequence[Mapping[str, object]], changes: int
) -> Input:
    names = sorted(row)
    for at in rng.permutation(len(names))[:changes]:
        row[names[at]] = rows[rng.randint(len(rows))].get(names[at])
    return row  # type: ignore[return-value]
