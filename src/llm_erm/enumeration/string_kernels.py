"""The inner loops over strings, compiled by numba: slices, cancelling, remainders and counts."""

import numpy as np

from llm_erm.enumeration.kernels import Array, kernel

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(32)


@kernel
def stretch(chars: Array, starts: Array, lengths: Array, step: int, out: Array) -> None:
    """Copies ``lengths[r]`` characters of each row from ``starts[r]`` on, ``step`` apart."""
    for r in range(chars.shape[0]):
        for j in range(lengths[r]):
            out[r, j] = chars[r, starts[r] + j * step]


@kernel
def cancel(chars: Array, lengths: Array, cancels: Array, out: Array, left: Array) -> None:
    """Removes neighbours that cancel, from left to right, with a stack.

    Args:
        chars: Characters as indices into an alphabet, shape (n, width).
        lengths: Characters in each row.
        cancels: Whether a character followed by another cancels, shape (base, base).
        out: What is left, the shape of ``chars``.
        left: Characters left in each row.
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
    """Writes the remainders of the numbers that rows spell by the moduli from ``first`` on.

    ``out`` has a row for each modulus.
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
    """Writes the number that each run of ``size`` characters spells in ``base``, -1 past the end.

    ``out`` has the shape of ``chars``.
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
    """Counts each text's occurrences that do not overlap, as ``str.count`` does.

    Args:
        ids: Which text starts at each place of each row, -1 for none.
        size: Characters in a text.
        last: Room for one int64 a text.
        out: Zeros of shape (texts, rows).
    """
    for r in range(ids.shape[0]):
        last[:] = 0
        for j in range(ids.shape[1]):
            code = ids[r, j]
            if code >= 0 and j >= last[code]:
                out[code, r] += 1
                last[code] = j + size
