"""`llm-erm train`: trains transformers on the examples of tasks."""

import gc
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Literal, cast

import tyro

from llm_erm.cli import output
from llm_erm.cli.results import LENGTH, TASK, TRIAL, at_most, bound_lines
from llm_erm.cli.runs import RunOptions, check, run_command
from llm_erm.cli.tables import Column
from llm_erm.errors import InputError
from llm_erm.facts import TrainingFacts
from llm_erm.phrases import counted, listed
from llm_erm.records import Result, accuracy
from llm_erm.runs.events import Observer
from llm_erm.runs.folder import RunFolder
from llm_erm.runs.jobs import JobKey
from llm_erm.runs.run import Plan
from llm_erm.tasks.spec import DataGrid, DataSpec
from llm_erm.tasks.task import Release
from llm_erm.tasks.task_file import load_task_file
from llm_erm.training.architectures import rounded
from llm_erm.training.build import require_packages
from llm_erm.training.duration import cpu_seconds, weights_of
from llm_erm.training.method import Training, TrainingJob
from llm_erm.training.plots import plot_lengths, plot_sizes
from llm_erm.training.settings import TrainingSettings

LONG_SECONDS = 600.0
"""Training that takes longer on a CPU is announced."""


@dataclass(frozen=True)
class Options(RunOptions, TrainingSettings):
    """Flags of `llm-erm train`; it trains one model per task, length, training size and trial."""

    results_path: Annotated[Path | None, tyro.conf.arg(aliases=("--out-dir",))] = None
    """Folder for everything this run writes, with one subfolder per model if there are several
    (default: runs/train-<digest of the settings>)."""
    target_func: Annotated[tuple[str, ...], tyro.conf.arg(aliases=("--functions",))] = ()
    """Tasks, by id or name as `llm-erm tasks` lists them (default: fn_a, or the task of
    --task-file)."""
    sequence_length: Annotated[tuple[int, ...], tyro.conf.arg(aliases=("--lengths",))] = (50,)
    """Lengths of the training inputs in characters."""
    test_sequence_length: tuple[int, ...] = ()
    """Further lengths to test at; a model's training length is skipped."""
    train_set_size: tuple[int, ...] = (200,)
    """Number of training examples: training and validation examples of the other commands."""
    test_set_size: Annotated[int, tyro.conf.arg(aliases=("--test-size",))] = 10_000
    """Number of test examples."""
    num_trials: int = 1
    """Number of independently drawn data sets per task, length and size, each with a model of its
    own; the first uses the base seed itself."""
    dataset_dir: Path = Path("datasets")
    """Folder of the data sets; existing files of the requested sizes are reused."""
    negatives: Literal["near-miss", "random"] = "near-miss"
    """How to draw negative examples of palindromes: one bit off a palindrome, or uniformly."""
    published: Release | None = None
    """Draw data as a published release did, with its repeats and wrong labels: erm (the paper's) or
    pv (its successor's). None draws this package's own (default: None)."""
    allow_repeats: bool = False
    """Let splits share inputs if too few distinct ones exist; such results get no certificate."""
    fresh_data: bool = False
    """Draw new data even if files exist, and replace them."""
    task_file: Path | None = None
    """A Python file that defines a task of your own."""
    tables_dir: Path | None = None
    """Folder with the files of the public tables that fn_m to fn_q draw rows from, as the UCI
    repository has them (default: fetch them from OpenML or the UCI repository)."""
    fresh: bool = False
    """Delete what an earlier run left in the folder instead of continuing it."""
    json: bool = False
    """Print one JSON object per result instead of the table."""
    wide: bool = False
    """On a terminal, show every column of the table."""

    COMMAND = "train"
    JOBS = "trainings"
    KEPT = "Finished trainings"
    HOLDS = "Curves, logs and results"
    FOLDER = "results_path"

    def grid(self) -> DataGrid:
        """Returns the data; of several processes only the first draws them afresh."""
        functions = self.target_func or (() if self.task_file else ("fn_a",))
        return DataGrid(
            functions=functions,
            lengths=self.sequence_length,
            val_size=0,
            test_size=self.test_set_size,
            num_trials=self.num_trials,
            seed=self.seed,
            negatives=self.negatives,
            published=self.published,
            allow_repeats=self.allow_repeats,
            task_file=self.task_file,
            tables_dir=self.tables_dir,
            dataset_dir=self.dataset_dir,
            fresh_data=self.fresh_data and self.writes,
        )

    def data_sets(self) -> list[DataSpec]:
        """Returns the data sets of every training size."""
        sizes = list(dict.fromkeys(self.train_set_size))
        return [replace(spec, train_size=size) for spec in super().data_sets() for size in sizes]

    def method(self) -> Training:
        """Returns the training that the flags describe.

        Raises:
            MissingExtraError: A package that it needs is not installed.
        """
        require_packages(self, "matplotlib", *["accelerate"] * ("RANK" in os.environ))
        return Training(
            settings=TrainingSettings(
                **{f.name: getattr(self, f.name) for f in fields(TrainingSettings)}
            ),
            test_lengths=self.test_sequence_length,
            flags=asdict(self),
        )

    @property
    def kept(self) -> str:
        """What an interrupted run has kept, as a message says it."""
        return self.KEPT if self.checkpoint_every is None else f"{self.KEPT} and checkpoints"

    @property
    def writes(self) -> bool:
        """Whether this is the first of the processes that share a run; torchrun counts them."""
        return os.environ.get("RANK", "0") == "0"

    def plan(self) -> Plan:
        """Returns the run; of several processes the first draws the data."""
        if "RANK" in os.environ:
            check(self)  # all of them fail alike, before any waits for the first
        with _first_process_first(self):
            return super().plan()

    @contextmanager
    def observers(
        self, folder: RunFolder | None, run: Plan, done: Mapping[JobKey, Result]
    ) -> Iterator[Sequence[Observer]]:
        """Rejects --save_model for finished jobs that kept no weights.

        At the end, disconnects the processes.
        """
        for job in run.jobs if self.save_model else ():
            assert isinstance(job, TrainingJob)
            assert run.folder is not None
            place = job.folder(run.folder)
            if job.key in done and not (place / "model").exists():
                raise InputError(
                    f"{place} holds a finished run that did not keep its weights; omit "
                    "--save_model, or train again with --fresh."
                )
        if self.writes:
            todo = [job.spec for job in run.jobs if job.key not in done]
            announce_cpu([self] if todo else [])
        if not sys.stderr.isatty():
            from transformers.utils import logging

            logging.disable_progress_bar()
        yield ()
        if "RANK" in os.environ:  # threads that connect them can abort the exit
            from accelerate import PartialState

            PartialState(cpu=self.device == "cpu").destroy_process_group()
            gc.collect()  # models hold the process group as well

    def publish(self, folder: RunFolder, run: Plan, results: Sequence[Result]) -> None:
        """Plots the accuracy by training size and by length."""
        own = None if self.task_file is None else load_task_file(self.task_file)
        if self.writes and len(self.train_set_size) > 1:
            plot_sizes(results, folder.path / "sizes.png", own)
        if self.writes and self.test_sequence_length:
            plot_lengths(results, folder.path / "lengths.png", own)

    def show(self, results: Sequence[Result]) -> Sequence[str]:
        """Prints one row per model."""
        rows = [(one, one.facts) for one in results if isinstance(one.facts, TrainingFacts)]
        elsewhere = list(dict.fromkeys(n for _, facts in rows for n in facts.accuracy_at_length))
        output.table(
            (
                *(TASK, LENGTH, TRIAL, Column("examples", setting=True)),
                Column("model", text=True, setting=True),
                *(Column("epochs", setting=True), "train", "test", "error at most"),
                *(Column(name, wide=True) for name in ("contrast set", "other lengths")),
                *(f"L = {n}" for n in elsewhere),
            ),
            [
                (
                    result.data.function,
                    str(result.data.length),
                    str(result.data.trial),
                    str(facts.train_size),
                    result.model,
                    str(facts.epochs),
                    *_percentages(result),
                    *(output.percent(facts.accuracy_at_length.get(n)) for n in elsewhere),
                )
                for result, facts in rows
            ],
            wide=self.wide,
        )
        return bound_lines(results)


