"""What our methods scored stands beside what is published, and differences have their intervals."""

import csv
import io
import json
from dataclasses import replace

import pytest

import made_results as made
from llm_erm.enumeration.evaluation import OwnPrograms
from llm_erm.erm.binomial import binomial_interval
from llm_erm.erm.trials import mean_over_trials
from llm_erm.reports.comparison import accuracy_interval
from llm_erm.reports.published import Point, published
from llm_erm.reports.replication import (
    Measured,
    Missing,
    beside_published,
    measured_at,
    measured_of,
    over_trials,
)
from llm_erm.reports.replication_tables import as_csv, as_markdown, interval, record, summaries
from llm_erm.reports.results import Entry
from llm_erm.tasks.task import Dataset

KNOWN = published()
PALINDROME = Point("table1", "fn_g", 100, 200, 100)
PARITY = replace(PALINDROME, task="fn_a")


def xgboost(accuracy: float, low: float, high: float, point: Point = PALINDROME) -> Measured:
    return Measured(point, "xgboost", "trees", "baseline:xgboost", accuracy, low, high, 10_000)


def only(lines):
    (line,) = lines
    return line


@pytest.mark.parametrize(
    ("accuracy", "low", "high", "agrees"),
    [
        (0.962, 0.958, 0.966, False),
        (0.84, 0.83, 0.85, True),
        (0.7, 0.69, 0.71, False),
        (0.83, 0.82, 0.8356, True),  # 83.6 may have been 83.55
        (0.83, 0.82, 0.8354, False),
    ],
)
def test_a_difference_has_the_interval_of_ours(accuracy, low, high, agrees):
    line = only(beside_published(KNOWN, [xgboost(accuracy, low, high)], []))
    assert (line.published, line.name) == (0.836, "trees")
    assert line.difference == pytest.approx(accuracy - 0.836)
    assert line.difference_interval == pytest.approx((low - 0.836, high - 0.836))
    assert line.agrees is agrees


def test_what_was_not_run_stands_beside_the_published_figure_with_its_reason():
    points = frozenset([PALINDROME, PARITY])
    missing = [
        Missing(points, "tabpfn", "tabpfn", "its weights are missing"),
        Missing(points, "", "svm", "it is not installed"),
    ]
    lines = beside_published(KNOWN, [xgboost(0.5, 0.49, 0.51)], missing)
    assert [(line.point.task, line.beside, line.published, line.ours) for line in lines] == [
        ("fn_a", "tabpfn", 0.501, None),
        ("fn_g", "xgboost", 0.836, lines[1].ours),
        ("fn_g", "tabpfn", 0.494, None),
    ]
    assert lines[0].remark == "not run: its weights are missing"
    assert (lines[0].difference, lines[0].difference_interval, lines[0].agrees) == (None,) * 3


def test_methods_that_nobody_published_stand_alone():
    own = replace(xgboost(0.6, 0.59, 0.61), beside="", method="baseline:svm")
    line = only(beside_published(KNOWN, [own], []))
    assert (line.published, line.difference, line.agrees) == (None, None, None)
    assert line.ours is own


def test_points_are_in_the_order_of_the_published_figures():
    elsewhere = [
        Point("length", "fn_g", 10, 200, 50),
        Point("length", "fn_g", 10, 200, 10),
        Point("scaling", "fn_i", 100, 10, 100),
        PALINDROME,
        PARITY,
    ]
    measured = [replace(xgboost(0.5, 0.4, 0.6, point), beside="search") for point in elsewhere]
    lines = beside_published(KNOWN, measured, [])
    assert [(line.point.experiment, line.point.task, line.point.tested) for line in lines] == [
        *(("table1", "fn_a", 100), ("table1", "fn_g", 100), ("scaling", "fn_i", 100)),
        *(("length", "fn_g", 10), ("length", "fn_g", 50)),
    ]


def test_one_trial_has_its_own_interval_and_several_that_of_their_mean():
    one = [Entry(result) for result in made.tried()[:1]]
    both = [Entry(result) for result in made.tried()]
    for entries in (one, both):
        found = only(measured_of(entries, "table1", 200))
        assert (found.low, found.high) == accuracy_interval(entries)
        assert (found.trials, found.accuracy) == (len(entries), 1.0)
        assert found.point == Point("table1", "fn_a", 20, 200, 20)
    assert accuracy_interval(one)[0] > accuracy_interval(both)[0]


def test_several_methods_of_one_run_are_apart():
    found = measured_of([Entry(one) for one in made.fitted()], "table1", 200)
    assert len(found) == 2 * len(made.LEARNERS)


