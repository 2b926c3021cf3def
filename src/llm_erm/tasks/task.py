"""The types every learner meets: a Dataset, and the Splits it is given."""

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["binary", "decimal", "graph", "text", "table"]
"""What the inputs are: bit strings, decimal numbers, edge lists, any text, rows of a table."""


@dataclass(frozen=True)
class Dataset:
    """Labelled examples, in order.

    Attributes:
        inputs: The inputs; strings, or table rows as dicts.
        labels: One label an input, as an index into the task's labels (0 and 1 for the suite).
    """

    inputs: tuple[str, ...]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.inputs)


@dataclass(frozen=True)
class Splits:
    """All that a learner gets of a task: labelled data and no rule.

    Attributes:
        fn: The task's id, as in ``fn_a``.
        name: The task's name, as in ``parity_all``.
        kind: What the inputs are.
        length: Length of the training inputs in characters.
        seed: The user's base seed that the data was drawn with.
        train: Examples to learn from.
        validation: Examples to select by.
        test: Examples to report on, once, after selection.
        probe: Inputs next to the rule's boundary, or None; reported, never selected by.
        length_shift: Inputs of other lengths, or None; reported, never selected by.
        disjoint: Whether no input is shared by two of train, validation and test; without that no
            certificate holds.
    """

    fn: str
    name: str
    kind: Kind
    length: int
    seed: int
    train: Dataset
    validation: Dataset
    test: Dataset
    probe: Dataset | None = field(default=None)
    length_shift: Dataset | None = field(default=None)
    disjoint: bool = True
