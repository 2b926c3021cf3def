"""Plots accuracies."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_erm.facts import CurvePoint, TrainingFacts
from llm_erm.phrases import counted
from llm_erm.records import Result
from llm_erm.runs.files import writing
from llm_erm.styles import (
    CHANCE,
    COLUMN_INCHES,
    DOTS_PER_INCH,
    add_legend,
    alike_everywhere,
    in_lines,
    make_legible,
    make_logarithmic,
    save,
    style,
)
from llm_erm.tasks.suite import in_words, name_of
from llm_erm.tasks.task import Task

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE_INCHES = COLUMN_INCHES - 0.6
"""Width of the axes, above which the title stands."""
CURVE_STYLES: dict[str, dict[str, Any]] = {
    # Larger and hollow, so that it is seen where both are equal.
    "train": style(0) | {"markersize": 7, "markerfacecolor": "none"},
    "test": style(1),
}


def plot_curve(curve: Sequence[CurvePoint], title: str, path: Path) -> None:
    """Draws training and test accuracy over the epochs into an image file."""
    from matplotlib.image import imsave

    accuracies = {
        "train": [point.train_accuracy for point in curve],
        "test": [point.test_accuracy for point in curve],
    }
    with _drawing, alike_everywhere():
        chart = _chart(tuple(point.epoch for point in curve), title)
        for name, values in accuracies.items():
            chart.lines[name].set_ydata(values)
        chart.canvas.restore_region(chart.background)
        for artist in chart.foreground:
            artist.draw(chart.canvas.get_renderer())
        imsave(
            path,
            chart.canvas.buffer_rgba(),
            format="png",
            dpi=chart.canvas.figure.dpi,
            pil_kwargs={"compress_level": 1},
        )


def plot_sizes(results: Iterable[Result], path: Path, own_task: Task | None = None) -> None:
    """Draws test accuracy over the number of training examples, a line per task and length.

    Args:
        results: The results.
        path: The picture.
        own_task: The task in a user's file, for the title.

    Raises:
        InputError: The file cannot be written.
    """
    with alike_everywhere():
        _save(accuracy_by_size(results, own_task), path)


def plot_lengths(results: Iterable[Result], path: Path, own_task: Task | None = None) -> None:
    """Draws test accuracy over the length of the inputs, a line per training set.

    Args:
        results: The results.
        path: The picture.
        own_task: The task in a user's file, for the title.

    Raises:
        InputError: The file cannot be written.
    """
    with alike_everywhere():
        _save(accuracy_by_length(results, own_task), path)


def accuracy_by_size(results: Iterable[Result], own_task: Task | None = None) -> "Figure":
    """Returns the picture of test accuracy over the number of training examples.

    Accuracies are means over the trials.
    """
    found = _by_size(results)
    trials: _Trials = {}
    for name, result, facts in found:
        at = trials.setdefault(name, {})
        at.setdefault(facts.train_size, []).append(_test_accuracy(result))
    lines = {name: _means(at) for name, at in trials.items()}
    return _plot(lines, "training examples", _what(found, own_task), logarithmic=True)


def accuracy_by_length(results: Iterable[Result], own_task: Task | None = None) -> "Figure":
    """Returns the picture of test accuracy over the length of the test inputs.

    Accuracies are means over the trials.
    """
    found = _by_size(results)
    trials: _Trials = {}
    for name, result, facts in found:
        at = trials.setdefault(f"{name}, {counted(facts.train_size, 'example')}", {})
        own = {result.data.length: _test_accuracy(result)} | dict(facts.accuracy_at_length)
        for length, share in own.items():
            at.setdefault(length, []).append(share)
    lines = {name: _means(at) for name, at in trials.items()}
    return _plot(lines, "length of test inputs", _what(found, own_task))


_drawing = threading.Lock()
"""Held while a shared chart is drawn."""


@dataclass(frozen=True)
class _Chart:
    """The parts of a plot that many training jobs share; drawing them takes most of the time.

    Attributes:
        canvas: The canvas, with a finished layout.
        lines: The lines by name, with the data of the last curve drawn.
        background: The image without the artists in front of the axes.
        foreground: The artists in front of the axes, in drawing order.
    """

    canvas: Any
    lines: Mapping[str, Any]
    background: Any
    foreground: Sequence[Any]


@lru_cache(maxsize=8)
def _chart(epochs: tuple[int, ...], title: str) -> _Chart:
    """Returns the chart of curves over these epochs; its layout depends on nothing else."""
    figure, axes = _figure()
    level = [0.0] * len(epochs)
    lines = {name: axes.plot(epochs, level, **how)[0] for name, how in CURVE_STYLES.items()}
    _finish(figure, axes, "epochs", title, CURVE_STYLES)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    foreground = (*axes.lines, *axes.spines.values())
    for artist in foreground:
        artist.set_visible(False)
    canvas: Any = figure.canvas
    canvas.draw()
    background = canvas.copy_from_bbox(figure.bbox)
    for artist in foreground:
        artist.set_visible(True)
    return _Chart(canvas, lines, background, foreground)


def _figure() -> "tuple[Figure, Axes]":
    """Returns an empty figure and its axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    size = (COLUMN_INCHES, 0.8 * COLUMN_INCHES)
    figure = Figure(figsize=size, dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def _finish(
    figure: "Figure", axes: "Axes", label: str, title: str, styles: dict[str, dict[str, Any]]
) -> None:
    """Adds to a figure what all plots have in common, and a legend of the lines' styles."""
    axes.axhline(0.5, **CHANCE)
    lines = [in_lines(line, TITLE_INCHES) for line in title.splitlines()]
    axes.set(xlabel=label, ylabel="accuracy", title="\n".join(lines))
    axes.set_ylim(-0.03, 1.03)
    make_legible(axes)
    add_legend(figure, styles | {"chance": CHANCE})


def _by_size(results: Iterable[Result]) -> list[tuple[str, Result, TrainingFacts]]:
    """Returns results by the size of their training set, with the names of their lines."""
    found = [
        (f"{name_of(result.data.function)}, length {result.data.length}", result, result.facts)
        for result in results
        if isinstance(result.facts, TrainingFacts)
    ]
    return sorted(found, key=lambda part: part[2].train_size)


_Trials = dict[str, dict[int, list[float]]]
"""Accuracies of all trials, by the name of a line and the abscissa."""


def _means(trials: Mapping[int, Sequence[float]]) -> list[tuple[float, float]]:
    """Returns the points of a line from the accuracies of the trials."""
    return [(at, sum(shares) / len(shares)) for at, shares in sorted(trials.items())]


def _test_accuracy(result: Result) -> float:
    assert result.test is not None
    return result.test.accuracy


def _what(found: Sequence[tuple[str, Result, TrainingFacts]], own_task: Task | None) -> str:
    """Returns what is drawn: the models and, if there is one task, its rule."""
    tasks = dict.fromkeys(result.data.function for _, result, _ in found)
    models = ", ".join(dict.fromkeys(result.model for _, result, _ in found))
    rules = [in_words(task, own_task) for task in tasks]
    return "\n".join([*rules, models]) if len(tasks) == 1 else models


def _plot(
    lines: Mapping[str, Sequence[tuple[float, float]]],
    label: str,
    title: str,
    *,
    logarithmic: bool = False,
) -> "Figure":
    """Returns a picture of accuracies.

    Args:
        lines: Pairs of abscissa and accuracy, by name.
        label: What the abscissa is.
        title: Title of the picture.
        logarithmic: Whether the abscissa is logarithmic.
    """
    figure, axes = _figure()
    styles = {}
    for place, (name, points) in enumerate(lines.items()):
        places, accuracies = zip(*points, strict=True)
        # Smaller than those below, which are seen where several are equal.
        size = {"markersize": 4 + 5 * (1 - (place + 1) / len(lines))}
        styles[name] = style(place) | size
        axes.plot(places, accuracies, **styles[name])
    if logarithmic:
        make_logarithmic(axes, [x for points in lines.values() for x, _ in points])
    _finish(figure, axes, label, title, styles)
    return figure


def _save(figure: "Figure", path: Path) -> None:
    with writing(path.parent):
        save(figure, path)
