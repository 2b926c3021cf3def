"""Runs a method over data sets: skips finished jobs and resumes interrupted ones."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from llm_erm.errors import InputError
from llm_erm.records import Result
from llm_erm.runs.events import Event, Finished, Noticed, Observer
from llm_erm.runs.executors import Executor, InProcess
from llm_erm.runs.fingerprint import Fingerprint, fingerprint
from llm_erm.runs.folder import RunFolder
from llm_erm.runs.hidden import hidden_data, in_memory_alone
from llm_erm.runs.jobs import Job, JobKey, Method, Work
from llm_erm.runs.kept import read_contents
from llm_erm.runs.ledger import enter
from llm_erm.runs.shards import Shard
from llm_erm.runs.stopping import stopping_at_sigterm
from llm_erm.tasks.spec import DataGrid, DataSpec
from llm_erm.tasks.splits import Hidden, load
from llm_erm.tasks.task import Splits
from llm_erm.version import VERSION

IN_PROCESS = InProcess()


@dataclass(frozen=True)
class Plan:
    """A run whose data are loaded, so that everything that shapes its results is known.

    Attributes:
        method: How to learn.
        specs: The data sets; of a shard, its own.
        jobs: The jobs, one per result.
        data: Their splits, without the held-out data.
        fingerprint: What shapes the results.
        folder: Where the run is kept; None to keep nothing.
        hidden: The files that the data do not have until the run has stopped.
    """

    method: Method
    specs: tuple[DataSpec, ...]
    jobs: tuple[Job, ...]
    data: tuple[Splits, ...]
    fingerprint: Fingerprint
    folder: Path | None
    hidden: tuple[Hidden, ...] = ()


def plan(
    method: Method,
    data: DataGrid | Sequence[DataSpec],
    folder: Path | None = None,
    *,
    name: str | None = None,
    dataset_dir: Path | None = None,
    fresh_data: bool = False,
    shard: str | None = None,
    hide_data: bool = False,
    on_data: Callable[[Splits], None] = lambda splits: None,
) -> Plan:
    """Returns a run of a method over data sets, after drawing or reading the data.

    Args:
        method: How to learn.
        data: The data sets: a grid, or specs.
        folder: Where to keep the run.
        name: Without a folder, the run is kept in ``runs/NAME-DIGEST``, with a digest of all that
            shapes results. Without a name as well, nothing is kept.
        dataset_dir: Folder of the data sets (default: that of the grid, or ``datasets``).
        fresh_data: Whether to draw new data even if files exist, and replace them.
        shard: Which part of the data sets to run, as in ``3/16``; None for all.
        hide_data: Whether to draw the data by chance and write them, into the folder, only when the
            run has stopped, so that a model that can read files cannot read them.
        on_data: Called with the splits of each data set as soon as they are loaded.

    Raises:
        LLMERMError: The method cannot run on this data, or the data cannot be drawn or read.
    """
    if isinstance(data, DataGrid):
        specs = tuple(data.specs())
        dataset_dir = dataset_dir or data.dataset_dir
        fresh_data = fresh_data or data.fresh_data
    else:
        specs = tuple(data)
    jobs = tuple(method.jobs(specs))
    for job, count in Counter(job.key for job in jobs).items():
        if count > 1:
            raise InputError(
                f"{count} of the data sets are called {job.name}: they differ only in sizes or in "
                "how they are drawn, so one result would replace another; run them one by one."
            )
    part = None if shard is None else Shard.of(shard, specs)
    if part is not None:
        jobs = tuple(part.jobs(jobs, specs))
        specs = tuple(part.specs(specs))
    splits: list[Splits] = []
    hidden: list[Hidden] = []
    for spec in specs:
        if hide_data:
            one, files = hidden_data(spec, folder, shard, fresh=fresh_data)
            hidden.append(files)
        else:
            one = load(spec, dataset_dir or Path("datasets"), fresh=fresh_data)
        splits.append(one)
        on_data(one)
    known = fingerprint(VERSION, method, specs, splits, part)
    if folder is None and name is not None:
        folder = Path("runs") / f"{name}-{known.digest}"
    return Plan(method, specs, jobs, tuple(splits), known, folder, tuple(hidden))


def run(
    planned: Plan,
    *,
    fresh: bool = False,
    executor: Executor = IN_PROCESS,
    observers: Sequence[Observer] = (),
) -> list[Result]:
    """Returns the results of a plan, in the order of its jobs.

    Every event is journaled in the folder as it happens. Jobs with a result there are skipped, and
    interrupted jobs resume. SIGTERM stops a run like Ctrl-C.

    Args:
        planned: What to run.
        fresh: Whether to delete what an earlier run left in the folder.
        executor: Where jobs run: in this process, or in a pool of processes.
        observers: Receive every event, after the journal.

    Raises:
        UnfinishedError: The model's budget is spent or calls got no answer; the other jobs are
            done.
        LLMERMError: The run cannot start or continue; finished work is in the folder.
        KeyboardInterrupt: The run was stopped; finished work is in the folder.
    """
    with opened(planned, fresh=fresh) as folder:
        return run_in(folder, planned, executor, observers)


def is_done(planned: Plan) -> bool:
    """Returns whether the folder of a plan has every result, so that a run would call no model."""
    done = {} if planned.folder is None else results_in(planned.folder, planned.fingerprint)
    return all(job.key in done for job in planned.jobs)


def results_in(folder: Path, known: Fingerprint) -> dict[JobKey, Result]:
    """Returns the results in a run's folder that can be believed, by job.

    Raises:
        InputError: A file cannot be read, or another version wrote it.
    """
    return read_contents(folder, known.sha256).results


@contextmanager
def opened(planned: Plan, *, fresh: bool = False) -> Iterator[RunFolder | None]:
    """Yields the locked folder of a plan; None if the plan keeps nothing.

    Args:
        planned: The run.
        fresh: Whether to delete what an earlier run left in the folder.

    Raises:
        InputError: The folder is not writable, holds another run, or another process is writing
            to it.
    """
    if planned.folder is None:
        yield None
        return
    planned.method.check_folder(planned.folder, planned.jobs)
    jobs = {job.key for job in planned.jobs}
    folder = RunFolder(planned.folder, planned.fingerprint, jobs, fresh=fresh)
    try:
        if fresh:
            planned.method.clear(planned.folder, planned.jobs)
        yield folder
    finally:
        folder.close()


def run_in(
    folder: RunFolder | None,
    planned: Plan,
    executor: Executor = IN_PROCESS,
    observers: Sequence[Observer] = (),
    *,
    done: Mapping[JobKey, Result] | None = None,
) -> list[Result]:
    """Does what ``run`` does, in a folder that is already open.

    Args:
        folder: The folder; None if nothing is kept, or if another process that shares the jobs
            keeps it.
        planned: What to run.
        executor: Where jobs run.
        observers: Receive every event, after the journal.
        done: The results that the folder has if another process keeps it.
    """
    jobs = planned.jobs
    splits = dict(zip(planned.specs, planned.data, strict=True))
    results = dict(done or {}) if folder is None else folder.results.copy()
    for job in jobs:
        if (earlier := results.get(job.key)) and earlier.data != splits[job.spec].key:
            raise InputError(
                f"The result of {job.key.name} in the folder is of other data; delete the run, or "
                "name another folder.",
                setting="fresh or out_dir",
            )
    telling = threading.Lock()

    def observe(job: JobKey | None, event: Event) -> None:
        with telling:
            if folder is not None and job is not None:
                event = _whole(event, folder.earlier_seconds(job))
                folder(job, event)
            if job is not None and isinstance(event, Finished):
                results[job] = event.result
            for observer in observers:
                observer(job, event)

    wanted = {job for job in jobs if planned.method.wants(results.get(job.key))}
    work = [
        Work(
            job,
            splits[job.spec],
            attempts=folder.attempts(job.key) if folder is not None and job in wanted else (),
            answers=folder.answers(job.key) if folder is not None and job in wanted else {},
            result=results.get(job.key),
            folder=planned.folder,
            run=planned.fingerprint.sha256,
        )
        for job in jobs
    ]
    todo = [one for one in work if one.job in wanted]
    if folder is not None or planned.folder is None:  # else another process enters the jobs
        looks, notices = enter(
            planned.method, work if todo else [], continued=folder is not None and folder.continued
        )
        todo = [
            replace(one, splits=replace(one.splits, look=looks.get(one.job.key))) for one in todo
        ]
        for notice in notices:
            observe(None, Noticed(notice))
    if folder is not None:
        for notice in folder.notices:
            observe(None, Noticed(notice))
        for one in work:
            if one.result is not None:
                planned.method.restore(one)
    counts = planned.method.budget is not None
    spent = folder.completions() if folder is not None and counts else ()
    if todo:
        with stopping_at_sigterm(), in_memory_alone(planned.hidden):
            executor.execute(planned.method, todo, observe, spent)
    return [results[job.key] for job in jobs]


def _whole(event: Event, earlier_seconds: float) -> Event:
    """Returns an event whose result, if it has one, counts the time of earlier parts as well."""
    if not isinstance(event, Finished) or not earlier_seconds:
        return event
    seconds = round(earlier_seconds + event.result.seconds, 3)
    return Finished(replace(event.result, seconds=seconds))
