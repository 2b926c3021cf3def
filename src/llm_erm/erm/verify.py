"""Runs a program on data sets and counts its correct predictions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llm_erm.execution import BINARY, INVALID, Evaluator, Execution, Limits, Outputs, Status
from llm_erm.mistakes import Mistake, mistakes_in
from llm_erm.records import Verdict, score
from llm_erm.tasks.task import Dataset


@dataclass(frozen=True)
class Verification:
    """One execution of a program over several data sets, all of them together.

    Attributes:
        source: The program.
        datasets: The data sets. Their labels stay in this process.
        evaluator: What ran it.
        limits: Limits of the execution.
        outputs: What counts as a label.
        execution: What that returned.
    """

    source: str
    datasets: Sequence[Dataset]
    evaluator: Evaluator
    limits: Limits
    outputs: Outputs
    execution: Execution

    @property
    def verdicts(self) -> list[Verdict]:
        """One verdict per data set; a program that exceeds a limit fails on every one."""
        return verdicts_of(self.execution, self.datasets)

    @property
    def mistakes(self) -> list[tuple[Mistake, ...]]:
        """The first mistakes on each data set; none of a program that exceeds a limit."""
        if self.execution.status != "ok":
            return [() for _ in self.datasets]
        parts = _parts(self.execution, self.datasets)
        return [
            mistakes_in(data, part.tolist())
            for data, part in zip(self.datasets, parts, strict=True)
        ]

    def failed(self, status: Status, message: str | None) -> list[Verdict]:
        """Returns the verdicts on a program that failed when it ran again."""
        nothing = np.full(len(self.execution.predictions), INVALID, np.uint8)
        failed = Execution(status, nothing, message, self.execution.cpu_seconds)
        return verdicts_of(failed, self.datasets)

    def replayed(self, *, together: int = 256, alone: int | Sequence[int] = 16) -> Execution:
        """Runs the program again; see :meth:`Evaluator.replay`."""
        return self.evaluator.replay(
            self.source,
            _inputs(self.datasets),
            self.execution,
            self.limits,
            self.outputs,
            together=together,
            alone=alone,
        )


def execute(
    source: str,
    datasets: Sequence[Dataset],
    evaluator: Evaluator,
    limits: Limits,
    outputs: Outputs = BINARY,
    *,
    again: bool = False,
) -> Verification:
    """Runs a program once over data sets; see :class:`Verification`.

    Args:
        source: The program.
        datasets: The data sets.
        evaluator: What runs it.
        limits: Limits of its first execution.
        outputs: What counts as a label.
        again: Whether it has run before, so that it may take twice the time.
    """
    given = limits.for_another_run() if again else limits
    execution = evaluator.execute(source, _inputs(datasets), given, outputs)
    return Verification(source, datasets, evaluator, limits, outputs, execution)


def confirmed(verification: Verification) -> list[Verdict]:
    """Returns the verdicts, as ``nondeterministic`` if a replay of the program differs.

    It runs on a random subset in another order, and on 16 random inputs that are each alone in
    their process.
    """
    replayed = verification.replayed()
    same = replayed.status == verification.execution.status
    return verification.verdicts if same else verdicts_of(replayed, verification.datasets)


def no_program(datasets: Sequence[Dataset]) -> list[Verdict]:
    """Returns the verdicts on an answer without a program."""
    return [Verdict("no_code", 0, len(data), len(data)) for data in datasets]


def _inputs(datasets: Sequence[Dataset]) -> list[str]:
    return [x for data in datasets for x in data.inputs]


def verdicts_of(execution: Execution, datasets: Sequence[Dataset]) -> list[Verdict]:
    """Returns one verdict per data set, given the predictions on all of them in order."""
    return [
        Verdict(
            execution.status,
            *score(part, labels_of(data)),
            len(data),
            execution.message,
            execution.cpu_seconds,
        )
        for part, data in zip(_parts(execution, datasets), datasets, strict=True)
    ]


def _parts(execution: Execution, datasets: Sequence[Dataset]) -> list[NDArray[np.uint8]]:
    """Returns the predictions on each data set."""
    predictions = execution.predictions.astype(np.uint8)
    return np.split(predictions, np.cumsum([len(data) for data in datasets])[:-1])


def labels_of(data: Dataset) -> NDArray[np.uint8]:
    """Returns the labels as an array of shape (n,)."""
    return np.array(data.labels, dtype=np.uint8)
