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

    def sandbox(self) -> Sandbox:
        """Returns the sandbox; prints a warning if its isolation is weak.

        Raises:
            LLMERMError: Nothing can isolate programs here, and the flags do not allow that.
        """
        self.announce()
        sandbox = Sandbox(isolation=self.isolation, unsafe_no_isolation=self.unsafe_no_isolation)
        if sandbox.isolation in ("basic", "none"):
            note(f"Warning: isolation is {sandbox.isolation!r}: {'; '.join(sandbox.missing)}")
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
        values = (self.seconds_per_call, self.seconds_per_candidate, self.memory_mb)
        if not all(0 < value < MOST for value in values):
            raise InputError(
                "--seconds-per-call, --seconds-per-candidate and --memory-mb must be above 0 and "
                f"below {MOST:,}; omit them to use the defaults."
            )
        return Limits(self.seconds_per_call, self.seconds_per_candidate, self.memory_mb * 2**20)


def specs_of(grid: DataGrid) -> list[DataSpec]:
    """Returns the data sets of a grid; prints which of its points do not exist.

    Raises:
        InputError: A task is unknown, or none of the points exists.
    """
    for line in grid.skipped():
        note(line)
    return grid.specs()


def check_data(grid: DataGrid, *, dry_run: bool = False) -> None:
    """Checks, without drawing anything, that a run has results and that its data sets can exist.

    Raises:
        InputError: It is a dry run, or a data set cannot exist.
    """
    if dry_run:
        raise InputError("A dry run has no results; omit --dry-run.")
    for spec in specs_of(grid):
        spec.check()


def planned(
    method: Method, grid: DataGrid, specs: list[DataSpec], out_dir: Path | None, command: str
) -> Plan:
    """Returns the run of a command; shows a bar and warnings on stderr while it reads the data.

    Args:
        method: How to learn.
        grid: Where the data are kept.
        specs: The data sets.
        out_dir: Folder of the run; if None, a folder below ``runs`` named after the command.
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
