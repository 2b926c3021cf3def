"""Flags that several commands share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llm_erm.cli.output import note
from llm_erm.errors import InputError
from llm_erm.execution import Isolation, Limits

if TYPE_CHECKING:
    from llm_erm.sandbox import Sandbox

MOST = 10_000_000
"""Limits must be below this many seconds or MiB: four months, or ten terabytes."""


@dataclass(frozen=True)
class LimitOptions:
    """Limits on one execution of a candidate program, and how it is isolated."""

    seconds_per_call: float = Limits().seconds_per_call
    """Maximum CPU seconds of a candidate per input."""
    seconds_per_candidate: float = Limits().seconds_per_candidate
    """Maximum CPU seconds of a candidate for all inputs of one execution."""
    memory_mb: int = Limits().memory_bytes // 2**20
    """Maximum memory of a candidate in MiB."""
    isolation: Isolation = "auto"
    """How to isolate programs: with the best means that this Linux offers, or with WebAssembly
    (beta, any system)."""
    unsafe_no_isolation: bool = False
    """Run programs even if nothing can isolate them; every result then says so."""

    def sandbox(self) -> "Sandbox":
        """Returns the sandbox; prints a warning if its isolation is weak.

        Raises:
            LLMERMError: Nothing can isolate programs here, and the flags do not allow that.
        """
        from llm_erm.sandbox import Sandbox

        self.announce()
        sandbox = Sandbox(isolation=self.isolation, unsafe_no_isolation=self.unsafe_no_isolation)
        warn_if_weak(sandbox.isolation, sandbox.missing)
        for notice in sandbox.notices:
            note(notice)
        return sandbox

    def announce(self) -> None:
        """Prints how long the first start may take."""
        if self.isolation == "wasm":
            note(
                "Isolation wasm is in beta. Its first start on a machine compiles an interpreter, "
                "which takes a minute or two; later starts take a second."
            )

    def limits(self) -> Limits:
        """Returns the limits after checking them.

        Raises:
            InputError: A limit is not positive, or too large.
        """
        for name in ("seconds_per_call", "seconds_per_candidate", "memory_mb"):
            if not 0 < (value := getattr(self, name)) < MOST:
                raise InputError(
                    f"--{name.replace('_', '-')} is {value:g}; give a number above 0 and below "
                    f"{MOST:,}, or omit it."
                )
        return Limits(self.seconds_per_call, self.seconds_per_candidate, self.memory_mb * 2**20)


def warn_if_weak(isolation: str, missing: Sequence[str]) -> None:
    """Prints a warning if programs are hardly isolated, or not at all."""
    if isolation in ("basic", "none"):
        note(f"Warning: isolation is {isolation!r}: {'; '.join(missing)}")
