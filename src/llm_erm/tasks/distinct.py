"""Different inputs out of draws that repeat, as far as different ones exist."""

from collections.abc import Sequence

from numpy.random import RandomState

from llm_erm.tasks.task import Dataset, Draw

TOP_UP = 1000
"""Draws of the second round, doubled in each further one: they show whether new inputs come."""

MOST = 200_000
"""Draws of any further round at most: bounds the memory."""

STALE = 20
"""Draws without a new input, as a multiple of the inputs found, after which no more are sought."""


def draw_distinct(
    draw: Draw, rng: RandomState, length: int, wanted: tuple[int, int]
) -> tuple[list[str], list[str]]:
    """Returns up to ``wanted`` different inputs of each class, in the order they were drawn.

    Fewer come back where the sampler's repeats show that fewer exist: all of them if they are
    few against the number wanted, else as many as were met.
    """
    drawn = draw(rng, length, wanted)
    negatives = _topped_up(draw, rng, length, 0, wanted[0], drawn[0])
    return negatives, _topped_up(draw, rng, length, 1, wanted[1], drawn[1])


def _topped_up(
    draw: Draw, rng: RandomState, length: int, label: int, wanted: int, drawn: list[str]
) -> list[str]:
    """Draws on in one class until enough different inputs are found or no more come."""
    found = dict.fromkeys(drawn)
    stale, size = 0, TOP_UP // 2
    while len(found) < wanted and stale <= STALE * len(found):
        size = min(2 * size, MOST)
        before = len(found)
        found.update(dict.fromkeys(draw_class(draw, rng, length, label, size)))
        new = len(found) - before
        stale = 0 if new else stale + size
        # Were all inputs as likely, len(found) / (1 - new / size) of them would exist.
        if 2 * len(found) < wanted * (1 - new / size):
            break
    return list(found)[:wanted]


def draw_class(draw: Draw, rng: RandomState, length: int, label: int, count: int) -> list[str]:
    """Returns inputs of one class."""
    return draw(rng, length, (0, count) if label else (count, 0))[label]


def shuffled(rng: RandomState, negatives: Sequence[str], positives: Sequence[str]) -> Dataset:
    """Returns the inputs of both classes as one data set in random order."""
    inputs = [*negatives, *positives]
    order = rng.permutation(len(inputs))
    labels = (order >= len(negatives)).astype(int).tolist()
    return Dataset(tuple([inputs[i] for i in order.tolist()]), tuple(labels))
