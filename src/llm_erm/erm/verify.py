"""Runs a program on data sets and counts what it got right."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from llm_erm.records import Verdict, score
from llm_erm.sandbox import Limits, Sandbox
from llm_erm.tasks.task import Dataset


def verify(
    source: str | None,
    datasets: Sequence[Dataset],
    sandbox: Sandbox,
    limits: Limits,
    *,
    replay: bool = False,
) -> list[Verdict]:
    """Returns one verdict a data set, from one execution over all of them together.

    Labels stay in this process. A limit that is passed fails the program on every data set.

    Args:
        source: The program; None is a verdict ``no_code``.
        datasets: What to run it on.
        sandbox: Where it runs.
        limits: What the execution may use.
        replay: Whether to run it once more in other processes and another order, so that a program
            whose answers depend on more than its input is ``nondeterministic``.
    """
    if source is None:
        return [Verdict("no_code", 0, len(data), len(data)) for data in datasets]
    inputs = [x for data in datasets for x in data.inputs]
    execution = sandbox.execute(source, inputs, limits)
    if replay:
        execution = sandbox.replay(source, inputs, execution, limits)
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


def labels_of(data: Dataset) -> NDArray[np.uint8]:
    """Returns the labels as an array of shape (n,)."""
    return np.array(data.labels, dtype=np.uint8)
