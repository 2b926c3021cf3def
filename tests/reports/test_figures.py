"""Pictures show every method and every result whole, and say what is what."""

import re
from dataclasses import dataclass, replace
from unittest.mock import patch
from xml.etree import ElementTree

import pytest

pytest.importorskip("matplotlib", reason="pictures need matplotlib")

import matplotlib
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from legible import assert_legible
from llm_erm.errors import InputError
from llm_erm.reports.comparison_figure import comparison
from llm_erm.reports.curve_figure import curves_by_task
from llm_erm.reports.curves import Curve, Guarantee
from llm_erm.reports.figures import FORMATS, check_target, draw_comparison, draw_curves
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
    assert legend(drawn) == [*methods, "chance"]
    for line, handle in zip(marked(drawn.axes[0]), drawn.legends[0].get_lines(), strict=False):
        assert line.get_color() == handle.get_color()
        assert line.get_marker() == handle.get_marker()
    beside = compared.axes[0].get_yticks(), compared.axes[0].get_yticklabels()
    named = {float(y): label.get_text() for y, label in zip(*beside, strict=True)}
    assert [named[float(line.get_ydata()[0])] for line in marked(compared.axes[0])] == methods
    kinds = {str(line.get_linestyle()) for line in marked(drawn.axes[0])}
    assert len(kinds) == (1 if count < 5 else 3)  # matplotlib has one name for both kinds of dashes


LONG = [
    *("synthesis openai:gpt-5", "enumeration length-first", "baseline:logistic-regression"),
    *(f"incontext vllm:Qwen/Qwen3-30B-A3B-Instruct-2507, {n} examples" for n in (20, 200)),
    *(f"synthesis anthropic:claude-opus-4-5-20251101 in runs/synthesize-{n}f3" for n in range(9)),
    *("baseline:genetic-programming", "m" * 90, "training smollm2_finetune", "$a$ - b"),
    *("knn", "a name of very many quite short words that goes on for longer than a line"),
]
POINTS = [PARITY, PALINDROME, ("fn_j", 100), ("fn_k", 100), ("fn_b", 20), ("own", 12)]


@pytest.mark.parametrize(
    ("inches", "count", "tasks"),
    [(3.0, 20, 1), (3.0, 6, 2), (3.4, 1, 1), (6.8, 20, 2), (6.8, 2, 6)],
)
def test_no_text_covers_another_one(inches, count, tasks):
    methods, points = LONG[-count:], POINTS[:tasks]
    curves = {
        point: [curve(method, 0.6, sizes=(20, 40, 100, 200, 400)) for method in methods]
        for point in points
    }
    curves[points[-1]] = curves[points[-1]][:1]  # the others are named as not run
    assert_legible(curves_by_task(curves, {points[0]: BOUND}, inches=inches))
    rows = [
        Row(point, method, candidates=10.0**place, seconds_to_exact=0.01 * 7**place)
        for point in points
        for place, method in enumerate(methods)
    ]
    for row in rows[::3]:
        row.candidates, row.seconds_to_exact, row.exact_interval = None, None, None
    for row in rows[1::3]:
        row.candidates, row.seconds_to_exact, row.entries = None, None, (None,) * 5
    assert_legible(comparison(rows[: len(rows) - (count > 2)], inches=inches))


def test_texts_that_cover_each_other_are_found():
    figure = curves_by_task({PARITY: [curve("a")]}, {})
    figure.axes[0].set_title("x" * 200)
    with pytest.raises(AssertionError, match="x"):
        assert_legible(figure)
    figure = comparison([Row(PARITY, "a")])
    figure.text(0.5, 0.5, "one")
    figure.text(0.51, 0.51, "other")
    with pytest.raises(AssertionError, match="other"):
        assert_legible(figure)


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
    figure = comparison(rows)
    parity, palindrome = figure.axes[:3], figure.axes[3:]
    told = ["not exact", "not examined"], ["not run", "2 of 5 exact", "not recorded"]
    for panels, reasons, missing in zip((parity, palindrome), told, (0, 1), strict=True):
        assert [text.get_text() for text in panels[0].texts] == ["not run"] * missing
        assert all(text.get_style() == "italic" for text in panels[0].texts)
        for axes in panels[1:]:
            written = {round(text.get_position()[1], 3): text.get_text() for text in axes.texts}
            assert list(written.values()) == reasons
            places = {round(float(line.get_ydata()[0]), 3) for line in marked(axes)}
            assert not places & written.keys()
    assert parity[1].texts[0].get_style() == "normal"


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
    middle = comparison([Row(point, "a") for point in curves]).axes[1::3]
    names = [axes.get_title() for axes in middle]
    assert names[0] == "parity_all (fn_a): the number of ones is odd\nlength 20"
    assert names[2] == "own (own task)\nlength 12"
    task = replace(SUITE["fn_a"], id="own", name="own", computes="ones prevail")
    assert curves_by_task(curves, {}, task).axes[2].get_title() == "own: ones prevail\nlength 12"
    panel = comparison([Row(("own", 12), "a")], task).axes[1]
    assert panel.get_title() == "own: ones prevail\nlength 12"
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
    assert "dashed bound: 13-bit program" in with_bound.get_xlabel()
    assert "bound" not in without.get_xlabel()
    assert "Occam" not in "".join(legend(curves_by_task({PARITY: [curve("a")]}, {})))


