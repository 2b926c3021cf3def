"""The inner loops over strings, compiled by numba: slices, cancellation, remainders and counts."""

import numpy as np

from llm_erm.compiled import kernel
from llm_erm.enumeration.kernels import Array

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(32)


@kernel
def stretch(chars: Array, starts: Array, lengths: Array, step: int, out: Array) -> None:
    """Copies ``lengths[r]`` characters of each row r, starting at ``starts[r]``, ``step`` apart."""
    for r in range(chars.shape[0]):
        for j in range(lengths[r]):
            out[r, j] = chars[r, starts[r] + j * step]


@kernel
def cancel(chars: Array, lengths: Array, cancels: Array, out: Array, left: Array) -> None:
    """Removes adjacent characters that cancel, from left to right, with a stack.

    Args:
        chars: Characters as indices into an alphabet, shape (n, width).
        lengths: Number of characters in each row.
        cancels: Whether a character and the one after it cancel, shape (base, base).
        out: Set to the remaining characters; same shape as ``chars``.
        left: Set to the number of remaining characters in each row.
    """
    for r in range(chars.shape[0]):
        top = 0
        for j in range(lengths[r]):
            c = chars[r, j]
            if top and cancels[out[r, top - 1], c]:
                top -= 1
            else:
                out[r, top] = c
                top += 1
        left[r] = top


@kernel
def values_mod(chars: Array, lengths: Array, base: int, first: int, out: Array) -> None:
    """Writes the remainders of the numbers that rows spell, for the moduli from ``first`` on.

    ``out`` has one row per modulus.
    """
    for i in range(out.shape[0]):
        for r in range(chars.shape[0]):
            value = 0
            for j in range(lengths[r]):
                value = (value * base + chars[r, j]) % (first + i)
            out[i, r] = value


@kernel
def row_hashes(chars: Array, lengths: Array, out: Array) -> None:
    """Writes a hash of each row's characters."""
    for r in range(chars.shape[0]):
        key = np.uint64(lengths[r]) * _MULTIPLIER
        for j in range(lengths[r]):
            key = (key ^ np.uint64(chars[r, j] + 1)) * _MULTIPLIER
            key ^= key >> _SHIFT
        out[r] = key


@kernel
def gram_codes(chars: Array, lengths: Array, size: int, base: int, out: Array) -> None:
    """Writes the base-``base`` number that each substring of ``size`` characters spells.

    ``out`` has the shape of ``chars`` and holds -1 where a substring would pass the end.
    """
    for r in range(chars.shape[0]):
        for j in range(chars.shape[1]):
            out[r, j] = -1
            if j + size <= lengths[r]:
                code = 0
                for k in range(size):
                    code = code * base + chars[r, j + k]
                out[r, j] = code


@kernel
def gram_counts(ids: Array, size: int, last: Array, out: Array) -> None:
    """Counts the non-overlapping occurrences of each substring, as ``str.count`` does.

    Args:
        ids: Which substring starts at each place of each row, -1 for none.
        size: Characters per substring.
        last: Work space of one int64 per substring.
        out: Zeros of shape (substrings, rows), to which the counts are added.
    """
    for r in range(ids.shape[0]):
        last[:] = 0
        for j in range(ids.shape[1]):
            code = ids[r, j]
            if code >= 0 and j >= last[code]:
                out[code, r] += 1
                last[code] = j + size