TESTS = {
    4: Dataset(("0110", "0010", "1111", "0001"), (1, 0, 1, 1)),
    3: Dataset(("101", "100"), (1, 0)),
}


def test_programs_are_run_at_other_lengths():
    _, palindrome = made.enumerated()
    at = only(measured_of([Entry(palindrome)], "length", 200, remark="shortest first"))
    found = measured_at(at, palindrome, TESTS, OwnPrograms())
    assert [(one.point.tested, one.accuracy, one.test_examples) for one in found] == [
        *((4, 0.75, 4), (3, 1.0, 2)),
    ]
    assert (found[0].low, found[0].high) == binomial_interval(3, 4)
    assert {(one.point.length, one.method, one.remark) for one in found} == {
        (20, at.method, "shortest first")
    }


def test_a_program_that_fails_has_no_accuracy(monkeypatch):
    def one_fails(run):
        well, badly = run.verdicts
        return [well, replace(badly, status="timeout", correct=0, invalid=badly.total)]

    monkeypatch.setattr("llm_erm.reports.replication.confirmed", one_fails)
    _, palindrome = made.enumerated()
    at = only(measured_of([Entry(palindrome)], "length", 200))
    assert only(measured_at(at, palindrome, TESTS, OwnPrograms())).point.tested == 4


def test_transformers_were_tested_at_other_lengths_and_learners_have_none():
    trained, *_ = made.trained()
    at = xgboost(0.5, 0.4, 0.6)
    (found,) = measured_at(at, trained, {30: Dataset(("0", "1"), (0, 1))}, OwnPrograms())
    assert (found.point.tested, found.accuracy, found.test_examples) == (30, 0.5, 2)
    assert measured_at(at, made.fitted()[0], TESTS, OwnPrograms()) == []


def test_accuracies_of_several_trials_are_means_where_all_have_one():
    longer = replace(PALINDROME, tested=200)
    trials = [
        [xgboost(0.5, 0.4, 0.6), xgboost(0.7, 0.6, 0.8, longer)],
        [xgboost(1.0, 0.9, 1.0)],
    ]
    mean = only(over_trials(trials))
    estimate = mean_over_trials([0.5, 1.0])
    assert (mean.point, mean.accuracy, mean.trials) == (PALINDROME, 0.75, 2)
    assert (mean.low, mean.high) == (estimate.low, estimate.high)
    assert over_trials(trials[:1]) == trials[0]


HOSTILE = "=HYPERLINK(1)|<script>alert(1)</script>\n# heading"


def test_tables_hold_every_line_and_text_stays_text():
    hostile = replace(xgboost(0.8, 0.7, 0.9), name=HOSTILE, method=HOSTILE, remark=HOSTILE)
    lines = beside_published(KNOWN, [hostile, xgboost(0.5, 0.4, 0.6, PARITY)], [])
    first, second = csv.DictReader(io.StringIO(as_csv(lines)))
    assert (first["our_method"], first["published"]) == ("baseline:xgboost", "0.499")
    assert second["remark"] == f"'{HOSTILE}"
    assert float(second["difference_low"]) == pytest.approx(-0.136)
    document = as_markdown(KNOWN, lines, ["Quick."])
    heading, rule, *rows = [line for line in document.splitlines() if line.startswith("| ")]
    assert len(rows) == 2
    assert {row.replace("\\|", "").count("|") for row in (heading, rule, *rows)} == {15}
    assert "<script>" not in document
    assert "\n# heading" not in document
    assert KNOWN.sources[1].split(":")[0] in document
    assert "no interval accounts for theirs" in document
    assert json.loads(json.dumps(record(lines[1])))["agrees"] is True


def test_a_table_without_lines_is_empty():
    assert as_csv([]) == "\r\n"


def test_a_sentence_per_method_says_how_often_it_agrees():
    lines = beside_published(
        KNOWN, [xgboost(0.962, 0.95, 0.97), xgboost(0.5, 0.49, 0.51, PARITY)], []
    )
    assert summaries(KNOWN, lines) == [
        "table1: trees beside XGBoost: 1 of 2 intervals hold the published figure; the "
        "largest difference is +12.6 points, on fn_g with 200 examples at length 100."
    ]


def test_ends_of_an_interval_are_rounded_outwards():
    assert interval(0.98204, 0.99996, "") == "98.2 to 100.0"
    assert interval(-0.01801, -0.00001, "+") == "-1.9 to +0.0"
    assert interval(0.0, 0.5, "") == "0.0 to 50.0"
