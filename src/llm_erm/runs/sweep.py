"""Sweeps: grids of runs, defined in one YAML file and executed several at a time.

The file, as published::

    experiment_name: parities            # the jobs' folders are ./results/parities/0, 1, …
    results_root: ./results
    command: train                       # command of llm-erm to run (default: train)
    base_args: {batch_size: 20}          # flags of every job
    grid: {target_func: [fn_a, fn_b]}    # flags that vary; every combination is a job
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from llm_erm.advice import advice
from llm_erm.errors import InputError, MissingExtraError
from llm_erm.records import Result
from llm_erm.runs.apart import Call, Ended, Places, Sentence, perform
from llm_erm.runs.files import replace, writing
from llm_erm.runs.journal import lock
from llm_erm.runs.stopping import stopping_at_sigterm

_KEYS = {"experiment_name", "results_root", "base_args", "grid"}

_FOLDERS = frozenset({"results_path", "out_dir"})
"""Flags that say where a command writes; the sweep sets them."""
_PLACES = frozenset({"executor", "ray_address", "job_cpus", "job_gpus", "job_memory_mb"})
"""Flags that say where all jobs of a sweep run, so that they are flags of the sweep."""


@dataclass(frozen=True)
class SweepJob:
    """One run of a sweep.

    Attributes:
        index: Index of the job, counted from 0; also the name of its folder.
        values: Its values from the grid, by key.
        arguments: Its command line, without the folder.
        folder: Its folder.
    """

    index: int
    values: Mapping[str, Any]
    arguments: tuple[str, ...]
    folder: Path

    @property
    def own_arguments(self) -> list[str]:
        """The part of the command line that the grid sets."""
        return _flags(self.values)


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
        job: The job.
        status: 0 if it succeeded, else the exit status that its command would have.
        results: Its results.
        seconds: Wall time; 0 if it was skipped.
        skipped: Whether an earlier sweep had finished it, and its command found nothing to do.
    """

    job: SweepJob
    status: int
    results: tuple[Result, ...]
    seconds: float
    skipped: bool


@dataclass(frozen=True)
class Sweep:
    """A grid of runs.

    Attributes:
        command: The command that every job runs.
        folder: The folder that holds the jobs' folders.
        jobs: The jobs; the last key of the grid varies fastest.
    """

    command: str
    folder: Path
    jobs: tuple[SweepJob, ...]


def read_sweep(path: Path, defaults: Mapping[str, Mapping[str, Any]] | None = None) -> Sweep:
    """Returns the sweep that a YAML file describes.

    Args:
        path: The file.
        defaults: For each command, flags of every job that the file does not set.

    Raises:
        InputError: The file cannot be read or does not describe a sweep.
        MissingExtraError: PyYAML is not installed.
    """
    content = _mapping(path, _parsed(path), "the file")
    unknown = content.keys() - _KEYS - {"command"}
    missing = _KEYS - content.keys()
    if unknown or missing:
        fault = f"the unknown key {_listed(unknown)}" if unknown else f"no {_listed(missing)}"
        raise InputError(
            f"{path} has {fault}; the keys are {_listed(_KEYS)} and, optionally, command."
        )
    command = str(content.get("command", "train"))
    given = _mapping(path, content["base_args"] or {}, "base_args")
    base = {**(defaults or {}).get(command, {}), **given}
    grid = _mapping(path, content["grid"] or {}, "grid")
    for key in (*given, *grid):
        if key.replace("-", "_") in _FOLDERS:
            raise InputError(
                f"{path} sets {key}, but every job gets its own folder in "
                "results_root/experiment_name; omit it."
            )
        if key.replace("-", "_") in _PLACES:
            flag = key.replace("_", "-")
            raise InputError(
                f"{path} sets {key}, but all jobs of a sweep run in the same place; omit it, and "
                f"give --{flag} to `llm-erm sweep` itself."
            )
        if key == "shard":
            raise InputError(f"{path} sets shard, but every job of a sweep runs whole; omit it.")
    for key, values in grid.items():
        if not isinstance(values, list) or not values:
            raise InputError(f"{path}: {key} in grid is {values!r}; give a list of values.")
    folder = Path(str(content["results_root"])) / str(content["experiment_name"])
    jobs = []
    for index, combination in enumerate(product(*grid.values())):
        values = dict(zip(grid, combination, strict=True))
        arguments = (command, *_flags(base | values))
        jobs.append(SweepJob(index, values, arguments, folder / str(index)))
    return Sweep(command, folder, tuple(jobs))


def check_folders(sweep: Sweep) -> None:
    """Checks that no job's folder holds another job that succeeded.

    A failed job may be replaced by a corrected one; the command checks what it left there.

    Raises:
        InputError: A folder holds such a job.
    """
    for job in sweep.jobs:
        earlier = _record(job.folder)
        if earlier is None or earlier.get("status") != 0:
            continue
        if earlier["arguments"] != list(job.arguments):
            raise InputError(
                f"{job.folder} holds another job ({' '.join(earlier['arguments'])}); "
                "choose another experiment_name, or delete that folder."
            )


