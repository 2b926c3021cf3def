"""Runs a program on data sets and counts its correct predictions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llm_erm.records import Verdict, score
from llm_erm.sandbox import BINARY, Execution, Limits, Outputs, Sandbox
from llm_erm.tasks.task import Dataset, HeldOut


@dataclass(frozen=True)
class Verification:
    """The verdicts on a program, from one execution over several data sets.

    Attributes:
        verdicts: One per data set.
        execution: What the sandbox returned, which a replay must match; None without a program.
    """

    verdicts: list[Verdict]
    execution: Execution | None = None


def verify(
    source: str | None,
    datasets: Sequence[Dataset],
    sandbox: Sandbox,
    limits: Limits,
    *,
    replay: bool = False,
    outputs: Outputs = BINARY,
) -> list[Verdict]:
    """Returns one verdict per data set, from one execution over all of them together.

    Labels stay in this process. A program that exceeds a limit fails on every data set.

    Args:
        source: The program; None gives the status ``no_code``.
        datasets: The data sets to run it on.
        sandbox: Where it runs.
        limits: Limits of the execution.
        replay: Whether to run it again in other processes and another order, so that a program
            whose outputs depend on more than its input gets the status ``nondeterministic``.
        outputs: What counts as a label.
    """
    verification = execute(source, datasets, sandbox, limits, outputs)
    if replay:
        return confirm(source, datasets, verification, sandbox, limits, outputs)
    return verification.verdicts


def execute(
    source: str | None,
    datasets: Sequence[Dataset],
    sandbox: Sandbox,
    limits: Limits,
    outputs: Outputs = BINARY,
) -> Verification:
    """Runs a program once over data sets; see :func:`verify`."""
    if source is None:
        return Verification([Verdict("no_code", 0, len(data), len(data)) for data in datasets])
    execution = sandbox.execute(source, _inputs(datasets), limits, outputs)
    return Verification(_verdicts(execution, datasets), execution)


def confirm(
    source: str | None,
    datasets: Sequence[Dataset],
    verification: Verification,
    sandbox: Sandbox,
    limits: Limits,
    outputs: Outputs = BINARY,
) -> list[Verdict]:
    """Returns the verdicts unchanged, or as ``nondeterministic`` if a replay differs."""
    if source is None or verification.execution is None:
        return verification.verdicts
    replayed = sandbox.replay(source, _inputs(datasets), verification.execution, limits, outputs)
    return _verdicts(replayed, datasets)


def _inputs(datasets: Sequence[Dataset]) -> list[str]:
    return [x for data in datasets for x in data.inputs]


def _verdicts(execution: Execution, datasets: Sequence[Dataset]) -> list[Verdict]:
    predictions = execution.predictions.astype(np.uint8)
    parts = np.split(predictions, np.cumsum([len(data) for data in datasets])[:-1])
    return [
        Verdict(
            execution.status,
            *score(part, labels_of(data)),
            len(data),
            execution.message,
            execution.cpu_seconds,
        )
        for part, data in zip(parts, datasets, strict=True)
    ]


def evaluate(
    source: str | None,
    held_out: HeldOut,
    sandbox: Sandbox,
    limits: Limits,
    outputs: Outputs = BINARY,
) -> tuple[Verdict | None, Verdict | None, Verdict | None]:
    """Returns the selected program's verdicts on the test data, contrast set and other lengths.

    A verdict is None without such data or without a program.
    """
    test, contrast, elsewhere = (
        verify(source, [data], sandbox, limits, outputs=outputs)[0]
        if source is not None and data is not None
        else None
        for data in (held_out.test, held_out.contrast, held_out.length_generalization)
    )
    return test, contrast, elsewhere


def failures(*verdicts: Verdict | None) -> list[str]:
    """Returns notices on held-out data on which the selected program failed.

    Args:
        verdicts: What :func:`evaluate` returned.
    """
    names = ("test data", "contrast set", "inputs of other lengths")
    return [
        f"on the {name} the program ended by {verdict.status} ({verdict.message})"
        for name, verdict in zip(names, verdicts, strict=True)
        if verdict is not None and verdict.status != "ok"
    ]


def labels_of(data: Dataset) -> NDArray[np.uint8]:
    """Returns the labels as an array of shape (n,)."""
    return np.array(data.labels, dtype=np.uint8)
