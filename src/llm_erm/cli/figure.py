"""`llm-erm figure`: test accuracy against labelled examples, and what theory guarantees."""

import json as jsonlib
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Literal

import tyro

from llm_erm.cli import baselines, output, synthesize
from llm_erm.cli import enumerate as enumeration
from llm_erm.cli.options import DataOptions
from llm_erm.erm.bounds import occam_upper
from llm_erm.errors import InputError
from llm_erm.reports.comparison import CONFIDENCE
from llm_erm.reports.curves import Curve, Guarantee, curves, guarantee
from llm_erm.reports.figures import check_target, draw_curves
from llm_erm.reports.results import Task, read_results

Method = Literal["baselines", "enumerate", "synthesize"]

DEFAULT_SIZES = (20, 40, 100, 200, 400)


@dataclass(frozen=True)
class Options(DataOptions):
    """Flags of `llm-erm figure`."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Folders of runs to draw, of any methods and sizes; where --functions or --lengths are given,
    only their results on these."""
    sizes: tuple[int, ...] = DEFAULT_SIZES
    """Numbers of labelled examples to learn from, half of them for validation; in place of
    --train-size and --val-size."""
    make: tuple[Method, ...] = ()
    """Methods to run at every size before drawing, on the tasks and lengths given: baselines,
    enumerate, and synthesize with the embedded model; what is there is not run again."""
    learners: tuple[str, ...] = ("random-forest", "xgboost", "knn", "logistic-regression")
    """Which classical learners to run."""
    attempts: int = 32
    """The budget K of synthesize."""
    bits: float | None = None
    """Length of an exact program in a prefix-free code, for the guarantee; that of the shortest
    exact one in the runs unless given."""
    out_dir: Path = Path("runs/figure")
    """Folder for the runs that are made, one folder a method and size."""
    plot: Path = Path("figure.png")
    """File to draw into, as .png, .svg or .pdf."""
    json: bool = False
    """Print one JSON object a curve."""


def figure(options: Options) -> int:
    """Draw accuracy against labelled examples: each method, and the guarantee of theory."""
    check_target(options.plot, "--plot")
    if options.bits is not None and not 0 <= options.bits < float("inf"):
        raise InputError(f"--bits is {options.bits}; give a number of bits, 0 or more.")
    if not (options.runs or options.make):
        raise InputError(
            "There is nothing to draw: name folders of runs, or methods to run first with --make."
        )
    folders = [*options.runs]
    for size in dict.fromkeys(options.sizes) if options.make else ():
        folders += [_run(options, method, size) for method in dict.fromkeys(options.make)]
    results = [
        result
        for folder in dict.fromkeys(folders)
        for result in read_results(folder)
        if result.task[0] in (options.functions or result.task[:1])
        and result.task[1] in (options.lengths or result.task[1:])
    ]
    if not results:
        raise InputError(
            "The runs hold none of the tasks and lengths of --functions and --lengths; name "
            "others, or leave these flags out to draw all."
        )
    drawn = curves(results)
    guarantees = {
        task: known
        for task in drawn
        if (known := guarantee([r for r in results if r.task == task], options.bits)) is not None
    }
    draw_curves(drawn, guarantees, options.plot)
    _print(options, drawn, guarantees)
    return 0


def _run(options: Options, method: Method, size: int) -> Path:
    """Runs a method's own command at one size, with its table on stderr; returns its folder."""
    if size < 4 or size % 2:
        raise InputError(
            f"--sizes has {size}; give even numbers, 4 or more: half positive, some to select by."
        )
    validation = size // 4 * 2
    shared = {field.name: getattr(options, field.name) for field in fields(DataOptions)} | {
        "train_size": size - validation,
        "val_size": validation,
        "out_dir": options.out_dir / f"{method}-{size}",
    }
    output.note(f"{method} with {size} labelled examples")
    with redirect_stdout(sys.stderr):
        if method == "baselines":
            chosen = baselines.Options(**shared, learners=options.learners)
            status = baselines.baselines(chosen)
        elif method == "enumerate":
            status = enumeration.enumerate(enumeration.Options(**shared))
        else:
            local = synthesize.Options(**shared, provider="local", attempts=options.attempts)
            status = synthesize.synthesize(local)
    if status == 130:
        raise KeyboardInterrupt
    return Path(shared["out_dir"])


def _print(
    options: Options,
    drawn: Mapping[Task, Sequence[Curve]],
    guarantees: Mapping[Task, Guarantee],
) -> None:
    if options.json:
        for task, each in drawn.items():
            for curve in each:
                print(jsonlib.dumps({"function": task[0], "length": task[1]} | asdict(curve)))
        return
    columns = ("task", "length", "method", "test accuracy at labelled examples", "guarantee at 200")
    output.table(
        columns,
        [
            (task[0], str(task[1]), curve.method, _points(curve), _guaranteed(guarantees.get(task)))
            for task, each in drawn.items()
            for curve in each
        ],
    )
    print(f"\nPicture: {options.plot}")


def _points(curve: Curve) -> str:
    pairs = zip(curve.examples, curve.accuracy, strict=True)
    return ", ".join(f"{examples}: {output.percent(accuracy)}" for examples, accuracy in pairs)


def _guaranteed(known: Guarantee | None) -> str:
    if known is None:
        return "– (no exact program is known)"
    accuracy = 1 - occam_upper(known.bits, 200, 1 - CONFIDENCE)
    return f"{output.percent(accuracy)} ({known.bits:.0f} bits, {known.code})"
