"""The picture of a benchmark shows each method once per panel, and its texts can be read."""

from dataclasses import replace

import pytest

pytest.importorskip("matplotlib", reason="pictures need matplotlib")

from matplotlib.collections import LineCollection

import made_results as made
from legible import assert_legible
from llm_erm.facts import BaselineFacts, SynthesisFacts
from llm_erm.reports.benchmark import Bracket, brackets_of
from llm_erm.reports.benchmark_figure import solved_figure
from llm_erm.reports.figures import draw_solved
from llm_erm.reports.results import Entry

BITS = {f"t{bits}": float(bits) for bits in range(12, 41)}
PROPOSERS = ("local", "openai:gpt-5", "vllm:Qwen/Qwen3-30B-A3B-Thinking-2507")
LEARNERS = ("decision-tree", "logistic-regression", "knn", "enumeration")


def table(proposers=PROPOSERS[:1], learners=LEARNERS) -> list[Bracket]:
    """Every method solves the tasks of up to 24 bits; a quarter of the proposals are exact."""
    results = {}
    for method in (*learners, *proposers):
        facts = SynthesisFacts(None, 4, {1: 0.25, 16: 1.0})
        if method in learners:
            facts = BaselineFacts(method, {}, ())
        results[method] = [
            Entry(
                made.search(
                    *(task, None, 1.0 if bits <= 24 else 0.5),
                    **{"method": method, "model": method, "seconds": bits / 10},
                    facts=facts if bits <= 24 or method in learners else NOTHING,
                )
            )
            for task, bits in BITS.items()
        ]
    return brackets_of(results, BITS)


NOTHING = SynthesisFacts(None, 0, {1: 0.0, 16: 0.0})


def marked(axes) -> list:
    return [line for line in axes.lines if line.get_marker() != "None"]


def test_each_method_is_one_line_and_a_proposer_two():
    figure = solved_figure(table(PROPOSERS[:2]))
    shares, seconds = figure.axes
    assert len(marked(shares)) == 4 + 2 * 2
    assert len(marked(seconds)) == 4 + 2
    assert [text.get_text() for text in figure.legends[0].texts] == [
        *LEARNERS,
        *("local, pass@1", "local, pass@16", "openai:gpt-5, pass@1", "openai:gpt-5, pass@16"),
        "half of the tasks",
    ]


def test_marks_are_at_the_shares_within_their_spans_and_apart():
    shares, seconds = solved_figure(table()).axes
    lines = marked(shares)
    for line in lines:
        expected = [1, 1, 1, 0.25, 0, 0, 0]  # of 24 to 27 bits, 24 alone is solved
        if line is lines[-2]:  # pass@1
            expected = [share / 4 for share in expected]
        assert list(line.get_ydata()) == pytest.approx(expected)
        for at, x in enumerate(line.get_xdata()):
            assert 12 + 4 * at < x < 16 + 4 * at
    places = [line.get_xdata()[0] for line in lines]
    assert places == sorted(set(places))
    assert marked(seconds)[0].get_ydata()[0] == pytest.approx(1.35)  # of 12 to 15 bits
    bars = [one for one in shares.collections if isinstance(one, LineCollection)]
    assert len(bars) == len(lines) * 7


def test_a_line_of_seconds_looks_like_that_of_its_shares():
    shares, seconds = solved_figure(table()).axes
    assert [one.get_color() for one in marked(seconds)] == [
        one.get_color() for one in (*marked(shares)[:4], marked(shares)[-1])
    ]


@pytest.mark.parametrize("inches", [3.0, 3.4, 5.9, 6.0, 6.8])
@pytest.mark.parametrize("proposers", [PROPOSERS[:1], PROPOSERS])
def test_its_texts_can_be_read(inches, proposers):
    assert_legible(solved_figure(table(proposers), inches))


def test_a_method_may_lack_spans_and_take_no_time():
    some = [one for one in table() if one.method != "local" or one.span.low < 20]
    fast = [
        replace(
            one,
            entries=tuple(replace(e, result=replace(e.result, seconds=0.0)) for e in one.entries),
        )
        for one in some
    ]
    shares, seconds = solved_figure(fast).axes
    assert len(marked(shares)[-1].get_xdata()) == 2
    assert min(marked(seconds)[0].get_ydata()) > 0


@pytest.mark.parametrize("name", ["a.png", "a.svg", "a.pdf"])
def test_the_file_is_written(tmp_path, name):
    draw_solved(table(), tmp_path / name)
    assert (tmp_path / name).stat().st_size > 5000
