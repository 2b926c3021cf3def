"""`llm-erm benchmark`: how complex a rule may be for models and other methods to find it."""

import hashlib
import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_erm.advice import advice
from llm_erm.cli import output
from llm_erm.cli.experiments import Part
from llm_erm.cli.foretold import Foretold, foretell
from llm_erm.cli.models import check_budget
from llm_erm.cli.parts import Outcome, entries_of, perform, placed
from llm_erm.cli.placing import check_executor, cluster_of
from llm_erm.cli.solvers import Solvers, check_proposers, check_solvers, parts_of
from llm_erm.cli.tables import Column
from llm_erm.cli.tasks import BITS, LENGTH, drawn, range_of
from llm_erm.errors import InputError, MissingExtraError
from llm_erm.llms.clients import checked_address
from llm_erm.phrases import lasting
from llm_erm.reports.benchmark import Bracket, brackets_of, solved_by, where_it_stops
from llm_erm.reports.benchmark_tables import (
    EXPLAINED,
    as_csv,
    as_markdown,
    cells,
    headings,
    record,
)
from llm_erm.reports.figures import check_target, draw_solved
from llm_erm.runs.files import replace as write_whole
from llm_erm.runs.files import read_bytes, writing
from llm_erm.runs.fingerprint import file_digest
from llm_erm.runs.journal import lock
from llm_erm.runs.stopping import stopping_at_sigterm
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.task_file import load_task_file

DRAWN = 200
"""Number of tasks that are drawn by default."""
RECORD = "drawn.json"
"""File that says how the tasks in a folder were drawn, and which they are."""

_FILE = re.compile(r"drawn_\w+\.py", re.ASCII)


@dataclass(frozen=True)
class Options(Solvers):
    """Flags of `llm-erm benchmark`."""

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
    out_dir: Path | None = None
    """Folder for all runs, the table and the figure (default: runs/benchmark-<digest of the tasks
    and settings>)."""
    plot: Path | None = None
    """File for the figure, whose name ends in .png, .svg or .pdf (default: benchmark.png in the
    folder)."""
    plot_width: float | None = None
    """Width of the figure in inches (default: 6.8)."""
    dry_run: bool = False
    """Print what each method would take, in calls, tokens, dollars and minutes, and run nothing."""
    json: bool = False
    """Print one JSON object per line of the table."""
    wide: bool = False
    """On a terminal, show every column of the table."""


@stopping_at_sigterm()
def benchmark(options: Options) -> int:
    """Run models and other methods on tasks of known description length; show where each stops."""
    _check(options)
    folder = options.out_dir or Path("runs") / f"benchmark-{_digest(options)}"
    if options.dry_run:
        with tempfile.TemporaryDirectory() as scratch:
            specs = _specs(options, _files(options, folder, Path(scratch)))
            return _dry_run(options, parts_of(options, specs, folder, checked=False), Path(scratch))
    check_target(options.plot or folder / "benchmark.png", options.plot_width)
    check_proposers(options)
    with closing(lock(folder)), cluster_of(options):
        specs = _specs(options, _files(options, folder, folder))
        parts = parts_of(options, specs, folder)
        if all(part.reason for part in parts):
            raise MissingExtraError(f"Nothing can be run here: {parts[0].reason}.")
        outcome = perform(options, placed(options, parts))
        bits = {spec.function: spec.task.bits or 0.0 for spec in specs}
        found, sentences = _found(outcome, bits)
        _write(options, folder, found, sentences)
    if outcome.stopped:
        output.note(f"Table of what is finished: {folder}. Run the same command to continue.")
        return outcome.status
    _show(options, folder, found, sentences)
    return outcome.status


def _check(options: Options) -> None:
    """Checks the flags that need no task.

    Raises:
        LLMERMError: One of them is not valid, or what it needs is missing.
    """
    for name in ("draw", "bits"):
        if options.tasks is not None and getattr(options, name) is not None:
            raise InputError(
                "Tasks are drawn or read from a folder; omit one of the two.",
                setting=f"tasks or {name}",
            )
    check_solvers(options)
    check_budget(options.max_cost_usd, None)
    check_executor(options)
    if options.base_url is not None:
        checked_address(options.base_url)