def announce_cpu(runs: Sequence[Options]) -> None:
    """Says how long trainings take if they are to be on a CPU and take long."""
    specs = [(one, one.own_data_sets()) for one in runs]
    times = [cpu_seconds(one, of_run) for one, of_run in specs]
    seconds = sum(filter(None, times))
    if seconds < LONG_SECONDS:
        return
    sizes = sorted({rounded(size) for one in runs if (size := weights_of(one)) is not None})
    number = sum(len(of_run) for _, of_run in specs)
    output.note(
        f"{counted(number, 'training')} of {listed(sizes)} weights on this CPU: some "
        f"{_long(seconds)}. A GPU is far faster; a smaller model (--n_layer, "
        "--n_head, --n_embd) takes less."
    )


def _long(seconds: float) -> str:
    """Returns a long time in the unit that suits it."""
    for unit, name in ((86400.0 * 365, "year"), (86400.0, "day"), (3600.0, "hour")):
        if seconds >= 2 * unit:
            return counted(round(seconds / unit), name)
    return counted(round(seconds / 60), "minute")


def train(options: Options) -> int:
    """Train a transformer on each task, from scratch or fine-tuned, and test it."""
    return run_command(options)


def _first_process_first(options: Options) -> AbstractContextManager[None]:
    """Makes the other processes wait until the first one has left the context."""
    if "RANK" not in os.environ:
        return nullcontext()
    # If imported later, its default arguments would keep the process group alive.
    import torch.distributed.nn.functional  # noqa: F401
    from accelerate import PartialState

    state = PartialState(cpu=options.device == "cpu")
    return cast("AbstractContextManager[None]", state.main_process_first())


def _percentages(result: Result) -> Iterator[str]:
    """Yields the accuracies and the bound."""
    for verdict in (result.train, result.test):
        yield output.percent(accuracy(verdict))
    yield at_most(result.certificate)[0]
    for verdict in (result.contrast, result.length_generalization):
        yield output.percent(accuracy(verdict))
