"""Flags that several commands share, and what they mean in tasks and data."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from llm_erm.cli.output import note, progress
from llm_erm.errors import InputError
from llm_erm.sandbox import Isolation, Limits, Sandbox
from llm_erm.tasks import splits
from llm_erm.tasks.suite import PUBLISHED, get
from llm_erm.tasks.task import Splits, Task
from llm_erm.tasks.task_file import load_task_file

MOST = 10_000_000
"""Seconds or MiB that a limit stays below: four months, or ten terabytes."""


@dataclass(frozen=True)
class DataOptions:
    """Which tasks, and how much data of each."""

    functions: tuple[str, ...] = ()
    """Task ids, as `llm-erm tasks` lists them; the twelve published ones unless given."""
    lengths: tuple[int, ...] = ()
    """Input lengths in characters; each task's published lengths unless given."""
    train_size: int = 100
    """Training examples."""
    val_size: int = 100
    """Validation examples."""
    test_size: int = 10_000
    """Test examples."""
    seed: int = 42
    """Base seed of the data."""
    dataset_dir: Path = Path("datasets")
    """Folder of the data sets; files there with the sizes asked for are used as they are."""
    negatives: Literal["near-miss", "random"] = "near-miss"
    """How palindrome negatives are drawn: one bit from a palindrome, or uniform."""
    published: bool = False
    """Draw as the published code did where it differs, to compare with published figures."""
    allow_repeats: bool = False
    """Let splits share inputs where too few exist; such results carry no certificate."""
    fresh_data: bool = False
    """Replace data sets whose files have other sizes than asked for."""
    task_file: Path | None = None
    """A Python file that defines a task of your own."""


@dataclass(frozen=True)
class LimitOptions:
    """What one execution of a candidate program may use."""

    seconds_per_call: float = Limits().seconds_per_call
    """CPU seconds a candidate may take for one input."""
    seconds_per_candidate: float = Limits().seconds_per_candidate
    """CPU seconds a candidate may take for all inputs of one execution."""
    memory_mb: int = Limits().memory_bytes // 2**20
    """Memory a candidate may take, in MiB."""
    isolation: Isolation = "auto"
    """What holds programs: this Linux at its best, or WebAssembly (beta), on any system."""
    unsafe_no_isolation: bool = False
    """Run programs even where nothing holds them back; every result then says so."""

    def sandbox(self) -> Sandbox:
        """Returns the sandbox, and says how well it isolates where that is less than it could be.

        Raises:
            LLMERMError: Nothing would hold a program back here and that was not allowed.
        """
        if self.isolation == "wasm":
            note(
                "Isolation wasm is in beta. Its first start on a machine compiles an interpreter, "
                "which takes a minute or two; later ones take a second."
            )
        sandbox = Sandbox(isolation=self.isolation, unsafe_no_isolation=self.unsafe_no_isolation)
        if sandbox.isolation in ("basic", "none"):
            note(f"Warning: isolation is {sandbox.isolation!r}: {'; '.join(sandbox.missing)}")
        return sandbox

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


def grid(options: DataOptions) -> list[tuple[Task, int]]:
    """Returns the tasks and lengths asked for; impossible lengths are skipped with a notice.

    Raises:
        InputError: A task is unknown, or no length is possible.
    """
    own = load_task_file(options.task_file) if options.task_file is not None else None
    names = options.functions or ((own.id,) if own is not None else PUBLISHED)
    chosen = [
        own if own is not None and name == own.id else get(name) for name in dict.fromkeys(names)
    ]
    points = []
    for task in chosen:
        for length in dict.fromkeys(options.lengths or task.lengths):
            if (why := task.why_not(length)) is None:
                points.append((task, length))
            else:
                note(f"Skipped {task.id} at length {length}: {why}")
    if not points:
        raise InputError(
            f"No length in {list(options.lengths)} is possible for {', '.join(names)}; "
            "`llm-erm tasks` lists the lengths of each."
        )
    return points


def folder(options: DataOptions, task: Task, length: int) -> Path:
    """Returns where the data of one grid point are kept."""
    return splits.folder(task, **_request(options, length))


def load(options: DataOptions, task: Task, length: int, *, evaluation_sets: bool = False) -> Splits:
    """Returns the splits of one grid point, drawn or read; warnings go to stderr."""
    result = splits.load_or_make(
        task, **_request(options, length), fresh=options.fresh_data, evaluation_sets=evaluation_sets
    )
    for warning in result.warnings:
        note(f"Note: {warning}")
    return result


def load_all(options: DataOptions, points: Sequence[tuple[Task, int]]) -> list[Splits]:
    """Returns the splits of all grid points, probes included, with a bar while they are drawn."""
    with progress() as bars:
        return [
            load(options, task, length, evaluation_sets=True)
            for task, length in bars.track(points, description="data")
        ]


def _request(options: DataOptions, length: int) -> dict[str, Any]:
    return {
        "length": length,
        "train_size": options.train_size,
        "validation_size": options.val_size,
        "test_size": options.test_size,
        "seed": options.seed,
        "dataset_dir": options.dataset_dir,
        "negatives": options.negatives,
        "published": options.published,
        "allow_repeats": options.allow_repeats,
    }