def _specs(options: Options, files: Sequence[Path]) -> list[DataSpec]:
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
            length=options.length or task.lengths[0],
            train_size=options.train_size,
            val_size=options.val_size,
            test_size=options.test_size,
            seed=options.seed,
            task_file=path,
        )
    return list(found.values())


def _files(options: Options, folder: Path, place: Path) -> list[Path]:
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
    from llm_erm.enumeration.drawn_files import write_tasks

    found = drawn(drawing["draw"], options.bits, options.seed, options.length)
    paths = write_tasks(found, place / "tasks")
    record = {"drawing": drawing, "files": [path.name for path in paths]}
    with writing(place / "tasks" / RECORD):
        write_whole(place / "tasks" / RECORD, json.dumps(record, indent=2) + "\n")
    return paths


def _drawing(options: Options) -> dict[str, Any]:
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


def _digest(options: Options) -> str:
    """Returns ten digits that name the tasks and what shapes results, whichever methods run."""
    tasks: Any = _drawing(options)
    if options.tasks is not None:
        files = [(path.name, file_digest(path)) for path in _files_in(options.tasks)]
        tasks = [files, options.length, options.seed]
    sizes = options.train_size, options.val_size, options.test_size
    text = json.dumps([tasks, sizes, options.attempts, options.max_seconds])
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _found(outcome: Outcome, bits: Mapping[str, float]) -> tuple[list[Bracket], list[str]]:
    """Returns what the methods achieved, and sentences on it and on what is missing."""
    results, missing = {}, []
    for ended in outcome.ended:
        name = ended.part.contender.name
        results[name] = entries_of(ended.part)
        if ended.part.reason:
            what = "Not finished" if results[name] else "Not run"
            missing.append(f"{what}: {name}: {ended.part.reason}.")
    found = brackets_of(results, bits)
    return found, [*map(where_it_stops, solved_by(found)), *missing]


def _write(
    options: Options, folder: Path, found: Sequence[Bracket], sentences: Sequence[str]
) -> None:
    """Writes the table and the figure; says why if there is nothing to draw."""
    texts = {
        "benchmark.csv": as_csv(found, options.attempts),
        "benchmark.md": as_markdown(found, options.attempts, sentences),
    }
    for name, text in texts.items():
        with writing(folder / name):
            write_whole(folder / name, text)
    if found:
        draw_solved(found, options.plot or folder / "benchmark.png", options.plot_width)


def _show(
    options: Options, folder: Path, found: Sequence[Bracket], sentences: Sequence[str]
) -> None:
    """Prints the table, and what follows from it."""
    if options.json:
        for one in found:
            output.say_json(record(one, options.attempts))
        return
    columns = [
        Column(
            name,
            wide=name.endswith(" interval") or name == "test accuracy",
            usual="$0.0000" if name == "cost" else Column.usual,
        )
        for name in headings(options.attempts)
    ]
    output.table(columns, [cells(one, options.attempts) for one in found], wide=options.wide)
    picture = options.plot or folder / "benchmark.png"
    said = [*sentences, EXPLAINED, f"Table and runs: {folder}", f"Figure: {picture}"]
    output.say_below("\n".join(("", *said)))


def _dry_run(options: Options, parts: Sequence[Part], scratch: Path) -> int:
    """Prints what each method takes, at most."""
    rows = [(part, foretell(part, scratch)) for part in parts]
    if options.json:
        for part, found in rows:
            about = {"method": part.contender.name, "tasks": len(part.data.tasks)}
            output.say_json(about | {"cpu_seconds_here": part.seconds, "calls": found.calls})
        return 0
    columns = ("method", "tasks", "calls", "prompt tokens", "output tokens", "dollars", "time here")
    output.table(columns, [_amounts(part, found) for part, found in rows], wider=False)
    return 0


def _amounts(part: Part, found: Foretold) -> tuple[str, ...]:
    """Returns what a method takes, as the cells of a table."""
    here = "–" if part.contender.paid else f"some {lasting(part.seconds)}"
    beginning = (part.contender.name, str(len(part.data.tasks)))
    if (most := found.calls) is None:
        return (*beginning, "–", "–", "–", "–", here)
    dollars = "unknown" if most.dollars is None else f"{most.dollars:.2f}"
    tokens = f"{most.prompt_tokens:,}", f"{most.output_tokens:,}"
    return (*beginning, f"{most.calls:,}", *tokens, dollars, here)
