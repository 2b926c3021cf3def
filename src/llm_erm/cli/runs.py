"""What the commands that run a method share: they read the data, run or resume, and print."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from llm_erm.cli.flags import sentence
from llm_erm.cli.loading import loading
from llm_erm.cli.observers import Shown
from llm_erm.cli.output import note, say_below
from llm_erm.cli.places import check_files
from llm_erm.cli.placing import ExecutorOptions, ShardOption
from llm_erm.cli.results import print_json
from llm_erm.cli.stopped import status_of
from llm_erm.errors import BudgetSpentError, InputError, UnfinishedError
from llm_erm.records import Result
from llm_erm.runs.events import Observer
from llm_erm.runs.folder import RunFolder
from llm_erm.runs.jobs import JobKey, Method
from llm_erm.runs.run import Plan, opened, plan, results_in, run_in
from llm_erm.runs.shards import Shard
from llm_erm.tasks.spec import DataGrid, DataSpec


class RunOptions(ExecutorOptions, ShardOption, ABC):
    """The flags of a command that runs a method, and what is particular to its runs.

    Attributes:
        COMMAND: Name of the command.
        JOBS: What its jobs are called.
        KEPT: What an interrupted run has kept.
        HOLDS: What its folder holds.
        FOLDER: The option that names the folder.
    """

    COMMAND: ClassVar[str]
    JOBS: ClassVar[str]
    KEPT: ClassVar[str]
    HOLDS: ClassVar[str]
    FOLDER: ClassVar[str] = "out_dir"

    fresh: bool
    json: bool

    @property
    def hides_data(self) -> bool:
        """Whether no file holds the data while a model is asked."""
        return False

    @abstractmethod
    def method(self) -> Method:
        """Returns the method that the flags describe.

        Raises:
            LLMERMError: A flag is not valid, or something that the method needs is missing.
        """

    @abstractmethod
    def grid(self) -> DataGrid:
        """Returns the grid of data sets, and where they are kept."""

    @abstractmethod
    def show(self, results: Sequence[Result]) -> Sequence[str]:
        """Prints a table of results, and returns the sentences that belong below it."""

    def data_sets(self) -> list[DataSpec]:
        """Returns the data sets; prints which points of the grid do not exist.

        Raises:
            InputError: A task is unknown, or none of the points exists.
        """
        return specs_of(self.grid())

    def own_data_sets(self) -> list[DataSpec]:
        """Returns the data sets that this run uses: those of its shard, if it is one.

        Raises:
            InputError: As for ``data_sets``, or there is no such shard.
        """
        specs = self.data_sets()
        return specs if self.shard is None else Shard.of(self.shard, specs).specs(specs)

    def files(self) -> Mapping[str, Path | None]:
        """Returns the files that are written besides the folder, by their flags."""
        return {}

    def plan(self) -> Plan:
        """Returns the run; shows a bar and warnings on stderr while it reads the data.

        Raises:
            LLMERMError: The run cannot start, or the data cannot be drawn or read.
        """
        grid, specs, method = self.grid(), self.data_sets(), self.method()
        out_dir: Path | None = getattr(self, self.FOLDER)
        self.chosen_executor().check(method)
        check_files(self.files(), out_dir)
        own = specs if self.shard is None else Shard.of(self.shard, specs).specs(specs)
        new = grid.fresh_data
        with loading(own, grid.dataset_dir, fresh=new, warn=self.warns) as ready:
            return plan(
                method,
                specs,
                out_dir,
                name=self.COMMAND,
                dataset_dir=grid.dataset_dir,
                fresh_data=grid.fresh_data or (self.hides_data and self.fresh),
                shard=self.shard,
                hide_data=self.hides_data,
                on_data=ready,
            )

    @property
    def kept(self) -> str:
        """What an interrupted run has kept, as a message says it."""
        return self.KEPT

    @property
    def warns(self) -> bool:
        """Whether to print the warnings about the data."""
        return True

    @property
    def writes(self) -> bool:
        """Whether this process writes and prints, if several share the jobs."""
        return True

    @contextmanager
    def observers(
        self, folder: RunFolder | None, run: Plan, done: Mapping[JobKey, Result]
    ) -> Iterator[Sequence[Observer]]:
        """Yields what else observes the run.

        Args:
            folder: The run's folder; None if another process writes it.
            run: The run.
            done: The results in the folder.
        """
        yield ()

    def publish(self, folder: RunFolder, run: Plan, results: Sequence[Result]) -> None:
        """Writes files besides the folder once the run has ended or its budget is spent."""
        return


def run_command(options: RunOptions) -> int:
    """Runs a command, prints its results, and returns the exit status."""
    try:
        results, folder, unfinished = _perform(options)
    except KeyboardInterrupt as stopped:
        return status_of(stopped)
    if not options.writes:
        return 0
    if options.json:
        print_json(results)
    elif results:
        lines = options.show(results)
        say_below("\n".join(("", *lines, f"{options.HOLDS}: {folder}")))
    return 0 if unfinished is None else 3


def results_of(options: RunOptions, observers: Sequence[Observer] = ()) -> list[Result]:
    """Runs a command and returns its results without printing them.

    Raises:
        UnfinishedError: Some jobs could not continue; the others are done.
        LLMERMError: The run cannot start or continue.
        KeyboardInterrupt: The run was stopped.
    """
    results, _, unfinished = _perform(options, observers)
    if unfinished is not None:
        raise unfinished
    return results


def check(options: RunOptions) -> None:
    """Checks, as far as possible without data, that a run can start and has results.

    Raises:
        LLMERMError: The run cannot start, or is a dry run.
    """
    if getattr(options, "dry_run", False):
        raise InputError("A dry run has no results; omit --dry-run.")
    executor, specs = options.chosen_executor(), options.data_sets()
    for spec in specs:
        spec.check()
    method = options.method()
    executor.check(method)
    method.jobs(specs)


def specs_of(grid: DataGrid) -> list[DataSpec]:
    """Returns the data sets of a grid; prints which of its points do not exist.

    Raises:
        InputError: A task is unknown, or none of the points exists.
    """
    for line in grid.skipped():
        note(line)
    return grid.specs()


def _perform(
    options: RunOptions, observers: Sequence[Observer] = ()
) -> tuple[list[Result], Path, UnfinishedError | None]:
    """Returns the results, the run's folder, and the error if some are missing."""
    executor, run, unfinished = options.chosen_executor(), options.plan(), None
    assert run.folder is not None
    if not options.writes:
        done = {} if options.fresh else results_in(run.folder, run.fingerprint)
        with options.observers(None, run, done):
            return run_in(None, run, executor, done=done), run.folder, None
    with opened(run, fresh=options.fresh) as folder:
        assert folder is not None
        finished = sum(job.key in folder.results for job in run.jobs)
        _say_finished(options, folder, finished, len(run.jobs))
        try:
            with (
                options.observers(folder, run, folder.results) as more,
                Shown(len(run.jobs), options.JOBS, done=finished) as bars,
            ):
                results = run_in(folder, run, executor, [*more, bars, *observers])
        except KeyboardInterrupt:
            _say_kept(options, folder, "Stopped")
            raise
        except UnfinishedError as error:
            unfinished = error
            done = folder.results
            results = [done[job.key] for job in run.jobs if job.key in done]
            if isinstance(error, BudgetSpentError):
                why = f"The budget is spent: {sentence(error, type(options)).removesuffix('.')}"
            else:  # the reasons were told as the jobs ended
                missing = len(run.jobs) - len(results)
                have = "has" if missing == 1 else "have"
                why = f"{missing} of {len(run.jobs)} {options.JOBS} {have} no result"
            _say_kept(options, folder, why)
        options.publish(folder, run, results)
    return results, folder.path, unfinished


def _say_finished(options: RunOptions, folder: RunFolder, finished: int, jobs: int) -> None:
    """Says if there are results of an earlier run, which are not made again."""
    if finished == jobs:
        note(f"Already finished, in {folder.path}; --fresh runs it again.")
    elif finished:
        note(
            f"{finished} of the {jobs} {options.JOBS} were finished before, in {folder.path}; "
            "--fresh runs them again."
        )


def _say_kept(options: RunOptions, folder: RunFolder, why: str) -> None:
    again = "without --fresh to resume" if options.fresh else "to resume"
    note(f"{why}. {options.kept} are kept in {folder.path}; run the same command {again}.")
