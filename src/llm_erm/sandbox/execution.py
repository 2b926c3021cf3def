"""What goes into the sandbox and what comes out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Input = str | Mapping[str, str | int | float | bool | None]
"""One input of a candidate: a string, or a table row as a dict of column to value."""

Status = Literal[
    "ok",
    "no_code",
    "syntax_error",
    "no_function",
    "load_error",
    "timeout",
    "memory",
    "crash",
    "forbidden",
    "nondeterministic",
]
"""What became of a candidate; anything but ``ok`` means it has no predictions to count."""

Predictions = NDArray[np.uint8] | NDArray[np.float64]
"""Shape (n_inputs,): label indices with ``INVALID``, or floats with NaN, where there is none."""

INVALID = 255
"""The prediction byte of an input on which the candidate raised or returned no known label."""


@dataclass(frozen=True)
class Limits:
    """What one execution may use; passing a limit ends the candidate, never the run.

    Attributes:
        seconds_per_call: CPU seconds for one call of the function.
        seconds_per_candidate: CPU seconds for loading and all calls together.
        memory_bytes: Address space beyond what the interpreter itself takes.
    """

    seconds_per_call: float = 1.0
    seconds_per_candidate: float = 20.0
    memory_bytes: int = 512 * 2**20


@dataclass(frozen=True)
class Outputs:
    """What counts as a prediction.

    Attributes:
        labels: The labels in order; a prediction is an index into them (at most 255), one byte an
            input. None means that a prediction is any finite float.
    """

    labels: tuple[int | str, ...] | None = (0, 1)


BINARY = Outputs()
FLOAT = Outputs(labels=None)


@dataclass(frozen=True)
class Execution:
    """What one run of a candidate over a list of inputs gave.

    Attributes:
        status: ``ok`` when every input was tried (exceptions on single inputs included).
        predictions: Shape (n_inputs,), in the order of the inputs given: uint8 label indices with
            ``INVALID`` where there is none, or float64 with NaN where there is none. All invalid
            unless ``status`` is ``ok``.
        message: Why the candidate failed, or else the first exception on an input; None if neither.
            Untrusted text: printable characters only, at most 300.
        cpu_seconds: User and system time of the process that the candidate ran in.
    """

    status: Status
    predictions: Predictions
    message: str | None
    cpu_seconds: float


@dataclass(frozen=True)
class Job:
    """A program with what it is to be run on.

    Attributes:
        source: The program.
        inputs: In the order that the program meets them in.
        limits: What it may use.
        outputs: What counts as a prediction.
        seed: Seed of the hashes of strings and of unseeded random numbers.
    """

    source: str
    inputs: Sequence[Input]
    limits: Limits
    outputs: Outputs
    seed: int


def passed_limit(killer: str, cpu_seconds: float, limits: Limits) -> str | None:
    """Returns which limit of time a candidate passed, in words, or None.

    Args:
        killer: Who ended it, one of ``protocol.KILLED_BY``.
        cpu_seconds: CPU time that it took.
        limits: What it might have taken.
    """
    match killer:
        case "call limit":
            return f"one call took more than {limits.seconds_per_call:g} CPU seconds"
        case "idle":
            return "it waited for something that never came"
        case "wall limit":
            return "it did not end in many times its CPU limit"
    total = limits.seconds_per_candidate
    return f"the program took more than {total:g} CPU seconds" if cpu_seconds > total else None


def nothing(count: int, outputs: Outputs) -> Predictions:
    """Returns ``count`` predictions that are all invalid."""
    if outputs.labels is None:
        return np.full(count, np.nan)
    return np.full(count, INVALID, np.uint8)
