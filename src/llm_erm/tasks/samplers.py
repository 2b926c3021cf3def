"""Samplers of the suite, which draw whole arrays of inputs of one class.

A ``Rows`` sampler returns codes of shape ``(count, length)``. Draws are independent and may repeat.
Every random number comes from ``RandomState`` methods whose streams NumPy guarantees never to
change, with explicit integer widths, so the same state gives the same inputs on any machine.
"""

from collections.abc import Callable

import gmpy2
import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from llm_erm.errors import InputError
from llm_erm.tasks.rules import ZERO, Codes, Rule, dyck2, palindrome, to_numbers, to_strings
from llm_erm.tasks.task import Draw

Rows = Callable[[RandomState, int, int], Codes]

RAREST = 1000
"""Average draws per input of a class above which the class counts as too rare."""

MAX_CHARACTERS = 50_000_000
"""Characters drawn at a time, at most, to replace rejected candidates; bounds the memory."""


def by_class(negatives: Rows, positives: Rows) -> Draw:
    """Returns a draw with a separate sampler for each class."""

    def draw(rng: RandomState, length: int, counts: tuple[int, int]) -> tuple[list[str], list[str]]:
        return (
            to_strings(negatives(rng, length, counts[0])),
            to_strings(positives(rng, length, counts[1])),
        )

    return draw


def by_rule(rule: Rule) -> Draw:
    """Returns a draw of uniform bit strings, classified by a rule that splits them in half."""

    def draw(rng: RandomState, length: int, counts: tuple[int, int]) -> tuple[list[str], list[str]]:
        classes: tuple[list[str], list[str]] = ([], [])
        for _ in range(RAREST):
            missing = max(want - len(have) for want, have in zip(counts, classes, strict=True))
            if missing <= 0:
                return classes[0][: counts[0]], classes[1][: counts[1]]
            # Four standard deviations more than needed on average.
            codes = uniform_bits(rng, length, 2 * missing + int(6 * missing**0.5) + 8)
            for text, label in zip(to_strings(codes), rule(codes).tolist(), strict=True):
                classes[label].append(text)
        raise _too_rare(length)

    return draw


def rejection(candidates: Rows, rule: Rule, label: bool) -> Rows:
    """Returns a sampler of the candidates to which the rule assigns the label."""

    def rows(rng: RandomState, length: int, count: int) -> Codes:
        return collect(
            count,
            length,
            lambda n: (codes := candidates(rng, length, n))[rule(codes) == label],
        )

    return rows


