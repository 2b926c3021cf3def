"""Plots comparisons with matplotlib."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle, repeat
from math import ceil, floor, log10
from pathlib import Path
from typing import TYPE_CHECKING

from llm_erm.errors import InputError, MissingExtraError
from llm_erm.reports.comparison import Row
from llm_erm.reports.curves import Curve, Guarantee
from llm_erm.reports.results import TaskPoint
from llm_erm.runs.files import writing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = (".png", ".svg", ".pdf")
PANEL_INCHES = (4.2, 3.2)
ROW_INCHES = 0.2
ASIDE = 1.05
"""Horizontal offset between methods at the same number of examples, as a factor."""
MARKERS = "osD^vPX*<>"
MOST_TICKS = 8
"""Maximum number of sizes shown as ticks; with more sizes, the ticks are powers of ten."""


def check_target(path: Path) -> None:
    """Checks that a plot can be written to the path.

    Raises:
        InputError: The extension is not supported, or the file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    if path.suffix not in FORMATS:
        raise InputError(
            f"Cannot plot to {path}; give a file name that ends in {' or '.join(FORMATS)}.",
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


def draw_comparison(rows: Sequence[Row], path: Path) -> None:
    """Plots accuracies with intervals, and candidates and seconds to the first exact program."""
    tasks = list(dict.fromkeys(row.point for row in rows))
    methods = list(dict.fromkeys(row.method for row in rows))
    colours = _colours(methods)
    height = max(PANEL_INCHES[1], 1 + ROW_INCHES * len(rows))
    with _figure(path, 3, height) as axes:
        titles = (
            "test accuracy, 95% interval",
            "candidates to the first exact",
            "seconds to the first exact",
        )
        for axis, title in zip(axes, titles, strict=True):
            axis.set_title(title)
            names = [
                without_formulas(f"{name} L={length}") if axis is axes[0] else ""
                for name, length in tasks
            ]
            axis.set_yticks(range(len(tasks)), names)
            axis.set_ylim(len(tasks) - 0.5, -0.5)
            for place in range(1, len(tasks)):
                axis.axhline(place - 0.5, color="grey", lw=0.5)
        for row in rows:
            step = 0.8 / len(methods)
            y = tasks.index(row.point) - 0.4 + step * (methods.index(row.method) + 0.5)
            low, high = row.interval
            colour = colours[row.method]
            axes[0].plot([low, high], [y, y], color=colour, lw=1)
            axes[0].plot(row.accuracy, y, "o", color=colour, ms=4)
            for axis, value in ((axes[1], row.candidates), (axes[2], row.seconds_to_exact)):
                if value is not None:
                    axis.plot(max(value, 1e-3), y, "o", color=colour, ms=4)
        axes[0].axvline(0.5, color="grey", lw=0.5, ls=":")
        axes[0].set_xlim(-0.02, 1.02)
        for axis in axes[1:]:
            axis.set_xscale("log")
            left, right = axis.get_xlim()
            axis.set_xlim(10 ** floor(log10(left)), 10 ** ceil(log10(right)))
        _legend(axes[0], colours, repeat("o"))


def draw_curves(
    curves: Mapping[TaskPoint, Sequence[Curve]],
    guarantees: Mapping[TaskPoint, Guarantee],
    path: Path,
) -> None:
    """Plots test accuracy against labelled examples, one panel per task.

    Methods are offset horizontally, since exact ones would otherwise hide each other.
    """
    tasks = list(curves)
    methods = sorted({curve.method for each in curves.values() for curve in each})
    colours = _colours(methods)
    sizes = sorted({n for each in curves.values() for curve in each for n in curve.examples})
    with _figure(path, len(tasks), PANEL_INCHES[1]) as axes:
        for axis, task in zip(axes, tasks, strict=True):
            axis.set_title(without_formulas(f"{task[0]}, L = {task[1]}"))
            for curve in sorted(curves[task], key=lambda curve: curve.method):
                place = methods.index(curve.method)
                aside = ASIDE ** (place - (len(methods) - 1) / 2)
                places = [examples * aside for examples in curve.examples]
                colour, marker = colours[curve.method], MARKERS[place % len(MARKERS)]
                axis.plot(places, curve.accuracy, f"{marker}-", color=colour, ms=4, lw=1.2)
                # An interval from a sample of the test data need not contain their accuracy.
                axis.vlines(places, curve.low, curve.high, color=colour, lw=0.7)
            if (guarantee := guarantees.get(task)) is not None:
                axis.plot(guarantee.examples, guarantee.accuracy, "k--", lw=1.2)
                axis.text(
                    *(0.98, 0.03, f"guarantee (dashed): {guarantee.bits:.0f} bits"),
                    transform=axis.transAxes,
                    ha="right",
                    fontsize=7,
                )
            axis.axhline(0.5, color="grey", lw=0.5, ls=":")
            axis.set_xscale("log")
            if len(sizes) <= MOST_TICKS:
                axis.set_xticks(sizes, map(str, sizes))
                axis.minorticks_off()
            axis.set_ylim(0.38, 1.03)
            axis.set_xlabel("labelled examples")
            axis.set_ylabel("test accuracy, 95% interval")
        _legend(axes[0], colours, cycle(MARKERS))


@contextmanager
def _figure(path: Path, panels: int, height: float) -> "Iterator[list[Axes]]":
    """Yields the axes of a figure and then writes it; needs no display and no global state."""
    from matplotlib.figure import Figure

    columns = min(panels, 4)
    rows = -(-panels // columns)
    size = (PANEL_INCHES[0] * columns, height * rows)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for spare in axes[panels:]:
        spare.remove()
    yield list(axes[:panels])
    with writing(path, "plot"):
        figure.savefig(path, dpi=150)


def without_formulas(text: str) -> str:
    """Returns a text that matplotlib shows as it is, though two dollar signs enclose a formula."""
    return text.replace("$", r"\$")


def _colours(methods: Sequence[str]) -> dict[str, str]:
    """Returns one colour per method; they repeat after ten methods."""
    return {method: f"C{index % 10}" for index, method in enumerate(methods)}


def _legend(axis: "Axes", colours: Mapping[str, str], markers: Iterable[str]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=colour, marker=marker, ms=4, label=without_formulas(method))
        for (method, colour), marker in zip(colours.items(), markers, strict=False)
    ]
    figure = axis.get_figure()
    assert figure is not None
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=7, frameon=False)
