"""Methods compare on the same data only, and the sentence says who wins."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from scipy.stats import binomtest

from llm_erm.certificates import AllLooks, Bound
from llm_erm.erm.binomial import binomial_upper
from llm_erm.errors import InputError
from llm_erm.facts import EnumerationFacts, IncontextFacts
from llm_erm.records import Cost, Result, Verdict
from llm_erm.reports.comparison import compare, left_out, trials_of_one_setting, verdicts
from llm_erm.reports.curves import curves, guarantee
from llm_erm.reports.remarks import remarks, unfinished
from llm_erm.reports.results import Entry, entries_in


def scored(result: Result, correct: int, total: int = 1000, **changes) -> Result:
    """A result with other test counts, which its test bound counts as well."""
    bound = Bound(1.0, total - correct, total, 1, "")
    certificate = replace(result.certificate, test=bound, all_looks=None)
    verdict = Verdict("ok", correct, 0, total)
    return replace(result, test=verdict, certificate=certificate, **changes)


def on(result: Result, sha256: str, trial: int = 2, **changes) -> Result:
    return replace(result, data=replace(result.data, sha256=sha256, trial=trial), **changes)


class Methods(NamedTuple):
    """What a run wrote, as if it were of several methods with these figures."""

    search: Result
    enumeration: Result
    tree: Result
    forest: Result


@pytest.fixture(scope="module")
def methods(exact: Result) -> Methods:
    search = scored(
        exact,
        1000,
        examples=200,
        candidates_to_selected=4,
        seconds_to_selected=30.0,
        cost=Cost(usd=0.02),
        program="def f(x):\n    return x.count('1') % 2",
    )
    tree = scored(search, 512, method="baseline:decision-tree", model="decision-tree", program=None)
    return Methods(
        search,
        replace(
            search,
            method="enumeration",
            model="length",
            facts=EnumerationFacts("bits", 0, 9, 9, "found", (), "enumeration", 13.0, (), 0.1, 1),
            candidates_to_selected=900,
            seconds_to_selected=0.5,
            cost=Cost(),
        ),
        tree,
        scored(tree, 498, method="baseline:random-forest", model="random-forest"),
    )


def test_the_winners_are_named(methods):
    (said,) = verdicts(compare([methods.search, methods.enumeration, methods.tree]))
    assert said.startswith(
        "fn_a L=20: the most accurate methods are synthesis scripted:search.json and enumeration "
        "length (100.0%); among the exact methods, "
    )
    assert (
        "synthesis scripted:search.json needed the fewest candidates (4; enumeration length: 900)"
        in said
    )
    assert (
        "enumeration length was the fastest (0.50 s; synthesis scripted:search.json: 30.00 s)"
        in said
    )
    assert "enumeration length was the cheapest ($0.0000; synthesis scripted:search.json: $" in said


def test_methods_whose_seconds_read_alike_have_no_fastest(methods):
    equal = replace(methods.enumeration, seconds_to_selected=30.001)
    (said,) = verdicts(compare([methods.search, equal, methods.tree]))
    assert "fewest" in said
    assert "fastest" not in said


def test_a_lead_within_the_interval_is_not_called_clear(methods):
    close = scored(methods.tree, 550, method="baseline:svm", model="svm")
    far = scored(methods.tree, 900, method="baseline:knn", model="knn")
    closer = scored(methods.tree, 895, method="baseline:xgboost", model="xgboost")
    no_winner = ["fn_a L=20: no method is clearly above 50%."]
    assert verdicts(compare([methods.tree, methods.forest])) == no_winner
    (said,) = verdicts(compare([close, far, closer]))
    assert (
        "method is baseline:knn (90.0%), but not clearly: the interval of baseline:xgboost "
        "overlaps with its own." in said
    )
    tied = replace(far, method="baseline:mlp", model="mlp")
    (said,) = verdicts(compare([close, far, tied, closer]))
    assert "methods are baseline:knn and baseline:mlp (90.0%), but not clearly: the" in said
    assert said.endswith("overlaps with theirs.")


def test_one_trial_has_the_exact_interval_and_the_bound_counts_the_methods(methods):
    rows = compare([methods.search, methods.enumeration, methods.tree])
    exact = binomtest(512, 1000).proportion_ci(0.95, "exact")
    assert rows[2].interval == pytest.approx((exact.low, exact.high))
    assert rows[2].error_at_most == binomial_upper(488, 1000, (1 - 0.95) / 3)
    assert compare([methods.tree])[0].error_at_most == binomial_upper(488, 1000, 1 - 0.95)


def test_a_bound_counts_the_sample_that_ran_alone_and_the_accuracy_counts_all(methods):
    sampled = replace(methods.tree.certificate, test=Bound(1.0, 3, 100, 1, ""), all_looks=None)
    (row,) = compare([replace(methods.tree, certificate=sampled)])
    assert (row.accuracy, row.test_examples) == (0.512, 1000)
    assert row.error_at_most == binomial_upper(3, 100, 1 - 0.95)
    exact = binomtest(97, 100).proportion_ci(0.95, "exact")
    assert row.interval == pytest.approx((exact.low, exact.high))
    without = replace(methods.tree, certificate=replace(methods.tree.certificate, test=None))
    assert compare([without])[0].error_at_most is None


def test_no_bound_is_given_where_the_data_support_none(methods):
    assert compare([replace(methods.tree, certificate=None)])[0].error_at_most is None


def test_different_data_are_refused(methods):
    with pytest.raises(InputError, match="share no data of fn_a L=20"):
        compare([methods.search, on(methods.tree, "two")])


def test_only_shared_trials_count_and_the_rest_is_told(methods):
    results = [methods.search, on(scored(methods.search, 500), "two"), methods.tree]
    rows = compare(results)
    assert [len(row.entries) for row in rows] == [1, 1]
    assert rows[0].accuracy == 1.0
    assert left_out(results, rows) == 1
    rows = compare([*results, on(methods.tree, "two")])
    assert rows[0].accuracy == 0.75
    assert rows[0].exact == 1
    low, high = rows[0].interval
    assert low < 0.5 <= high <= 1.0
    assert left_out([*results, on(methods.tree, "two")], rows) == 0


def test_two_runs_of_one_method_are_told_apart_and_one_run_must_not_repeat_itself(methods):
    first, again = Entry(methods.search, "search"), Entry(methods.search, "again")
    assert [row.method for row in compare([first, again])] == [
        *("synthesis scripted:search.json in search", "synthesis scripted:search.json in again")
    ]
    with pytest.raises(InputError, match="twice on the same data"):
        compare([first, first])


def test_curves_join_the_sizes_of_a_method(methods):
    small = on(scored(methods.search, 600), "small", examples=20)
    (found,) = curves([Entry(methods.search), Entry(small), Entry(methods.tree)]).values()
    assert [(curve.method, curve.examples) for curve in found] == [
        *(("baseline:decision-tree", (200,)), ("synthesis scripted:search.json", (20, 200)))
    ]
    assert found[1].accuracy == (0.6, 1.0)
    assert found[1].low[0] < 0.6 < found[1].high[0]


def test_results_of_several_sizes_are_no_trials(methods):
    small = on(scored(methods.search, 600), "small", examples=20)
    entries = [Entry(one, "run") for one in (methods.search, small)]
    with pytest.raises(
        InputError, match="fn_a L=20: the results of synthesis scripted:search.json "
    ):
        compare(entries)
    kept, said = trials_of_one_setting(entries)
    assert kept == []
    assert len(said) == 1
    assert "synthesis scripted:search.json are on data of several sizes or kinds" in said[0]
    beside = [*entries, Entry(methods.tree, "run")]  # which is on one of the sizes
    assert trials_of_one_setting(beside) == (beside, [])
    assert [row.accuracy for row in compare(beside)] == [1.0, 0.512]


def test_results_of_one_trial_on_several_data_are_no_trials(methods):
    entries = [Entry(methods.tree), Entry(on(methods.tree, "other test data", 1))]
    assert trials_of_one_setting(entries)[0] == []
    two = [Entry(methods.tree), Entry(on(methods.tree, "two"))]
    assert trials_of_one_setting(two) == (two, [])


def test_curves_of_one_method_in_several_folders_are_apart(methods):
    poor = scored(methods.search, 600)
    long, again = Entry(methods.search, "long"), Entry(methods.search, "again")
    (found,) = curves([long, Entry(poor, "short"), again]).values()
    assert [(curve.method, curve.accuracy, curve.trials) for curve in found] == [
        ("synthesis scripted:search.json", (1.0,), (1,)),
        ("synthesis scripted:search.json in short", (0.6,), (1,)),
    ]


def test_curves_refuse_different_data_of_one_size(methods):
    with pytest.raises(InputError, match="share no data"):
        curves([Entry(methods.search), Entry(on(methods.tree, "two"))])


def test_the_guarantee_takes_the_shortest_code_that_is_known(methods):
    search, enumeration, tree = (Entry(result) for result in methods[:3])
    given = guarantee([search, enumeration], bits=7)
    coded = guarantee([search, enumeration])
    text = guarantee([search, tree])
    assert (given.bits, coded.bits, text.code) == (7, 13.0, "program text")
    assert text.bits > 100
    assert guarantee([tree]) is None
    assert list(coded.accuracy) == sorted(coded.accuracy)
    assert max(coded.examples) >= 1000
    assert coded.accuracy[0] == pytest.approx((0.05 * 2**-13) ** (1 / 200))


def test_a_row_of_fewer_test_examples_says_so(methods):
    asked = scored(methods.tree, 50, 100, method="incontext", model="m")
    said = remarks(compare([methods.search, asked]))
    assert "incontext m was asked about 100 of the 1,000 test examples" in said[0]
    assert all(
        " was asked " not in line for line in remarks(compare([methods.search, methods.tree]))
    )


def test_bounds_from_different_numbers_of_examples_say_so(methods):
    alone = replace(methods.search.certificate, test=Bound(1.0, 0, 100, 1, ""))
    said = remarks(compare([replace(methods.search, certificate=alone), methods.tree]))[0]
    assert "100 for synthesis scripted:search.json; 1,000 for baseline:decision-tree" in said


def test_a_row_without_a_bound_says_what_its_interval_needs(methods):
    (said,) = remarks(compare([replace(methods.search, certificate=None)]))
    assert "no bound holds for synthesis scripted:search.json" in said


def test_what_is_exact_at_this_length_only_says_so(methods):
    elsewhere = replace(methods.search, length_generalization=Verdict("ok", 30, 0, 40))
    rows = compare([elsewhere, methods.tree])
    assert [row.other_lengths_accuracy for row in rows] == [0.75, 1.0]
    said = remarks(rows)[0]
    assert "search.json is exact at this length only; at other lengths it is right on 75.0%" in said
    everywhere = replace(methods.search, length_generalization=Verdict("ok", 40, 0, 40))
    assert all(" only; " not in line for line in remarks(compare([everywhere, methods.tree])))


def test_the_rows_and_the_sentence_of_an_unfinished_run_say_so(methods):
    cut = Entry(methods.search, "runs/b", "runs/b holds 8 of 9 results")
    entries = [cut, Entry(methods.tree, "runs/c")]
    assert [row.finished for row in compare(entries)] == [False, True]
    assert unfinished([*entries, cut]) == ["runs/b holds 8 of 9 results: it did not finish."]


def trials(result: Result, corrects: list[int], **changes) -> list[Result]:
    return [on(scored(result, right, **changes), str(i), i) for i, right in enumerate(corrects, 1)]


def test_the_interval_of_several_trials_is_of_all_trials_and_of_their_exact_share(methods):
    """Three that agree are no evidence that others would: the share may be as low as 29 %."""
    (row,) = compare(trials(methods.search, [1000] * 3))
    assert row.interval == (pytest.approx(0.025 ** (1 / 3)), 1.0)
    assert (row.exact, row.exact_interval) == (3, (pytest.approx(0.025 ** (1 / 3)), 1.0))
    (mixed,) = compare(trials(methods.search, [1000, 1000, 500]))
    exact = binomtest(2, 3).proportion_ci(0.95, "exact")
    assert mixed.exact_interval == pytest.approx((exact.low, exact.high))
    assert "however much those differ" in remarks([mixed])[-1]
    (curve,) = curves([Entry(one) for one in trials(methods.search, [1000] * 3)])["fn_a", 20]
    assert ((curve.low[0], curve.high[0]), curve.trials) == (row.interval, (3,))


def test_what_was_learned_is_compared_by_all_its_examples_together(methods):
    """Five trials of 52 % and of 57 %: single ones overlap, all their examples do not."""
    better = trials(methods.search, [570] * 5)
    worse = trials(methods.tree, [520] * 5)
    (said,) = verdicts(compare(better + worse))
    assert said == (
        "fn_a L=20: the most accurate method is synthesis scripted:search.json (57.0%)."
    )
    (said,) = verdicts(compare([better[0], worse[0]]))
    assert "not clearly: the interval of baseline:decision-tree overlaps" in said
    rows = compare(better + worse)
    pooled = binomtest(2850, 5000).proportion_ci(0.975, "exact")
    assert rows[0].learned_interval == pytest.approx((pooled.low, pooled.high))
    unequal = [better[0], *trials(methods.search, [0, 57], total=100)[1:]]
    (row,) = compare(unequal)
    ends = [binomtest(k, n).proportion_ci(0.975, "exact") for k, n in ((570, 1000), (57, 100))]
    assert row.learned_interval == pytest.approx(
        (sum(one.low for one in ends) / 2, sum(one.high for one in ends) / 2)
    )


def test_a_clear_winner_among_equals_is_named_once_in_twenty_comparisons(methods):
    """Four methods of the same true accuracy on independent examples, the worst case."""
    rng = np.random.RandomState(4)
    named = 0
    for _ in range(400):
        rights = rng.binomial(1000, 0.75, 4)
        results = [
            scored(methods.tree, int(right), method=f"baseline:{i}", model=str(i))
            for i, right in enumerate(rights)
        ]
        (said,) = verdicts(compare(results))
        named += "not clearly" not in said and " and " not in said
    assert named <= 20


def test_in_context_answers_have_no_share_of_exact_trials(methods):
    facts = IncontextFacts(10, (0.9, 1.0), 1.0, (0.9, 1.0), True, 10, None, None, None, None)
    asked = replace(methods.search, method="incontext", model="m", facts=facts)
    assert compare([asked])[0].exact_interval is None


def test_runs_compare_as_they_were_written(search, guess, smaller, elsewhere):
    right, wrong = compare(entries_in([search, guess]))
    assert (right.method, right.accuracy, right.exact) == ("synthesis scripted:search.json", 1.0, 2)
    assert (wrong.method, wrong.accuracy, wrong.exact) == ("synthesis scripted:guess.json", 0.5, 0)
    assert (right.candidates, wrong.candidates, right.test_examples) == (2, None, 40)
    assert right.error_at_most == binomial_upper(0, 40, (1 - 0.95) / 2)  # the first results
    assert wrong.error_at_most == binomial_upper(20, 40, (1 - 0.95) / 6)  # the second ones
    assert right.seconds_to_exact > 0
    with pytest.raises(InputError, match=r"share no data of fn_a L=20 \(20 and 40 labelled"):
        compare(entries_in([search, smaller]))
    with pytest.raises(InputError, match="share no data of fn_a L=20"):
        compare(entries_in([guess, elsewhere]))
    (curve, other) = curves(entries_in([search, guess, smaller]))["fn_a", 20][:2]
    assert [(one.examples, one.accuracy) for one in (curve, other)] == [
        *(((40,), (0.5,)), ((40,), (1.0,)))
    ]


def test_the_contrast_set_counts_for_exactness(deceived):
    (row,) = compare(entries_in([deceived]))
    assert (row.accuracy, row.exact) == (1.0, 0)
    assert 0 < row.contrast_accuracy < 1
    assert row.candidates is None


def looked_at(result: Result, number: int) -> Result:
    """Returns a result that is of this number on its data, by their ledger."""
    looks = AllLooks(number, None, number / 10)
    return replace(result, certificate=replace(result.certificate, all_looks=looks))


def test_bounds_hold_for_all_results_that_the_ledger_counts(methods):
    rows = compare([looked_at(methods.tree, 1), looked_at(methods.forest, 7)])
    assert [row.error_at_most for row in rows] == [0.1, 0.7]
    assert any("all results on the same data at once" in line for line in remarks(rows))
    assert not any("is not known" in line for line in remarks(rows))


def test_rows_whose_ledger_is_unknown_are_named_and_hold_for_the_methods_compared(methods):
    certificate = replace(methods.tree.certificate, all_looks=None)
    rows = compare([replace(methods.tree, certificate=certificate), looked_at(methods.forest, 7)])
    bound = methods.tree.certificate.test
    assert rows[0].error_at_most == binomial_upper(bound.errors, bound.examples, (1 - 0.95) / 2)
    (line,) = (line for line in remarks(rows) if "is not known" in line)
    assert "decision-tree" in line
    assert "2 methods compared here" in line
    without = compare([replace(methods.tree, certificate=None)])
    assert not any("is not known" in line for line in remarks(without))
