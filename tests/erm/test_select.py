"""Selection follows validation, then training, then length, then order; and nothing else."""

import dataclasses

from llm_erm.erm.select import ranked
from llm_erm.records import Attempt, Candidate, Verdict


def best_of(attempts):
    return next(ranked(attempts), None)


def attempt(index, *, train=50, validation=50, source="def f(x):\n    return 1", status="ok"):
    return Attempt(
        index,
        Candidate(source),
        Verdict(status, train, 0, 100),
        Verdict(status, validation, 0, 100),
    )


def test_lowest_validation_error_wins():
    best = attempt(2, validation=60, train=10)
    assert best_of([attempt(1, train=100), best, attempt(3)]) is best


def test_ties_go_to_training_then_length_then_order():
    long = "def f(x):\n    return 1 + 0"
    assert best_of([attempt(1), attempt(2, train=51)]).index == 2
    assert best_of([attempt(1, source=long), attempt(2)]).index == 2
    assert best_of([attempt(1), attempt(2)]).index == 1


def test_programs_are_measured_once_and_only_where_others_are_as_good(monkeypatch):
    measured: list[str] = []
    monkeypatch.setattr(
        "llm_erm.erm.select.program_length", lambda source: measured.append(source) or len(source)
    )
    tied = [attempt(index, source="x" * (9 - index)) for index in range(1, 6)]
    better = attempt(6, validation=70, source="better")
    worse = [attempt(index, validation=40, source="worse") for index in (7, 8)]
    ordered = ranked([*worse, *tied, better])
    assert next(ordered) is better
    assert measured == []
    assert [next(ordered).index for _ in range(5)] == [5, 4, 3, 2, 1]
    assert len(measured) == 5
    assert [one.index for one in ordered] == [7, 8]
    assert len(measured) == 7


def test_programs_that_did_not_run_are_never_selected():
    assert best_of([attempt(1, status="timeout", validation=0)]) is None
    assert best_of([]) is None


def test_an_attempt_holds_no_test_data():
    assert {field.name for field in dataclasses.fields(Attempt)} == {
        "index",
        "candidate",
        "train",
        "validation",
        "duplicate_of",
    }
