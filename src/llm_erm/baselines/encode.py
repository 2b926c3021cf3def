"""Encodes inputs as arrays for classical learners."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from llm_erm.errors import InputError
from llm_erm.tasks.task import Kind

_GRAPH_LETTERS = {"u": 10, "v": 11}


Encode = Callable[[Sequence[str]], NDArray[np.float32]]
"""``encode(inputs)`` → one row of numbers per input, all of the same width."""


def encoder(kind: Kind, train: Sequence[str]) -> Encode:
    """Returns what encodes inputs, as far as it depends on the training inputs.

    Args:
        kind: What the inputs are.
        train: The training inputs.

    Raises:
        InputError: Later, from the function, if the inputs are not strings.
    """
    if kind == "row":
        columns = zip(*map(_values, train), strict=True)
        return partial(
            encode_rows,
            [sorted(set(column)) if column[0].startswith("c") else None for column in columns],
        )
    return partial(encode, kind, width=max(map(len, train)))


def encode_rows(
    categories: Sequence[Sequence[str] | None], inputs: Sequence[str]
) -> NDArray[np.float32]:
    """Returns rows such as ``x0:-3.14,x1:c07`` as numbers; shape ``(n, width)``.

    Args:
        categories: For each column the categories that have a column of zeros and ones, so that
            others have zeros alone; None if it holds numbers, which stay as they are.
        inputs: The rows.
    """
    encoded = [
        [
            number
            for cell, known in zip(_values(row), categories, strict=True)
            for number in ([float(cell)] if known is None else [float(cell == c) for c in known])
        ]
        for row in inputs
    ]
    return np.array(encoded, dtype=np.float32)


def _values(row: str) -> list[str]:
    return [cell.partition(":")[2] for cell in row.split(",")]


def encode(kind: Kind, inputs: Sequence[str], width: int) -> NDArray[np.float32]:
    """Returns one number per character, as in the published baselines; shape ``(n, width)``.

    Digits become 0 to 9, and the graph's ``u`` and ``v`` become 10 and 11. Characters of free text
    become their code points; texts are cut, or padded with zeros, to the length of the longest
    training text.

    Raises:
        InputError: The inputs are not strings.
    """
    if kind == "table":
        raise InputError(
            "The classical learners take strings, but these inputs are rows of a table; use "
            "another method."
        )
    if kind == "text":
        lines = [[ord(c) for c in x[:width]] for x in inputs]
        return np.array([line + [0] * (width - len(line)) for line in lines], dtype=np.float32)
    codes = np.zeros(128, dtype=np.float32)
    codes[ord("0") : ord("9") + 1] = range(10)
    for letter, number in _GRAPH_LETTERS.items():
        codes[ord(letter)] = number
    characters = np.frombuffer("".join(inputs).encode("ascii"), dtype=np.uint8)
    return codes[characters.reshape(len(inputs), width)]


def to_bits(codes: NDArray[np.float32], bits: int) -> NDArray[np.float64]:
    """Returns the lowest binary digits of every number; shape ``(n, width * bits)``.

    They are the inputs of Boolean circuits; higher digits than in the training data are dropped.
    """
    whole = codes.astype(np.int64)
    digits = whole[:, :, None] >> np.arange(bits)[None, None, :] & 1
    return digits.reshape(len(codes), -1).astype(np.float64)
