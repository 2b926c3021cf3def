"""The picture of test accuracy against labelled examples, with what theory guarantees."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

from llm_erm.reports.curves import Curve, Guarantee
from llm_erm.reports.panels import BETWEEN_INCHES, LINE_INCHES, PAGE_INCHES, panels, title_of
from llm_erm.reports.results import TaskPoint
from llm_erm.styles import (
    CHANCE,
    COLUMN_INCHES,
    JOINTS,
    add_legend,
    in_lines,
    make_legible,
    make_logarithmic,
    style,
)
from llm_erm.tasks.task import Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANEL_SHAPE = 0.65
"""Height of a panel without the texts above and below, as a share of its width."""
LEAST_PANEL_INCHES = 2.1
"""The narrowest panel of curves."""
MOST_IN_PAIRS = 4
"""Maximum number of panels that are drawn two in a row; more are three in a row."""
ASIDE = 1.05
"""Horizontal offset between methods at the same number of examples, as a factor."""
MOST_ASIDE = 1.4
"""The same between the first and the last of many methods."""
LOWEST = 0.38
"""Where the axis of accuracies begins if all of them are about chance or above."""
GUARANTEED = "Occam bound for an exact program, 95% sure"
GUARANTEE: dict[str, Any] = {"color": "black", "linestyle": "--", "linewidth": 1.2}


def curves_by_task(
    curves: Mapping[TaskPoint, Sequence[Curve]],
    guarantees: Mapping[TaskPoint, Guarantee],
    own_task: Task | None = None,
    inches: float | None = None,
) -> "Figure":
    """Returns the picture of curves, one panel per task.

    Methods are offset horizontally, since exact ones would otherwise hide each other.
    """
    width = inches or (COLUMN_INCHES if len(curves) == 1 else PAGE_INCHES)
    most = int(width / LEAST_PANEL_INCHES) if len(curves) > MOST_IN_PAIRS else 2
    columns = min(len(curves), most, int(width / LEAST_PANEL_INCHES))
    across = width / columns - BETWEEN_INCHES
    methods = sorted({curve.method for each in curves.values() for curve in each})
    styles = {method: style(place) for place, method in enumerate(methods)}
    asides = {method: _aside(place, len(methods)) for place, method in enumerate(methods)}
    every = [curve for each in curves.values() for curve in each]
    titles = {point: title_of(point, across, own_task) for point in curves}
    notes = {
        point: _notes(own, methods, guarantees.get(point), across) for point, own in curves.items()
    }
    rows = ceil(len(curves) / columns)
    lines = sum(1 + max(text.count("\n") for text in each.values()) for each in (titles, notes))
    height = PANEL_SHAPE * width / columns + LINE_INCHES * lines
    figure, axes = panels(rows, columns, width, height * rows)
    for spare in axes[len(curves) :]:
        spare.remove()
    for place, (axis, (point, own)) in enumerate(zip(axes, curves.items(), strict=False)):
        for curve in sorted(own, key=lambda curve: curve.method):
            places = [examples * asides[curve.method] for examples in curve.examples]
            axis.plot(places, curve.accuracy, **styles[curve.method])
            # An interval from a sample of the test data need not contain their accuracy.
            colour = styles[curve.method]["color"]
            axis.vlines(places, curve.low, curve.high, color=colour, linewidth=0.7)
        if (guarantee := guarantees.get(point)) is not None:
            axis.plot(guarantee.examples, guarantee.accuracy, **GUARANTEE)
        axis.axhline(0.5, **CHANCE)
        axis.set(title=titles[point], xlabel=notes[point])
        if place % columns == 0:
            axis.set_ylabel("test accuracy, 95% interval")
        axis.set_ylim(min(LOWEST, *(min(*one.low, *one.accuracy) - 0.03 for one in every)), 1.03)
        make_logarithmic(axis, [examples for curve in every for examples in curve.examples])
        make_legible(axis)
    bound = {GUARANTEED: GUARANTEE} if guarantees else {}
    add_legend(figure, styles | bound | {"chance": CHANCE})
    return figure


def _notes(
    own: Sequence[Curve], methods: Sequence[str], guarantee: Guarantee | None, inches: float
) -> str:
    """Returns what stands below a panel: what the abscissa is, the bound's program, what lacks."""
    lines = ["labelled examples"]
    if guarantee is not None:
        lines.append(in_lines(f"dashed bound: {guarantee.bits:.0f}-bit program", inches))
    if missing := sorted({*methods} - {curve.method for curve in own}):
        lines.append(in_lines(f"not run: {', '.join(missing)}", inches, joints=JOINTS))
    return "\n".join(lines)


def _aside(place: int, methods: int) -> float:
    """Returns the factor by which a method is drawn beside its number of examples."""
    step = min(ASIDE, MOST_ASIDE ** (1 / methods))
    factor: float = step ** (place - (methods - 1) / 2)
    return factor
