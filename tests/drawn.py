"""Data sets as tests look at them: the splits and all that is held out, in one value."""

from dataclasses import dataclass
from pathlib import Path

from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.splits import load
from llm_erm.tasks.task import DataKey, Dataset, Task


@dataclass(frozen=True)
class Drawn:
    key: DataKey
    train: Dataset
    validation: Dataset
    test: Dataset
    contrast: Dataset | None
    length_generalization: Dataset | None
    disjoint: bool
    drawn_here: bool
    warnings: tuple[str, ...]


def spec_of(task: Task, **settings) -> DataSpec:
    return DataSpec(function=task.id, task_file=task.source, **settings)


def draw_all(task: Task, *, dataset_dir: Path, fresh: bool = False, **settings) -> Drawn:
    """Loads or draws the data of a task."""
    splits = load(spec_of(task, **settings), dataset_dir, fresh=fresh)
    held_out = splits.reveal()
    return Drawn(
        splits.key,
        splits.train,
        splits.validation,
        held_out.test,
        held_out.contrast,
        held_out.length_generalization,
        splits.disjoint,
        splits.drawn_here,
        splits.warnings,
    )


def folder_of(task: Task, *, dataset_dir: Path, **settings) -> Path:
    return spec_of(task, **settings).folder(dataset_dir)
