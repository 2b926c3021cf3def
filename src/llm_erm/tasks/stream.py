"""Examples without end: a fresh batch for every step, none of it in the test split."""

from collections.abc import Callable, Iterable

from numpy.random import RandomState

from llm_erm.errors import InputError
from llm_erm.tasks.distinct import shuffled
from llm_erm.tasks.seeds import seed_from
from llm_erm.tasks.task import Dataset, Draw, Task

Fresh = Callable[[int, int], Dataset]
"""``fresh(step, count)`` → that many new examples for a step; the same whenever it is called."""

MOST = 1000
"""Draws for one batch at most: a class whose inputs are all in the test split has no others."""


def stream(task: Task, draw: Draw, length: int, seed: int, without: Iterable[str]) -> Fresh:
    """Returns a source of fresh examples, drawn like the splits and half of them positive.

    Args:
        task: What is drawn.
        draw: How, as for the splits.
        length: Length of the inputs.
        seed: Base seed.
        without: Inputs that are never drawn, as those of the test split.

    Raises:
        InputError: Later, from the source itself: too few other inputs exist.
    """
    banned = frozenset(without)

    def fresh(step: int, count: int) -> Dataset:
        rng = RandomState(seed_from(f"{task.id}|L={length}|step={step}|base_seed={seed}"))
        # An odd batch has its extra example of either class equally often.
        positives = count // 2 + (count % 2 and int(rng.random_sample() < 0.5))
        classes: tuple[list[str], list[str]] = ([], [])
        wanted = (count - positives, positives)
        for _ in range(MOST):
            for have, drawn in zip(classes, draw(rng, length, wanted), strict=True):
                have += [x for x in drawn if x not in banned]
            if all(len(have) >= want for have, want in zip(classes, wanted, strict=True)):
                return shuffled(rng, classes[0][: wanted[0]], classes[1][: wanted[1]])
        raise InputError(
            f"{task.id} has too few inputs of length {length} that are not in the test split for "
            "fresh examples at every step; ask for a smaller test split or a greater length"
        )

    return fresh
