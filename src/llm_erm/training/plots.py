"""Accuracies as pictures."""

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path

from llm_erm.facts import CurvePoint, TrainingFacts
from llm_erm.records import Result
from llm_erm.runs.files import writing


def plot_curve(curve: Sequence[CurvePoint], title: str, path: Path) -> None:
    """Draws training and test accuracy over the epochs into an image file."""
    lines = {
        "train": [(point.epoch, point.train_accuracy) for point in curve],
        "test": [(point.epoch, point.test_accuracy) for point in curve],
    }
    _plot(lines, "epochs", title, path)


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
        lines[f"{name}, {facts.train_size} examples"] = sorted(found.items())
    with writing(path.parent):
        _plot(lines, "length of test inputs", _model(results), path)


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
    from matplotlib.figure import Figure

    axes = (figure := Figure(figsize=(6, 4), layout="constrained")).subplots()
    for name, points in lines.items():
        axes.plot(*zip(*points, strict=True), "o-", label=name)
    axes.axhline(0.5, color="gray", linestyle=":", label="chance")
    axes.set(xlabel=label, ylabel="accuracy", ylim=(0, 1.03), title=title)
    if logarithmic:
        axes.set_xscale("log")
    axes.legend()
    figure.savefig(path, dpi=120)
