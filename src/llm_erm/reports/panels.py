"""What the pictures of comparisons have in common: how wide they are, and their panels."""

from typing import TYPE_CHECKING

from llm_erm.reports.results import TaskPoint
from llm_erm.styles import COLUMN_INCHES, DOTS_PER_INCH, in_lines
from llm_erm.tasks.suite import in_words
from llm_erm.tasks.task import Task

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PAGE_INCHES = 2 * COLUMN_INCHES
"""Width of a picture that is printed across both columns."""
LINE_INCHES = 0.15
BETWEEN_INCHES = 0.4
"""By how much the texts of a panel are narrower than its share of the picture."""


def panels(rows: int, columns: int, width: float, height: float) -> "tuple[Figure, list[Axes]]":
    """Returns a figure and its axes; needs no display or global state."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.02, wspace=0.03)
    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout=layout)
    return figure, list(figure.subplots(rows, columns, squeeze=False).ravel())


def title_of(point: TaskPoint, inches: float, own_task: Task | None) -> str:
    """Returns what a task is: its name, its rule and the length of its inputs."""
    return f"{in_lines(in_words(point[0], own_task), inches)}\nlength {point[1]}"