def status_in(folder: Path) -> int | None:
    """Returns the exit status of the job of a sweep whose folder this is; None until it ended.

    Raises:
        InputError: What the sweep wrote of the job cannot be read.
    """
    record = _record(folder)
    status = None if record is None else record.get("status")
    return status if isinstance(status, int) else None


def run_sweep(
    jobs: Sequence[SweepJob],
    calls: Sequence[Call],
    devices: Sequence[str | None],
    on_outcome: Callable[[Outcome], None],
    sentence: Sentence = str,
) -> list[Outcome]:
    """Does the jobs, as many at a time as there are devices; a failed job does not stop others.

    With one device, jobs run in this process, otherwise in one process per device. A job's output
    goes to ``stderr.log`` in its folder. SIGTERM stops a sweep like Ctrl-C.

    Args:
        jobs: The jobs.
        calls: How to do each job. A call skips what is finished in the job's folder, and refuses a
            folder of other settings or data.
        devices: The CUDA device of each process; None to leave all devices visible.
        on_outcome: Called with each outcome as soon as it is known, one at a time.
        sentence: Returns the message of an error.

    Raises:
        InputError: A folder is not writable, or another sweep is running in it.
        KeyboardInterrupt: The sweep was stopped, and every job has ended.
    """
    todo = list(zip(jobs, calls, strict=True))
    outcomes: dict[int, Outcome] = {}

    def tell(outcome: Outcome) -> None:
        outcomes[outcome.job.index] = outcome
        on_outcome(outcome)

    with ExitStack() as opened:
        for folder in {job.folder.parent for job in jobs}:  # no job fails because another is at it
            opened.enter_context(closing(lock(folder)))
        if len(devices) == 1:
            opened.enter_context(stopping_at_sigterm())
            for job, call in todo:
                tell(_outcome(job, partial(perform, call=call, sentence=sentence)))
        else:
            places = opened.enter_context(Places(devices))

            def one(job: SweepJob, call: Call) -> Outcome:
                return _outcome(job, partial(places.perform, call=call, sentence=sentence))

            places.each(one, todo, tell)
    return [outcomes[job.index] for job in jobs]


def _outcome(job: SweepJob, do: Callable[[Path], Ended]) -> Outcome:
    """Does what is missing in one job's folder, and records how the job ended."""
    earlier = _record(job.folder)
    before = _results(job) if earlier is not None and earlier.get("status") == 0 else None
    started = time.monotonic()
    with writing(job.folder):
        job.folder.mkdir(parents=True, exist_ok=True)
    ended = do(job.folder / "stderr.log")
    if ended.status == 0 and before is not None and before == _results(job):
        return Outcome(job, 0, ended.results, 0.0, skipped=True)
    record = {"arguments": list(job.arguments), "values": job.values, "status": ended.status}
    with writing(job.folder):
        replace(job.folder / "job.json", json.dumps(record, indent=4, default=str) + "\n")
    seconds = time.monotonic() - started
    return Outcome(job, ended.status, ended.results, seconds, skipped=False)


def _flags(values: Mapping[str, Any]) -> list[str]:
    """Returns a command line; true becomes a bare flag; false, null and no values are left out."""
    flags = []
    for name, value in values.items():
        if value is None or value is False or value == []:
            continue
        flags.append(f"--{name}")
        if isinstance(value, list):
            flags += map(str, value)
        elif value is not True:
            flags.append(str(value))
    return flags


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _parsed(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    try:
        import yaml
    except ModuleNotFoundError:
        raise MissingExtraError(
            "A sweep needs PyYAML, which is not installed; run: pip install 'llm-erm[sweep]'"
        ) from None
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); {advice(error, path, 'name a YAML file')}."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        # Without PyYAML's excerpt of the file, which may show a key.
        mark = getattr(error, "problem_mark", None)
        what = str(error) if mark is None else f"line {mark.line + 1}: {error.problem}"  # type: ignore[union-attr]
        raise InputError(f"{path} is not valid YAML ({' '.join(what.split())}).") from None


def _mapping(path: Path, value: Any, what: str) -> dict[str, Any]:  # noqa: ANN401
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise InputError(f"{path}: {what} must map names to values, as in 'batch_size: 20'.")
    return value


def _record(folder: Path) -> dict[str, Any] | None:
    """Returns what an earlier sweep wrote of a job; None if nothing, or if that is damaged."""
    path = folder / "job.json"
    try:
        record = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); {advice(error, path, 'delete it')}."
        ) from error
    except (ValueError, RecursionError):
        return None
    arguments = record.get("arguments") if isinstance(record, dict) else None
    listed = isinstance(arguments, list) and all(isinstance(one, str) for one in arguments)
    return record if listed else None


def _results(job: SweepJob) -> bytes | None:
    """Returns what the results in a job's folder are; None without any."""
    path = job.folder / "results.jsonl"
    return path.read_bytes() if path.is_file() else None
