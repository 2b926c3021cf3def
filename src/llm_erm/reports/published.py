"""Reads the published figures, which are data of this package, and checks them."""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from llm_erm.errors import InputError
from llm_erm.tasks.suite import TASKS

FILE = Path(__file__).with_name("published.toml")

STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Point:
    """What one accuracy is about.

    Attributes:
        experiment: Name of the experiment.
        task: The task's id.
        length: Length of the training inputs in characters.
        examples: Number of labelled examples, training and validation together.
        tested: Length of the test inputs.
    """

    experiment: str
    task: str
    length: int
    examples: int
    tested: int


@dataclass(frozen=True)
class Experiment:
    """One published experiment.

    Attributes:
        tasks: Ids of its tasks.
        examples: Numbers of labelled examples, increasing.
        length: Length of the training inputs in characters.
        lengths: The same for tasks with another one.
        test_lengths: Lengths of the test inputs; empty if it is that of the training inputs.
        percent: Test accuracy in percent by method: one row per number of examples or tested
            length, with one figure per task; NaN where none is given.
        notes: What one must know to compare with it.
    """

    __pydantic_config__ = STRICT

    tasks: tuple[str, ...]
    examples: tuple[int, ...]
    length: int
    lengths: Mapping[str, int]
    test_lengths: tuple[int, ...]
    percent: Mapping[str, tuple[tuple[float, ...], ...]]
    notes: tuple[str, ...] = ()

    def trained_at(self, task: str) -> int:
        """Returns the length of a task's training inputs."""
        return self.lengths.get(task, self.length)


@dataclass(frozen=True)
class Published:
    """The published figures.

    Attributes:
        sources: Where they are published.
        methods: What each method is, by its name here.
        experiments: The experiments by name.
    """

    sources: tuple[str, ...]
    methods: Mapping[str, str]
    experiments: Mapping[str, Experiment]

    def figures(self, experiment: str) -> dict[tuple[Point, str], float]:
        """Returns the accuracies of an experiment, in [0, 1], by point and method."""
        one = self.experiments[experiment]
        found = {}
        for method, rows in one.percent.items():
            for row, percents in enumerate(rows):
                for task, percent in zip(one.tasks, percents, strict=True):
                    if not math.isnan(percent):
                        share = round(percent / 100, 6)
                        found[self._point(experiment, task, row), method] = share
        return found

    def _point(self, name: str, task: str, row: int) -> Point:
        one = self.experiments[name]
        length = one.trained_at(task)
        if one.test_lengths:
            return Point(name, task, length, one.examples[0], one.test_lengths[row])
        return Point(name, task, length, one.examples[row], length)


@cache
def published() -> Published:
    """Returns the published figures that come with this package."""
    return read_published(FILE)


def read_published(path: Path) -> Published:
    """Returns the published figures in a file, checked.

    Raises:
        InputError: The file is no TOML, lacks something, or holds what cannot be an accuracy.
    """
    try:
        known: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        sources, methods = known.pop("sources"), known.pop("methods")
        found = TypeAdapter(Published).validate_python(
            {"sources": sources, "methods": methods, "experiments": known}
        )
    except (tomllib.TOMLDecodeError, KeyError, ValidationError) as error:
        raise InputError(f"{path} does not hold published figures: {error}.") from error
    for name, experiment in found.experiments.items():
        if fault := _fault(experiment, found.methods):
            raise InputError(f"{path} holds no valid experiment {name}: {fault}.")
    return found


def _fault(one: Experiment, methods: Mapping[str, str]) -> str | None:
    """Returns what is wrong with an experiment, or None."""
    unknown = [task for task in (*one.tasks, *one.lengths) if task not in TASKS]
    unknown += [method for method in one.percent if method not in methods]
    if unknown:
        return f"there is no {' '.join(unknown)}"
    if not one.examples or (one.test_lengths and len(one.examples) > 1):
        return "it varies both the number of examples and the tested length, or neither is given"
    most = len(one.test_lengths or one.examples)
    for method, rows in one.percent.items():
        if len(rows) > most or any(len(row) != len(one.tasks) for row in rows):
            return f"{method} has other rows than there are points, or other figures than tasks"
        if any(percent < 0 or percent > 100 for row in rows for percent in row):
            return f"{method} has a figure that is no percentage"
    return None
