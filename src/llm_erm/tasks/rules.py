"""The true rules, each applied to a whole array of inputs at once.

An array of inputs is ``Codes``: the ASCII codes of n strings of equal length, uint8 of shape
``(n, length)``. A rule returns one bool per row. The graph rule is in ``graphs``.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import gmpy2
import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint8]
Bools = NDArray[np.bool_]
Rule = Callable[[Codes], Bools]

ZERO = ord("0")

MAX_DIGITS = 4300
"""Length of the longest decimal string that ``int`` accepts, here and in learned programs."""


def to_codes(inputs: Sequence[str]) -> Codes:
    """Returns strings of equal length as codes of shape ``(n, length)``."""
    text = np.frombuffer("".join(inputs).encode("ascii"), dtype=np.uint8)
    return text.reshape(len(inputs), -1)


def to_strings(codes: Codes) -> list[str]:
    """Returns the rows of codes as strings."""
    width = codes.shape[1]
    text = codes.tobytes().decode("ascii")
    return [text[i : i + width] for i in range(0, len(text), width)]


def label_strings(rule: Rule) -> Callable[[Sequence[str]], list[int]]:
    """Returns the rule as a function from strings of equal length to their labels."""

    def label(inputs: Sequence[str]) -> list[int]:
        labels: list[int] = rule(to_codes(inputs)).astype(int).tolist() if inputs else []
        return labels

    return label


def parity(codes: Codes) -> Bools:
    """Returns which rows have an odd number of ones."""
    return _odd(codes & 1)


def parity_first_half(codes: Codes) -> Bools:
    """Returns which rows have an odd number of ones in their first ⌊length/2⌋ bits."""
    return parity(codes[:, : codes.shape[1] // 2])


def fixed_positions(length: int, count: int) -> list[int]:
    """Returns the positions that fn_e (3) and fn_f (10) depend on.

    They are the first entries of the Fisher-Yates permutation that PyTorch's ``randperm(length)``
    returns on a CPU after ``manual_seed(42)``: MT19937 words modulo the number of entries left.
    """
    words = np.random.RandomState(42).randint(0, 2**32, size=length, dtype=np.uint32).tolist()
    order = list(range(length))
    for i in range(min(count, length - 1)):
        j = i + words[i] % (length - i)
        order[i], order[j] = order[j], order[i]
    return order[:count]


def parity_at(count: int, length: int | None = None) -> Rule:
    """Returns the rule "an odd number of ones at ``count`` fixed positions".

    Args:
        count: How many positions.
        length: The length whose positions to use; the inputs' own length if None.
    """

    def rule(codes: Codes) -> Bools:
        return parity(codes[:, fixed_positions(length or codes.shape[1], count)])

    return rule


def contains(pattern: str) -> Rule:
    """Returns the rule "this pattern of eight bits occurs"."""
    value = int(pattern, 2)

    def rule(codes: Codes) -> Bools:
        window = codes & 1
        for width in (1, 2, 4):  # each window becomes twice as wide
            window = (window[:, :-width] << width) | window[:, width:]
        occurs: Bools = (window == value).any(axis=1)
        return occurs

    return rule


def palindrome(codes: Codes) -> Bools:
    """Returns which rows equal their reverse."""
    half = codes.shape[1] // 2
    same: Bools = (codes[:, :half] == codes[:, ::-1][:, :half]).all(axis=1)
    return same


def dyck2(codes: Codes) -> Bools:
    """Returns which rows, read as pairs 00 ( 01 ) 10 [ 11 ], are balanced and type-matched."""
    bits = np.ascontiguousarray(codes.T) & 1
    symbols, n = len(bits) // 2, len(codes)
    # The stacks of all rows share one flat array: a row's entries are n apart, with a spare entry
    # at the bottom; `top` is the index of each row's innermost open bracket.
    stack = np.zeros((symbols + 1) * n, dtype=np.uint8)
    top = np.arange(n)
    valid = np.ones(n, dtype=bool)
    for t in range(symbols):
        kind, closes = bits[2 * t], bits[2 * t + 1].astype(bool)
        valid &= ~closes | ((top >= n) & (stack[top] == kind))
        top += np.where(closes, -n, n)
        top[top < 0] += n
        stack[top] = np.where(closes, stack[top], kind)
    return valid & (top < n)


def rule30_parity(codes: Codes) -> Bools:
    """Returns which rows have an odd number of ones after one step of zero-padded rule 30."""
    bits = np.pad(codes & 1, ((0, 0), (1, 1)))
    after = bits[:, :-2] ^ (bits[:, 1:-1] | bits[:, 2:])
    return _odd(after)


def sha256_parity(codes: Codes) -> Bools:
    """Returns which rows have a SHA-256 with an odd number of one-bits."""
    sha256 = hashlib.sha256
    digests = b"".join([sha256(row).digest() for row in _rows(codes)])
    folded = np.bitwise_xor.reduce(np.frombuffer(digests, dtype=np.uint64).reshape(-1, 4), axis=1)
    for shift in (32, 16, 8, 4, 2, 1):
        folded = folded ^ (folded >> np.uint64(shift))
    odd: Bools = (folded & np.uint64(1)) != 0
    return odd


def prime(codes: Codes) -> Bools:
    """Returns which rows, read as decimal numbers, are prime."""
    return np.array([gmpy2.is_prime(n) for n in to_numbers(codes)], dtype=bool)


def prime_plus_47(codes: Codes) -> Bools:
    """Returns which rows, read as decimal numbers, are 47 more than a prime."""
    return np.array([gmpy2.is_prime(n - 47) for n in to_numbers(codes)], dtype=bool)


def to_numbers(codes: Codes) -> list[int]:
    """Returns each row, of at most ``MAX_DIGITS`` characters, as a decimal number."""
    return list(map(int, _rows(codes)))


def _odd(bits: NDArray[Any]) -> Bools:
    odd: Bools = np.bitwise_xor.reduce(bits, axis=1).astype(bool)
    return odd


def _rows(codes: Codes) -> list[bytes]:
    width = codes.shape[1]
    data = codes.tobytes()
    return [data[i : i + width] for i in range(0, len(data), width)]
