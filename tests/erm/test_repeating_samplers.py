"""Bounds hold on fresh draws of samplers that repeat themselves, whose repeats were discarded."""

import itertools

import pytest

from drawn import spec_of
from llm_erm.erm.bounds import certify
from llm_erm.records import Verdict
from llm_erm.tasks.splits import load
from llm_erm.tasks.task_file import load_task_file

ALPHABET = "abcdefghijklmnop"
FIXED = [letter * 12 for letter in ALPHABET[:10]]
SOURCE = f"""
lengths = (12,)

def rule(x):
    return "{ALPHABET}".index(x[0]) % 2

def sample(rng, length):
    letters = "{ALPHABET}"
    if rng.random_sample() < SHARE:
        return letters[rng.randint(NUMBER)] * length
    return "".join(letters[i] for i in rng.randint(0, 16, length))
"""


def verdict(data, wrong) -> Verdict:
    """Returns that of a program that errs on some of the fixed inputs and nowhere else."""
    errors = sum(x in wrong for x in data.inputs)
    return Verdict("ok", len(data) - errors, 0, len(data))


@pytest.mark.parametrize(("share", "number"), [(0.5, 10), (0.5, 2), (0.1, 2)])
def test_bounds_hold_on_fresh_draws_where_a_few_inputs_are_frequent(tmp_path, share, number):
    """Distinct inputs hide how frequent they are: one in ten examples is half of the draws."""
    path = tmp_path / "repeating.py"
    path.write_text(SOURCE.replace("SHARE", str(share)).replace("NUMBER", str(number)))
    task = load_task_file(path)
    failed, hidden, total = 0, 0, 0
    for seed, wrongs in itertools.product(range(20), range(1, number + 1)):
        spec = spec_of(task, length=12, test_size=400, seed=seed)
        splits = load(spec, tmp_path / "datasets")
        assert splits.independent
        wrong = set(FIXED[:wrongs])
        parts = (splits.train, splits.validation, splits.reveal().test)
        train, validation, test = (verdict(part, wrong) for part in parts)
        certificate = certify(splits, test, validation=validation, train=train)
        error = share * wrongs / number
        for bound, seen in ((certificate.validation, validation), (certificate.test, test)):
            failed += bound.error_upper_bound < error
            hidden += seen.errors / seen.total < error / 2
            total += 1
    assert hidden > total / 2  # what the distinct examples show is far from the truth
    assert failed <= 0.05 * total


def test_samplers_without_repeats_count_none(tmp_path):
    path = tmp_path / "repeating.py"
    path.write_text(SOURCE.replace("SHARE", "0.0").replace("NUMBER", "10"))
    splits = load(spec_of(load_task_file(path), length=12, test_size=400), tmp_path / "datasets")
    assert splits.independent
    assert splits.discarded == (0, 0)
