"""Runs a program on data sets and counts what it got right."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llm_erm.records import Verdict, score
from llm_erm.sandbox import BINARY, Limits, Outputs, Sandbox
from llm_erm.sandbox import Execution as Ran
from llm_erm.tasks.task import Dataset, HeldOut


@dataclass(frozen=True)
class Execution:
    """One run of a program over several data sets.

    Attributes:
        verdicts: One per data set.
        ran: What the sandbox returned, to compare a replay with; None where there is no program.
    """

    verdicts: list[Verdict]
    ran: Ran | None = None


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

    Labels stay in this process. A limit that is passed fails the program on every data set.

    Args:
        source: The program; None is a verdict ``no_code``.
        datasets: What to run it on.
        sandbox: Where it runs.
        limits: What the execution may use.
        replay: Whether to run it once more in other processes and another order, so that a program
            whose answers depend on more than its input is ``nondeterministic``.
        outputs: What counts as a label.
    """
    execution = execute(source, datasets, sandbox, limits, outputs)
    if replay:
        return confirm(source, datasets, execution, sandbox, limits, outputs)
    return execution.verdicts


def execute(
    source: str | None,
    datasets: Sequence[Dataset],
    sandbox: Sandbox,
    limits: Limits,
    outputs: Outputs = BINARY,
) -> Execution:
    """Runs a program once over data sets; see :func:`verify`."""
    if source is None:
        return Execution([Verdict("no_code", 0, len(data), len(data)) for data in datasets])
    ran = sandbox.execute(source, _inputs(datasets), limits, outputs)
    return Execution(_verdicts(ran, datasets), ran)


def confirm(
    source: str | None,
    datasets: Sequence[Dataset],
    execution: Execution,
    sandbox: Sandbox,
    limits: Limits,
    outputs: Outputs = BINARY,
) -> list[Verdict]:
    """Returns the verdicts of an execution, or ``nondeterministic`` ones where a replay differs."""
    if source is None or execution.ran is None:
        return execution.verdicts
    ran = sandbox.replay(source, _inputs(datasets), execution.ran, limits, outputs)
    return _verdicts(ran, datasets)


def _inputs(datasets: Sequence[Dataset]) -> list[str]:
    return [x for data in datasets for x in data.inputs]


def _verdicts(ran: Ran, datasets: Sequence[Dataset]) -> list[Verdict]:
    predictions = ran.predictions.astype(np.uint8)
    parts = np.split(predictions, np.cumsum([len(data) for data in datasets])[:-1])
    return [
        Verdict(ran.status, *score(part, labels_of(data)), len(data), ran.message, ran.cpu_seconds)
        for part, data in zip(parts, datasets, strict=True)
    ]


def evaluate(
    source: str | None,
    held_out: HeldOut,
    sandbox: Sandbox,
    limits: Limits,
    outputs: Outputs = BINARY,
) -> tuple[Verdict | None, Verdict | None, Verdict | None]:
    """Returns the selected program's verdicts on test data, contrast set and other lengths.

    None where there is no such data, or no program.
    """
    test, contrast, elsewhere = (
        verify(source, [data], sandbox, limits, outputs=outputs)[0]
        if source is not None and data is not None
        else None
        for data in (held_out.test, held_out.contrast, held_out.length_generalization)
    )
    return test, contrast, elsewhere


def failures(*verdicts: Verdict | None) -> list[str]:
    """Says where the selected program has no accuracy because it failed there.

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
