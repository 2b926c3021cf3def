"""Pictures show every method and every result whole, and say what is what."""

from dataclasses import dataclass, replace

import pytest

pytest.importorskip("matplotlib", reason="pictures need matplotlib")

from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from llm_erm.reports.curves import Curve, Guarantee
from llm_erm.reports.figures import (
    comparison,
    curves_by_task,
    draw_comparison,
    draw_curves,
)
from llm_erm.tasks.suite import SUITE

PARITY, PALINDROME = ("fn_a", 20), ("fn_g", 50)
METHODS = [f"method {letter}" for letter in "abcdefghijklmnop"]
BOUND = Guarantee(13, "program text", (20.0, 1000.0), (0.1, 0.98))


@dataclass
class Row:
    """What a picture reads of a row of a comparison."""

    point: tuple[str, int]
    method: str
    accuracy: float = 1.0
    interval: tuple[float, float] = (0.97, 1.0)
    candidates: float | None = 3
    seconds_to_exact: float | None = 0.5
    exact: int = 1
    exact_interval: tuple[float, float] | None = (0.2, 1.0)
    entries: tuple[None, ...] = (None,)


def curve(method: str, accuracy: float = 1.0, interval=(0.9, 1.0), sizes=(20, 200)) -> Curve:
    count = len(sizes)
    low, high = ((end,) * count for end in interval)
    return Curve(method, tuple(sizes), (accuracy,) * count, low, high, (1,) * count)


def legend(figure: Figure) -> list[str]:
    (one,) = figure.legends
    return [text.get_text() for text in one.texts]


def inside(figure: Figure) -> bool:
    """Whether every mark and every end of an interval lies within its axes."""
    for axes in figure.axes:
        (left, right), (bottom, top) = sorted(axes.get_xlim()), sorted(axes.get_ylim())
        ends = [
            (x, y)
            for lines in axes.collections
            if isinstance(lines, LineCollection)
            for segment in lines.get_segments()
            for x, y in segment
        ]
        marks = [
            (x, y)
            for line in axes.lines
            if line.get_marker() != "None"
            for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
        ]
        assert marks
        if any(not (left < x < right and bottom < y < top) for x, y in (*ends, *marks)):
            return False
    return True


def marked(axes) -> list:
    return [line for line in axes.lines if line.get_marker() != "None"]


@pytest.mark.parametrize("count", [1, 3, 16])
def test_every_method_has_a_colour_a_marker_and_a_name(count):
    methods = METHODS[:count]
    drawn = curves_by_task({PARITY: [curve(method) for method in methods]}, {})
    compared = comparison([Row(PARITY, method) for method in methods])
    for figure in (drawn, compared):
        lines = marked(figure.axes[0])
        assert len(lines) == count
        assert len({line.get_color() for line in lines}) == count
        assert len({line.get_marker() for line in lines}) == count
        assert legend(figure) == [*methods, "chance"]
        for line, handle in zip(lines, figure.legends[0].get_lines(), strict=False):
            assert line.get_color() == handle.get_color()
            assert line.get_marker() == handle.get_marker()
    kinds = {str(line.get_linestyle()) for line in marked(drawn.axes[0])}
    assert len(kinds) == (1 if count < 5 else 3)  # matplotlib has one name for both kinds of dashes
    figure.draw_without_rendering()
    (box,) = (one.get_window_extent() for one in figure.legends)
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1


def test_methods_that_score_the_same_do_not_hide_each_other():
    """However many there are, they stay nearer to their own size than to the next."""
    for count in (2, 16):
        figure = curves_by_task({PARITY: [curve(name) for name in METHODS[:count]]}, {})
        firsts = sorted(line.get_xdata()[0] for line in marked(figure.axes[0]))
        assert len(set(firsts)) == count
        assert 20 / 2**0.5 < firsts[0] < firsts[-1] < 20 * 2**0.5


def test_colours_do_not_depend_on_the_order_of_the_runs(tmp_path):
    pictures = []
    for number, methods in enumerate((("a", "b"), ("b", "a"))):
        path = tmp_path / f"{number}.png"
        draw_curves({PARITY: [curve(method) for method in methods]}, {}, path)
        pictures.append(path.read_bytes())
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize(
    ("accuracy", "interval"),
    [(1.0, (0.97, 1.0)), (0.0, (0.0, 0.02)), (0.3, (0.2, 0.4)), (0.9, (0.91, 0.95))],
)
def test_no_interval_is_cut(accuracy, interval):
    """The last comes from a sample of the test data, of which the accuracy counts all."""
    curves = {PARITY: [curve("a", accuracy, interval)], PALINDROME: [curve("b")]}
    assert inside(curves_by_task(curves, {}))
    row = Row(PARITY, "a", accuracy, interval)
    for candidates in (1, 7, 100, 10**7):
        for seconds in (0.0, 1e-3, 1.0, 99.0):
            row.candidates, row.seconds_to_exact = candidates, seconds
            assert inside(comparison([row, Row(PARITY, "b")]))


