"""Specifies data sets, one or a grid of them; the only place that lists the parameters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal, get_args

from llm_erm.checks import Checked
from llm_erm.errors import InputError
from llm_erm.settings import OPERATIONAL
from llm_erm.tasks.rows import from_folder
from llm_erm.tasks.seeds import data_seed, trial_seed
from llm_erm.tasks.suite import IDS, PUBLISHED, get
from llm_erm.tasks.task import Draw, PublishedDraw, Release, Task
from llm_erm.tasks.task_file import load_task_file

Negatives = Literal["near-miss", "random"]
"""How to draw inputs with label 0 if the task offers both: next to a positive, or uniformly."""

RELEASES: tuple[Release, ...] = get_args(Release)
MAX_EXAMPLES = 2_000_000
"""Maximum number of examples of a data set; an example at L = 100 takes about 1 kB of memory."""
MAX_CHARACTERS = 100_000_000
"""Maximum number of characters of all inputs of a data set together."""


@dataclass(frozen=True, kw_only=True)
class DataSettings(Checked):
    """What the data sets of a grid have in common."""

    train_size: int = 100
    """Number of training examples; even."""
    val_size: int = 100
    """Number of validation examples; even, 0 for none."""
    test_size: int = 10_000
    """Number of test examples; even."""
    seed: int = 42
    """Base seed of the data."""
    negatives: Negatives = "near-miss"
    """How to draw negative examples of palindromes: one bit off a palindrome, or uniformly."""
    published: Release | None = None
    """Draw data as a published release did, with its repeats and wrong labels: erm (the paper's) or
    pv (its successor's). None draws this package's own (default: None)."""
    allow_repeats: bool = False
    """Let splits share inputs if too few distinct ones exist; such results get no certificate."""
    task_file: Annotated[Path | None, OPERATIONAL] = None
    """A Python file that defines a task of your own."""
    tables_dir: Annotated[Path | None, OPERATIONAL] = None
    """Folder with the files of the public tables that fn_m to fn_q draw rows from, as the UCI
    repository has them (default: fetch them from OpenML or the UCI repository)."""


@dataclass(frozen=True, kw_only=True)
class DataSpec(DataSettings):
    """One data set: the same spec gives the same bytes in any process.

    Attributes:
        function: The task's id, as in ``fn_a``.
        length: Length of the inputs in characters.
        trial: Index of the data set among independently drawn ones, counted from 1; the first uses
            the base seed itself.
    """

    function: str
    length: int
    trial: int = 1

    def __post_init__(self) -> None:
        """Checks the fields, and converts a name of the suite to the id.

        Raises:
            InputError: A field has another type than it declares, or there is no such task.
        """
        super().__post_init__()
        object.__setattr__(self, "function", IDS.get(self.function, self.function))
        _check_names([self.function], self.task_file)

    @property
    def name(self) -> str:
        """The task, the length and, unless it is the first, the trial."""
        trial = f" trial={self.trial}" if self.trial > 1 else ""
        return f"{self.function} L={self.length}{trial}"

    @property
    def task(self) -> Task:
        """The task, from the suite or from the user's file.

        Raises:
            InputError: There is no such task, or the file does not define one.
        """
        return task_named(self.function, self.task_file, self.tables_dir)

    @property
    def trial_seed(self) -> int:
        """The base seed of this trial."""
        return trial_seed(self.seed, self.trial)

    @property
    def derived_seed(self) -> int:
        """The seed with which the data set is drawn, by the published formula."""
        learning_size = self.train_size + self.val_size
        return data_seed(self.function, self.length, learning_size, self.test_size, self.trial_seed)

    @property
    def draw(self) -> Draw:
        """The sampler for inputs of both classes.

        Raises:
            InputError: The published release does not have the task.
        """
        if self.published is not None:
            return self._published_draw.draw
        task = self.task
        return task.draw_random if self.negatives == "random" and task.draw_random else task.draw

    @property
    def repeats(self) -> bool:
        """Whether the splits hold independent draws, repeats and shared inputs included."""
        return self.published is not None and self._published_draw.repeats

    @property
    def existing(self) -> tuple[int | None, int | None]:
        """How many inputs of each class the sampler can return, where that is known."""
        task = self.task
        negatives, positives = task.existing(self.length)
        return (negatives if self.draw is task.draw else None), positives

    @property
    def _published_draw(self) -> PublishedDraw:
        assert self.published is not None
        task = self.task
        if found := task.published(self.published, self.length):
            return found
        others = [one for one in RELEASES if task.published(one, self.length)]
        raise InputError(
            f"The published release {self.published} does not have {task.id}; "
            + "".join(f"{one} does, or " for one in others)
            + f"use this package's own data (None); {self.published} has {' '.join(PUBLISHED)}"
            + " and pv also fn_v fn_aa fn_m fn_n fn_o fn_p fn_q" * (self.published == "pv")
            + ".",
            setting="published",
        )

    def folder(self, dataset_dir: Path) -> Path:
        """Returns the folder of the data set, within the folder of all data sets."""
        task = self.task
        random_negatives = self.negatives == "random" and task.draw_random
        name = (
            task.name
            + (f"+published-{self.published}" if self.published else "")
            + ("+random-negatives" if random_negatives else "")
            + ("+repeats" if self.allow_repeats else "")
        )
        return dataset_dir / name / f"L{self.length}" / f"seed{self.derived_seed}"

    def check(self) -> None:
        """Checks, as far as possible without drawing, that such a data set can exist.

        Raises:
            InputError: The task is unknown, the length or a size is impossible, or the published
                release does not have the task or draws other negatives than those asked for.
        """
        task = self.task
        if reason := task.why_not(self.length):
            raise InputError(
                f"{task.id} does not exist at length {self.length}: {reason}; its usual lengths "
                f"are {' '.join(map(str, task.lengths))}."
            )
        if self.published is not None and self.negatives != "near-miss":
            raise InputError(
                f"negatives is {self.negatives!r}, but the published release {self.published} has "
                "its own; omit one of the two.",
                setting="negatives or published",
            )
        _ = self.draw  # fails if the release does not have the task
        sizes = {"training": self.train_size, "validation": self.val_size, "test": self.test_size}
        for split, size in sizes.items():
            least = 0 if split == "validation" else 2
            if size < least or size % 2:
                fault = f"less than {least}" if size < least else "odd"
                raise InputError(
                    f"The {split} size {size} is {fault}; each split is half positive, so give an "
                    f"even number of at least {least}."
                )
        examples = sum(sizes.values())
        if examples > MAX_EXAMPLES or examples * self.length > MAX_CHARACTERS:
            raise InputError(
                f"{examples:,} examples of {self.length:,} characters are more than the "
                f"{MAX_EXAMPLES:,} examples or {MAX_CHARACTERS:,} characters that one data set may "
                "hold; ask for smaller splits or shorter inputs."
            )


@dataclass(frozen=True, kw_only=True)
class DataGrid(DataSettings):
    """The data sets of several tasks, lengths and trials, and where they are kept."""

    functions: tuple[str, ...] = ()
    """Tasks, by id or name as `llm-erm tasks` lists them (default: the twelve published ones)."""
    lengths: tuple[int, ...] = ()
    """Lengths of the inputs in characters (default: each task's published lengths)."""
    num_trials: int = 1
    """Number of independently drawn data sets per task and length; the first uses the base seed
    itself."""
    dataset_dir: Annotated[Path, OPERATIONAL] = Path("datasets")
    """Folder of the data sets; existing files of the requested sizes are reused."""
    fresh_data: Annotated[bool, OPERATIONAL] = False
    """Draw new data even if files exist, and replace them."""

    def __post_init__(self) -> None:
        """Checks the fields.

        Raises:
            InputError: A field has another type than it declares, or there is no such task.
        """
        super().__post_init__()
        _check_names(self.functions, self.task_file)

    def specs(self) -> list[DataSpec]:
        """Returns the data sets of the grid: every possible combination of task, length and trial.

        Raises:
            InputError: A task is unknown, no length is possible, or there are no trials.
        """
        if self.num_trials < 1:
            raise InputError(
                f"The number of trials is {self.num_trials}; give 1 or more.", setting="num_trials"
            )
        shared = {field.name: getattr(self, field.name) for field in fields(DataSettings)}
        trials = range(1, self.num_trials + 1)
        found = [
            DataSpec(function=task.id, length=length, trial=trial, **shared)
            for task, length, why in self._points()
            if why is None
            for trial in trials
        ]
        if not found:
            names = ", ".join(task.id for task in self._tasks())
            raise InputError(
                f"No length in {list(self.lengths)} is possible for {names}; "
                "`llm-erm tasks` lists the lengths of each."
            )
        return found

    def skipped(self) -> list[str]:
        """Returns why tasks do not exist at some of the lengths, one sentence each."""
        return [
            f"Skipped {task.id} at length {length}: {why}"
            for task, length, why in self._points()
            if why is not None
        ]

    def _points(self) -> Iterator[tuple[Task, int, str | None]]:
        for task in self._tasks():
            for length in dict.fromkeys(self.lengths or task.lengths):
                yield task, length, task.why_not(length)

    def _tasks(self) -> list[Task]:
        own = None if self.task_file is None else load_task_file(self.task_file)
        names = self.functions or (PUBLISHED if own is None else (own.id,))
        if own is not None and own.id not in names:
            raise InputError(
                f"The tasks are {' '.join(names)}, so {own.id}, which {self.task_file} defines, "
                f"would not be used; add {own.id} to them, or omit one of the two.",
                setting="functions or task_file",
            )
        return list({task.id: task for task in map(self._task, names)}.values())

    def _task(self, name: str) -> Task:
        return task_named(name, self.task_file, self.tables_dir)


def _check_names(names: Sequence[str], task_file: Path | None) -> None:
    """Checks that the tasks exist; those of a file are known once it is read, which runs it."""
    if task_file is None:
        for name in names:
            get(name)


def task_named(name: str, task_file: Path | None = None, tables_dir: Path | None = None) -> Task:
    """Returns the task with that id or name, from the user's file or the suite.

    Args:
        name: The id or name.
        task_file: The user's file.
        tables_dir: The folder of public tables.

    Raises:
        InputError: There is no such task, or the file does not define one.
    """
    own = None if task_file is None else load_task_file(task_file)
    return own if own is not None and own.id == name else from_folder(get(name), tables_dir)
