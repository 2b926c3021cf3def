"""The inputs that were not predicted correctly, kept so that one can look at them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from llm_erm.execution import INVALID
from llm_erm.tasks.task import Dataset

MOST = 20
"""Mistakes that are kept per data set: enough to see what they have in common."""
MOST_CHARACTERS = 500
"""Characters of an input that are kept."""


@dataclass(frozen=True)
class Mistake:
    """An input that was not predicted correctly.

    Attributes:
        input: The input, a row of a table as JSON; a longer one ends with ``…`` after 500
            characters.
        label: Its label.
        prediction: What was predicted; None if that was no label.
    """

    input: str
    label: int
    prediction: int | None

    def __post_init__(self) -> None:
        """Refuses what is no mistake, such as one in an edited file."""
        labels = [self.label] if self.prediction is None else [self.label, self.prediction]
        if self.prediction == self.label or not all(0 <= label < INVALID for label in labels):
            raise ValueError(f"{self.prediction} in place of {self.label} is no mistake")
        if len(self.input) > MOST_CHARACTERS + 1:
            raise ValueError(f"an input has {len(self.input):,} characters")


DataName = Literal["train", "validation", "test", "contrast", "length_generalization"]
"""The field of a result that holds the verdict on a data set."""
DATA_NAMES: Mapping[DataName, str] = {
    "train": "training",
    "validation": "validation",
    "test": "test",
    "contrast": "contrast set",
    "length_generalization": "other lengths",
}
"""What each is called where people read it."""
Mistakes = Mapping[DataName, tuple[Mistake, ...]]
"""The first mistakes on each data set that was predicted."""


def mistakes_in(data: Dataset, predictions: Sequence[int | None]) -> tuple[Mistake, ...]:
    """Returns the first mistakes, at most ``MOST``, in the order of the data.

    Args:
        data: The examples.
        predictions: One label per example; None or ``INVALID`` where there is none.
    """
    wrong = (
        Mistake(_shown(x), int(label), None if guess in (None, INVALID) else int(guess))
        for x, label, guess in zip(data.inputs, data.labels, predictions, strict=True)
        if guess is None or guess != label
    )
    return tuple(mistake for mistake, _ in zip(wrong, range(MOST), strict=False))


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"
