"""Which programs are worth a place in the budget if none of them fits all training examples.

Structural risk minimization (Vapnik, The Nature of Statistical Learning Theory, 1995): with noisy
labels, long programs make fewer training errors than the true one, since they fit the noise too. So
the places go to the front of description length against training errors, and validation chooses
among them. They depend on training data alone, as the bound at the budget K requires.
"""

import math
from bisect import bisect_right, insort
from collections.abc import Iterable
from typing import Protocol, TypeVar


class Fitted(Protocol):
    """Anything with a description length and training errors."""

    @property
    def bits(self) -> float:
        """Its description length."""

    @property
    def errors(self) -> int:
        """Its training errors."""


Each = TypeVar("Each", bound=Fitted)


def price(bits: float, errors: int, examples: int) -> float:
    """Returns the bits that describe the labels: a program, and which of them it gets wrong.

    The two-part code of Rissanen, Automatica 14 (1978), without the number of errors. A program
    that is wrong on more than half of them costs as much as one that is wrong on half.
    """
    return bits + math.log2(math.comb(examples, min(errors, examples // 2)))


def front(programs: Iterable[Each], count: int, examples: int) -> list[Each]:
    """Returns up to ``count`` programs that few others surpass in both length and errors.

    A program's rank is the number of others that are no longer and make no more errors; of those
    alike in both, the earlier one counts. The front itself has rank 0. Lower ranks come first, and
    within a rank those with the lower price.

    Args:
        programs: The programs, in order of preference among those alike.
        count: How many to return, at most.
        examples: Number of training examples.
    """
    ranked: list[tuple[int, float, Each]] = []
    fewest: list[int] = []
    for program in sorted(programs, key=lambda each: (each.bits, each.errors)):
        rank = bisect_right(fewest, program.errors)
        if rank < count:
            ranked.append((rank, price(program.bits, program.errors, examples), program))
            insort(fewest, program.errors)
            del fewest[count:]
    ranked.sort(key=lambda entry: entry[:2])
    return [program for _, _, program in ranked[:count]]
