"""How pictures look: styles that tell methods apart, and texts that stay legible in a column."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from math import log
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN_INCHES = 3.4
"""Width of a picture that is printed in one of two columns."""
DOTS_PER_INCH = 200
UNITS_PER_DOT = 64
"""The unit in which fonts measure widths."""
FONT_POINTS = 8
SMALL_POINTS = 7
LEGEND_LINE_INCHES = 0.16
HANDLE_INCHES = 0.55
"""Width of what stands before each name of a legend, and of the gap behind it."""
NAME_INCHES = 2.6
"""Width of the widest lines of a legend."""
JOINTS = " :/-"
"""After what a line may end within a method's name."""

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
CHANCE: dict[str, Any] = {"color": "grey", "linestyle": ":", "linewidth": 1}
"""The line of what guessing scores."""
SAME_LINE = 5
"""Number of methods in a row with lines of one kind: solid ones are easiest to follow."""
MOST_TICKS = 8
"""Maximum number of values shown as ticks; with more, the ticks are powers of ten."""
NEAREST_TICKS = 0.08
"""Distance of such ticks, as a share of the axis, below which their labels would meet."""


def style(place: int) -> dict[str, Any]:
    """Returns the colour, marker and line of the method at a place in the list of all methods."""
    return {
        "color": COLOURS[place % len(COLOURS)],
        "marker": MARKERS[place % len(MARKERS)],
        "linestyle": LINES[place // SAME_LINE % len(LINES)],
        "markersize": 4,
        "linewidth": 1.2,
    }


FILES: dict[str, Any] = {
    "pdf.fonttype": 42,  # whole outlines, which publishers take, in place of Type 3 drawings
    "svg.fonttype": "path",  # an SVG cannot carry a font, and another one has other widths
    "svg.hashsalt": "llm-erm",
}
"""What matplotlib writes into files beyond the picture: fonts, and ids that never change."""

UNDATED: dict[str, dict[str, Any]] = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}
"""What leaves the time out of a file, so that the same picture is the same bytes."""


@contextmanager
def alike_everywhere() -> Iterator[None]:
    """Draws with matplotlib's own defaults, whatever the user has set for other pictures."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(FILES)
        yield


def save(figure: "Figure", path: Path) -> None:
    """Writes a picture, with fonts that are embedded and without the time."""
    figure.savefig(path, dpi=DOTS_PER_INCH, metadata=UNDATED.get(path.suffix))


def verbatim(text: str) -> str:
    """Returns a text that matplotlib shows as it is, with a mark for what its font lacks.

    Otherwise two dollar signs would enclose a formula.
    """
    known = _characters()
    seen = (c if c in known or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)
    return "".join(seen).replace("$", r"\$")


def in_lines(text: str, inches: float, points: float = FONT_POINTS, joints: str = " ") -> str:
    """Returns a text in lines that are no wider than asked for, as matplotlib shows it.

    Args:
        text: The text, whose own line ends do not count.
        inches: Maximum width of a line.
        points: Size of the font.
        joints: After which characters a line may end; a word that is too wide is cut.
    """
    lines = [""]
    for part in re.findall(rf"[^{joints}]+[{joints}]?|[{joints}]", " ".join(text.split())):
        if lines[-1] and width_of((lines[-1] + part).rstrip(), points) > inches:
            lines.append("")
        lines[-1] += part
        while width_of(lines[-1].rstrip(), points) > inches and len(lines[-1].rstrip()) > 1:
            line = lines.pop()
            fitting = (n for n in range(len(line), 1, -1) if width_of(line[:n], points) <= inches)
            cut = next(fitting, 1)
            lines += [line[:cut], line[cut:]]
    return verbatim("\n".join(line.strip() for line in lines))


def width_of(text: str, points: float) -> float:
    """Returns the width in inches of a line of text, as ``in_lines`` returns it."""
    font = _font()
    font.set_size(points, DOTS_PER_INCH)
    font.set_text(verbatim(text).replace(r"\$", "$"), 0.0)
    across, _ = font.get_width_height()
    return float(across) / UNITS_PER_DOT / DOTS_PER_INCH


def widest(texts: Sequence[str], points: float) -> float:
    """Returns the width in inches of the widest line of some texts."""
    return max(width_of(line, points) for text in texts for line in text.split("\n"))


@cache
def _characters() -> frozenset[str]:
    return frozenset(map(chr, _font().get_charmap()))


def _font() -> Any:  # noqa: ANN401 - matplotlib's, which has no types
    """Returns the font of all pictures."""
    from matplotlib.font_manager import findfont, get_font

    return get_font(findfont("DejaVu Sans"))


def make_legible(axes: "Axes") -> None:
    """Sets the texts of axes in sizes that can be read in print."""
    axes.title.set_fontsize(FONT_POINTS)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set_fontsize(FONT_POINTS)
    axes.tick_params(labelsize=SMALL_POINTS)


def add_legend(figure: "Figure", styles: Mapping[str, Mapping[str, Any]]) -> None:
    """Adds a legend below a figure, and the height that it needs.

    Args:
        figure: The figure.
        styles: What it explains: how each line looks, by name.
    """
    from matplotlib.lines import Line2D

    width = figure.get_figwidth()
    most = min(width - HANDLE_INCHES, NAME_INCHES)
    names = [in_lines(name, most, SMALL_POINTS, JOINTS) for name in styles]
    columns = max(1, int(width / (HANDLE_INCHES + widest(names, SMALL_POINTS))))
    figure.legend(
        handles=[
            Line2D([], [], label=name, **how)
            for name, how in zip(names, styles.values(), strict=True)
        ],
        loc="outside lower center",
        ncols=columns,
        fontsize=SMALL_POINTS,
        frameon=False,
    )
    in_column = -(-len(names) // columns)
    lines = max(
        sum(name.count("\n") + 1 for name in names[start : start + in_column])
        for start in range(0, len(names), in_column)
    )
    figure.set_figheight(figure.get_figheight() + LEGEND_LINE_INCHES * lines)


def make_logarithmic(axes: "Axes", values: Sequence[float]) -> None:
    """Makes the abscissa logarithmic, with ticks at the values if they are few and apart."""
    axes.set_xscale("log")
    ticks = sorted(set(values))
    across = log(ticks[-1] / ticks[0])
    apart = all(log(b / a) >= NEAREST_TICKS * across for a, b in pairwise(ticks))
    if len(ticks) <= MOST_TICKS and apart:
        axes.set_xticks(ticks, [f"{value:g}" for value in ticks])
        axes.minorticks_off()