@pytest.mark.parametrize(("panels", "columns", "inches"), [(1, 1, 3.4), (2, 2, 6.8), (12, 3, 6.8)])
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


def test_axes_say_what_they_measure_and_in_what():
    drawn = curves_by_task({PARITY: [curve("a")], PALINDROME: [curve("a")]}, {})
    assert [axes.get_ylabel() for axes in drawn.axes] == ["test accuracy, 95% interval", ""]
    assert {axes.get_xlabel() for axes in drawn.axes} == {"labelled examples"}
    assert drawn.axes[0].get_ylim() == drawn.axes[1].get_ylim()
    panels = comparison([Row(PARITY, "a"), Row(PALINDROME, "a", candidates=10**6)]).axes
    assert [axes.get_xlabel() for axes in panels[3:]] == [
        "test accuracy,\n95% interval\n(dotted: chance)",
        "candidates\nto the first exact one",
        "seconds\nto the first exact one",
    ]
    for above, below in zip(panels[:3], panels[3:], strict=True):
        assert above.get_xlim() == below.get_xlim()


def draw_both(folder, ending: str) -> list[bytes]:
    drawn, compared = folder / f"drawn{ending}", folder / f"compared{ending}"
    draw_curves({PARITY: [curve("$a$")]}, {PARITY: BOUND}, drawn)
    draw_comparison([Row(PARITY, "$a$ --> <script> & c")], compared)
    return [drawn.read_bytes(), compared.read_bytes()]


@pytest.mark.parametrize("ending", FORMATS)
def test_files_depend_on_nothing_but_what_they_show(tmp_path, ending):
    before = draw_both(tmp_path, ending)
    assert before[0] != before[1]
    strange = {"font.size": 20, "text.usetex": True, "pdf.fonttype": 3, "svg.fonttype": "none"}
    with matplotlib.rc_context(strange), patch("time.time", lambda: 2e9):
        assert draw_both(tmp_path, ending) == before
        assert matplotlib.rcParams["font.size"] == 20


def test_a_pdf_embeds_its_fonts_as_publishers_take_them(tmp_path):
    for data in draw_both(tmp_path, ".pdf"):
        fonts = re.findall(rb"/Type /Font\b.*?endobj", data, re.DOTALL)
        assert {re.search(rb"/Subtype /(\w+)", one)[1] for one in fonts} <= {
            *(b"Type0", b"CIDFontType2", b"TrueType")
        }
        descriptors = re.findall(rb"/Type /FontDescriptor\b.*?endobj", data, re.DOTALL)
        assert descriptors
        assert all(b"/FontFile2" in one for one in descriptors)
        assert b"CreationDate" not in data


def test_an_svg_needs_no_font(tmp_path):
    for data in draw_both(tmp_path, ".svg"):
        root = ElementTree.fromstring(data)
        names = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert not names & {"text", "script"}
        assert {"path", "use"} <= names
        assert b"font-family" not in data
        assert b"<dc:date>" not in data


@pytest.mark.parametrize("inches", [2.9, 41, float("nan")])
def test_a_width_that_no_page_has_is_refused(tmp_path, inches):
    with pytest.raises(InputError, match="give 3 to 40, such as 3.4"):
        check_target(tmp_path / "a.pdf", inches)
    check_target(tmp_path / "a.pdf", 5.5)


def test_the_width_is_that_asked_for():
    rows = [Row(PARITY, "a")]
    assert comparison(rows).get_figwidth() == pytest.approx(6.8)
    assert comparison(rows, inches=3.4).get_figwidth() == pytest.approx(3.4)
    curves = {point: [curve("a")] for point in POINTS}
    for inches, columns in ((3.0, 1), (5.5, 2), (7.0, 3)):
        figure = curves_by_task(curves, {}, inches=inches)
        assert figure.get_figwidth() == pytest.approx(inches)
        assert len({axes.get_subplotspec().colspan.start for axes in figure.axes}) == columns
