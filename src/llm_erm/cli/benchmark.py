"""`llm-erm benchmark`: how complex a rule may be for models and other methods to find it."""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from llm_erm.cli import output
from llm_erm.cli.benchmark_tasks import (
    TaskOptions,
    check_tasks,
    name_of,
    specs_of,
    task_files,
)
from llm_erm.cli.experiments import Part
from llm_erm.cli.foretold import Foretold, foretell
from llm_erm.cli.models import check_budget
from llm_erm.cli.parts import Outcome, entries_of, perform, placed
from llm_erm.cli.placing import check_executor, cluster_of
from llm_erm.cli.solvers import Solvers, check_methods, check_solvers, parts_of
from llm_erm.cli.tables import Column
from llm_erm.errors import MissingExtraError
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
from llm_erm.runs.files import writing
from llm_erm.runs.journal import lock
from llm_erm.runs.stopping import stopping_at_sigterm


@dataclass(frozen=True)
class Options(Solvers, TaskOptions):
    """Flags of `llm-erm benchmark`."""

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
    name = f"benchmark-{name_of(options, (options.attempts, options.max_seconds))}"
    folder = options.out_dir or Path("runs") / name
    if options.dry_run:
        with tempfile.TemporaryDirectory() as scratch:
            specs = specs_of(options, task_files(options, folder, Path(scratch)))
            return _dry_run(options, parts_of(options, specs, folder, checked=False), Path(scratch))
    check_methods(options, folder)
    check_target(options.plot or folder / "benchmark.png", options.plot_width)
    with closing(lock(folder)), cluster_of(options):
        specs = specs_of(options, task_files(options, folder, folder))
        parts = parts_of(options, specs, folder)
        if all(part.reason for part in parts):
            raise MissingExtraError(f"Nothing can be run here: {parts[0].reason}.")
        bits = {spec.function: spec.task.bits or 0.0 for spec in specs}
        outcome = perform(options, placed(options, parts), measures=False)
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
    check_tasks(options)
    check_solvers(options)
    check_budget(options.max_cost_usd, None)
    check_executor(options)
    if options.base_url is not None:
        checked_address(options.base_url)


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
