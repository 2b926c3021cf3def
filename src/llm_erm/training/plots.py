"""Plots accuracies."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Any

from llm_erm.facts import CurvePoint, TrainingFacts
from llm_erm.phrases import counted
from llm_erm.records import Result
from llm_erm.runs.files import writing


def plot_curve(curve: Sequence[CurvePoint], title: str, path: Path) -> None:
    """Draws training and test accuracy over the epochs into an image file."""
    from matplotlib.image import imsave

    accuracies = {
        "train": [point.train_accuracy for point in curve],
        "test": [point.test_accuracy for point in curve],
    }
    with _drawing:
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


def plot_sizes(results: Iterable[Result], path: Path) -> None:
    """Draws test accuracy over the number of training examples, a line per task and length.

    Raises:
        InputError: The file cannot be written.
    """
    lines: dict[str, list[tuple[float, float]]] = {}
    for name, result, facts in _by_size(results):
        lines.setdefault(name, []).append((facts.train_size, _test_accuracy(result)))
    with writing(path.parent):
        _plot(lines, "training examples", _model(results), path, logarithmic=True)


def plot_lengths(results: Iterable[Result], path: Path) -> None:
    """Draws test accuracy over the length of the inputs, a line per training set.

    Raises:
        InputError: The file cannot be written.
    """
    lines = {}
    for name, result, facts in _by_size(results):
        found = {result.data.length: _test_accuracy(result)} | dict(facts.accuracy_at_length)
        lines[f"{name}, {counted(facts.train_size, 'example')}"] = sorted(found.items())
    with writing(path.parent):
        _plot(lines, "length of test inputs", _model(results), path)


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
    lines = {name: axes.plot(epochs, level, "o-", label=name)[0] for name in ("train", "test")}
    _finish(axes, "epochs", title)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    foreground = (*axes.lines, *axes.spines.values())
    for artist in foreground:
        artist.set_visible(False)
    figure.canvas.draw()
    background = figure.canvas.copy_from_bbox(figure.bbox)
    for artist in foreground:
        artist.set_visible(True)
    return _Chart(figure.canvas, lines, background, foreground)


def _figure() -> tuple[Any, Any]:
    """Returns an empty figure and its axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def _finish(axes: Any, label: str, title: str) -> None:  # noqa: ANN401 - of matplotlib
    """Adds to axes what all plots have in common."""
    axes.axhline(0.5, color="gray", linestyle=":", label="chance")
    plain = title.replace("$", r"\$")  # a pair of them would enclose a formula
    axes.set(xlabel=label, ylabel="accuracy", ylim=(0, 1.03), title=plain)
    # Accuracies are rarely so low; below the curves, so that it is the same for all of them.
    axes.legend(loc="lower right").set_zorder(1)


def _by_size(results: Iterable[Result]) -> list[tuple[str, Result, TrainingFacts]]:
    """Returns results by the size of their training set, with the names of their lines."""
    found = [
        (f"{result.data.function}, L = {result.data.length}", result, result.facts)
        for result in results
        if isinstance(result.facts, TrainingFacts)
    ]
    return sorted(found, key=lambda part: part[2].train_size)


def _test_accuracy(result: Result) -> float:
    assert result.test is not None
    return result.test.accuracy


def _model(results: Iterable[Result]) -> str:
    return ", ".join(dict.fromkeys(map(attrgetter("model"), results)))


def _plot(
    lines: Mapping[str, Sequence[tuple[float, float]]],
    label: str,
    title: str,
    path: Path,
    *,
    logarithmic: bool = False,
) -> None:
    """Draws accuracies into an image file.

    Args:
        lines: Pairs of abscissa and accuracy, by name.
        label: What the abscissa is.
        title: Title of the picture.
        path: The file.
        logarithmic: Whether the abscissa is logarithmic.
    """
    figure, axes = _figure()
    for name, points in lines.items():
        axes.plot(*zip(*points, strict=True), "o-", label=name)
    if logarithmic:
        axes.set_xscale("log")
    _finish(axes, label, title)
    figure.canvas.print_png(path)
