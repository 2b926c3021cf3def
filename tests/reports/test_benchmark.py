"""How many tasks methods solve, by description length: numbers checked by hand."""

import csv
import io
from collections.abc import Sequence

import pytest

import made_results as made
from llm_erm.erm.binomial import binomial_interval
from llm_erm.erm.trials import Estimate
from llm_erm.facts import BaselineFacts, SynthesisFacts
from llm_erm.reports.benchmark import (
    EXACT,
    Solved,
    Span,
    brackets_of,
    solved_by,
    spans_of,
    where_it_stops,
)
from llm_erm.reports.benchmark_tables import as_csv, as_markdown, cells, headings, record
from llm_erm.reports.results import Entry

BITS = {"t1": 12.0, "t2": 13.0, "t3": 15.5, "t4": 15.9, "t5": 16.0, "t6": 40.0}


def proposed(task: str, right: int, *, drawn: int = 4, chosen: bool, seconds: float) -> Entry:
    """A search in which so many proposals are exact."""
    passed = {1: right / drawn, drawn: float(right > 0)}
    return Entry(
        made.search(
            *(task, made.PARITY, 1.0 if chosen else 0.5),
            **{"method": "synthesis", "model": "local:tiny", "seconds": seconds},
            facts=SynthesisFacts(None, right, passed),
        )
    )


def learned(task: str, *, exact: bool) -> Entry:
    """A learner's result."""
    return Entry(
        made.search(
            *(task, None, 1.0 if exact else 0.6),
            **{"method": "baseline:knn", "model": "knn", "seconds": 0.5},
            facts=BaselineFacts("knn", {}, ()),
        )
    )


PROPOSED = [
    proposed("t1", 2, chosen=True, seconds=1.0),
    proposed("t2", 1, chosen=True, seconds=2.0),
    proposed("t3", 0, chosen=False, seconds=30.0),
    proposed("t4", 1, chosen=False, seconds=4.0),
    proposed("t6", 0, chosen=False, seconds=5.0),
]
LEARNED = [learned(task, exact=task in ("t1", "t5")) for task in BITS]


def brackets():
    return brackets_of({"local": PROPOSED, "knn": LEARNED}, BITS)


def test_spans_are_multiples_of_four_and_the_last_includes_its_end():
    assert spans_of([13.0, 24.5]) == [Span(12, 16), Span(16, 20), Span(20, 24), Span(24, 28)]
    assert spans_of([12.0, 16.0]) == [Span(12, 16)]
    assert spans_of([12.0]) == [Span(12, 16)]
    assert spans_of([12.0, 16.1])[-1] == Span(16, 20)
    assert spans_of([]) == []
    assert Span(12, 16).name == "12–16"


def test_each_task_is_in_the_span_of_its_length():
    found = {(one.method, one.span): [e.point[0] for e in one.entries] for one in brackets()}
    assert found == {
        ("local", Span(12, 16)): ["t1", "t2", "t3", "t4"],
        ("local", Span(36, 40)): ["t6"],
        ("knn", Span(12, 16)): ["t1", "t2", "t3", "t4"],
        ("knn", Span(16, 20)): ["t5"],
        ("knn", Span(36, 40)): ["t6"],
    }


def test_the_numbers_of_a_bracket():
    one = brackets()[0]
    assert one.exact == 2
    assert one.exact_share.mean == 0.5
    assert (one.exact_share.low, one.exact_share.high) == pytest.approx(binomial_interval(2, 4))
    # 2 of 4, 1 of 4, none and 1 of 4 proposals are exact.
    assert one.pass_at(1).mean == pytest.approx((0.5 + 0.25 + 0 + 0.25) / 4)
    assert one.pass_at(4).mean == 0.75
    assert (one.pass_at(4).low, one.pass_at(4).high) == pytest.approx(binomial_interval(3, 4))
    assert one.pass_at(8) is None
    assert one.attempts == 4
    assert one.seconds == 3.0  # of 1, 2, 4 and 30
    assert one.accuracy == 0.75
    assert one.cost_usd == pytest.approx(4 * 0.1234)


def test_a_method_that_proposes_nothing_has_no_pass_at_k():
    knn = brackets()[2]
    assert knn.attempts is None
    assert knn.pass_at(1) is None
    assert knn.exact_share.mean == 0.25


def test_pass_at_k_is_unknown_if_one_search_did_not_draw_all():
    named = {"method": "synthesis", "model": "local:tiny"}
    short = Entry(made.search("t2", made.PARITY, 1.0, **named, facts=SynthesisFacts()))
    (one,) = brackets_of({"local": [PROPOSED[0], short]}, {"t1": 12.0, "t2": 13.0})
    assert one.attempts is None
    (solved,) = solved_by([one])
    assert solved.what == EXACT


def test_what_a_picture_draws():
    found = {one.name: [share.mean for share in one.shares] for one in solved_by(brackets())}
    assert found == {
        "local, pass@1": [0.25, 0.0],
        "local, pass@4": [0.75, 0.0],
        "knn": [0.25, 1.0, 0.0],
    }


def test_one_proposal_per_task_is_one_line():
    entries = [proposed("t1", 1, drawn=1, chosen=True, seconds=1.0)]
    (one,) = solved_by(brackets_of({"local": entries}, {"t1": 12.0}))
    assert one.what == "pass@1"


