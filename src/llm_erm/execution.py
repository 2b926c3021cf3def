"""What goes into the execution of a program, and what comes out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from llm_erm.checks import Checked
from llm_erm.errors import InputError

Input = str | Mapping[str, str | int | float | bool | None]
"""One input of a candidate: a string, or a table row as a mapping of column names to values."""

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
"""The outcome of a candidate; it only has predictions if that is ``ok``."""

Isolation = Literal["auto", "wasm"]
"""What isolates programs: the best that this Linux offers, or WebAssembly, on any system."""

Predictions = NDArray[np.uint8] | NDArray[np.float64]
"""Shape (n_inputs,): label indices, or floats; ``INVALID`` or NaN for missing predictions."""

INVALID = 255
"""The prediction byte of an input on which the candidate raised or did not return a label."""


@dataclass(frozen=True)
class Limits(Checked):
    """What one execution may use; exceeding a limit ends the candidate, never the run.

    Attributes:
        seconds_per_call: CPU seconds per call of the function.
        seconds_per_candidate: CPU seconds for loading and all calls together.
        memory_bytes: Address space beyond what the interpreter itself takes.
    """

    seconds_per_call: float = 1.0
    seconds_per_candidate: float = 20.0
    memory_bytes: int = 512 * 2**20

    def for_another_run(self) -> "Limits":
        """Returns the limits of a program that has run within these: twice the time.

        Measured times vary, and an honest program near its limit must not fail when it runs again.
        """
        return replace(
            self,
            seconds_per_call=2 * self.seconds_per_call,
            seconds_per_candidate=2 * self.seconds_per_candidate,
        )

    def check(self) -> None:
        """Checks that a program can run within them.

        Raises:
            InputError: A limit is not above zero.
        """
        if min(self.seconds_per_call, self.seconds_per_candidate, self.memory_bytes) <= 0:
            raise InputError(f"Every limit of a program must be above zero, but got {self}.")


@dataclass(frozen=True)
class Outputs:
    """What counts as a prediction.

    A program returns a label if it returns a number equal to it (``1``, ``True``, ``1.0``,
    ``1 + 0j``, ``Decimal(1)``, ``Fraction(1)``, or a number or truth of numpy, torch, sympy, mpmath
    or gmpy2), an array with one element that is one, or the label's text (``"1"``). Nothing else is
    a label: ``0.5``, ``nan``, ``None``, ``" 1"``, ``b"1"``, a list such as ``[1]``, an expression
    of sympy, or an object of a class of its own that extends no number or text, whatever its
    methods (``__index__``, ``__int__``, ``__eq__``) say. One that extends ``int``, ``float`` or
    ``str`` counts as that number or text. All of this is decided in the program's own process.

    Attributes:
        labels: The labels in order, at most 255; a prediction is an index into them, one byte per
            input. If None, a prediction is any finite float.
    """

    labels: tuple[int | str, ...] | None = (0, 1)


BINARY = Outputs()
FLOAT = Outputs(labels=None)


@dataclass(frozen=True)
class Execution:
    """The result of running a candidate on a list of inputs.

    Attributes:
        status: ``ok`` if every input was tried, even if the program raised on some.
        predictions: Shape (n_inputs,), in the order of the inputs: uint8 label indices or float64
            values, with ``INVALID`` or NaN for missing ones. All are missing unless ``status`` is
            ``ok``.
        message: Why the candidate failed, or else the first exception on an input; None if neither.
            Untrusted text of at most 300 characters, all printable.
        cpu_seconds: User and system time of the processes that the candidate ran in.
    """

    status: Status
    predictions: Predictions
    message: str | None
    cpu_seconds: float


def nothing(count: int, outputs: Outputs) -> Predictions:
    """Returns ``count`` predictions that are all missing."""
    if outputs.labels is None:
        return np.full(count, np.nan)
    return np.full(count, INVALID, np.uint8)


class Evaluator(Protocol):
    """Runs programs: a sandbox, or a search that makes its programs itself."""

    @property
    def isolation(self) -> str | None:
        """The isolation level of the sandbox; None if programs need none.

        Those that need none compute each answer from its input alone.
        """

    def execute(
        self, source: str, inputs: Sequence[Input], limits: Limits, outputs: Outputs
    ) -> Execution:
        """Runs a program on each input."""

    def replay(
        self,
        source: str,
        inputs: Sequence[Input],
        first: Execution,
        limits: Limits,
        outputs: Outputs,
        *,
        together: int,
        alone: int | Sequence[int],
    ) -> Execution:
        """Runs a program again; returns ``first`` if its answers depend on nothing but the input.

        Args:
            source: The program.
            inputs: The inputs of the first execution.
            first: What ``execute`` returned for them.
            limits: The limits of the first execution.
            outputs: The outputs of the first execution.
            together: Number of inputs to run together, in another order.
            alone: Indices of the inputs to run one at a time, or how many are chosen.
        """


class ProgramSandbox(Evaluator, Protocol):
    """Runs untrusted programs: a ``Sandbox``, of this machine or of the nodes of a cluster."""

    @property
    def isolation(self) -> str:
        """The isolation level."""

    @property
    def missing(self) -> tuple[str, ...]:
        """What keeps the level from being ``strong``, one sentence per reason."""

    @property
    def notices(self) -> tuple[str, ...]:
        """Which limits are lower than the default ones, one sentence each."""

    @property
    def workers(self) -> int:
        """Number of programs that it takes at once."""

    def close(self) -> None:
        """Ends all programs."""