def test_a_run_that_is_missing_differs_from_one_that_is_not_exact():
    nothing = {"candidates": None, "seconds_to_exact": None}
    rows = [
        Row(PARITY, "a"),
        Row(PARITY, "b", 0.6, (0.5, 0.7), exact=0, **nothing),
        Row(PARITY, "c", 0.5, (0.4, 0.6), exact=0, exact_interval=None, **nothing),
        Row(PALINDROME, "b", exact=2, entries=(None,) * 5, **nothing),
        Row(PALINDROME, "c", **nothing),
    ]
    accuracies, candidates, seconds = comparison(rows).axes
    written = {
        axes: {round(text.get_position()[1], 3): text.get_text() for text in axes.texts}
        for axes in (accuracies, candidates, seconds)
    }
    assert list(written[accuracies].values()) == ["not run"]
    for axes in (candidates, seconds):
        assert list(written[axes].values()) == [
            *("not exact", "not examined"),
            *("not run", "exact in 2 of 5", "not recorded"),
        ]
        places = {round(float(line.get_ydata()[0]), 3) for line in marked(axes)}
        assert not places & written[axes].keys()
    (missing,) = accuracies.texts
    assert missing.get_style() == "italic"
    assert candidates.texts[0].get_style() == "normal"


def test_a_panel_names_the_methods_that_were_not_run_on_its_task():
    figure = curves_by_task({PARITY: [curve("a"), curve("b")], PALINDROME: [curve("a")]}, {})
    assert [axes.get_xlabel() for axes in figure.axes] == [
        "labelled examples",
        "labelled examples\nnot run: b",
    ]


def test_titles_say_what_the_task_is():
    curves = {point: [curve("a")] for point in (PARITY, ("fn_j", 50), ("own", 12))}
    assert [axes.get_title() for axes in curves_by_task(curves, {}).axes] == [
        "parity_all (fn_a): the number of ones is odd\nlength 20",
        "automata_parity (fn_j): after one step of cellular\n"
        "automaton rule 30 the number of ones is odd\nlength 50",
        "own (own task)\nlength 12",
    ]
    first = comparison([Row(point, "a") for point in curves]).axes[0]
    names = [label.get_text() for label in first.get_yticklabels()]
    assert names[0] == "parity_all (fn_a): the\nnumber of ones is odd\nlength 20"
    assert names[2] == "own (own task)\nlength 12"
    task = replace(SUITE["fn_a"], id="own", name="own", computes="ones prevail")
    assert curves_by_task(curves, {}, task).axes[2].get_title() == "own: ones prevail\nlength 12"
    label = comparison([Row(("own", 12), "a")], task).axes[0].get_yticklabels()[0]
    assert label.get_text() == "own: ones prevail\nlength 12"
    silent = replace(task, computes="")
    assert curves_by_task(curves, {}, silent).axes[2].get_title() == "own (own task)\nlength 12"


def test_the_legend_names_the_dashed_line_and_the_dotted_one():
    figure = curves_by_task({PARITY: [curve("a")], PALINDROME: [curve("a")]}, {PARITY: BOUND})
    handles = dict(zip(legend(figure), figure.legends[0].get_lines(), strict=True))
    assert list(handles) == ["a", "Occam bound for an exact program, 95% sure", "chance"]
    dashed, dotted = list(handles.values())[1:]
    assert (dashed.get_linestyle(), dotted.get_linestyle()) == ("--", ":")
    with_bound, without = figure.axes
    assert [line.get_linestyle() for line in with_bound.lines].count("--") == 1
    assert "--" not in [line.get_linestyle() for line in without.lines]
    assert "dashed bound: 13 bits" in with_bound.get_xlabel()
    assert "bound" not in without.get_xlabel()
    assert "Occam" not in "".join(legend(curves_by_task({PARITY: [curve("a")]}, {})))


@pytest.mark.parametrize(("panels", "columns", "inches"), [(1, 1, 3.4), (2, 2, 6.8), (12, 4, 13.6)])
def test_pictures_are_as_wide_as_the_columns_that_they_are_printed_in(panels, columns, inches):
    """So their texts are printed in the size that they have."""
    curves = {("fn_a", length): [curve("a")] for length in range(10, 10 + panels)}
    figure = curves_by_task(curves, {})
    assert figure.get_figwidth() == pytest.approx(inches)
    assert len(figure.axes) == panels
    assert len({axes.get_subplotspec().colspan.start for axes in figure.axes}) == columns
    sizes = [text.get_fontsize() for text in figure.legends[0].texts]
    for axes in figure.axes:
        sizes += [axes.title.get_fontsize(), axes.xaxis.label.get_fontsize()]
        sizes += [label.get_fontsize() for label in axes.get_xticklabels()]
    assert min(sizes) >= 7


@pytest.mark.parametrize("name", ["figure.svg", "figure.pdf", "figure.png"])
def test_pictures_are_written(tmp_path, name):
    draw_curves({PARITY: [curve("$a$")]}, {PARITY: BOUND}, tmp_path / name)
    drawn = (tmp_path / name).read_bytes()
    draw_comparison([Row(PARITY, "$a$")], tmp_path / name)
    assert drawn
    assert (tmp_path / name).read_bytes() not in (b"", drawn)
