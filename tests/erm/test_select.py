"""Selection follows validation, then training, then length, then order; and nothing else."""

import dataclasses

from llm_erm.erm.select import program_length, select_best
from llm_erm.records import Attempt, Candidate, Verdict


def attempt(index, *, train=50, validation=50, source="def f(x):\n    return 1", status="ok"):
    return Attempt(
        index,
        Candidate(source),
        Verdict(status, train, 0, 100),
        Verdict(status, validation, 0, 100),
    )


def test_lowest_validation_error_wins():
    best = attempt(2, validation=60, train=10)
    assert select_best([attempt(1, train=100), best, attempt(3)]) is best


def test_ties_go_to_training_then_length_then_order():
    long = "def f(x):\n    return 1 + 0"
    assert select_best([attempt(1), attempt(2, train=51)]).index == 2
    assert select_best([attempt(1, source=long), attempt(2)]).index == 2
    assert select_best([attempt(1), attempt(2)]).index == 1


def test_comments_and_spacing_do_not_count_as_length():
    assert program_length("def f(x):\n\n    # why\n    return  1") == len("def f(x):\n    return 1")


def test_programs_that_did_not_run_are_never_selected():
    assert select_best([attempt(1, status="timeout", validation=0)]) is None
    assert select_best([]) is None


def test_an_attempt_holds_no_test_data():
    assert {field.name for field in dataclasses.fields(Attempt)} == {
        "index",
        "candidate",
        "train",
        "validation",
        "duplicate_of",
    }
