"""Draws distinct inputs from samplers that may repeat themselves, as far as enough exist."""

from collections.abc import Sequence
from dataclasses import dataclass

from numpy.random import RandomState

from llm_erm.tasks.task import Dataset, Draw

SECOND_ROUND = 1000
"""Draws in the second round, which shows whether new inputs still appear; doubled each round."""

MAX_ROUND = 200_000
"""Draws per round at most, to bound the memory."""

PATIENCE = 20
"""Draws without a new input before giving up, as a multiple of the number of inputs found."""


@dataclass(frozen=True)
class Distinct:
    """Distinct inputs of one class, in the order they were drawn.

    Attributes:
        inputs: The inputs.
        draws: For each input, the number of draws of its class before it was first drawn.
    """

    inputs: list[str]
    draws: list[int]

    def repeats(self, count: int) -> int:
        """Returns how many draws up to the first ``count`` distinct inputs repeated one of them."""
        return self.draws[count - 1] - (count - 1) if count else 0


def draw_distinct(
    draw: Draw, rng: RandomState, length: int, wanted: tuple[int, int]
) -> tuple[Distinct, Distinct]:
    """Returns up to ``wanted`` distinct inputs of each class.

    Returns fewer if the sampler's repeats show that fewer exist: all of them if they are few
    compared with the number wanted, otherwise those that came up.
    """
    drawn = draw(rng, length, wanted)
    negatives = _topped_up(draw, rng, length, 0, wanted[0], drawn[0])
    return negatives, _topped_up(draw, rng, length, 1, wanted[1], drawn[1])


def _topped_up(
    draw: Draw, rng: RandomState, length: int, label: int, wanted: int, drawn: list[str]
) -> Distinct:
    """Keeps drawing from one class until there are enough distinct inputs or no new ones appear."""
    found: dict[str, int] = {}
    _add(found, drawn, 0)
    total = len(drawn)
    stale, size = 0, SECOND_ROUND // 2
    while len(found) < wanted and stale <= PATIENCE * len(found):
        size = min(2 * size, MAX_ROUND)
        before = len(found)
        _add(found, draw_class(draw, rng, length, label, size), total)
        total += size
        new = len(found) - before
        stale = 0 if new else stale + size
        # If all inputs were equally likely, len(found) / (1 - new / size) of them would exist.
        if 2 * len(found) < wanted * (1 - new / size):
            break
    return Distinct(list(found)[:wanted], list(found.values())[:wanted])


def _add(found: dict[str, int], drawn: Sequence[str], before: int) -> None:
    """Adds inputs that are new, each with the number of draws before it."""
    for number, x in enumerate(drawn, before):
        found.setdefault(x, number)


def draw_class(draw: Draw, rng: RandomState, length: int, label: int, count: int) -> list[str]:
    """Returns ``count`` inputs of one class; they may repeat."""
    return draw(rng, length, (0, count) if label else (count, 0))[label]


def shuffled(rng: RandomState, negatives: Sequence[str], positives: Sequence[str]) -> Dataset:
    """Returns the inputs of both classes as one data set in random order."""
    inputs = [*negatives, *positives]
    order = rng.permutation(len(inputs))
    labels = (order >= len(negatives)).astype(int).tolist()
    return Dataset(tuple([inputs[i] for i in order.tolist()]), tuple(labels))
