"""An endless supply of examples: a fresh batch per step, with no input of the test split."""

from collections.abc import Callable, Iterable

from numpy.random import RandomState

from llm_erm.errors import InputError
from llm_erm.tasks.distinct import shuffled
from llm_erm.tasks.seeds import seed_from
from llm_erm.tasks.task import Dataset, Draw, Task

Fresh = Callable[[int, int], Dataset]
"""``fresh(step, count)`` → ``count`` new examples for a step; the same on every call."""

MAX_DRAWS = 1000
"""Draws per batch at most, since all inputs of a class might be in the test split."""


def stream(task: Task, draw: Draw, length: int, seed: int, without: Iterable[str]) -> Fresh:
    """Returns a source of fresh examples, drawn like the splits and half of them positive.

    Args:
        task: The task to draw from.
        draw: How to draw, as for the splits.
        length: Length of the inputs.
        seed: Base seed.
        without: Inputs never to return, such as those of the test split.

    Raises:
        InputError: The task's inputs are rows of a table; later, from the returned function, if too
            few other inputs exist.
    """
    if task.kind == "row":
        raise InputError(
            f"{task.id} draws rows of a table, which has no fresh ones for every step; train on "
            "stored examples.",
            setting="online",
        )
    excluded = frozenset(without)

    def fresh(step: int, count: int) -> Dataset:
        rng = RandomState(seed_from(f"{task.id}|L={length}|step={step}|base_seed={seed}"))
        # The extra example of an odd batch is of either class with equal probability.
        positives = count // 2 + (count % 2 and int(rng.random_sample() < 0.5))
        classes: tuple[list[str], list[str]] = ([], [])
        wanted = (count - positives, positives)
        for _ in range(MAX_DRAWS):
            for have, drawn in zip(classes, draw(rng, length, wanted), strict=True):
                have += [x for x in drawn if x not in excluded]
            if all(len(have) >= want for have, want in zip(classes, wanted, strict=True)):
                return shuffled(rng, classes[0][: wanted[0]], classes[1][: wanted[1]])
        raise InputError(
            f"{task.id} has too few inputs of length {length} that are not in the test split to "
            "draw fresh examples at every step; ask for a smaller test split or a greater length."
        )

    return fresh
