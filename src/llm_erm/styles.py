"""How pictures look: styles that tell methods apart, and texts that stay legible in a column."""

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN_INCHES = 3.4
"""Width of a picture that is printed in one of two columns."""
DOTS_PER_INCH = 200
FONT_POINTS = 8
SMALL_POINTS = 7
LEGEND_LINE_INCHES = 0.16

COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#F0A500", "#69005A", "#96B4FF", "#5A2D00"),
    *("#0000FF", "#96C369", "#5A3C3C", "#00C3D2", "#B44B3C", "#2D1EA5", "#E1A5A5", "#785A87"),
    *("#5A78FF", "#A53C00", "#3C5AC3", "#D2693C"),
)
"""Colours that people with any kind of colour vision tell apart, from each other and from black.

Four are of Okabe and Ito; each further one is as far as possible from those before it, in CIE Lab,
as seen with normal vision, without red cones and without green cones (Machado et al., 2009).
"""
MARKERS = "os^DvPX*<>pdh+x1|"
"""As many as no multiple of which is the number of colours, so that pairs repeat late."""
LINES = ("-", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)))
"""Dashed lines are bounds and widely dotted ones chance."""
SAME_LINE = 5
"""Number of methods in a row with lines of one kind: solid ones are easiest to follow."""
MOST_TICKS = 8
"""Maximum number of values shown as ticks; with more, the ticks are powers of ten."""


def style(place: int) -> dict[str, Any]:
    """Returns the colour, marker and line of the method at a place in the list of all methods."""
    return {
        "color": COLOURS[place % len(COLOURS)],
        "marker": MARKERS[place % len(MARKERS)],
        "linestyle": LINES[place // SAME_LINE % len(LINES)],
        "markersize": 4,
        "linewidth": 1.2,
    }


def verbatim(text: str) -> str:
    """Returns a text that matplotlib shows as it is, though two dollar signs enclose a formula."""
    return text.replace("$", r"\$")


def make_legible(axes: "Axes") -> None:
    """Sets the texts of axes in sizes that can be read in print."""
    axes.title.set_fontsize(FONT_POINTS)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set_fontsize(FONT_POINTS)
    axes.tick_params(labelsize=SMALL_POINTS)


def add_legend(
    figure: "Figure", handles: "Sequence[Artist]", columns: int, lines_per_entry: int = 1
) -> None:
    """Adds a legend below a figure, and the height that it needs.

    Args:
        figure: The figure.
        handles: What it explains, with labels.
        columns: Number of entries beside each other.
        lines_per_entry: Height of an entry.
    """
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=columns,
        fontsize=SMALL_POINTS,
        frameon=False,
    )
    lines = ceil(len(handles) / columns) * lines_per_entry
    figure.set_figheight(figure.get_figheight() + LEGEND_LINE_INCHES * lines)


def make_logarithmic(axes: "Axes", values: Sequence[float]) -> None:
    """Makes the abscissa logarithmic, with ticks at the values if they are few."""
    axes.set_xscale("log")
    ticks = sorted(set(values))
    if len(ticks) <= MOST_TICKS:
        axes.set_xticks(ticks, [f"{value:g}" for value in ticks])
        axes.minorticks_off()
