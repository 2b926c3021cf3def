"""Plots comparisons with matplotlib."""

from collections.abc import Mapping, Sequence
from itertools import product
from math import ceil, floor, log10
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

from llm_erm.errors import InputError, MissingExtraError
from llm_erm.phrases import either
from llm_erm.reports.comparison import Row
from llm_erm.reports.curves import Curve, Guarantee
from llm_erm.reports.results import TaskPoint
from llm_erm.runs.files import writing
from llm_erm.styles import (
    COLUMN_INCHES,
    DOTS_PER_INCH,
    add_legend,
    make_legible,
    make_logarithmic,
    style,
    verbatim,
)
from llm_erm.tasks.suite import in_words
from llm_erm.tasks.task import Task

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")
PANEL_INCHES = 2.0
"""Height of a panel without the texts above and below."""
LINE_INCHES = 0.15
MOST_IN_PAIRS = 8
"""Maximum number of panels that are drawn two in a row; more are four in a row."""
LETTERS_PER_PANEL = 50
ROW_INCHES = 0.14
LEAST_TASK_INCHES = 0.6
LETTER_INCHES = 0.055
ASIDE = 1.05
"""Horizontal offset between methods at the same number of examples, as a factor."""
MOST_ASIDE = 1.4
"""The same between the first and the last of many methods."""
LOWEST = 0.38
"""Where the axis of accuracies begins if all of them are about chance or above."""
LEAST_SECONDS = 1e-3
"""Fewer seconds are drawn as this many."""

CHANCE_IS = "chance"
CHANCE: dict[str, dict[str, Any]] = {
    CHANCE_IS: {"color": "grey", "linestyle": ":", "linewidth": 1},
}
GUARANTEED = "Occam bound for an exact program, 95% sure"
GUARANTEE: dict[str, dict[str, Any]] = {
    GUARANTEED: {"color": "black", "linestyle": "--", "linewidth": 1.2},
}


def check_target(path: Path) -> None:
    """Checks that a plot can be written to the path.

    Raises:
        InputError: The extension is not supported, or the file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    if path.suffix not in FORMATS:
        raise InputError(
            f"Cannot plot to {path}; give a file name that ends in {either(FORMATS)}.",
            setting="plot",
        )
    try:
        import matplotlib  # noqa: F401 - only whether it is there
    except ImportError:
        raise MissingExtraError(
            "Plots need matplotlib; install it with: pip install 'llm-erm[reports]'"
        ) from None
    with writing(path, "plot"):
        path.parent.mkdir(parents=True, exist_ok=True)


def draw_comparison(rows: Sequence[Row], path: Path, own_task: Task | None = None) -> None:
    """Plots accuracies with intervals, and candidates and seconds to the first exact program.

    Args:
        rows: The rows of the comparison.
        path: The picture.
        own_task: The task in a user's file, for its title.
    """
    _save(comparison(rows, own_task), path)


def comparison(rows: Sequence[Row], own_task: Task | None = None) -> "Figure":
    """Returns the picture of a comparison: one line per task and method, with its three figures.

    Where there is none, it says why: no run, or none that is exact.
    """
    points = list(dict.fromkeys(row.point for row in rows))
    methods = sorted({row.method for row in rows})  # whichever finished first
    styles = {method: style(place) | {"linestyle": ""} for place, method in enumerate(methods)}
    found = {(row.point, row.method): row for row in rows}
    height = len(points) * max(LEAST_TASK_INCHES, ROW_INCHES * len(methods))
    figure, axes = _panels(1, 3, 2 * COLUMN_INCHES, 0.7 + height)
    _arrange(axes, [_title(point, 28, own_task) for point in points])
    drawn: dict[Axes, list[float]] = {axis: [] for axis in axes[1:]}
    for (place, point), (index, method) in product(enumerate(points), enumerate(methods)):
        y = place - 0.4 + 0.8 * (index + 0.5) / len(methods)
        row = found.get((point, method))
        if row is None:
            for axis in axes:
                _say(axis, y, "not run")
            continue
        axes[0].hlines(y, *row.interval, color=styles[method]["color"], linewidth=1)
        axes[0].plot(row.accuracy, y, **styles[method])
        for axis, value in zip(drawn, (row.candidates, row.seconds_to_exact), strict=True):
            if value is None:
                _say(axis, y, _lacking(row))
            else:
                drawn[axis].append(max(value, LEAST_SECONDS))
                axis.plot(drawn[axis][-1], y, **styles[method])
    for axis, values in drawn.items():
        axis.set_xscale("log")
        axis.set_xlim(_decades(values))
        axis.minorticks_off()  # they would have labels where there are few decades
    _add_legend(figure, styles | CHANCE)
    return figure


def draw_curves(
    curves: Mapping[TaskPoint, Sequence[Curve]],
    guarantees: Mapping[TaskPoint, Guarantee],
    path: Path,
    own_task: Task | None = None,
) -> None:
    """Plots test accuracy against labelled examples, one panel per task.

    Args:
        curves: The curves.
        guarantees: What theory guarantees.
        path: The picture.
        own_task: The task in a user's file, for its title.
    """
    _save(curves_by_task(curves, guarantees, own_task), path)


def curves_by_task(
    curves: Mapping[TaskPoint, Sequence[Curve]],
    guarantees: Mapping[TaskPoint, Guarantee],
    own_task: Task | None = None,
) -> "Figure":
    """Returns the picture of curves, one panel per task.

    Methods are offset horizontally, since exact ones would otherwise hide each other.
    """
    methods = sorted({curve.method for each in curves.values() for curve in each})
    styles = {method: style(place) for place, method in enumerate(methods)}
    asides = {method: _aside(place, len(methods)) for place, method in enumerate(methods)}
    every = [curve for each in curves.values() for curve in each]
    titles = {point: _title(point, LETTERS_PER_PANEL, own_task) for point in curves}
    notes = {point: _notes(own, methods, guarantees.get(point)) for point, own in curves.items()}
    columns = min(len(curves), 2 if len(curves) <= MOST_IN_PAIRS else 4)
    rows = ceil(len(curves) / columns)
    lines = sum(1 + max(text.count("\n") for text in each.values()) for each in (titles, notes))
    height = PANEL_INCHES + LINE_INCHES * lines
    figure, axes = _panels(rows, columns, COLUMN_INCHES * columns, height * rows)
    for spare in axes[len(curves) :]:
        spare.remove()
    for axis, (point, own) in zip(axes, curves.items(), strict=False):
        for curve in sorted(own, key=lambda curve: curve.method):
            places = [examples * asides[curve.method] for examples in curve.examples]
            axis.plot(places, curve.accuracy, **styles[curve.method])
            # An interval from a sample of the test data need not contain their accuracy.
            colour = styles[curve.method]["color"]
            axis.vlines(places, curve.low, curve.high, color=colour, linewidth=0.7)
        if (guarantee := guarantees.get(point)) is not None:
            axis.plot(guarantee.examples, guarantee.accuracy, **GUARANTEE[GUARANTEED])
        axis.axhline(0.5, **CHANCE[CHANCE_IS])
        axis.set(title=titles[point], xlabel=notes[point], ylabel="test accuracy, 95% interval")
        axis.set_ylim(min(LOWEST, *(min(*one.low, *one.accuracy) - 0.03 for one in every)), 1.03)
        make_logarithmic(axis, [examples for curve in every for examples in curve.examples])
        make_legible(axis)
    _add_legend(figure, styles | (GUARANTEE if guarantees else {}) | CHANCE)
    return figure


def _notes(own: Sequence[Curve], methods: Sequence[str], guarantee: Guarantee | None) -> str:
    """Returns what stands below a panel: what the abscissa is, the bound's program, what lacks."""
    lines = ["labelled examples"]
    if guarantee is not None:
        lines.append(f"program of the dashed bound: {guarantee.bits:.0f} bits")
    if missing := sorted({*methods} - {curve.method for curve in own}):
        lines.append(fill(f"not run: {', '.join(missing)}", LETTERS_PER_PANEL))
    return verbatim("\n".join(lines))


