"""The tasks of `llm-erm benchmark`: drawn at random, or read from files."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_erm.advice import advice
from llm_erm.cli.tasks import BITS, LENGTH, draw, range_of
from llm_erm.errors import InputError
from llm_erm.runs.files import read_bytes, writing
from llm_erm.runs.files import replace as write_whole
from llm_erm.runs.fingerprint import file_digest
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.task_file import load_task_file

DRAWN = 200
"""Number of tasks that are drawn by default."""
RECORD = "drawn.json"
"""File that says how the tasks in a folder were drawn, and which they are."""

_FILE = re.compile(r"drawn_\w+\.py", re.ASCII)


@dataclass(frozen=True)
class TaskOptions:
    """Which tasks the methods learn, from how many examples: flags of `llm-erm benchmark`."""

    draw: int | None = None
    """Draw this many random programs as tasks, which no model has seen (default: 200)."""
    bits: str | None = None
    """Description lengths of the programs, over which the tasks are spread evenly: the lowest, a
    colon and the highest (default: 12:40)."""
    tasks: Path | None = None
    """Folder of task files in place of drawn ones; each must say the description length of its
    rule, as those that `llm-erm tasks --draw` writes do."""
    length: int | None = None
    """Length of the inputs in characters (default: 20; for --tasks the first that each file
    names)."""
    train_size: int = 100
    """Number of training examples; even."""
    val_size: int = 100
    """Number of validation examples; even."""
    test_size: int = 1000
    """Number of test examples; even."""
    seed: int = 42
    """Seed of the tasks and of their data."""


def check_tasks(options: TaskOptions) -> None:
    """Checks the flags, without drawing or reading a task.

    Raises:
        InputError: One of them is not valid.
    """
    for name in ("draw", "bits"):
        if options.tasks is not None and getattr(options, name) is not None:
            raise InputError(
                "Tasks are drawn or read from a folder; omit one of the two.",
                setting=f"tasks or {name}",
            )
    if options.tasks is None:
        _drawing(options)


def specs_of(options: TaskOptions, files: Sequence[Path]) -> list[DataSpec]:
    """Returns the data sets, one per task.

    Raises:
        InputError: A file is no task file, or does not say how long the description is.
    """
    found: dict[str, DataSpec] = {}
    for path in files:
        task = load_task_file(path)
        if task.bits is None:
            raise InputError(
                f"{path} does not say the description length of its rule; add a line such as "
                "bits = 24, or move the file elsewhere."
            )
        if (other := found.get(task.id)) is not None:
            raise InputError(
                f"{path} and {other.task_file} both define a task {task.id}; rename one of them."
            )
        found[task.id] = DataSpec(
            function=task.id,
            length=task.lengths[0] if options.length is None else options.length,
            train_size=options.train_size,
            val_size=options.val_size,
            test_size=options.test_size,
            seed=options.seed,
            task_file=path,
        )
    return list(found.values())


def task_files(options: TaskOptions, folder: Path, place: Path) -> list[Path]:
    """Returns the task files: those that are named, those drawn before, or newly drawn ones.

    Args:
        options: The flags.
        folder: The folder of the benchmark.
        place: Folder in which to write what is drawn.

    Raises:
        InputError: There are no tasks, or those in the folder were drawn with other flags.
    """
    if options.tasks is not None:
        return _files_in(options.tasks)
    kept, drawing = folder / "tasks", _drawing(options)
    earlier = _read(kept / RECORD)
    if earlier is not None and earlier.get("drawing") == drawing:
        return [kept / name for name in earlier["files"]]
    if earlier is not None and place == folder:
        raise InputError(
            f"The tasks in {kept} were drawn with other flags; name another folder.",
            setting="out_dir",
        )
    found = draw(drawing["draw"], options.bits, options.seed, options.length)
    paths = found.write(place / "tasks")
    record = {"drawing": drawing, "files": [path.name for path in paths]}
    with writing(place / "tasks" / RECORD):
        write_whole(place / "tasks" / RECORD, json.dumps(record, indent=2) + "\n")
    return paths


def _drawing(options: TaskOptions) -> dict[str, Any]:
    """Returns what the drawn tasks follow from."""
    return {
        "draw": DRAWN if options.draw is None else options.draw,
        "bits": list(range_of(options.bits or BITS)),
        "seed": options.seed,
        "length": LENGTH if options.length is None else options.length,
    }


def _read(path: Path) -> dict[str, Any] | None:
    """Returns how the tasks in a folder were drawn; None if that is not known."""
    try:
        found = json.loads(read_bytes(path, None, missing=b"null"))
        names = [] if found is None else found["files"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    known = isinstance(names, list) and all(_FILE.fullmatch(str(name)) for name in names)
    return found if names and known else None


def _files_in(folder: Path) -> list[Path]:
    """Returns the Python files in a folder.

    Raises:
        InputError: The folder cannot be read, or holds none.
    """
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == ".py")
    except OSError as error:
        raise InputError(
            f"Cannot read the folder {folder}: {error.strerror}; "
            f"{advice(error, folder, 'name a folder of task files')}.",
            setting="tasks",
        ) from error
    if not files:
        raise InputError(
            f"{folder} holds no task files, whose names end in .py; name another folder.",
            setting="tasks",
        )
    return files


def name_of(options: TaskOptions, settings: Sequence[float]) -> str:
    """Returns ten digits that name the tasks, their data and some settings."""
    tasks: Any = _drawing(options)
    if options.tasks is not None:
        files = [(path.name, file_digest(path)) for path in _files_in(options.tasks)]
        tasks = [files, options.length, options.seed]
    sizes = options.train_size, options.val_size, options.test_size
    text = json.dumps([tasks, sizes, settings])
    return hashlib.sha256(text.encode()).hexdigest()[:10]
