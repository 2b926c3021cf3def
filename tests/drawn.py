"""Data sets as tests look at them: the splits and all that is held out, in one value."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path

from llm_erm.errors import InputError
from llm_erm.tasks.checks import shared_inputs
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.splits import load
from llm_erm.tasks.suite import get
from llm_erm.tasks.task import DataKey, Dataset, HeldOut, Task, digest


@dataclass(frozen=True)
class Drawn:
    """Equal where key, train and validation data, and what is said of them are; see ``sha256``."""

    key: DataKey
    train: Dataset
    validation: Dataset
    independent: bool
    test_repeats: int
    warnings: tuple[str, ...]
    reveal: Callable[[], HeldOut] = field(compare=False)

    @property
    def disjoint(self) -> bool:
        return shared_inputs((self.train, self.validation, self.test)) == 0

    @property
    def test(self) -> Dataset:
        return self.reveal().test

    @property
    def contrast(self) -> Dataset | None:
        return self.reveal().contrast

    @property
    def length_generalization(self) -> Dataset | None:
        return self.reveal().length_generalization


def spec_of(task: Task, **settings) -> DataSpec:
    return DataSpec(function=task.id, task_file=task.source, **settings)


def draw_all(task: Task, *, dataset_dir: Path, fresh: bool = False, **settings) -> Drawn:
    """Loads or draws the data of a task."""
    splits = load(spec_of(task, **settings), dataset_dir, fresh=fresh)
    return Drawn(
        splits.key,
        splits.train,
        splits.validation,
        splits.independent,
        splits.test_repeats,
        splits.warnings,
        cache(splits.reveal),
    )


def folder_of(task: Task, *, dataset_dir: Path, **settings) -> Path:
    return spec_of(task, **settings).folder(dataset_dir)


def draw_repeatedly(sizes, rounds, barrier, told) -> None:
    """Draws data sets at the same time as another process, first new ones and then again."""
    digests = set()
    try:
        for index, fresh in product(range(rounds), (False, True, True)):
            barrier.wait(60)
            place = sizes["dataset_dir"] / str(index)
            drawn = draw_all(get("fn_a"), **(sizes | {"dataset_dir": place}), fresh=fresh)
            digests.add(digest(drawn.train, drawn.validation, drawn.test))
    except (InputError, OSError, threading.BrokenBarrierError) as error:
        digests.add(repr(error))
        barrier.abort()
    told.put(digests)
