"""`llm-erm sweep`: does a grid of runs from one YAML file."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, cast

import tyro

from llm_erm.cli import output
from llm_erm.cli.commands import METHODS, command, flags_of
from llm_erm.cli.flags import sentence
from llm_erm.cli.parsing import parse, parse_again
from llm_erm.cli.placing import ExecutorOptions, Executors, check_executor, cluster_of, given_to
from llm_erm.cli.progress import Bars
from llm_erm.cli.results import LENGTH, TASK, TRIAL
from llm_erm.cli.runs import RunOptions, check, results_of
from llm_erm.cli.stopped import status_of
from llm_erm.cli.tables import Column
from llm_erm.cli.train import Options as Training
from llm_erm.cli.train import announce_cpu
from llm_erm.errors import InputError, LLMERMError
from llm_erm.phrases import counted
from llm_erm.records import Result, accuracy
from llm_erm.runs.events import Event, Noticed
from llm_erm.runs.stopping import stopping_at_sigterm
from llm_erm.runs.sweep import Outcome, Sweep, SweepJob, check_folders, read_sweep, run_sweep
from llm_erm.serial import to_plain

MOST_ON_CLUSTER = 16
"""Jobs that run at the same time on a cluster, unless --jobs says otherwise."""


@dataclass(frozen=True)
class Options(ExecutorOptions):
    """Flags of `llm-erm sweep`."""

    file: Annotated[Path, tyro.conf.Positional] = field(kw_only=True)
    """YAML file with experiment_name, results_root, base_args (flags for every job), grid (lists of
    values; every combination is a job) and, optionally, command (default: train)."""
    jobs: int | None = None
    """Number of jobs to run at the same time. With --executor ray, each is a process on this
    machine that mostly waits (default: the number of GPUs, or one; with --executor ray, as many as
    the cluster has room for, but at most 16)."""
    executor: Executors = "local"
    """Where the data sets of a job are done: where its command does them by default, in a pool of
    processes, or on a Ray cluster that all jobs share; --job-cpus, --job-gpus and --job-memory-mb
    then say what one data set takes."""
    json: bool = False
    """Print one JSON object per job instead of the table."""
    wide: bool = False
    """On a terminal, show every column of the table."""


def sweep(options: Options) -> int:
    """Run every combination of a grid of flags, each in its own folder."""
    return sweep_over(options, {})


def sweep_over(options: Options, defaults: Mapping[str, Any]) -> int:
    """Runs a sweep whose `train` jobs have other default flags than the command."""
    _check(options)
    plan = read_sweep(options.file, {"train": defaults})
    if plan.command not in METHODS:
        raise InputError(
            f"A sweep cannot run the command {plan.command!r}; choose one of {', '.join(METHODS)}."
        )
    check_folders(plan)
    checked: list[RunOptions] = []
    for job in plan.jobs:
        checked.append(_checked(options, plan.command, job, checked[0] if checked else None))
    try:
        outcomes = _outcomes(options, plan, checked)
    except KeyboardInterrupt as stopped:
        output.note("Stopped. Run the same command to resume; it skips finished jobs.")
        return status_of(stopped)
    if options.json:
        for outcome in outcomes:
            output.say_json(_json(outcome))
    else:
        _table(plan, outcomes, wide=options.wide)
    return 1 if any(outcome.status for outcome in outcomes) else 0


def _check(options: Options) -> None:
    """Checks the flags of the sweep itself.

    Raises:
        LLMERMError: One of them is not valid, or what it needs is missing.
    """
    if options.jobs is not None and options.jobs < 1:
        raise InputError(f"--jobs is {options.jobs}; give 1 or more, or omit it.")
    check_executor(options)
    if options.executor == "processes" and (options.jobs or 1) > 1:
        raise InputError(
            f"--executor processes starts a pool of processes per job, and --jobs {options.jobs} "
            "would start as many pools at the same time; omit one of the two."
        )


def _outcomes(options: Options, plan: Sweep, checked: Sequence[RunOptions]) -> list[Outcome]:
    """Runs the jobs, on a cluster if the flags say so, and returns how they ended.

    Raises:
        InputError: A folder is not writable, or there is no such cluster.
        KeyboardInterrupt: The sweep was stopped, and every job has ended.
    """
    with stopping_at_sigterm(), cluster_of(options) as ray:
        if ray is None:
            pools = options.executor == "processes"  # one pool after another, with every device
            devices = [None] if pools else _devices(options.jobs)
            if len(devices) == 1 and devices[0] is not None:
                os.environ["CUDA_VISIBLE_DEVICES"] = devices[0]
            calls = [partial(results_of, one) for one in checked]
        else:
            devices = [None] * _places(options, ray, len(plan.jobs))
            address = ray.get_runtime_context().gcs_address
            calls = [partial(_on_cluster, one, address) for one in checked]
        output.note(f"{counted(len(plan.jobs), 'job')} in {plan.folder}, {len(devices)} at a time.")
        if plan.command == "train" and ray is None:
            announce_cpu(
                [
                    cast("Training", one)
                    for one, job in zip(checked, plan.jobs, strict=True)
                    if not (job.folder / "results.jsonl").exists()
                ]
            )
        said = partial(sentence, kind=flags_of(command(plan.command)))
        with Bars() as bars:
            bar = bars.add("jobs", len(plan.jobs))
            return run_sweep(plan.jobs, calls, devices, lambda _: bars.advance(bar), said)


def _on_cluster(options: RunOptions, address: str) -> list[Result]:
    """Does a job over the connection of its process, which stays for later ones."""
    from llm_erm.runs.cluster_connection import stay_connected

    stay_connected(address)
    return results_of(options)


def _places(options: Options, ray: Any, jobs: int) -> int:  # noqa: ANN401 - a module
    """Returns how many jobs run at the same time on a cluster; says if it has no room for any."""
    from llm_erm.runs.cluster import RayCluster

    cluster = options.chosen_executor()
    assert isinstance(cluster, RayCluster)
    room = cluster.room(ray, _say).jobs()
    return options.jobs or max(1, min(room, MOST_ON_CLUSTER, jobs))


def _say(job: object, event: Event) -> None:
    if isinstance(event, Noticed):
        output.note(event.text)


def _checked(flags: Options, name: str, job: SweepJob, first: RunOptions | None) -> RunOptions:
    """Returns the options of a job after checking, as far as that is free, that it can start.

    Args:
        flags: The flags of the sweep.
        name: The command.
        job: The job.
        first: The options of the first job, from which this one's differ only in its values.

    Raises:
        InputError: The job cannot start; the message says why.
    """
    kind: type[Any] = flags_of(command(name))
    if flags.executor != "local" and "--workers" in job.arguments:
        raise InputError(
            f"{flags.file} sets workers, but where its jobs run is what --executor "
            f"{flags.executor} says; omit workers in the file."
        )
    try:
        parsed: RunOptions = replace(_parsed(kind, job, first), **{kind.FOLDER: job.folder})
        options: Any = given_to(parsed, flags)
        if name == "train":
            _check_device(options.device)
        check(options)
    except LLMERMError as error:
        why = sentence(error, kind, job.arguments)
        raise InputError(f"Job {job.index} cannot start: {why}") from error
    found: RunOptions = options
    return found


def _parsed(kind: type[Any], job: SweepJob, first: RunOptions | None) -> Any:  # noqa: ANN401
    """Returns the flags of a job."""
    prog = f"llm-erm {job.arguments[0]}"
    names = {key.replace("-", "_"): f"--{key}" for key in job.values}
    twice = any(  # given by another spelling as well
        word.startswith("--") and names.get(word[2:].replace("-", "_"), word) != word
        for word in job.arguments
    )
    if first is not None and not twice and {one.name for one in fields(kind)} >= names.keys():
        return parse_again(first, list(names), job.own_arguments, prog)
    return parse(kind, job.arguments[1:], prog)


def _check_device(device: str | None) -> None:
    """Rejects the index of a GPU: a job sees only one, which is its first."""
    if device is not None and device.startswith("cuda:") and device != "cuda:0":
        raise InputError(f"device is {device}, but every job sees only one GPU; give cuda.")


def _devices(count: int | None) -> list[str | None]:
    """Returns the GPU for each job that runs at the same time; None if there is no GPU."""
    found: list[str] = []
    if find_spec("torch") is not None:
        import torch

        number = torch.cuda.device_count()
        named = os.environ.get("CUDA_VISIBLE_DEVICES")
        visible = [str(i) for i in range(number)] if named is None else named.split(",")
        found = visible[:number]  # CUDA ignores the first GPU that does not exist and all after it
    if not found:
        return [None] * (count or 1)
    return [found[i % len(found)] for i in range(count or len(found))]


def _json(outcome: Outcome) -> dict[str, Any]:
    return {
        "job": outcome.job.index,
        "values": outcome.job.values,
        "folder": str(outcome.job.folder),
        "status": outcome.status,
        "skipped": outcome.skipped,
        "seconds": round(outcome.seconds, 3),
        "results": [to_plain(result) for result in outcome.results],
    }


def _table(plan: Sweep, outcomes: list[Outcome], *, wide: bool) -> None:
    """Prints one row per result, and one row for a job without results."""
    keys = list(plan.jobs[0].values)
    rows = []
    for outcome in outcomes:
        of_grid = (str(outcome.job.index), *(str(outcome.job.values[key]) for key in keys))
        for result in outcome.results or (None,):
            rows.append((*of_grid, *_cells(result), _status(outcome)))
    columns: tuple[str | Column, ...] = (
        "job",
        *(Column(key, text=True) for key in keys),
        *(TASK, LENGTH, TRIAL),
        Column("train", wide=True),
        *("test", Column("status", text=True)),
    )
    output.table(columns, rows, wide=wide)
    output.say_below(f"\nFolders of the jobs: {plan.folder}")


def _cells(result: Result | None) -> tuple[str, ...]:
    if result is None:
        return ("–",) * 5
    return (
        result.data.function,
        str(result.data.length),
        str(result.data.trial),
        output.percent(accuracy(result.train)),
        output.percent(accuracy(result.test)),
    )


def _status(outcome: Outcome) -> str:
    if outcome.status:
        return f"failed ({outcome.status}); see {outcome.job.folder / 'stderr.log'}"
    return "done before" if outcome.skipped else f"{outcome.seconds:.0f} s"
