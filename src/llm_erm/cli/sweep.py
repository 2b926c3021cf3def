"""`llm-erm sweep`: runs a grid of runs from one YAML file."""

import contextlib
import io
import json as jsonlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import tyro

from llm_erm import sweep as sweeps
from llm_erm.cli import output
from llm_erm.cli.options import DataOptions, check_sizes, grid
from llm_erm.errors import InputError, LLMERMError


@dataclass(frozen=True)
class Options:
    """Flags of `llm-erm sweep`."""

    file: Annotated[Path, tyro.conf.Positional]
    """YAML with experiment_name, results_root, base_args (flags of every job), grid (lists of
    values, every combination of which is a job) and, unless it is train, command."""
    jobs: int | None = None
    """Jobs at a time; as many as there are GPUs, or one, unless given."""
    json: bool = False
    """Print one JSON object a job instead of the table."""


def sweep(options: Options) -> int:
    """Run every combination of a grid of flags, each in a folder of its own."""
    return sweep_over(options, {})


def sweep_over(options: Options, defaults: Mapping[str, Any]) -> int:
    """The same where jobs have other default flags than the command."""
    if options.jobs is not None and options.jobs < 1:
        raise InputError(f"--jobs is {options.jobs}; give 1 or more, or leave it out.")
    plan = sweeps.read(options.file, {"train": defaults})
    sweeps.check(plan)
    for job in plan.jobs:
        _check(plan.command, job)
    places = _places(options.jobs)
    output.note(f"{len(plan.jobs)} jobs in {plan.folder}, {len(places)} at a time.")
    with output.progress() as progress:
        bar = progress.add_task("jobs", total=len(plan.jobs))
        try:
            outcomes = sweeps.run(
                plan.jobs,
                (sys.executable, "-m", "llm_erm"),
                places,
                lambda _: progress.advance(bar),
            )
        except KeyboardInterrupt:
            output.note("Stopped. The same command skips the jobs that have finished.")
            return 130
    if options.json:
        for outcome in outcomes:
            print(jsonlib.dumps(_json(outcome)))
    else:
        _table(plan, outcomes)
    return 1 if any(outcome.status for outcome in outcomes) else 0


def _check(command: str, job: sweeps.Job) -> None:
    """Parses a job's command line and makes sure, as far as that costs nothing, that it can start.

    Raises:
        InputError: It cannot, and why.
    """
    from llm_erm.cli.main import COMMANDS, CONFIG
    from llm_erm.cli.train import Options as TrainOptions
    from llm_erm.cli.train import jobs

    kinds: dict[str, Any] = {
        name: get_type_hints(run).get("options") for name, run in COMMANDS.items()
    }
    tracks = [name for name, kind in kinds.items() if kind and _has_folder(kind)]
    if command not in tracks:
        raise InputError(
            f"There is no command {command!r} to sweep; choose among {', '.join(tracks)}."
        )
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            options: Any = tyro.cli(
                kinds[command], prog=command, args=list(job.arguments[1:]), config=CONFIG
            )
            if isinstance(options, TrainOptions):
                _check_device(options.device)
                jobs(options)
            elif isinstance(options, DataOptions):
                check_sizes(options, grid(options))
    except SystemExit:
        raise InputError(f"Job {job.index} cannot be parsed: {_brief(said.getvalue())}") from None
    except LLMERMError as error:
        raise InputError(f"Job {job.index} cannot start: {error}") from error


def _check_device(device: str | None) -> None:
    """Refuses one GPU of several: the only one that a job sees is its first."""
    if device is not None and device.startswith("cuda:") and device != "cuda:0":
        raise InputError(f"device is {device}, but every job has one GPU to itself; give cuda.")


def _has_folder(kind: type) -> bool:
    return bool(sweeps.FOLDERS & {field.name for field in fields(kind)})


def _brief(text: str) -> str:
    """What tyro says, without its frame."""
    words = " ".join(line.strip("│╭╮╰╯─ ") for line in text.splitlines())
    return " ".join(words.split())[:300]


def _places(count: int | None) -> list[dict[str, str]]:
    """Returns the environment of each job that runs at a time; each GPU serves one place."""
    environment = dict(os.environ)
    devices: list[str] = []
    if find_spec("torch") is not None:
        import torch

        number = torch.cuda.device_count()
        named = os.environ.get("CUDA_VISIBLE_DEVICES")
        visible = [str(i) for i in range(number)] if named is None else named.split(",")
        devices = visible[:number]  # CUDA sees none from the first that does not exist
    if not devices:
        return [environment] * (count or 1)
    chosen = [devices[i % len(devices)] for i in range(count or len(devices))]
    return [environment | {"CUDA_VISIBLE_DEVICES": device} for device in chosen]


def _json(outcome: sweeps.Outcome) -> dict[str, Any]:
    return {
        "job": outcome.job.index,
        "values": outcome.job.values,
        "folder": str(outcome.job.folder),
        "status": outcome.status,
        "skipped": outcome.skipped,
        "seconds": round(outcome.seconds, 3),
        "results": list(outcome.results),
    }


def _table(plan: sweeps.Sweep, outcomes: list[sweeps.Outcome]) -> None:
    """Prints one row a result, and one for a job that has none."""
    keys = list(plan.jobs[0].values)
    rows = []
    for outcome in outcomes:
        for result in outcome.results or ({},):
            rows.append(
                (
                    str(outcome.job.index),
                    *(str(outcome.job.values[key]) for key in keys),
                    str(result.get("function", "")),
                    str(result.get("length", "")),
                    output.percent(result.get("train_accuracy")),
                    output.percent(result.get("test_accuracy")),
                    _status(outcome),
                )
            )
    output.table(("job", *keys, "task", "length", "train", "test", "status"), rows)
    print(f"\nFolders of the jobs: {plan.folder}")


def _status(outcome: sweeps.Outcome) -> str:
    if outcome.status:
        return f"failed ({outcome.status}); see {outcome.job.folder / 'stderr.log'}"
    return "done before" if outcome.skipped else f"{outcome.seconds:.0f} s"
