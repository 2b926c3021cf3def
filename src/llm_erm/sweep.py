"""A grid of runs in one YAML file: what its jobs are, and how they are run, several at a time.

The file, as published::

    experiment_name: parities            # jobs have the folders ./results/parities/0, 1, …
    results_root: ./results
    command: train                       # which command of llm-erm; train unless given
    base_args: {batch_size: 20}          # flags of every job
    grid: {target_func: [fn_a, fn_b]}    # flags that vary; every combination is a job
"""

import json
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from llm_erm.errors import InputError, MissingExtraError
from llm_erm.journal import writing

_KEYS = {"experiment_name", "results_root", "base_args", "grid"}
_FLAG = "results_root in the file"

FOLDERS = frozenset({"results_path", "out_dir"})
"""Flags that say where a command writes; a sweep gives them itself."""


@dataclass(frozen=True)
class Job:
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
        status: Exit status; 0 where it succeeded.
        results: The JSON objects that it printed.
        seconds: Wall time; 0 where it was skipped.
        skipped: Whether an earlier sweep had finished it.
    """

    job: Job
    status: int
    results: tuple[Mapping[str, Any], ...]
    seconds: float
    skipped: bool


@dataclass(frozen=True)
class Sweep:
    """A grid of runs.

    Attributes:
        command: The command that every job runs.
        folder: Where the jobs' folders are.
        jobs: The jobs, the last key of the grid varying fastest.
    """

    command: str
    folder: Path
    jobs: tuple[Job, ...]


def read(path: Path, defaults: Mapping[str, Mapping[str, Any]] | None = None) -> Sweep:
    """Returns the sweep that a YAML file describes.

    Args:
        path: The file.
        defaults: Flags of every job that the file does not give, by command.

    Raises:
        InputError: The file cannot be read or is no sweep.
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
        if key.replace("-", "_") in FOLDERS:
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
        jobs.append(Job(index, values, arguments, folder / str(index)))
    return Sweep(command, folder, tuple(jobs))


def check(sweep: Sweep) -> None:
    """Makes sure that no job's folder holds another job that succeeded.

    One that failed gives way to its correction; what it left is the command's own to refuse.

    Raises:
        InputError: One does.
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


def run(
    jobs: Sequence[Job],
    program: Sequence[str],
    places: Sequence[Mapping[str, str]],
    on_outcome: Callable[[Outcome], None],
) -> list[Outcome]:
    """Runs the jobs, as many at a time as there are places; a failed one stops no other.

    Called from the main thread, it also ends its jobs on SIGTERM, which would leave them running.

    Each job's standard output goes to ``stdout.log`` in its folder, its notices to ``stderr.log``.

    Args:
        jobs: What to run; finished ones are skipped.
        program: Command line that the jobs' arguments and folders are added to.
        places: The environment of each place, as the device it has.
        on_outcome: Called with each outcome as it comes, one at a time.

    Raises:
        InputError: A folder cannot be written.
        KeyboardInterrupt: It was stopped, and every job has ended.
    """
    free: queue.Queue[Mapping[str, str]] = queue.Queue()
    for place in places:
        free.put(place)
    running = _Running()
    outcomes: dict[int, Outcome] = {}

    def one(job: Job) -> Outcome | None:
        place = free.get()
        try:
            return None if running.stopping else _run(job, program, place, running)
        finally:
            free.put(place)

    with running.until_sigterm(), ThreadPoolExecutor(len(places)) as pool:
        try:
            for future in as_completed([pool.submit(one, job) for job in jobs]):
                outcome = future.result()
                if outcome is not None:
                    outcomes[outcome.job.index] = outcome
                    on_outcome(outcome)
        except BaseException:
            running.stop()
            raise
    if running.stopping:
        raise KeyboardInterrupt
    return [outcomes[job.index] for job in jobs]


class _Running:
    """The processes that run, to end them all."""

    def __init__(self) -> None:
        self._processes: set[subprocess.Popen[bytes]] = set()
        self.stopping = False

    def wait(self, process: subprocess.Popen[bytes]) -> int:
        """Returns a process's exit status once it has ended."""
        self._processes.add(process)
        if self.stopping:  # it started while the others were ended
            process.terminate()
        status = process.wait()
        self._processes.discard(process)
        return status

    def stop(self) -> None:
        """Ends all processes, those included that are just starting, and lets no other start."""
        self.stopping = True  # no lock: a signal may come while one is held
        for process in list(self._processes):
            process.terminate()

    @contextmanager
    def until_sigterm(self) -> Iterator[None]:
        """Stops at SIGTERM, without an exception that could come where it is lost."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGTERM, lambda *_: self.stop())
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)


def _run(
    job: Job,
    program: Sequence[str],
    environment: Mapping[str, str],
    running: "_Running",
) -> Outcome:
    earlier = _record(job)
    if earlier is not None and earlier.get("status") == 0:
        return Outcome(job, 0, _results(job), 0.0, skipped=True)
    started = time.monotonic()
    with writing(job.folder, _FLAG):
        job.folder.mkdir(parents=True, exist_ok=True)
        with (
            (job.folder / "stdout.log").open("wb") as printed,
            (job.folder / "stderr.log").open("wb") as notices,
        ):
            process = subprocess.Popen(  # noqa: S603 - this project's own command
                [*program, *job.arguments, *_folder_flag(job)],
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=notices,
                env=dict(environment),
            )
            status = running.wait(process)
        record = {"arguments": list(job.arguments), "values": job.values, "status": status}
        (job.folder / "job.json").write_text(json.dumps(record, indent=4, default=str) + "\n")
    return Outcome(job, status, _results(job), time.monotonic() - started, skipped=False)


def _folder_flag(job: Job) -> tuple[str, ...]:
    flag = "--results-path" if job.arguments[0] == "train" else "--out-dir"
    return flag, str(job.folder), "--json"


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
        raise InputError(f"{path} is no YAML ({' '.join(str(error).split())}).") from error


def _mapping(path: Path, value: Any, what: str) -> dict[str, Any]:  # noqa: ANN401
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise InputError(f"{path}: {what} must map names to values; see `llm-erm sweep --help`.")
    return value


def _record(job: Job) -> dict[str, Any] | None:
    path = job.folder / "job.json"
    try:
        record = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); delete it.") from error
    return record if isinstance(record, dict) else {}


def _results(job: Job) -> tuple[dict[str, Any], ...]:
    """Returns the JSON objects that a job printed."""
    results = []
    path = job.folder / "stdout.log"
    for line in path.read_text(errors="replace").splitlines() if path.exists() else ():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            results.append(value)
    return tuple(results)
