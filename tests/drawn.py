"""Data sets as tests look at them: the splits and all that is held out, in one value."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.splits import load
from llm_erm.tasks.task import DataKey, Dataset, HeldOut, Task


@dataclass(frozen=True)
class Drawn:
    """Equal where key, train and validation data, and what is said of them are; see ``sha256``."""

    key: DataKey
    train: Dataset
    validation: Dataset
    disjoint: bool
    drawn_here: bool
    warnings: tuple[str, ...]
    reveal: Callable[[], HeldOut] = field(compare=False)

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
        splits.disjoint,
        splits.drawn_here,
        splits.warnings,
        cache(splits.reveal),
    )


def folder_of(task: Task, *, dataset_dir: Path, **settings) -> Path:
    return spec_of(task, **settings).folder(dataset_dir)
