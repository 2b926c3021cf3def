"""Evaluation sets besides the test split: contrast sets and other lengths.

A contrast set (which the published work calls shortcut probes) holds inputs next to the rule's
decision boundary, where shortcuts that do well on the test split fail. Neither kind of set is used
for selection, and both may share inputs with the splits.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache

import numpy as np
from numpy.random import RandomState

from llm_erm.errors import InputError
from llm_erm.tasks.distinct import draw_distinct, shuffled
from llm_erm.tasks.rules import Codes, Rule, dyck2
from llm_erm.tasks.samplers import (
    Rows,
    below,
    collect,
    dyck2_words,
    near_palindromes,
    palindromes,
    rejection,
    with_pattern,
)
from llm_erm.tasks.seeds import seed_from
from llm_erm.tasks.task import Dataset, Draw, Task

SIZE = 1000
"""Examples in a contrast set or a length-shift set, if that many exist."""


@lru_cache(maxsize=128)
def contrast_set(task: Task, length: int) -> Dataset | None:
    """Returns up to ``SIZE`` distinct inputs next to the rule's boundary, half of them positive.

    The set is the same for every seed and smaller if fewer such inputs exist. None for tasks where
    no input is closer to the boundary than another.
    """
    if task.draw_contrast is None:
        return None
    rng = RandomState(seed_from(f"{task.id}|L={length}|probe={task.evaluation_version}"))
    return shuffled(rng, *_balanced(task.draw_contrast, rng, length, SIZE // 2))


@lru_cache(maxsize=128)
def length_generalization_set(task: Task, length: int) -> Dataset | None:
    """Returns up to ``SIZE`` distinct inputs of lengths other than ``length``.

    The set is the same for every seed, half positive at every length, and divided evenly among the
    lengths as far as enough inputs exist. None if the task has no other length.
    """
    draws = task.shift(length)
    version = task.evaluation_version
    rng = RandomState(seed_from(f"{task.id}|L={length}|length_shift={version}"))
    negatives: list[str] = []
    positives: list[str] = []
    shortest_first = sorted(draws)  # short lengths have the fewest inputs; longer ones fill up
    for i, other in enumerate(shortest_first):
        count = (SIZE // 2 - len(positives)) // (len(draws) - i)
        part = _balanced(draws[other], rng, other, count)
        negatives += part[0]
        positives += part[1]
    return shuffled(rng, negatives, positives) if positives else None


def _balanced(draw: Draw, rng: RandomState, length: int, count: int) -> tuple[list[str], list[str]]:
    """Returns distinct inputs, the same number of each class."""
    found = draw_distinct(draw, rng, length, (count, count))
    negatives, positives = found[0].inputs, found[1].inputs
    count = min(len(negatives), len(positives))
    return negatives[:count], positives[:count]


def usual_shift(
    draw: Draw,
    why_not: Callable[[int], str | None],
    factors: Iterable[float] = (0.5, 1.25, 1.5, 2),
) -> Callable[[int], dict[int, Draw]]:
    """Returns a ``Task.shift`` to multiples of the training length, rounded to possible lengths.

    Odd lengths are among them: a palindrome of even length has an even number of ones, so parity
    detects a single flipped bit there, and only odd lengths distinguish the two rules.

    Args:
        draw: Draws inputs of the other lengths.
        why_not: As in ``Task``.
        factors: The other lengths, as multiples of the training length.
    """

    def shift(length: int) -> dict[int, Draw]:
        others = (possible(int(length * factor)) for factor in factors)
        return {other: draw for other in others if other and other != length}

    def possible(length: int) -> int | None:
        """Returns the greatest length up to this one, at most three less, that the task has."""
        candidates = range(length, max(0, length - 4), -1)
        return next((n for n in candidates if why_not(n) is None), None)

    return shift


def mixed(*samplers: Rows) -> Rows:
    """Returns a sampler that draws equally from several others, in random order."""

    def rows(rng: RandomState, length: int, count: int) -> Codes:
        codes = np.concatenate([sampler(rng, length, count) for sampler in samplers])
        chosen: Codes = codes[rng.permutation(len(codes))[:count]]
        return chosen

    return rows


def near_pattern(pattern: str, rule: Rule) -> Rows:
    """Returns a sampler of strings that hold the pattern with one bit flipped, but not intact."""

    def candidates(rng: RandomState, length: int, count: int) -> Codes:
        codes = with_pattern(pattern)(rng, length, count)
        windows = np.lib.stride_tricks.sliding_window_view(codes, len(pattern), axis=1)
        at = (windows == np.frombuffer(pattern.encode(), dtype=np.uint8)).all(axis=2).argmax(axis=1)
        codes[np.arange(count), at + below(rng, len(pattern), count)] ^= 1
        return codes

    return rejection(candidates, rule, label=False)


def _swapped_palindromes(rng: RandomState, length: int, count: int) -> Codes:
    """Draws palindromes with two unequal neighbours of the first half swapped.

    The number of ones stays the same, in each half and overall. Below length 4 no such swap
    exists, and one bit is flipped instead.
    """
    half = length // 2
    if half < 2:
        return near_palindromes(rng, length, count)

    def draw_batch(n: int) -> Codes:
        codes = palindromes(rng, length, n)
        rows, at = np.arange(n), below(rng, half - 1, n)
        differ = codes[rows, at] != codes[rows, at + 1]
        codes[rows, at] ^= 1
        codes[rows, at + 1] ^= 1
        swapped: Codes = codes[differ]
        return swapped

    return collect(count, length, draw_batch)


hard_non_palindromes = mixed(near_palindromes, _swapped_palindromes)


def _reordered_dyck2_words(rng: RandomState, length: int, count: int) -> Codes:
    """Draws Dyck-2 words with two symbols swapped: all counts stay balanced."""
    codes = dyck2_words(rng, length, count).reshape(count, length // 2, 2)
    rows = np.arange(count)
    first = below(rng, length // 2, count)
    second = (first + 1 + below(rng, length // 2 - 1, count)) % (length // 2)
    held = codes[rows, first].copy()
    codes[rows, first] = codes[rows, second]
    codes[rows, second] = held
    return codes.reshape(count, length)


def _mismatched_dyck2_words(rng: RandomState, length: int, count: int) -> Codes:
    """Draws Dyck-2 words with the type of one bracket changed: all depths stay the same."""
    codes = dyck2_words(rng, length, count)
    codes[np.arange(count), 2 * below(rng, length // 2, count)] ^= 1
    return codes


hard_non_dyck2_words = mixed(
    rejection(_reordered_dyck2_words, dyck2, label=False), _mismatched_dyck2_words
)


def at_length(task: Task, trained: int, length: int, size: int, seed: int) -> Dataset:
    """Returns test inputs of a length other than the training length, half of them positive.

    Args:
        task: Gives the rule; fixed positions stay those of the training length.
        trained: Length of the training inputs.
        length: Length of the inputs to return.
        size: How many; fewer if not that many distinct ones exist.
        seed: Base seed.

    Raises:
        InputError: If the task has no inputs of that length, or none that fit the training length.
    """
    draws = task.shift(trained)
    why = task.why_not(length)
    if why is None and (not draws or (length < trained and min(draws) > trained)):
        why = f"a rule learned at length {trained} does not determine labels at that length"
    if why is not None:
        raise InputError(
            f"{task.id} has no test inputs of length {length} for training inputs of length "
            f"{trained}: {why}; leave that length out."
        )
    rng = RandomState(seed_from(f"{task.id}|L={trained}|at={length}|test={size}|base_seed={seed}"))
    draw = next(iter(draws.values()))
    return shuffled(rng, *_balanced(draw, rng, length, size // 2))
