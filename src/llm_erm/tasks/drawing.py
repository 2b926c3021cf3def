"""Draws the splits of a task."""

import time
from collections.abc import Sequence

from numpy.random import RandomState

from llm_erm.errors import InputError
from llm_erm.phrases import counted
from llm_erm.tasks.distinct import Distinct, draw_class, draw_distinct, shuffled
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.task import Dataset

MAX_ROUNDS = 200
TIMED = 20
"""Number of inputs of each class that are drawn to see how long it takes."""


def draw_splits(
    spec: DataSpec, seed: int | Sequence[int] | None = None
) -> tuple[tuple[Dataset, Dataset, Dataset], tuple[int, int]]:
    """Returns training, validation and test data, and the discarded draws; see ``Meta``.

    Args:
        spec: The data set.
        seed: What to draw with, as one or several numbers of 32 bits; None for the spec's own seed.

    Raises:
        InputError: If too few inputs exist.
    """
    derived = spec.derived_seed if seed is None else seed
    rng = RandomState(derived)
    learning = (spec.train_size + spec.val_size) // 2
    wanted = learning + spec.test_size // 2
    discarded = (0, 0)
    if spec.repeats:
        negatives, positives = spec.draw(rng, spec.length, (wanted, wanted))
    else:
        found = draw_distinct(spec.draw, rng, spec.length, (wanted, wanted))
        inputs = tuple(one.inputs for one in found)
        _check_enough(spec, learning, wanted, inputs)
        negatives, positives = (_class(spec, rng, label, one) for label, one in enumerate(inputs))
        discarded = _discarded(spec, found)
    pool = [(x, 0) for x in negatives[:learning]] + [(x, 1) for x in positives[:learning]]
    test = shuffled(rng, negatives[learning:], positives[learning:])
    return (*divide(pool, spec.train_size, derived), test), discarded


def seconds_to_draw(spec: DataSpec) -> float:
    """Returns about how long drawing takes, by a few inputs that are not used.

    Raises:
        InputError: None can be drawn.
    """
    spec.check()
    if spec.task.kind == "row":
        return 0.0  # the time goes into reading the table, however few rows are drawn
    rng = RandomState(0)
    spec.draw(rng, spec.length, (1, 1))  # libraries load
    started = time.perf_counter()
    spec.draw(rng, spec.length, (TIMED, TIMED))
    each = (time.perf_counter() - started) / (2 * TIMED)
    return each * (spec.train_size + spec.val_size + spec.test_size)


def _discarded(spec: DataSpec, found: Sequence[Distinct]) -> tuple[int, int]:
    """Returns the discarded draws of both classes, up to the last example to learn from and after.

    Where a class is scarce, its test inputs are independent draws, none of which is discarded.
    """
    if spec.task.uniform:
        return 0, 0
    learning = (spec.train_size + spec.val_size) // 2
    wanted = learning + spec.test_size // 2
    first = [one.repeats(min(learning, len(one.inputs))) for one in found]
    both = [
        one.repeats(wanted) if len(one.inputs) == wanted else early
        for one, early in zip(found, first, strict=True)
    ]
    return sum(first), sum(both) - sum(first)


def _check_enough(spec: DataSpec, learning: int, wanted: int, found: Sequence[list[str]]) -> None:
    """Refuses a request whose learning data would take more than half of a scarce class."""
    scarce = {
        label: len(inputs)
        for label, inputs in enumerate(found)
        # The test split draws from the other half; it may repeat inputs.
        if len(inputs) < wanted and learning > _most(spec, label, inputs)
    }
    if scarce and not spec.allow_repeats:
        counts = " and ".join(_found(n, spec.existing[label], label) for label, n in scarce.items())
        raise InputError(
            f"{spec.function} has {counts} at length {spec.length}; training and validation "
            f"ask for {learning} of each label and may take at most half of those that exist; ask "
            "for smaller splits or a greater length, or, giving up the certificate, let the splits "
            "share inputs.",
            setting="allow_repeats",
        )


def _most(spec: DataSpec, label: int, found: list[str]) -> int:
    """Returns how many inputs of a class may be learned from: half of those known to exist."""
    return min(len(found), (spec.existing[label] or len(found)) // 2)


def _found(found: int, existing: int | None, label: int) -> str:
    """Returns how many inputs of a class exist; if that is not known, how many were found."""
    if existing is None:
        return f"few inputs of label {label} (found {found:,}; there may be more)"
    return f"only {counted(existing, 'input')} of label {label}"


def _class(spec: DataSpec, rng: RandomState, label: int, found: list[str]) -> list[str]:
    """Returns the inputs of one class: first those to learn from, then those to test on."""
    learning = (spec.train_size + spec.val_size) // 2
    wanted = learning + spec.test_size // 2
    if len(found) == wanted:
        return found
    draw, length = spec.draw, spec.length
    if learning > _most(spec, label, found):
        return draw_class(draw, rng, length, label, wanted)
    inputs = found[:learning]
    taken = set(inputs)
    for _ in range(MAX_ROUNDS):
        drawn = draw_class(draw, rng, length, label, wanted - len(inputs) + 8)
        inputs += [x for x in drawn if x not in taken]
        if len(inputs) >= wanted:
            return inputs[:wanted]
    raise InputError(
        f"{spec.function} at length {spec.length} keeps drawing the same few inputs of label "
        f"{label}; "
        "ask for smaller splits or a greater length."
    )


def divide(
    pool: Sequence[tuple[str, int]], train_size: int, derived: int | Sequence[int]
) -> tuple[Dataset, Dataset]:
    """Returns a balanced pool divided into training and validation data.

    The division depends on which examples the pool holds, not on their order.
    """
    ordered = sorted(pool)
    train: list[tuple[str, int]] = []
    validation: list[tuple[str, int]] = []
    room = [train_size // 2, train_size // 2]
    seeds = [derived] if isinstance(derived, int) else derived
    rng = RandomState([*seeds, 1])  # a different stream from the one the inputs came from
    for i in rng.permutation(len(ordered)).tolist():
        label = ordered[i][1]
        (train if room[label] > 0 else validation).append(ordered[i])
        room[label] -= 1
    return _dataset(train), _dataset(validation)


def _dataset(examples: Sequence[tuple[str, int]]) -> Dataset:
    return Dataset(tuple([x for x, _ in examples]), tuple([y for _, y in examples]))
