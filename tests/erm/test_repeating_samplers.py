"""No bound is given where draws that repeated an input were discarded, unless all are as likely."""

from dataclasses import replace
from pathlib import Path
from unittest.mock import ANY

import pytest

from drawn import spec_of
from llm_erm.erm.bounds import certify
from llm_erm.records import Verdict
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.splits import load
from llm_erm.tasks.task_file import load_task_file

ALPHABET = "abcdefghijklmnop"
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


RIGHT = Verdict("ok", 100, 0, 100)


def repeating(place: Path, share: float, number: int) -> DataSpec:
    """Returns the data set of a sampler that draws one of a few inputs with this probability."""
    path = place / "repeating.py"
    path.write_text(SOURCE.replace("SHARE", str(share)).replace("NUMBER", str(number)))
    return spec_of(load_task_file(path), length=12, test_size=400)


@pytest.mark.parametrize(("share", "number"), [(0.5, 10), (0.5, 2), (0.1, 2)])
def test_data_in_which_repeats_were_discarded_carry_no_certificate(tmp_path, share, number):
    """Distinct examples hide how frequent some inputs are: one in ten may be half of all draws."""
    spec = repeating(tmp_path, share, number)
    for seed in range(5):
        splits = load(replace(spec, seed=seed), tmp_path / "datasets")
        assert not splits.independent
        assert certify(splits, RIGHT, validation=RIGHT, train=RIGHT) is None
        (warning,) = splits.warnings
        assert "draws repeated an input" in warning
        assert "no certificate" in warning
    assert load(replace(spec, seed=0), tmp_path / "datasets").independent is False  # from disk


def test_repeats_among_the_test_examples_take_their_bound_alone(tmp_path):
    splits = load(DataSpec(function="fn_h", length=40), tmp_path / "datasets")
    assert splits.independent
    assert splits.test_repeats > 0
    assert "no test bound" in splits.warnings[0]
    certificate = certify(splits, RIGHT, validation=RIGHT, train=RIGHT)
    assert certificate.test is None
    assert certificate.validation is not None
    assert load(DataSpec(function="fn_h", length=40), tmp_path / "datasets") == replace(
        splits, reveal=ANY
    )


def test_samplers_without_repeats_and_uniform_ones_support_every_bound(tmp_path):
    one = load(repeating(tmp_path, 0.0, 10), tmp_path / "datasets")
    two = load(DataSpec(function="fn_c", length=20), tmp_path / "datasets")
    for splits in (one, two):
        assert splits.independent
        assert certify(splits, RIGHT, validation=RIGHT).test is not None