def _aside(place: int, methods: int) -> float:
    """Returns the factor by which a method is drawn beside its number of examples."""
    step = min(ASIDE, MOST_ASIDE ** (1 / methods))
    factor: float = step ** (place - (methods - 1) / 2)
    return factor


def _arrange(axes: Sequence["Axes"], tasks: Sequence[str]) -> None:
    """Labels the axes of a comparison, whose rows are tasks."""
    titles = (
        "test accuracy\n95% interval",
        "candidates\nto the first exact",
        "seconds\nto the first exact",
    )
    for axis, title in zip(axes, titles, strict=True):
        first = axis is axes[0]
        axis.set_title(title)
        axis.set_yticks(range(len(tasks)), tasks if first else [""] * len(tasks))
        axis.set_ylim(len(tasks) - 0.5, -0.5)
        for place in range(1, len(tasks)):
            axis.axhline(place - 0.5, color="grey", linewidth=0.5)
        make_legible(axis)
    axes[0].axvline(0.5, **CHANCE[CHANCE_IS])
    axes[0].set_xlim(-0.04, 1.04)


def _title(point: TaskPoint, width: int, own_task: Task | None) -> str:
    """Returns what a task is: its name, its rule and the length of its inputs."""
    return verbatim(f"{fill(in_words(point[0], own_task), width)}\nlength {point[1]}")


def _lacking(row: Row) -> str:
    """Returns why a row has no figures up to the first exact program."""
    if row.exact_interval is None:
        return "not examined"
    if row.exact == len(row.entries):
        return "not recorded"
    return f"exact in {row.exact} of {len(row.entries)}" if row.exact else "not exact"


def _say(axis: "Axes", y: float, text: str) -> None:
    """Writes in place of a value why there is none."""
    across = axis.get_yaxis_transform()  # the abscissa as a share of the width
    slant = "italic" if text == "not run" else "normal"
    axis.text(0.04, y, text, transform=across, va="center", fontsize=6, style=slant, color="0.35")


def _decades(values: Sequence[float]) -> tuple[float, float]:
    """Returns the powers of ten between which values lie, each well inside."""
    low, high = (min(values), max(values)) if values else (1.0, 1.0)
    return 10.0 ** floor(log10(low / 1.5)), 10.0 ** ceil(log10(high * 1.5))


def _panels(rows: int, columns: int, width: float, height: float) -> "tuple[Figure, list[Axes]]":
    """Returns a figure and its axes; needs no display or global state."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False).ravel())


def _add_legend(figure: "Figure", styles: Mapping[str, Mapping[str, Any]]) -> None:
    """Adds a legend below, and the height that it needs."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], label=verbatim(fill(name, LETTERS_PER_PANEL)), **how)
        for name, how in styles.items()
    ]
    longest = max(map(len, styles))
    widest = min(LETTERS_PER_PANEL, longest)
    columns = max(1, int(figure.get_figwidth() / (0.45 + LETTER_INCHES * widest)))
    add_legend(figure, handles, columns, ceil(longest / LETTERS_PER_PANEL))


def _save(figure: "Figure", path: Path) -> None:
    with writing(path, "plot"):
        figure.savefig(path, dpi=DOTS_PER_INCH)
