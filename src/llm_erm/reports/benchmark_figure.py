"""The picture of how many tasks methods solve, and in what time, by description length."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llm_erm.reports.benchmark import HALF, WIDTH, Bracket, Solved, Span, solved_by
from llm_erm.reports.panels import PAGE_INCHES, panels
from llm_erm.styles import CHANCE, add_legend, make_legible, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL_SHAPE = 0.42
"""Height of a panel as a share of the width of the picture."""
LEAST_PANEL_INCHES = 2.6
"""Height that the label of the ordinate needs."""
LEAST_BESIDE_INCHES = 6.0
"""Width of the picture below which its panels are one above the other."""
ASIDE = 0.6
"""Share of a span over which the marks of all lines are spread, so that none hides another."""
LEAST_SECONDS = 1e-3
"""Fewer seconds are drawn as this many."""
HALF_LINE: dict[str, Any] = CHANCE
"""The line below which a method is said to have stopped."""


def solved_figure(brackets: Sequence[Bracket], inches: float | None = None) -> "Figure":
    """Returns the picture: shares of tasks solved, and median seconds per task.

    Lines are offset horizontally within each span, since some would otherwise hide each other.
    """
    width = inches or PAGE_INCHES
    beside = width >= LEAST_BESIDE_INCHES
    height = max(PANEL_SHAPE * width, LEAST_PANEL_INCHES) * (1 if beside else 2)
    figure, axes = panels(*((1, 2) if beside else (2, 1)), width, height)
    solved = solved_by(brackets)
    styles = {one.name: style(place) for place, one in enumerate(solved)}
    _draw_shares(axes[0], solved)
    _draw_seconds(axes[1], brackets, solved)
    edges = sorted({edge for one in brackets for edge in (one.span.low, one.span.high)})
    for axis in axes:
        axis.set_xlabel("description length of the rule in bits")
        axis.set_xlim(edges[0], edges[-1])
        axis.set_xticks(range(edges[0], edges[-1] + 1, _step(edges, width / (1 + beside))))
        make_legible(axis)
    add_legend(figure, styles | {"half of the tasks": HALF_LINE})
    return figure


def _draw_shares(axis: "Axes", solved: Sequence[Solved]) -> None:
    """Draws the share of tasks that each method solves, with intervals."""
    for place, one in enumerate(solved):
        look = style(place)
        across = [_across(span, place, len(solved)) for span in one.spans]
        axis.plot(across, [share.mean for share in one.shares], clip_on=False, **look)
        for x, share in zip(across, one.shares, strict=True):
            if share.low is not None and share.high is not None:
                axis.vlines(x, share.low, share.high, color=look["color"], linewidth=0.7)
    axis.axhline(HALF, **HALF_LINE)
    axis.set_ylim(-0.03, 1.03)
    axis.set_ylabel("share of tasks solved, 95% interval")


def _draw_seconds(axis: "Axes", brackets: Sequence[Bracket], solved: Sequence[Solved]) -> None:
    """Draws the median time of each method, in the look of the last of its lines of shares."""
    last = {one.method: place for place, one in enumerate(solved)}
    for method, place in last.items():
        own = [one for one in brackets if one.method == method]
        across = [_across(one.span, place, len(solved)) for one in own]
        axis.plot(across, [max(one.seconds, LEAST_SECONDS) for one in own], **style(place))
    axis.set_yscale("log")
    axis.set_ylabel("median seconds per task")


def _across(span: Span, place: int, lines: int) -> float:
    """Returns the abscissa of the line at a place."""
    return span.middle + ASIDE * WIDTH * ((place + 0.5) / lines - 0.5)


def _step(edges: Sequence[int], inches: float) -> int:
    """Returns how many bits lie between ticks, whose labels need room."""
    most = max(1, int(inches / 0.35))
    spans = (edges[-1] - edges[0]) // WIDTH
    return WIDTH * max(1, -(-spans // most))
