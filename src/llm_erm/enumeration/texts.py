"""Strings computed from the inputs: one per input, all by the same expression."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llm_erm.enumeration import string_kernels

MAX_DIRECT = 1 << 12
"""Possible substrings of one size up to which they are indexed directly instead of sorted."""


@dataclass(frozen=True)
class Text:
    """The value of a string expression: one string per input.

    Attributes:
        chars: Characters as indices into the alphabet, shape (n, width).
        lengths: Length of each string, shape (n,).
        alphabet: The characters, in order.
        production: Name of the production at the root of the expression.
        child: Index of the text it was derived from, -1 for ``x``.
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
        """Number of bytes in its arrays."""
        return self.chars.nbytes + self.lengths.nbytes + self.hashes.nbytes


def make_text(
    chars: NDArray[np.uint8],
    lengths: NDArray[np.int64],
    alphabet: str,
    production: str,
    child: int,
    parameters: tuple[object, ...] = (),
) -> Text:
    """Returns a text, trimmed to the width it needs."""
    chars = np.ascontiguousarray(chars[:, : max(int(lengths.max()), 1)])
    hashes = np.empty(len(chars), np.uint64)
    string_kernels.row_hashes(chars, lengths, hashes)
    return Text(chars, lengths, alphabet, production, child, parameters, hashes)


def inputs_as_text(inputs: list[str], alphabet: str) -> Text:
    """Returns the text of ``x`` itself."""
    index = {character: i for i, character in enumerate(alphabet)}
    chars = np.zeros((len(inputs), max(map(len, inputs))), np.uint8)
    for row, text in zip(chars, inputs, strict=True):
        row[: len(text)] = [index[c] for c in text]
    return make_text(chars, np.array(list(map(len, inputs)), np.int64), alphabet, "x", -1)


def derive(text: Text, index: int, production: str, parameter: int = 0) -> Text:
    """Returns the result of applying a production to the text with this index."""
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
    return make_text(chars, counts, text.alphabet, production, index, parameters)


def pair_bits(text: Text, index: int) -> Text:
    """Returns bits read two at a time, as digits 0 to 3, dropping the last bit of odd lengths."""
    half = text.width // 2
    pairs = text.chars[:, : 2 * half].reshape(len(text.chars), half, 2)
    chars = pairs[:, :, 0] * np.uint8(2) + pairs[:, :, 1]
    lengths = text.lengths // 2
    chars[np.arange(half) >= lengths[:, None]] = 0
    return make_text(chars, lengths, "0123", "pairs", index)


def cancel(text: Text, index: int, production: str, cancelling: tuple[int, ...]) -> Text:
    """Returns what remains after removing all adjacent characters that cancel.

    Args:
        text: The text to remove them from.
        index: Its index.
        production: ``cancel_one`` or ``cancel_two``.
        cancelling: The pairs that cancel, each as the first index times the base plus the second.
    """
    base = len(text.alphabet)
    cancels = np.zeros(base * base, np.bool_)
    cancels[list(cancelling)] = True
    chars = np.zeros_like(text.chars)
    lengths = np.empty_like(text.lengths)
    string_kernels.cancel(text.chars, text.lengths, cancels.reshape(base, base), chars, lengths)
    words = tuple(text.alphabet[pair // base] + text.alphabet[pair % base] for pair in cancelling)
    return make_text(chars, lengths, text.alphabet, production, index, (words,))


def gram_ids(text: Text, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns which substrings of ``size`` characters occur, and which starts at each place.

    Returns:
        The substrings as numbers in base ``len(alphabet)``, in descending order so that ones are
        counted before zeros; and for each place, the index of its substring among them, shape
        (n, width), -1 past the end.
    """
    codes = np.empty(text.chars.shape, np.int64)
    string_kernels.gram_codes(text.chars, text.lengths, size, len(text.alphabet), codes)
    if len(text.alphabet) ** size <= MAX_DIRECT:
        there = np.zeros(len(text.alphabet) ** size + 1, np.bool_)
        there[codes] = True  # -1 sets the last entry, which represents no substring
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
    """Returns each substring's non-overlapping occurrences per string, shape (runs, n)."""
    result = np.zeros((runs, len(ids)), np.int32)
    string_kernels.gram_counts(ids, size, np.zeros(runs, np.int64), result)
    return result


def spell(run: int, size: int, alphabet: str) -> str:
    """Returns the characters of a substring that is given as a number."""
    characters = []
    for _ in range(size):
        run, last = divmod(run, len(alphabet))
        characters.append(alphabet[last])
    return "".join(reversed(characters))
