"""Runs a method over data sets: skips what is done and resumes what is half done."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_erm.records import Result
from llm_erm.runs.events import Event, Finished, Observer
from llm_erm.runs.executors import Executor, InProcess
from llm_erm.runs.fingerprint import Fingerprint, fingerprint
from llm_erm.runs.folder import RunFolder
from llm_erm.runs.jobs import JobKey, Method, Work
from llm_erm.tasks.spec import DataGrid, DataSpec
from llm_erm.tasks.splits import load
from llm_erm.tasks.task import Splits
from llm_erm.version import VERSION

IN_PROCESS = InProcess()


@dataclass(frozen=True)
class Plan:
    """A run with its data read, from which everything that shapes its results is known.

    Attributes:
        method: How to learn.
        specs: Which data.
        data: Their splits, what is held out excepted.
        fingerprint: What shapes the results.
        folder: Where the run is kept; None for nowhere.
    """

    method: Method
    specs: tuple[DataSpec, ...]
    data: tuple[Splits, ...]
    fingerprint: Fingerprint
    folder: Path | None


def plan(
    method: Method,
    data: DataGrid | Sequence[DataSpec],
    folder: Path | None = None,
    *,
    name: str | None = None,
    dataset_dir: Path | None = None,
    fresh_data: bool = False,
    on_data: Callable[[Splits], None] = lambda splits: None,
) -> Plan:
    """Returns a run of a method over data sets, which are drawn or read for that.

    Args:
        method: How to learn.
        data: Which data: a grid, or specs.
        folder: Where to keep the run.
        name: Where there is no folder, the beginning of the name of one below ``runs``, which ends
            in a digest of all that shapes results. None keeps nothing.
        dataset_dir: Folder of the data sets; that of the grid, or ``datasets``, unless given.
        fresh_data: Draw the data anew in place of the files that are there.
        on_data: Called with the splits of each data set as soon as they are there.

    Raises:
        LLMERMError: The data cannot be drawn or read.
    """
    if isinstance(data, DataGrid):
        specs = tuple(data.specs())
        dataset_dir = dataset_dir or data.dataset_dir
        fresh_data = fresh_data or data.fresh_data
    else:
        specs = tuple(data)
    splits = []
    for spec in specs:
        splits.append(load(spec, dataset_dir or Path("datasets"), fresh=fresh_data))
        on_data(splits[-1])
    known = fingerprint(VERSION, method, specs, splits)
    if folder is None and name is not None:
        folder = Path("runs") / f"{name}-{known.digest}"
    return Plan(method, specs, tuple(splits), known, folder)


def run(
    planned: Plan,
    *,
    fresh: bool = False,
    executor: Executor = IN_PROCESS,
    observers: Sequence[Observer] = (),
) -> list[Result]:
    """Returns the results of a plan, in the order of its jobs.

    Jobs with a result in the folder are skipped, and what an interrupted run left of the others is
    gone on from: the journal is written as things happen. SIGTERM stops a run like Ctrl-C.

    Args:
        planned: What to run.
        fresh: Whether to delete what an earlier run left in the folder.
        executor: Where jobs run: in this process, or in a pool of processes.
        observers: Are told of every event, after the journal.

    Raises:
        BudgetSpentError: The budget of the model is spent; the other jobs are done.
        LLMERMError: The set-up cannot work; what was done is in the folder.
        KeyboardInterrupt: The run was stopped; what was done is in the folder.
    """
    with opened(planned, fresh=fresh) as folder:
        return run_in(folder, planned, executor, observers)


@contextmanager
def opened(
    planned: Plan, *, fresh: bool = False, writer: bool = True
) -> Iterator[RunFolder | None]:
    """Yields the folder of a plan, locked; None where the plan keeps nothing.

    Args:
        planned: The run.
        fresh: Whether to delete what an earlier run left in the folder.
        writer: Whether this process writes there; if several processes share the jobs, one does.

    Raises:
        InputError: It cannot be written, holds another run, or another process is writing there.
    """
    if planned.folder is None:
        yield None
        return
    folder = RunFolder(planned.folder, planned.fingerprint, fresh=fresh, writer=writer)
    try:
        yield folder
    finally:
        folder.close()


def run_in(
    folder: RunFolder | None,
    planned: Plan,
    executor: Executor = IN_PROCESS,
    observers: Sequence[Observer] = (),
) -> list[Result]:
    """Does what ``run`` does in a folder that is open already."""
    jobs = planned.method.jobs(planned.specs)
    splits = dict(zip(planned.specs, planned.data, strict=True))
    results: dict[JobKey, Result] = {} if folder is None else folder.results.copy()
    telling = threading.Lock()

    def observe(job: JobKey | None, event: Event) -> None:
        with telling:
            if folder is not None:
                folder(job, event)
            if job is not None and isinstance(event, Finished):
                results[job] = event.result
            for observer in observers:
                observer(job, event)

    todo = [
        Work(
            job,
            splits[job.spec],
            attempts=() if folder is None else folder.attempts(job.key),
            answers={} if folder is None else folder.answers(job.key),
            result=results.get(job.key),
            folder=None if folder is None else folder.path,
        )
        for job in jobs
        if planned.method.wants(results.get(job.key))
    ]
    spent = () if folder is None else folder.completions()
    if todo:
        with stopping_at_sigterm():
            executor.execute(planned.method, todo, observe, spent)
    return [results[job.key] for job in jobs]


@contextmanager
def stopping_at_sigterm() -> Iterator[None]:
    """Makes SIGTERM stop the process like Ctrl-C; does nothing outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        if callable(signal.getsignal(signal.SIGINT)):
            signal.raise_signal(signal.SIGINT)
        else:  # whoever started this ignores Ctrl-C
            raise KeyboardInterrupt

    handlers: dict[signal.Signals, Any] = {signal.SIGTERM: stop}
    if _within_event_loop() and callable(signal.getsignal(signal.SIGINT)):
        # That of asyncio.run cancels the caller, who waits for this run and would not notice.
        handlers[signal.SIGINT] = signal.default_int_handler
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _within_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
