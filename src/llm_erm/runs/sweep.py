"""A grid of runs in one YAML file: what its jobs are, and how they are done, several at a time.

The file, as published::

    experiment_name: parities            # jobs have the folders ./results/parities/0, 1, …
    results_root: ./results
    command: train                       # which command of llm-erm (default: train)
    base_args: {batch_size: 20}          # flags of every job
    grid: {target_func: [fn_a, fn_b]}    # flags that vary; every combination is a job
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from llm_erm.errors import InputError, MissingExtraError
from llm_erm.records import Result
from llm_erm.runs.apart import Call, Ended, Places, Sentence, perform
from llm_erm.runs.files import replace, writing
from llm_erm.runs.run import stopping_at_sigterm

_KEYS = {"experiment_name", "results_root", "base_args", "grid"}
_SETTING = "results_root in the file"

_FOLDERS = frozenset({"results_path", "out_dir"})
"""Flags that say where a command writes; a sweep gives them itself."""


@dataclass(frozen=True)
class SweepJob:
    """One run of a sweep.

    Attributes:
        index: Which job this is, counted from 0; the name of its folder.
        values: What the grid gives it, by key.
        arguments: Its command line, without the folder.
        folder: Where everything of it goes.
    """

    index: int
    values: Mapping[str, Any]
    arguments: tuple[str, ...]
    folder: Path


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        job: The job.
        status: 0 if it succeeded; else what the exit status of its command would be.
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
        folder: Where the jobs' folders are.
        jobs: The jobs; the last key of the grid varies fastest.
    """

    command: str
    folder: Path
    jobs: tuple[SweepJob, ...]


def read_sweep(path: Path, defaults: Mapping[str, Mapping[str, Any]] | None = None) -> Sweep:
    """Returns the sweep that a YAML file describes.

    Args:
        path: The file.
        defaults: By command, flags of every job that the file does not give.

    Raises:
        InputError: The file cannot be read or does not describe a sweep.
        MissingExtraError: PyYAML is not installed.
    """
    content = _mapping(path, _parsed(path), "the file")
    unknown = content.keys() - _KEYS - {"command"}
    missing = _KEYS - content.keys()
    if unknown or missing:
        fault = f"the unknown {_listed(unknown)}" if unknown else f"no {_listed(missing)}"
        raise InputError(
            f"{path} has {fault}; it must have {_listed(_KEYS)}, and may have command."
        )
    command = str(content.get("command", "train"))
    given = _mapping(path, content["base_args"] or {}, "base_args")
    base = {**(defaults or {}).get(command, {}), **given}
    grid = _mapping(path, content["grid"] or {}, "grid")
    for key in (*given, *grid):
        if key.replace("-", "_") in _FOLDERS:
            raise InputError(
                f"{path} gives {key}, but every job has a folder of its own in "
                "results_root/experiment_name; leave it out."
            )
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
    """Makes sure that no job's folder holds another job that succeeded.

    A failed job gives way to its correction; what it left there is for the command to refuse.

    Raises:
        InputError: A folder does.
    """
    for job in sweep.jobs:
        earlier = _record(job)
        if earlier is None or earlier.get("status") != 0:
            continue
        if earlier.get("arguments") != list(job.arguments):
            raise InputError(
                f"{job.folder} holds another job ({' '.join(earlier.get('arguments', []))}); "
                "choose another experiment_name, or delete that folder."
            )


def run_sweep(
    jobs: Sequence[SweepJob],
    calls: Sequence[Call],
    devices: Sequence[str | None],
    on_outcome: Callable[[Outcome], None],
    sentence: Sentence = str,
) -> list[Outcome]:
    """Does the jobs, as many at a time as there are devices; a failed one stops no other.

    With one device, jobs are done in this process, else in as many processes. What a job says goes
    to ``stderr.log`` in its folder. SIGTERM stops a sweep like Ctrl-C.

    Args:
        jobs: What to do.
        calls: How to do each; a call skips what is finished in the job's folder, and refuses a
            folder whose settings or data are others.
        devices: The CUDA device of each place where a job can be done; None where all places are
            alike.
        on_outcome: Called with each outcome as it comes, one at a time.
        sentence: Returns what an error says.

    Raises:
        InputError: A folder cannot be written.
        KeyboardInterrupt: The sweep was stopped, and every job has ended.
    """
    todo = list(zip(jobs, calls, strict=True))
    outcomes: dict[int, Outcome] = {}

    def tell(outcome: Outcome) -> None:
        outcomes[outcome.job.index] = outcome
        on_outcome(outcome)

    if len(devices) == 1:
        with stopping_at_sigterm():
            for job, call in todo:
                tell(_outcome(job, partial(perform, call=call, sentence=sentence)))
    else:
        with Places(devices) as places:

            def one(job: SweepJob, call: Call) -> Outcome:
                return _outcome(job, partial(places.perform, call=call, sentence=sentence))

            places.each(one, todo, tell)
    return [outcomes[job.index] for job in jobs]


def _outcome(job: SweepJob, do: Callable[[Path], Ended]) -> Outcome:
    """Does one job, as far as its folder lacks results, and writes down what became of it."""
    earlier = _record(job)
    before = _results(job) if earlier is not None and earlier.get("status") == 0 else None
    started = time.monotonic()
    with writing(job.folder, _SETTING):
        job.folder.mkdir(parents=True, exist_ok=True)
    ended = do(job.folder / "stderr.log")
    if ended.status == 0 and before is not None and before == _results(job):
        return Outcome(job, 0, ended.results, 0.0, skipped=True)
    record = {"arguments": list(job.arguments), "values": job.values, "status": ended.status}
    with writing(job.folder, _SETTING):
        replace(job.folder / "job.json", json.dumps(record, indent=4, default=str) + "\n")
    seconds = time.monotonic() - started
    return Outcome(job, ended.status, ended.results, seconds, skipped=False)


def _flags(values: Mapping[str, Any]) -> list[str]:
    """Returns a command line; true is a flag alone, false and null are none."""
    flags = []
    for name, value in values.items():
        if value is None or value is False:
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
        raise InputError(f"{path} cannot be read ({error.strerror}); name a YAML file.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid YAML ({' '.join(str(error).split())}).") from error


def _mapping(path: Path, value: Any, what: str) -> dict[str, Any]:  # noqa: ANN401
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise InputError(f"{path}: {what} must map names to values; see `llm-erm sweep --help`.")
    return value


def _record(job: SweepJob) -> dict[str, Any] | None:
    """Returns what an earlier sweep wrote of a job; None if nothing, or if that is damaged."""
    path = job.folder / "job.json"
    try:
        record = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error}); delete it.") from error
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _results(job: SweepJob) -> bytes | None:
    """Returns what the results in a job's folder are; None without any."""
    path = job.folder / "results.jsonl"
    return path.read_bytes() if path.is_file() else None