def collect(count: int, length: int, draw_batch: Callable[[int], Codes]) -> Codes:
    """Returns ``count`` rows from calls of ``draw_batch(n)``, each of which returns at most n."""
    batches = [draw_batch(count)]
    found, drawn = len(batches[0]), count
    while found < count:
        if drawn > RAREST * (count + 10):
            raise _too_rare(length)
        size = int(1.1 * (count - found) * drawn / max(found, 1)) + 8
        size = min(size, 1 + MAX_CHARACTERS // length)
        batches.append(draw_batch(size))
        found += len(batches[-1])
        drawn += size
    return np.concatenate(batches)[:count]


def _too_rare(length: int) -> InputError:
    return InputError(
        f"At length {length}, one of the two classes is too rare to draw; choose a greater length."
    )


def uniform_bits(rng: RandomState, length: int, count: int) -> Codes:
    """Draws uniform bit strings."""
    size = count * length
    data = np.frombuffer(rng.bytes((size + 7) // 8), dtype=np.uint8)
    return np.unpackbits(data, count=size).reshape(count, length) + np.uint8(ZERO)


def uniform_digits(rng: RandomState, length: int, count: int) -> Codes:
    """Draws uniform numbers of exactly ``length`` decimal digits."""
    codes = rng.randint(0, 10, size=(count, length), dtype=np.uint8)
    codes[:, 0] = rng.randint(1, 10, size=count, dtype=np.uint8)
    return codes + np.uint8(ZERO)


def below(rng: RandomState, high: int | NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Draws uniform integers in [0, high), where ``high`` may differ per row."""
    return (rng.random_sample(count) * high).astype(np.int64)


def with_pattern(pattern: str) -> Rows:
    """Returns a sampler of uniform bit strings with the pattern written at a random place."""
    bits = np.frombuffer(pattern.encode(), dtype=np.uint8)

    def rows(rng: RandomState, length: int, count: int) -> Codes:
        codes = uniform_bits(rng, length, count)
        start = below(rng, length - len(bits) + 1, count)
        codes[np.arange(count)[:, None], start[:, None] + np.arange(len(bits))] = bits
        return codes

    return rows


def palindromes(rng: RandomState, length: int, count: int) -> Codes:
    """Draws uniform palindromes."""
    half = uniform_bits(rng, (length + 1) // 2, count)
    return np.concatenate([half, half[:, ::-1][:, length % 2 :]], axis=1)


def flipped_palindromes(rng: RandomState, length: int, count: int) -> Codes:
    """Draws palindromes with one of their first ⌈length/2⌉ bits flipped, as published.

    If that is the middle bit of an odd length, the result is still a palindrome.
    """
    codes = palindromes(rng, length, count)
    codes[np.arange(count), below(rng, (length + 1) // 2, count)] ^= 1
    return codes


def near_palindromes(rng: RandomState, length: int, count: int) -> Codes:
    """Draws palindromes with one bit of the first half flipped, never the middle bit."""
    codes = palindromes(rng, length, count)
    codes[np.arange(count), below(rng, length // 2, count)] ^= 1
    return codes


uniform_non_palindromes = rejection(uniform_bits, palindrome, label=False)


def dyck2_words(rng: RandomState, length: int, count: int) -> Codes:
    """Draws Dyck-2 words of ``length`` bits by the published random walk.

    As long as not all brackets of the word have been opened, each step opens a bracket of random
    type if none is open, or else with probability one half; otherwise it closes the innermost.
    Then all open brackets are closed.
    """
    symbols, pairs = length // 2, length // 4
    coins = _columns(uniform_bits(rng, symbols, count) & np.uint8(1)).astype(bool)
    kinds = np.append(
        _columns(uniform_bits(rng, pairs, count) & np.uint8(1)), np.zeros(count, np.uint8)
    )
    stack = np.zeros((pairs + 1) * count, dtype=np.uint8)
    codes = np.empty((symbols, 2, count), dtype=np.uint8)
    # Indices into the flat arrays, where a word's entries are `count` apart: its first free place
    # on the stack, and the kind of the next bracket it opens.
    free, following = np.arange(count), np.arange(count)
    for t in range(symbols):
        opens = (coins[t] | (free < count)) & (following < pairs * count)
        free -= ~opens * count
        kind = np.where(opens, kinds[following], stack[free])
        stack[free] = kind
        codes[t, 0], codes[t, 1] = kind, ~opens
        free += opens * count
        following += opens * count
    return _columns(codes.reshape(length, count)) + np.uint8(ZERO)


def _columns(codes: Codes) -> Codes:
    """Returns the transpose with contiguous rows, so a step along all words runs over one row."""
    return np.ascontiguousarray(codes.T)


def _flipped_dyck2_words(rng: RandomState, length: int, count: int) -> Codes:
    """Draws Dyck-2 words with one to five distinct bits flipped."""
    codes = dyck2_words(rng, length, count)
    most = min(5, length)
    flips = 1 + below(rng, most, count)
    rows = np.arange(count)
    order = np.tile(np.arange(length, dtype=np.int32), (count, 1))
    for i in range(most):  # the first entries of a Fisher-Yates shuffle
        j = i + below(rng, length - i, count)
        chosen = order[rows, j]
        order[rows, j] = order[:, i]
        codes[rows, chosen] ^= (i < flips).astype(np.uint8)
    return codes


broken_dyck2_words = rejection(_flipped_dyck2_words, dyck2, label=False)


def primes(rng: RandomState, length: int, count: int) -> Codes:
    """Draws primes, each the first one after a uniform number."""
    return primes_plus(0)(rng, length, count)


def primes_plus(offset: int) -> Rows:
    """Returns a sampler of primes plus an offset, each prime the first after a uniform number."""

    def rows(rng: RandomState, length: int, count: int) -> Codes:
        def draw_batch(n: int) -> Codes:
            starts = to_numbers(uniform_digits(rng, length, n))
            return from_numbers([gmpy2.next_prime(start) + offset for start in starts], length)

        return collect(count, length, draw_batch)

    return rows


def products(offset: int = 0, last_digits: str = "0123456789", of_primes: bool = False) -> Rows:
    """Returns a sampler of products of two factors of ⌊length/2⌋ and ⌈length/2⌉ digits.

    Args:
        offset: Added to the product.
        last_digits: The digits that a factor may end in; a product ends in 1, 3, 7 or 9 if and
            only if both of its factors do.
        of_primes: Whether each factor is the first prime after a uniform number.
    """
    endings = np.frombuffer(last_digits.encode(), dtype=np.uint8)

    def factors(rng: RandomState, digits: int, n: int) -> list[int]:
        codes = uniform_digits(rng, digits, n)
        codes[:, -1] = endings[rng.randint(0, len(endings), size=n, dtype=np.int64)]
        numbers = to_numbers(codes)
        return [gmpy2.next_prime(number) for number in numbers] if of_primes else numbers

    def rows(rng: RandomState, length: int, count: int) -> Codes:
        def draw_batch(n: int) -> Codes:
            lesser = factors(rng, length // 2, n)
            greater = factors(rng, length - length // 2, n)
            return from_numbers(
                [a * b + offset for a, b in zip(lesser, greater, strict=True)], length
            )

        return collect(count, length, draw_batch)

    return rows


def from_numbers(numbers: list[int], length: int) -> Codes:
    """Returns the numbers that have ``length`` digits as codes."""
    texts = [text for number in numbers if len(text := str(number)) == length]
    data = np.frombuffer("".join(texts).encode(), dtype=np.uint8)
    return data.reshape(len(texts), length)
