"""Runs programs of the search's own language, which need no sandbox: it wrote them itself."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from llm_erm.execution import BINARY, Execution, Input, Limits, Outputs, nothing

UNLIMITED = Limits()
"""Stands where a sandbox is told of limits, which no program of the language needs."""

# A position past the end, a text without digits, or a row whose values are of other types.
_UNDEFINED = (IndexError, KeyError, TypeError, ValueError)


class OwnPrograms:
    """Runs programs in this process, on any system.

    Each is an expression of the language, or a list of such, and can only compute. Its answers
    depend on their inputs alone, so a replay would show nothing.

    Attributes:
        isolation: None, since nothing needs isolation.
    """

    isolation: str | None = None

    def execute(
        self,
        source: str,
        inputs: Sequence[Input],
        limits: Limits = UNLIMITED,
        outputs: Outputs = BINARY,
    ) -> Execution:
        """Runs a program on each input."""
        started = time.thread_time()
        names: dict[str, Callable[[Input], Any]] = {}
        exec(compile(source, "<program>", "exec"), names)  # noqa: S102 - our own text
        function = names["f"]
        places = {label: place for place, label in enumerate(outputs.labels or ())}
        predictions, message = nothing(len(inputs), outputs), None
        for index, x in enumerate(inputs):
            try:
                predictions[index] = places[function(x)]
            except _UNDEFINED as error:
                message = message or f"{type(error).__name__}: {error}"
        return Execution("ok", predictions, message, time.thread_time() - started)

    def replay(
        self,
        source: str,
        inputs: Sequence[Input],
        first: Execution,
        limits: Limits = UNLIMITED,
        outputs: Outputs = BINARY,
        *,
        together: int = 0,
        alone: int | Sequence[int] = 0,
    ) -> Execution:
        """Returns ``first``."""
        return first
