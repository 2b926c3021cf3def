"""Flags that several commands share."""

from dataclasses import dataclass
from pathlib import Path

from llm_erm.cli.output import note, progress
from llm_erm.errors import InputError
from llm_erm.runs.jobs import Method
from llm_erm.runs.run import Plan, plan
from llm_erm.sandbox import Isolation, Limits, Sandbox
from llm_erm.tasks.spec import DataGrid, DataSpec
from llm_erm.tasks.task import Splits

MOST = 10_000_000
"""Seconds or MiB that a limit stays below: four months, or ten terabytes."""


@dataclass(frozen=True)
class LimitOptions:
    """What one execution of a candidate program may use."""

    seconds_per_call: float = Limits().seconds_per_call
    """CPU seconds that a candidate may take for one input."""
    seconds_per_candidate: float = Limits().seconds_per_candidate
    """CPU seconds that a candidate may take for all inputs of one execution."""
    memory_mb: int = Limits().memory_bytes // 2**20
    """Memory that a candidate may take, in MiB."""
    isolation: Isolation = "auto"
    """What isolates programs: the best that this Linux offers, or WebAssembly (beta), on any
    system."""
    unsafe_no_isolation: bool = False
    """Run programs even where nothing isolates them; every result then says so."""

    def sandbox(self) -> Sandbox:
        """Returns the sandbox, and says how well it isolates where that is less than it could be.

        Raises:
            LLMERMError: Nothing would isolate a program here, and that was not allowed.
        """
        self.announce()
        sandbox = Sandbox(isolation=self.isolation, unsafe_no_isolation=self.unsafe_no_isolation)
        if sandbox.isolation in ("basic", "none"):
            note(f"Warning: isolation is {sandbox.isolation!r}: {'; '.join(sandbox.missing)}")
        return sandbox

    def announce(self) -> None:
        """Says what a first start may take."""
        if self.isolation == "wasm":
            note(
                "Isolation wasm is in beta. Its first start on a machine compiles an interpreter, "
                "which takes a minute or two; later ones take a second."
            )

    def limits(self) -> Limits:
        """Returns the limits, checked.

        Raises:
            InputError: One of them is not positive.
        """
        values = (self.seconds_per_call, self.seconds_per_candidate, self.memory_mb)
        if not all(0 < value < MOST for value in values):
            raise InputError(
                "--seconds-per-call, --seconds-per-candidate and --memory-mb must be above 0 and "
                f"below {MOST:,}; leave them out for the defaults."
            )
        return Limits(self.seconds_per_call, self.seconds_per_candidate, self.memory_mb * 2**20)


def specs_of(grid: DataGrid) -> list[DataSpec]:
    """Returns the data sets of a grid, and says which of its points do not exist.

    Raises:
        InputError: A task is unknown, or no point exists.
    """
    for line in grid.skipped():
        note(line)
    return grid.specs()


def planned(
    method: Method, grid: DataGrid, specs: list[DataSpec], out_dir: Path | None, command: str
) -> Plan:
    """Returns the run of a command; warnings about its data go to stderr, with a bar meanwhile.

    Args:
        method: How to learn.
        grid: Where the data are.
        specs: Which data.
        out_dir: Folder of the run; one below ``runs``, named after the command, where it is None.
        command: Name of the command.

    Raises:
        LLMERMError: The data cannot be drawn or read.
    """
    with progress() as bars:
        bar = bars.add_task("data", total=len(specs))

        def ready(splits: Splits) -> None:
            bars.advance(bar)
            for warning in splits.warnings:
                note(f"Note: {warning}")

        return plan(
            method,
            specs,
            out_dir,
            name=command,
            dataset_dir=grid.dataset_dir,
            fresh_data=grid.fresh_data,
            on_data=ready,
        )
