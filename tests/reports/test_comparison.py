"""Methods compare on the same data only, and the sentence says who wins."""

from dataclasses import replace
from pathlib import Path

import pytest
from scipy.stats import binomtest

from llm_erm.erm.bounds import binomial_upper
from llm_erm.errors import InputError
from llm_erm.reports.comparison import compare, left_out, samples, verdicts
from llm_erm.reports.curves import curves, guarantee
from llm_erm.reports.results import Result

SEARCH = Result(
    method="synthesis tiny",
    run=Path("search"),
    task=("fn_a", 20),
    trial=1,
    data_sha256="one",
    examples=200,
    accuracy=1.0,
    test_examples=1000,
    certified=True,
    probe_accuracy=None,
    exact=True,
    candidates=4,
    seconds_to_exact=30.0,
    seconds=40.0,
    cost_usd=0.02,
    bits=None,
    program="def f(x):\n    return x.count('1') % 2",
)
ENUMERATION = replace(
    SEARCH,
    method="enumeration length",
    run=Path("enumeration"),
    candidates=900,
    seconds_to_exact=0.5,
    cost_usd=0.0,
    bits=13.0,
)
TREE = replace(
    SEARCH,
    method="baseline:decision-tree",
    run=Path("classical"),
    accuracy=0.512,
    exact=False,
    candidates=None,
    seconds_to_exact=None,
    program=None,
)


def test_the_winners_are_named():
    (said,) = verdicts(compare([SEARCH, ENUMERATION, TREE]))
    assert said.startswith(
        "fn_a L=20: most accurate: synthesis tiny and enumeration length (100.0%)"
    )
    assert "fewest candidates to the first exact program: synthesis tiny (4" in said
    assert "soonest exact: enumeration length (0.50 s, 60 times less than synthesis tiny)" in said
    assert "cheapest exact: enumeration length ($0.0000" in said


def test_a_lead_within_the_interval_is_not_called_clear():
    close = replace(TREE, method="baseline:svm", accuracy=0.55)
    far = replace(TREE, method="baseline:knn", accuracy=0.9)
    closer = replace(TREE, method="baseline:xgboost", accuracy=0.895)
    assert verdicts(compare([TREE, TREE_TOO])) == ["fn_a L=20: no method is clearly above 50%."]
    (said,) = verdicts(compare([close, far, closer]))
    assert "baseline:knn (90.0%, not clearly: the interval of baseline:xgboost meets it)" in said


TREE_TOO = replace(TREE, method="baseline:random-forest", accuracy=0.498)


def test_one_trial_has_the_exact_interval_and_the_bound_counts_the_methods():
    rows = compare([SEARCH, ENUMERATION, TREE])
    exact = binomtest(512, 1000).proportion_ci(0.95, "exact")
    assert rows[2].interval == pytest.approx((exact.low, exact.high))
    assert rows[2].error_at_most == binomial_upper(488, 1000, (1 - 0.95) / 3)
    assert compare([TREE])[0].error_at_most == binomial_upper(488, 1000, 1 - 0.95)


def test_no_bound_is_given_where_the_data_support_none():
    assert compare([replace(TREE, certified=False)])[0].error_at_most is None


def test_different_data_are_refused():
    with pytest.raises(InputError, match="share no data of fn_a L=20"):
        compare([SEARCH, replace(TREE, data_sha256="two")])


def test_only_shared_trials_count_and_the_rest_is_told():
    second = {"trial": 2, "data_sha256": "two"}
    results = [SEARCH, replace(SEARCH, **second, accuracy=0.5, exact=False), TREE]
    rows = compare(results)
    assert [len(row.results) for row in rows] == [1, 1]
    assert rows[0].accuracy == 1.0
    assert left_out(results, rows) == 1
    rows = compare([*results, replace(TREE, **second)])
    assert rows[0].accuracy == 0.75
    assert rows[0].exact == 1
    low, high = rows[0].interval
    assert low < 0.5 <= high <= 1.0
    assert left_out([*results, replace(TREE, **second)], rows) == 0


def test_two_runs_of_one_method_are_told_apart_and_one_run_must_not_repeat_itself():
    rows = compare([SEARCH, replace(SEARCH, run=Path("again"), candidates=7)])
    assert [row.method for row in rows] == ["synthesis tiny in search", "synthesis tiny in again"]
    with pytest.raises(InputError, match="twice on the same data"):
        compare([SEARCH, SEARCH])


def test_curves_join_the_sizes_of_a_method():
    small = {"examples": 20, "data_sha256": "small", "accuracy": 0.6}
    (found,) = curves([SEARCH, replace(SEARCH, **small), TREE]).values()
    assert [(curve.method, curve.examples) for curve in found] == [
        *(("baseline:decision-tree", (200,)), ("synthesis tiny", (20, 200)))
    ]
    assert found[1].accuracy == (0.6, 1.0)
    assert found[1].low[0] < 0.6 < found[1].high[0]


def test_curves_refuse_different_data_of_one_size():
    with pytest.raises(InputError, match="share no data"):
        curves([SEARCH, replace(TREE, data_sha256="two")])


def test_the_guarantee_takes_the_shortest_code_that_is_known():
    given = guarantee([SEARCH, ENUMERATION], bits=7)
    coded = guarantee([SEARCH, ENUMERATION])
    text = guarantee([SEARCH, TREE])
    assert (given.bits, coded.bits, text.code) == (7, 13.0, "program text")
    assert text.bits > 100
    assert guarantee([TREE]) is None
    assert list(coded.accuracy) == sorted(coded.accuracy)
    assert max(coded.examples) >= 1000
    assert coded.accuracy[0] == pytest.approx((0.05 * 2**-13) ** (1 / 200))


def test_a_row_of_fewer_test_examples_says_so():
    asked = replace(TREE, method="incontext m", test_examples=100)
    (said,) = samples(compare([SEARCH, asked]))
    assert "incontext m was asked about 100 of the 1,000 test examples" in said
    assert samples(compare([SEARCH, TREE])) == []
