"""Draws the splits of a task."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from numpy.random import RandomState

from llm_erm.errors import InputError
from llm_erm.tasks.distinct import draw_class, draw_distinct, shuffled
from llm_erm.tasks.seeds import data_seed
from llm_erm.tasks.task import Dataset, Draw, Task

Negatives = Literal["near-miss", "random"]
"""How inputs of label 0 are drawn, if the task offers both: next to a positive, or uniformly."""

SCARCE_LENGTH = 20  # the published code drew fn_g near misses at this length, uniformly elsewhere
MAX_ROUNDS = 200


@dataclass(frozen=True)
class Request:
    """Everything that determines a data set; ``splits.load_or_make`` explains the fields."""

    length: int
    train_size: int
    validation_size: int
    test_size: int
    seed: int
    negatives: Negatives
    published: bool
    allow_repeats: bool

    def derived_seed(self, task: Task) -> int:
        """Returns the seed of the data set."""
        learning_size = self.train_size + self.validation_size
        return data_seed(task.id, self.length, learning_size, self.test_size, self.seed)

    def draw(self, task: Task) -> Draw:
        """Returns the sampler to draw the task's inputs with."""
        published_uniform = self.published and self.length != SCARCE_LENGTH
        chosen_uniform = not self.published and self.negatives == "random"
        uniform = published_uniform or chosen_uniform
        return task.draw_random if uniform and task.draw_random else task.draw

    def variant(self, task: Task) -> str:
        """Returns the suffix of the folder's name for options that change the distribution."""
        random_negatives = self.negatives == "random" and task.draw_random and not self.published
        return (
            ("+published" if self.published else "")
            + ("+random-negatives" if random_negatives else "")
            + ("+repeats" if self.allow_repeats else "")
        )


def draw_splits(task: Task, request: Request) -> tuple[Dataset, Dataset, Dataset]:
    """Returns training, validation and test data.

    Raises:
        InputError: If too few inputs exist.
    """
    derived = request.derived_seed(task)
    rng = RandomState(derived)
    learning = (request.train_size + request.validation_size) // 2
    wanted = learning + request.test_size // 2
    found = draw_distinct(request.draw(task), rng, request.length, (wanted, wanted))
    _check_enough(task, request, learning, wanted, found)
    negatives, positives = (
        _class(task, request, rng, label, inputs) for label, inputs in enumerate(found)
    )
    pool = [(x, 0) for x in negatives[:learning]] + [(x, 1) for x in positives[:learning]]
    test = shuffled(rng, negatives[learning:], positives[learning:])
    return (*divide(pool, request.train_size, derived), test)


def _check_enough(
    task: Task, request: Request, learning: int, wanted: int, found: Sequence[list[str]]
) -> None:
    """Refuses a request whose learning data would take more than half of a scarce class."""
    scarce = {
        label: len(inputs)
        for label, inputs in enumerate(found)
        # The test split draws from the other half; it may repeat inputs.
        if len(inputs) < wanted and learning > len(inputs) // 2
    }
    if scarce and not (request.published or request.allow_repeats):
        existing = " and ".join(
            f"{n} input{'s' * (n > 1)} of label {label}" for label, n in scarce.items()
        )
        raise InputError(
            f"{task.id} has only {existing} at length {request.length}; training and validation "
            f"ask for {learning} of each label and may take at most half of those that exist; ask "
            "for smaller splits or a greater length, or, giving up the certificate, let the splits "
            "share inputs",
            setting="allow_repeats",
        )


def _class(
    task: Task, request: Request, rng: RandomState, label: int, found: list[str]
) -> list[str]:
    """Returns the inputs of one class: first those to learn from, then those to test on."""
    learning = (request.train_size + request.validation_size) // 2
    wanted = learning + request.test_size // 2
    if len(found) == wanted:
        return found
    draw, length = request.draw(task), request.length
    if request.published or learning > len(found) // 2:
        return draw_class(draw, rng, length, label, wanted)
    inputs = found[:learning]
    taken = set(inputs)
    for _ in range(MAX_ROUNDS):
        drawn = draw_class(draw, rng, length, label, wanted - len(inputs) + 8)
        inputs += [x for x in drawn if x not in taken]
        if len(inputs) >= wanted:
            return inputs[:wanted]
    raise InputError(
        f"{task.id} at length {length} keeps drawing the same few inputs of label {label}; "
        "ask for smaller splits or a greater length"
    )


def divide(
    pool: Sequence[tuple[str, int]], train_size: int, derived: int
) -> tuple[Dataset, Dataset]:
    """Returns a balanced pool divided into training and validation data.

    The division depends on which examples the pool holds, not on their order.
    """
    ordered = sorted(pool)
    train: list[tuple[str, int]] = []
    validation: list[tuple[str, int]] = []
    room = [train_size // 2, train_size // 2]
    rng = RandomState([derived, 1])  # a different stream from the one the inputs came from
    for i in rng.permutation(len(ordered)).tolist():
        label = ordered[i][1]
        (train if room[label] > 0 else validation).append(ordered[i])
        room[label] -= 1
    return _dataset(train), _dataset(validation)


def _dataset(examples: Sequence[tuple[str, int]]) -> Dataset:
    return Dataset(tuple([x for x, _ in examples]), tuple([y for _, y in examples]))
