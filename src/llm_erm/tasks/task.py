"""The types shared by all learners: Task, Dataset and Splits."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

Kind = Literal["binary", "decimal", "graph", "row", "text", "table"]
"""What the inputs are: bit strings, decimal numbers, edge lists, rows of a table as strings, any
text, rows of a table as dicts."""

_IN_WORDS: dict[Kind, str] = {
    "binary": "a string of {length} binary digits (each character is 0 or 1)",
    "decimal": "a string of {length} decimal digits, a number written without leading zeros",
    "graph": "a string of {length} characters that lists the edges of an undirected graph, each as "
    "`uAAvBB` with two-digit vertex names AA and BB; `u00v00` is padding",
    "row": "a string that holds one row of a table of {length} columns, as in `x0:-3.14,x1:c07`: "
    "numbers have two decimals; categories are c0, c1, … or, padded with zeros, c00, c01, …",
    "text": "a string of {length} characters",
    "table": "one row of a table, given as a dict of column name to value",
}

MAX_LENGTH = 100_000
"""Characters per input at most, so that the thousands of evaluation inputs fit in memory."""

Draw = Callable[[np.random.RandomState, int, tuple[int, int]], tuple[list[str], list[str]]]
"""``draw(rng, length, (negatives, positives))`` → that many inputs of label 0 and of label 1."""


Release = Literal["erm", "pv"]
"""A release of the published code: the paper's, or its successor's."""


def describe_inputs(kind: Kind, length: int) -> str:
    """Returns a description of inputs of this kind and length, for a prompt."""
    return _IN_WORDS[kind].format(length=length)


@dataclass(frozen=True)
class PublishedDraw:
    """How a published release draws the inputs of a task.

    Attributes:
        draw: Draws inputs of both classes, independently and with repeats.
        repeats: Whether the release keeps repeats, so that splits may share inputs; else each input
            is in one split, once.
    """

    draw: Draw
    repeats: bool = False


@dataclass(frozen=True)
class Task:
    """A true rule and how its inputs are drawn: a row of ``SUITE``, or a user's file.

    Attributes:
        id: The task's id on the command line and in seeds, such as ``fn_a``.
        name: The name of its data folder, such as ``parity_all``.
        kind: What the inputs are.
        computes: When the label is 1, in one line; empty if the user's file does not say it.
        lengths: The lengths it runs at by default, in characters; for rows, the number of columns.
        why_not: Returns why the task does not exist at a length, or None if it does.
        label: Returns the true labels of inputs of equal length; None if no rule is known.
        draw: Draws inputs of both classes, independently and with repeats.
        draw_random: The same with uniform negatives, for tasks whose ``draw`` uses harder ones.
        published: Returns how a release draws inputs of a length; None if it lacks the task.
        existing: Returns how many inputs of each class ``draw`` can return at a length, where that
            is known.
        draw_contrast: Draws the inputs of the contrast set, next to the rule's boundary; None if no
            input is closer to it than another.
        shift: Returns the other lengths to test at, given a training length, and how to draw there.
        uniform: Whether all inputs of a class are equally likely, or nearly so, so that distinct
            ones are a uniform sample without replacement.
        evaluation_version: Part of the seeds of both these sets, increased when they change.
        source: The user's file that defines the task; None for the suite.
        bits: Description length of the rule, as enumeration counts it; None if unknown.
    """

    id: str
    name: str
    kind: Kind
    computes: str
    lengths: tuple[int, ...]
    why_not: Callable[[int], str | None]
    label: Callable[[Sequence[str]], list[int]] | None
    draw: Draw
    draw_random: Draw | None = None
    published: Callable[[Release, int], PublishedDraw | None] = lambda release, length: None
    existing: Callable[[int], tuple[int | None, int | None]] = lambda length: (None, None)
    draw_contrast: Draw | None = None
    shift: Callable[[int], dict[int, Draw]] = field(default=lambda length: {})
    uniform: bool = False
    evaluation_version: int = 1
    source: Path | None = None
    bits: float | None = None


@dataclass(frozen=True)
class Dataset:
    """Labelled examples, in order.

    Attributes:
        inputs: The inputs; strings, or table rows as dicts.
        labels: One label per input, as an index into the task's labels (0 and 1 for the suite).
    """

    inputs: tuple[str, ...]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        """Returns the number of examples."""
        return len(self.inputs)


@dataclass(frozen=True)
class DataKey:
    """Names a data set; results compare where their keys agree.

    Attributes:
        function: The task's id, as in ``fn_a``.
        length: Length of the training inputs in characters.
        seed: The base seed that the data was drawn with; another for each trial.
        trial: Which of several data sets drawn alike, counted from 1.
        sha256: The ``digest`` of the labelled examples.
    """

    function: str
    length: int
    seed: int
    trial: int = 1
    sha256: str = ""

    @property
    def name(self) -> str:
        """The task, the length and, after the first, the trial."""
        trial = f" trial={self.trial}" if self.trial > 1 else ""
        return f"{self.function} L={self.length}{trial}"


@dataclass(frozen=True)
class HeldOut:
    """What is met once, after every choice, and never selected by.

    Attributes:
        test: Examples to report on.
        contrast: The contrast set: inputs next to the rule's boundary, which the published work
            calls shortcut probes; None where any input is as good.
        length_generalization: Inputs of other lengths; None where the task has none.
    """

    test: Dataset
    contrast: Dataset | None = None
    length_generalization: Dataset | None = None


@dataclass(frozen=True)
class Splits:
    """Everything that a learner gets of a task: labelled data, and no rule.

    Attributes:
        key: Names the data.
        kind: What the inputs are.
        train: Examples to learn from.
        validation: Examples to select by.
        reveal: Reads the held-out data, which are not in memory before: called once, when the
            choice is made.
        independent: Whether validation and test examples are known to be drawn independently, and
            no input is shared by two of train, validation and test. Without that no certificate
            holds; whoever makes the splits states it.
        test_repeats: Number of draws that were discarded while the test examples were drawn because
            they repeated an input, unless all inputs of a class are equally likely. If there are
            any, the test examples are not independent, and no test bound holds.
        warnings: What the user should know about this data, one sentence each.
        folder: The folder of the data set; None if it has no files.
        look: Which result on this data the present one is, counted from 1, by the ledger beside it;
            None if unknown.
    """

    key: DataKey
    kind: Kind
    train: Dataset
    validation: Dataset
    reveal: Callable[[], HeldOut]
    independent: bool = False
    test_repeats: int = 0
    warnings: tuple[str, ...] = ()
    folder: Path | None = None
    look: int | None = None

    @property
    def examples(self) -> int:
        """Number of examples to learn from and select by."""
        return len(self.train) + len(self.validation)


def digest(train: Dataset, validation: Dataset, test: Dataset) -> str:
    """Returns a digest of labelled examples that ignores the train-validation division.

    Methods that divide the same examples differently are thus known to be scored on the same data.
    """
    learning = sorted(map(json.dumps, _pairs(train) + _pairs(validation)))
    return hashlib.sha256(json.dumps([learning, _pairs(test)]).encode()).hexdigest()


def _pairs(data: Dataset) -> list[tuple[str, int]]:
    return list(zip(data.inputs, data.labels, strict=True))
