"""`llm-erm figure`: plots test accuracy against labelled examples, and what theory guarantees."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from llm_erm.cli import output
from llm_erm.cli.commands import command, flags_of
from llm_erm.cli.results import LENGTH, TASK, entries_of_runs
from llm_erm.cli.runs import results_of
from llm_erm.cli.tables import Column
from llm_erm.erm.binomial import occam_upper
from llm_erm.errors import InputError
from llm_erm.phrases import counted
from llm_erm.reports.comparison import CONFIDENCE
from llm_erm.reports.curves import Curve, Guarantee, curves, guarantee
from llm_erm.reports.figures import check_target, draw_curves
from llm_erm.reports.remarks import unfinished
from llm_erm.reports.results import Entry, TaskPoint, chosen
from llm_erm.tasks.spec import DataGrid
from llm_erm.tasks.task_file import load_task_file

Method = Literal["baselines", "enumerate", "synthesize"]

DEFAULT_SIZES = (20, 40, 100, 200, 400)


@dataclass(frozen=True)
class Options(DataGrid):
    """Flags of `llm-erm figure`."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Folders of runs to plot, of any methods and sizes."""
    functions: tuple[str, ...] = ()
    """Tasks to plot, by id or name as `llm-erm tasks` lists them (default: all in the runs; for
    --make the twelve published ones)."""
    lengths: tuple[int, ...] = ()
    """Lengths of the inputs to plot, in characters (default: all in the runs; for --make each
    task's published lengths)."""
    train_size: tyro.conf.Suppress[int] = 100
    val_size: tyro.conf.Suppress[int] = 100
    sizes: tuple[int, ...] = DEFAULT_SIZES
    """For --make: numbers of labelled examples to learn from, half of them for validation."""
    make: tuple[Method, ...] = ()
    """Methods to run at every size before plotting, on the given tasks and lengths: baselines,
    enumerate, and synthesize with the embedded model. Finished runs are not repeated."""
    learners: tuple[str, ...] = ("random-forest", "xgboost", "knn", "logistic-regression")
    """For --make baselines: learners to fit."""
    attempts: int = 32
    """For --make synthesize: the budget K, the maximum number of candidates per task."""
    bits: float | None = None
    """Length in bits, in a prefix-free code, of the exact program for which the guarantee is drawn
    (default: that of the shortest exact program in the runs)."""
    out_dir: Path = Path("runs/figure")
    """For --make: folder for its runs, with one folder per method and size."""
    plot: Path = Path("figure.png")
    """File for the plot, whose name ends in .png, .svg or .pdf."""
    plot_width: float | None = None
    """Width of the plot in inches (default: 3.4, a column's, for one task; 6.8 for several)."""
    json: bool = False
    """Print one JSON object per curve."""


def figure(options: Options) -> int:
    """Plot accuracy against labelled examples, and what theory guarantees."""
    check_target(options.plot, options.plot_width)
    if options.bits is not None and not 0 <= options.bits < float("inf"):
        raise InputError(f"--bits is {options.bits}; give a number of bits, 0 or more.")
    if not (options.runs or options.make):
        raise InputError(
            "There is nothing to plot; name folders of runs, or methods to run first with --make."
        )
    entries = entries_of_runs(options.runs)
    runs = list(product(dict.fromkeys(options.sizes), dict.fromkeys(options.make)))
    for number, (size, method) in enumerate(runs, 1):
        entries += _made(options, method, size, f" (run {number} of {len(runs)})")
    entries = chosen(entries, options.functions, options.lengths)
    for line in unfinished(entries):
        output.note(line)
    drawn = curves(entries)
    guarantees = {
        point: known
        for point in drawn
        if (known := guarantee([e for e in entries if e.point == point], options.bits)) is not None
    }
    own = None if options.task_file is None else load_task_file(options.task_file)
    draw_curves(drawn, guarantees, options.plot, own, options.plot_width)
    _print(options, drawn, guarantees)
    return 0


def _made(options: Options, method: Method, size: int, place: str) -> list[Entry]:
    """Runs a method at one size, in this process, and returns its results."""
    if size < 4 or size % 2:
        raise InputError(
            f"--sizes has {size}; give even numbers of at least 4, since each split is half "
            "positive and validation needs some."
        )
    validation = size // 4 * 2
    folder = options.out_dir / f"{method}-{size}"
    shared: dict[str, Any] = {
        field.name: getattr(options, field.name) for field in fields(DataGrid)
    } | {"train_size": size - validation, "val_size": validation, "out_dir": folder}
    output.note(f"{method} with {counted(size, 'labelled example')}{place}")
    own: dict[Method, dict[str, Any]] = {
        "baselines": {"learners": options.learners},
        "enumerate": {},
        "synthesize": {"provider": "local", "attempts": options.attempts},
    }
    results = results_of(flags_of(command(method))(**shared, **own[method]))
    return [Entry(result, str(folder)) for result in results]


def _print(
    options: Options,
    drawn: Mapping[TaskPoint, Sequence[Curve]],
    guarantees: Mapping[TaskPoint, Guarantee],
) -> None:
    if options.json:
        for task, each in drawn.items():
            for curve in each:
                output.say_json({"function": task[0], "length": task[1]} | asdict(curve))
        return
    columns = (
        *(TASK, LENGTH, Column("method", text=True)),
        Column("test accuracy at numbers of labelled examples", text=True),
        Column("guarantee at 200", wide=True),
    )
    output.table(
        columns,
        [
            (task[0], str(task[1]), curve.method, _points(curve), _guaranteed(guarantees.get(task)))
            for task, each in drawn.items()
            for curve in each
        ],
        wider=False,
    )
    lines = [
        f"{function} L={length}: {_sentence(known)}"
        for (function, length), known in guarantees.items()
    ]
    output.say_below("\n".join(("", *lines, f"Picture: {options.plot}")))


def _points(curve: Curve) -> str:
    return ", ".join(
        f"{examples}: {output.percent(accuracy)} ({output.interval(low, high)})"
        for examples, accuracy, low, high in zip(
            curve.examples, curve.accuracy, curve.low, curve.high, strict=True
        )
    )


def _guaranteed(known: Guarantee | None) -> str:
    if known is None:
        return "– (no exact program is known)"
    return f"{_at_200(known)} ({counted(round(known.bits), 'bit')}, {known.code})"


def _at_200(known: Guarantee) -> str:
    return output.percent(1 - occam_upper(known.bits, 200, 1 - CONFIDENCE))


def _sentence(known: Guarantee) -> str:
    """Returns what is guaranteed for the known exact program."""
    code = {"given": "", "program text": " as text"}.get(known.code, f" in {known.code} code")
    return (
        f"a program of {counted(round(known.bits), 'bit')}{code} without errors on 200 labelled "
        f"examples is at least {_at_200(known)} accurate, with 95% confidence (Occam bound)."
    )
