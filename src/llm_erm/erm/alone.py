"""The counts behind bounds: a program's answers to inputs that are each alone in their process.

A program that runs on many inputs may look at all of them; one that is given a single input, in a
process that ends with it, cannot.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from llm_erm.erm.select import ranked
from llm_erm.erm.verify import Verification, verdicts_of
from llm_erm.mistakes import Mistakes
from llm_erm.records import Attempt, Verdict
from llm_erm.tasks.seeds import seed_from
from llm_erm.tasks.task import Dataset

MOST_ALONE = 1000
MOST_ALONE_IF_SLOW = 100
SLOW_SECONDS = 0.03
"""CPU seconds per run, measured on other inputs, above which a program is slow."""
TRIED = 16
"""Inputs that run alone where no bound counts them, and to find out how long a run takes."""


def number_alone(inputs: int, seconds_per_run: float) -> int:
    """Returns the number of inputs to run one at a time for a bound: all of them, or a sample.

    The number is fixed before any answer is known, as a bound from a sample requires.
    """
    return min(inputs, MOST_ALONE if seconds_per_run <= SLOW_SECONDS else MOST_ALONE_IF_SLOW)


def sample(data: Dataset, size: int) -> list[int]:
    """Returns the indices of a random sample without replacement, in order.

    It is drawn by the data alone, so it is the same in every run; by their labels too, which no
    program sees, so no program can tell which inputs are in it.
    """
    if size == len(data):
        return list(range(size))
    seed = seed_from(json.dumps([data.inputs, data.labels]))
    return sorted(np.random.RandomState(seed).permutation(len(data))[:size].tolist())


@dataclass(frozen=True)
class Evidence:
    """What runs on single inputs showed about a program.

    Attributes:
        verdicts: One per data set, for the inputs that ran one at a time. All of them are
            ``nondeterministic`` if any answer differs from that of the first run.
        seconds_per_run: Mean CPU seconds of such a run.
    """

    verdicts: list[Verdict]
    seconds_per_run: float = 0.0


def examine(verification: Verification, counted: Sequence[bool]) -> Evidence:
    """Runs a program again: 16 single inputs, a subset in another order, and what bounds count.

    One that needs no isolation does not run again: its first answers are what bounds count.

    Args:
        verification: Its first execution.
        counted: For each data set, whether a bound counts its answers.
    """
    execution, datasets = verification.execution, verification.datasets
    if execution.status != "ok" or verification.evaluator.isolation is None:
        return Evidence(verification.verdicts)
    size = min(TRIED, len(datasets[0]))
    part = replace(execution, predictions=execution.predictions[: len(datasets[0])])
    tried = replace(verification, datasets=datasets[:1], execution=part).replayed(
        together=0, alone=size
    )
    if tried.status != "ok":
        return Evidence(verification.failed(tried.status, tried.message))
    seconds = (tried.cpu_seconds - execution.cpu_seconds) / size
    sizes = [
        number_alone(len(data), seconds) if count else 0
        for data, count in zip(datasets, counted, strict=True)
    ]
    return Evidence(run_alone(verification, sizes, together=256), seconds)


def run_alone(
    verification: Verification, sizes: Sequence[int], *, together: int = 0
) -> list[Verdict]:
    """Returns verdicts on samples of the data sets, whose inputs run alone; see :class:`Evidence`.

    Args:
        verification: An execution that did not fail.
        sizes: Sizes of the samples.
        together: Number of inputs that also run together once more, in another order.
    """
    datasets = verification.datasets
    samples = [sample(data, size) for data, size in zip(datasets, sizes, strict=True)]
    starts = np.cumsum([0, *map(len, datasets)])[:-1].tolist()
    chosen = [start + i for start, part in zip(starts, samples, strict=True) for i in part]
    replayed = verification.replayed(together=together, alone=chosen)
    if replayed.status != "ok":
        return verdicts_of(replayed, datasets)
    parts = [
        Dataset(tuple(data.inputs[i] for i in part), tuple(data.labels[i] for i in part))
        for data, part in zip(datasets, samples, strict=True)
    ]
    return verdicts_of(replace(replayed, predictions=replayed.predictions[chosen]), parts)


@dataclass(frozen=True)
class Selected:
    """An attempt, and what bounds on the error of its program rest on.

    Attributes:
        attempt: The attempt, as failed if its program answers differently when run again.
        train: Verdict on the training inputs that ran one at a time.
        validation: Verdict on the validation inputs that ran one at a time.
        seconds_per_run: Mean CPU seconds of such a run.
        mistakes: Its first mistakes on the training and the validation inputs.
    """

    attempt: Attempt
    train: Verdict
    validation: Verdict
    seconds_per_run: float
    mistakes: Mistakes


def confirm(attempt: Attempt, verification: Verification) -> Selected:
    """Returns an attempt with its evidence.

    Args:
        attempt: An attempt whose program ran.
        verification: An execution of its program on the training and validation data.
    """
    ran = verification.execution.status == "ok"
    if ran and _counts(*verification.verdicts) != _counts(attempt.train, attempt.validation):
        message = "run again on all of the inputs, it gave something else"
        evidence = Evidence(verification.failed("nondeterministic", message))
    else:
        evidence = examine(verification, [False, True])
    train, validation = evidence.verdicts
    if validation.status != "ok":
        attempt = replace(attempt, train=train, validation=validation)
    on_train, on_validation = verification.mistakes
    return Selected(
        attempt,
        train,
        validation,
        evidence.seconds_per_run,
        {"train": on_train, "validation": on_validation},
    )


def _counts(*verdicts: Verdict) -> list[tuple[str, int, int]]:
    return [(verdict.status, verdict.correct, verdict.invalid) for verdict in verdicts]


def select_confirmed(
    attempts: list[Attempt],
    confirm: Callable[[Attempt], Selected],
    on_failed: Callable[[Attempt], object],
) -> Selected | None:
    """Returns the best attempt whose program gives the same answers when run again, if any does.

    Every program is confirmed once, so those that only fail here cost the runs of one confirmation
    each, and no repetition gives a program another chance.

    Args:
        attempts: The attempts; those whose program fails are replaced.
        confirm: Runs a program again.
        on_failed: Told of each attempt that failed.
    """
    failed: set[str | None] = set()
    for best in ranked(attempts):
        source = best.candidate.source
        if source in failed:
            continue
        chosen = confirm(best)
        if chosen.attempt.validation.status == "ok":
            return chosen
        failed.add(source)
        for i, attempt in enumerate(attempts):
            if attempt.candidate.source == source:
                attempts[i] = replace(
                    chosen.attempt, index=attempt.index, duplicate_of=attempt.duplicate_of
                )
                on_failed(attempts[i])
    return None
