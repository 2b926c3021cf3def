"""Writes the pictures of comparisons, in the width in which they are printed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from llm_erm.errors import InputError, MissingExtraError
from llm_erm.phrases import either
from llm_erm.reports.benchmark import Bracket
from llm_erm.reports.benchmark_figure import solved_figure
from llm_erm.reports.comparison import Row
from llm_erm.reports.comparison_figure import comparison
from llm_erm.reports.curve_figure import curves_by_task
from llm_erm.reports.curves import Curve, Guarantee
from llm_erm.reports.results import TaskPoint
from llm_erm.runs.files import writing
from llm_erm.styles import COLUMN_INCHES, alike_everywhere, save
from llm_erm.tasks.task import Task

FORMATS = (".png", ".svg", ".pdf")
LEAST_INCHES, MOST_INCHES = 3.0, 40.0
"""The narrowest picture whose texts have room, and the widest one that is of any use."""


def check_target(path: Path, inches: float | None = None) -> None:
    """Checks that a plot can be written to the path.

    Args:
        path: The picture.
        inches: The width that is asked for, if any.

    Raises:
        InputError: The extension or the width is not supported, or the file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    if path.suffix not in FORMATS:
        raise InputError(
            f"Cannot plot to {path}; give a file name that ends in {either(FORMATS)}.",
            setting="plot",
        )
    if inches is not None and not LEAST_INCHES <= inches <= MOST_INCHES:
        raise InputError(
            f"The plot's width is {inches:g} inches; give {LEAST_INCHES:g} to {MOST_INCHES:g}, "
            f"such as {COLUMN_INCHES:g} for one of two columns.",
            setting="plot_width",
        )
    try:
        import matplotlib  # noqa: F401 - only whether it is there
    except ImportError:
        raise MissingExtraError(
            "Plots need matplotlib; install it with: pip install 'llm-erm[reports]'"
        ) from None
    with writing(path, "plot"):
        path.parent.mkdir(parents=True, exist_ok=True)


def draw_comparison(
    rows: Sequence[Row], path: Path, own_task: Task | None = None, inches: float | None = None
) -> None:
    """Plots accuracies with intervals, and candidates and seconds to the first exact program.

    Args:
        rows: The rows of the comparison.
        path: The picture.
        own_task: The task in a user's file, for its title.
        inches: Width of the picture (default: that of a page).
    """
    with alike_everywhere(), writing(path, "plot"):
        save(comparison(rows, own_task, inches), path)


def draw_curves(
    curves: Mapping[TaskPoint, Sequence[Curve]],
    guarantees: Mapping[TaskPoint, Guarantee],
    path: Path,
    own_task: Task | None = None,
    inches: float | None = None,
) -> None:
    """Plots test accuracy against labelled examples, one panel per task.

    Args:
        curves: The curves.
        guarantees: What theory guarantees.
        path: The picture.
        own_task: The task in a user's file, for its title.
        inches: Width of the picture (default: that of a column for one task, else of a page).
    """
    with alike_everywhere(), writing(path, "plot"):
        save(curves_by_task(curves, guarantees, own_task, inches), path)


def draw_solved(brackets: Sequence[Bracket], path: Path, inches: float | None = None) -> None:
    """Plots the share of tasks that methods solve, and their time, against description length.

    Args:
        brackets: What each method achieved.
        path: The picture.
        inches: Width of the picture (default: that of a page).
    """
    with alike_everywhere(), writing(path, "plot"):
        save(solved_figure(brackets, inches), path)
