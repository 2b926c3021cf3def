"""Strings that are read off the inputs: one for each input, all by the same expression."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llm_erm.enumeration import string_kernels

DIRECT = 1 << 12
"""Texts of one size that are counted by their number alone; more are found by sorting."""


@dataclass(frozen=True)
class Text:
    """One string an input.

    Attributes:
        chars: Characters as indices into the alphabet, shape (n, width).
        lengths: Characters of each string, shape (n,).
        alphabet: The characters, in order.
        production: Name of the production at the root of its expression.
        child: Index of the text it was made from, -1 for ``x``.
        parameters: The parameters of that production.
        hashes: A hash of each string, shape (n,).
    """

    chars: NDArray[np.uint8]
    lengths: NDArray[np.int64]
    alphabet: str
    production: str
    child: int
    parameters: tuple[object, ...]
    hashes: NDArray[np.uint64]

    @property
    def width(self) -> int:
        """Length of the longest string."""
        return int(self.chars.shape[1])

    @property
    def nbytes(self) -> int:
        """Bytes that it holds."""
        return self.chars.nbytes + self.lengths.nbytes + self.hashes.nbytes


def make(
    chars: NDArray[np.uint8],
    lengths: NDArray[np.int64],
    alphabet: str,
    production: str,
    child: int,
    parameters: tuple[object, ...] = (),
) -> Text:
    """Returns a text, cut to the width that it needs."""
    chars = np.ascontiguousarray(chars[:, : max(int(lengths.max()), 1)])
    hashes = np.empty(len(chars), np.uint64)
    string_kernels.row_hashes(chars, lengths, hashes)
    return Text(chars, lengths, alphabet, production, child, parameters, hashes)


def inputs_as_text(inputs: list[str], alphabet: str) -> Text:
    """Returns ``x`` itself."""
    index = {character: i for i, character in enumerate(alphabet)}
    chars = np.zeros((len(inputs), max(map(len, inputs))), np.uint8)
    for row, text in zip(chars, inputs, strict=True):
        row[: len(text)] = [index[c] for c in text]
    return make(chars, np.array(list(map(len, inputs)), np.int64), alphabet, "x", -1)


def derived(text: Text, index: int, production: str, parameter: int = 0) -> Text:
    """Returns what a production makes of the text with this index."""
    lengths = text.lengths
    zeros = np.zeros_like(lengths)
    step = 1
    match production:
        case "reverse":
            starts, counts, step = lengths - 1, lengths, -1
        case "first_half":
            starts, counts = zeros, lengths // 2
        case "second_half":
            starts, counts = lengths // 2, lengths - lengths // 2
        case "evens":
            starts, counts, step = zeros, (lengths + 1) // 2, 2
        case "odds":
            starts, counts, step = zeros + 1, lengths // 2, 2
        case "drop_first":
            starts = np.minimum(lengths, parameter)
            counts = lengths - starts
        case "drop_last":
            starts, counts = zeros, np.maximum(lengths - parameter, 0)
        case "take_first":
            starts, counts = zeros, np.minimum(lengths, parameter)
        case "take_last":
            starts = np.maximum(lengths - parameter, 0)
            counts = lengths - starts
        case _:
            raise ValueError(production)
    chars = np.zeros_like(text.chars)
    string_kernels.stretch(text.chars, starts, counts, step, chars)
    parameters = (parameter,) if parameter else ()
    return make(chars, counts, text.alphabet, production, index, parameters)


def paired(text: Text, index: int) -> Text:
    """Returns bits read two at a time, as digits 0 to 3; an odd last one is left out."""
    half = text.width // 2
    pairs = text.chars[:, : 2 * half].reshape(len(text.chars), half, 2)
    chars = pairs[:, :, 0] * np.uint8(2) + pairs[:, :, 1]
    lengths = text.lengths // 2
    chars[np.arange(half) >= lengths[:, None]] = 0
    return make(chars, lengths, "0123", "pairs", index)


def cancelled(text: Text, index: int, production: str, cancelling: tuple[int, ...]) -> Text:
    """Returns what is left once all neighbours that cancel are removed.

    Args:
        text: What they are removed from.
        index: Its index.
        production: ``cancel_one`` or ``cancel_two``.
        cancelling: The neighbours, each as first times base plus second.
    """
    base = len(text.alphabet)
    cancels = np.zeros(base * base, np.bool_)
    cancels[list(cancelling)] = True
    chars = np.zeros_like(text.chars)
    lengths = np.empty_like(text.lengths)
    string_kernels.cancel(text.chars, text.lengths, cancels.reshape(base, base), chars, lengths)
    words = tuple(text.alphabet[pair // base] + text.alphabet[pair % base] for pair in cancelling)
    return make(chars, lengths, text.alphabet, production, index, (words,))


def gram_ids(text: Text, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns which runs of ``size`` characters occur, and which starts at each place.

    Returns:
        The runs as numbers in base ``len(alphabet)``, descending, so that ones are counted before
        zeros are, and for each place, of shape (n, width), the index of its run among them, -1
        past the end.
    """
    codes = np.empty(text.chars.shape, np.int64)
    string_kernels.gram_codes(text.chars, text.lengths, size, len(text.alphabet), codes)
    if len(text.alphabet) ** size <= DIRECT:
        there = np.zeros(len(text.alphabet) ** size + 1, np.bool_)
        there[codes] = True  # -1 sets the last, which stands for none
        runs = np.flatnonzero(there[:-1])[::-1]
        index = len(runs) - np.cumsum(there)
        index[-1] = -1
        return runs, index[codes]
    runs, ids = np.unique(codes, return_inverse=True)
    ids = len(runs) - 1 - ids.reshape(codes.shape)
    none = int(runs[0] < 0)
    ids[codes < 0] = -1
    return runs[none:][::-1], ids


def counts(ids: NDArray[np.int64], runs: int, size: int) -> NDArray[np.int32]:
    """Returns how often each run occurs in each string without overlaps, shape (runs, n)."""
    result = np.zeros((runs, len(ids)), np.int32)
    string_kernels.gram_counts(ids, size, np.zeros(runs, np.int64), result)
    return result


def spelled(run: int, size: int, alphabet: str) -> str:
    """Returns the characters of a run that is given as a number."""
    characters = []
    for _ in range(size):
        run, last = divmod(run, len(alphabet))
        characters.append(alphabet[last])
    return "".join(reversed(characters))
