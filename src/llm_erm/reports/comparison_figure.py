"""The picture of a comparison: accuracies, and what it took to find an exact program."""

from collections.abc import Sequence
from itertools import accumulate
from math import ceil, floor, log10
from typing import TYPE_CHECKING

from llm_erm.reports.comparison import Row
from llm_erm.reports.panels import BETWEEN_INCHES, LINE_INCHES, PAGE_INCHES, panels, title_of
from llm_erm.styles import (
    CHANCE,
    JOINTS,
    SMALL_POINTS,
    in_lines,
    make_legible,
    style,
    widest,
)
from llm_erm.tasks.task import Task

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEAST_SECONDS = 1e-3
"""Fewer seconds are drawn as this many."""

NAMES_SHARE = 0.3
"""The share of the width that the names of methods may take beside a comparison."""
NAME_LINE_INCHES = 0.125
GAP_INCHES = 0.15
"""Width of what is between two panels of a comparison."""
TICK_INCHES = 0.3
"""Room that the label of a tick needs."""
LABEL_INCHES = 0.7
"""Width of a label below the narrowest panel, into whose gaps it may reach."""
LABELS = (
    "test accuracy,\n95% interval\n(dotted: chance)",
    "candidates\nto the first exact one",
    "seconds\nto the first exact one",
)
REASON_POINTS = 6
"""Size of what is written in place of a mark."""


def comparison(
    rows: Sequence[Row], own_task: Task | None = None, inches: float | None = None
) -> "Figure":
    """Returns the picture of a comparison: a row of panels per task, and in it one per method.

    Methods are named beside their marks. Where there is no mark, it says why: no run, or none that
    is exact.
    """
    width = inches or PAGE_INCHES
    points = list(dict.fromkeys(row.point for row in rows))
    methods = sorted({row.method for row in rows})  # whichever finished first
    names = [in_lines(name, width * NAMES_SHARE, SMALL_POINTS, JOINTS) for name in methods]
    places = _places(names)
    beside = widest(names, SMALL_POINTS)
    titles = [title_of(point, width - beside - BETWEEN_INCHES, own_task) for point in points]
    lines = sum(title.count("\n") + 1 for title in titles)
    height = len(points) * (places[-1] * NAME_LINE_INCHES + 0.1) + LINE_INCHES * lines
    figure, axes = panels(len(points), 3, width, height + 0.8)
    found = {(row.point, row.method): row for row in rows}
    panel = (width - beside) / 3 - GAP_INCHES
    for index, point in enumerate(points):
        own = axes[3 * index : 3 * index + 3]
        drawn = [found.get((point, method)) for method in methods]
        _draw_task(own, drawn, places)
        own[0].set_yticks(_middles(places), names)
        own[1].set_title(titles[index])
    measured = (None, [row.candidates for row in rows], [row.seconds_to_exact for row in rows])
    for column, (label, values) in enumerate(zip(LABELS, measured, strict=True)):
        _scale(axes[column::3], label, panel, values)
    return figure


def _draw_task(axes: Sequence["Axes"], rows: Sequence[Row | None], places: Sequence[float]) -> None:
    """Draws the methods on one task into its three panels."""
    for index, (row, y) in enumerate(zip(rows, _middles(places), strict=True)):
        if row is None:
            for axis in axes:
                _say(axis, y, "not run")
            continue
        mark = style(index) | {"linestyle": "", "clip_on": False, "zorder": 3}
        axes[0].hlines(y, *row.interval, color=mark["color"], linewidth=1)
        axes[0].plot(row.accuracy, y, **mark)
        for axis, value in zip(axes[1:], (row.candidates, row.seconds_to_exact), strict=True):
            if value is None:
                _say(axis, y, _lacking(row))
            else:
                axis.plot(max(value, LEAST_SECONDS), y, **mark)
    axes[0].axvline(0.5, **CHANCE)
    for axis in axes:
        axis.set_ylim(places[-1], 0)
        axis.set_yticks(_middles(places), [""] * len(rows))
        axis.tick_params(axis="y", length=0)
        axis.grid(axis="y", color="0.9", linewidth=0.5)
        axis.set_axisbelow(True)


def _scale(
    axes: Sequence["Axes"], label: str, inches: float, values: Sequence[float | None] | None
) -> None:
    """Gives the panels below each other one scale, which is labelled below the last.

    Args:
        axes: The panels.
        label: What they show.
        inches: Their width.
        values: What they show; None for accuracies.
    """
    most_ticks = max(2, int(inches / TICK_INCHES))
    if values is None:
        limits, ticks = (-0.04, 1.04), [0, 0.25, 0.5, 0.75, 1] if most_ticks > 4 else [0, 0.5, 1]
    else:
        known = [max(value, LEAST_SECONDS) for value in values if value is not None]
        low, high = _decades(known)
        step = ceil((high - low) / most_ticks)
        limits, ticks = (10.0**low, 10.0**high), [10.0**n for n in range(low, high + 1, step)]
    for axis in axes:
        if values is not None:
            axis.set_xscale("log")
        axis.set_xlim(limits)
        axis.set_xticks(ticks)
        axis.minorticks_off()  # they would have labels where there are few decades
        make_legible(axis)
        axis.tick_params(axis="x", labelbottom=axis is axes[-1])
    across = max(LABEL_INCHES, inches)
    lines = [in_lines(line, across, SMALL_POINTS) for line in label.split("\n")]
    axes[-1].set_xlabel("\n".join(lines), fontsize=SMALL_POINTS)


def _places(names: Sequence[str]) -> list[float]:
    """Returns where the row of each method ends, in lines of text."""
    return [*accumulate(name.count("\n") + 1.2 for name in names)]


def _middles(places: Sequence[float]) -> list[float]:
    """Returns the middle of each row."""
    return [(low + high) / 2 for low, high in zip([0.0, *places[:-1]], places, strict=True)]


def _lacking(row: Row) -> str:
    """Returns why a row has no figures up to the first exact program."""
    if row.exact_interval is None:
        return "not examined"
    if row.exact == len(row.entries):
        return "not recorded"
    return f"{row.exact} of {len(row.entries)} exact" if row.exact else "not exact"


def _say(axis: "Axes", y: float, text: str) -> None:
    """Writes in place of a value why there is none."""
    across = axis.get_yaxis_transform()  # the abscissa as a share of the width
    slant = "italic" if text == "not run" else "normal"
    line = axis.text(0.04, y, text, transform=across, va="center", style=slant, color="0.35")
    line.set_fontsize(REASON_POINTS)
    line.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.5})


def _decades(values: Sequence[float]) -> tuple[int, int]:
    """Returns the exponents of the powers of ten between which values lie, each well inside."""
    low, high = (min(values), max(values)) if values else (1.0, 1.0)
    return floor(log10(low / 1.5)), ceil(log10(high * 1.5))