def shares(*ends: tuple[float, float, float]) -> Solved:
    """The shares of a method in spans from 12 bits on: each with its interval."""
    spans = tuple(Span(12 + 4 * at, 16 + 4 * at) for at in range(len(ends)))
    estimates = tuple(Estimate(mean, low, high, 20) for mean, low, high in ends)
    return Solved("local", "pass@16", spans, estimates)


HIGH, MORE, LESS, LOW = (0.9, 0.7, 1.0), (0.6, 0.4, 0.8), (0.4, 0.2, 0.6), (0.1, 0.0, 0.3)


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (
            (HIGH, LOW, LOW),
            "local: pass@16 falls below 50% at 16 bits: 90.0% at 12–16 bits (95% interval 70.0% to "
            "100.0%), 10.0% at 16–20 bits (95% interval 0.0% to 30.0%). The intervals on both "
            "sides exclude 50%.",
        ),
        ((HIGH, MORE, LESS, LOW), "at 20 bits: 60.0% at 16–20 bits"),
        ((HIGH, MORE, LESS, LOW), "By the intervals, it may be anywhere from 16 to 24 bits."),
        ((MORE, LESS, LOW), "By the intervals, it may be anywhere up to 20 bits."),
        ((HIGH, MORE, LESS), "By the intervals, it may be anywhere from 16 bits on."),
        ((MORE, LESS), "By the intervals, it may be anywhere."),
        ((HIGH, LOW, MORE, LOW), "falls below 50% at 24 bits"),
        ((HIGH, LOW, MORE, LOW), "By the intervals, it may be anywhere from 16 to 24 bits."),
        (
            (LESS, LOW),
            "local: pass@16 is below 50% at all description lengths tried: 40.0% at 12–16 bits "
            "(95% interval 20.0% to 60.0%).",
        ),
        (
            (HIGH, MORE),
            "local: pass@16 is 50% or more at all description lengths tried: 60.0% at 16–20 bits "
            "(95% interval 40.0% to 80.0%).",
        ),
        ((LOW, MORE), "local: pass@16 is 50% or more at the greatest lengths tried: 60.0%"),
    ],
)
def test_where_a_method_stops_is_said_as_surely_as_it_is_known(seen, said):
    assert said in where_it_stops(shares(*seen))


def test_one_task_has_no_interval():
    solved = Solved("knn", EXACT, (Span(12, 16),), (Estimate(0.0, None, None, 1),))
    assert where_it_stops(solved) == (
        "knn: the share of tasks solved is below 50% at all description lengths tried: 0.0% at "
        "12–16 bits (one task)."
    )


def row(texts: Sequence[str], attempts: int = 4) -> dict[str, str]:
    return dict(zip(headings(attempts), texts, strict=True))


def test_the_table_rounds_intervals_outwards():
    assert row(cells(brackets()[0], 4)) == {
        "method": "local",
        "bits": "12–16",
        "tasks": "4",
        "exact (95% interval)": "50.0% (6–94%)",  # 6.8 % to 93.2 %
        "pass@1": "25.0%",
        "pass@4": "75.0%",
        "seconds": "3.00",
        "pass@1 interval": "0–81%",  # that of 1 in 4: 0.6 % to 80.6 %
        "pass@4 interval": "19–100%",  # 19.4 % to 99.4 %
        "test accuracy": "75.0%",
        "cost": "$0.4936",
    }
    one_task = row(cells(brackets()[-1], 4))
    assert one_task["exact (95% interval)"] == "0.0%"
    assert one_task["pass@1"] == one_task["pass@4 interval"] == "–"


def test_a_record_holds_unrounded_numbers():
    found = record(brackets()[0], 4)
    assert list(found) == [
        *("method", "result_method", "low_bits", "high_bits", "tasks", "exact_tasks"),
        *("exact", "exact_low", "exact_high"),
        *("pass_at_1", "pass_at_1_low", "pass_at_1_high"),
        *("pass_at_k", "pass_at_k_low", "pass_at_k_high", "k"),
        *("test_accuracy", "median_seconds", "cost_usd"),
    ]
    assert found["result_method"] == "synthesis local:tiny"
    assert (found["low_bits"], found["high_bits"], found["k"]) == (12, 16, 4)
    assert found["pass_at_k_low"] == pytest.approx(binomial_interval(3, 4)[0])
    assert record(brackets()[2], 4)["pass_at_1"] is None
    assert record(brackets()[0], 1)["pass_at_k"] is None


def test_the_files_hold_the_whole_table():
    table = brackets()
    lines = list(csv.DictReader(io.StringIO(as_csv(table, 4))))
    assert [line["method"] for line in lines] == ["local"] * 2 + ["knn"] * 3
    assert float(lines[0]["pass_at_1"]) == 0.25
    assert lines[2]["pass_at_1"] == ""
    text = as_markdown(table, 4, ["It stops | there."])
    assert "- It stops \\| there.\n" in text
    assert "| local | 12–16 | 4 | 50.0% (6–94%) | 25.0% | 75.0% | 3.00 |" in text
    assert text.count("\n| ") == 2 + len(table)
    assert as_csv([], 4).strip() == ""
