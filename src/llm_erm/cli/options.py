"""Flags that several commands share, and what they mean in tasks and data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from llm_erm.cli.output import note, progress
from llm_erm.errors import InputError
from llm_erm.sandbox import Isolation, Limits, Sandbox
from llm_erm.tasks import splits
from llm_erm.tasks.drawing import Request
from llm_erm.tasks.seeds import trial_seed
from llm_erm.tasks.suite import PUBLISHED, get
from llm_erm.tasks.task import Dataset, Splits, Task
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
    num_trials: int = 1
    """Data sets drawn independently of each task and length; the first has the base seed itself."""
    dataset_dir: Path = Path("datasets")
    """Folder of the data sets; files there with the sizes asked for are used as they are."""
    negatives: Literal["near-miss", "random"] = "near-miss"
    """How palindrome negatives are drawn: one bit from a palindrome, or uniform."""
    published: bool = False
    """Draw as the published code did where it differs, to compare with published figures."""
    allow_repeats: bool = False
    """Let splits share inputs where too few exist; such results carry no certificate."""
    fresh_data: bool = False
    """Draw the data anew in place of the files that are there."""
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


def check_sizes(options: DataOptions, points: Sequence[tuple[Task, int]]) -> None:
    """Makes sure, as far as that needs no drawing, that there can be data of these sizes.

    Raises:
        InputError: One is impossible.
    """
    sizes = options.train_size, options.val_size, options.test_size
    kind = options.negatives, options.published, options.allow_repeats
    for task, length in points:
        splits.check(task, Request(length, *sizes, options.seed, *kind))


def folder(options: DataOptions, task: Task, length: int, trial: int = 1) -> Path:
    """Returns where the data of one trial of a grid point are kept."""
    return splits.folder(task, **_request(options, length, trial))


def load(
    options: DataOptions, task: Task, length: int, trial: int = 1, *, evaluation_sets: bool = False
) -> Splits:
    """Returns the splits of one trial of a grid point, drawn or read; warnings go to stderr."""
    result = _load(options, task, length, trial, evaluation_sets=evaluation_sets)
    for warning in result.warnings:
        note(f"Note: {warning}")
    return result


def load_all(options: DataOptions, points: Sequence[tuple[Task, int]]) -> list[Splits]:
    """Returns the splits of all grid points and trials, probes included, with a bar meanwhile."""
    with progress() as bars:
        return [
            load(options, task, length, trial, evaluation_sets=True)
            for task, length, trial in bars.track(trials(options, points), description="data")
        ]


@dataclass(frozen=True)
class Problem:
    """What one search works on: data to learn and select from, and the way to the rest.

    Attributes:
        splits: Training and validation data; the test split is empty.
        sha256: Digest of all labelled examples.
        reveal: Reads the splits with test, probe and length-shift data from the disk.
    """

    splits: Splits
    sha256: str
    reveal: Callable[[], Splits]

    @property
    def name(self) -> str:
        """The task, the length and, after the first, the trial."""
        trial = f" trial={self.splits.trial}" if self.splits.trial > 1 else ""
        return f"{self.splits.fn} L={self.splits.length}{trial}"


def problems(options: DataOptions, points: Sequence[tuple[Task, int]]) -> list[Problem]:
    """Returns all grid points and trials; thousands of them fit in memory, without test data."""
    with progress() as bars:
        return [
            _problem(options, task, length, trial)
            for task, length, trial in bars.track(trials(options, points), description="data")
        ]


def _problem(options: DataOptions, task: Task, length: int, trial: int) -> Problem:
    whole = load(options, task, length, trial)
    light = replace(whole, test=Dataset((), ()))
    place = folder(options, task, length, trial)
    return Problem(light, whole.sha256, partial(splits.reveal, task, light, place))


def trials(options: DataOptions, points: Sequence[tuple[Task, int]]) -> list[tuple[Task, int, int]]:
    """Returns every trial of every grid point.

    Raises:
        InputError: There are fewer than one.
    """
    if options.num_trials < 1:
        raise InputError(f"--num-trials is {options.num_trials}; give 1 or more.")
    numbers = range(1, options.num_trials + 1)
    return [(task, length, trial) for task, length in points for trial in numbers]


def _load(
    options: DataOptions, task: Task, length: int, trial: int, *, evaluation_sets: bool
) -> Splits:
    result = splits.load_or_make(
        task,
        **_request(options, length, trial),
        fresh=options.fresh_data,
        evaluation_sets=evaluation_sets,
    )
    return replace(result, trial=trial)


def _request(options: DataOptions, length: int, trial: int) -> dict[str, Any]:
    return {
        "length": length,
        "train_size": options.train_size,
        "validation_size": options.val_size,
        "test_size": options.test_size,
        "seed": trial_seed(options.seed, trial),
        "dataset_dir": options.dataset_dir,
        "negatives": options.negatives,
        "published": options.published,
        "allow_repeats": options.allow_repeats,
    }
