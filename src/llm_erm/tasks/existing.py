"""How many inputs of each class exist at a length, for tasks where that is known."""

from collections import Counter
from collections.abc import Callable
from math import comb


def halves(length: int) -> tuple[int, int]:
    """Returns how many bit strings of each class exist for a parity."""
    return 2 ** (length - 1), 2 ** (length - 1)


def palindromes(length: int) -> tuple[int, int]:
    """Returns how many near misses and how many palindromes exist."""
    words = 2 ** ((length + 1) // 2)
    return length // 2 * words, words


def dyck2(length: int) -> tuple[None, int]:
    """Returns how many Dyck-2 words exist: a Catalan number of shapes, with two types a pair."""
    pairs = length // 4
    return None, comb(2 * pairs, pairs) // (pairs + 1) * 2**pairs


def with_pattern(pattern: str) -> Callable[[int], tuple[int, int]]:
    """Returns a function: length → how many bit strings lack a pattern and how many contain it."""

    def counts(length: int) -> tuple[int, int]:
        ways = Counter({"": 1})  # strings by their longest end with which the pattern begins
        for _ in range(length):
            longer: Counter[str] = Counter()
            for begun, count in ways.items():
                for bit in "01":
                    end = begun + bit
                    while not pattern.startswith(end):
                        end = end[1:]
                    longer[end] += count
            del longer[pattern]
            ways = longer
        without = sum(ways.values())
        return without, 2**length - without

    return counts
