"""`llm-erm bound` plans sample sizes."""

import json

import pytest
from scipy.stats import binom

from llm_erm.cli.bound import Options, bound


def rows(capsys, **options):
    assert bound(Options(json=True, **options)) == 0
    return {row["bound"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}


def test_the_papers_example(capsys):
    found = rows(capsys, budget=5, examples=100)
    assert found["paper"]["error_upper_bound"] == pytest.approx(0.346, abs=5e-4)
    assert found["validation"]["error_upper_bound"] == pytest.approx(0.045, abs=5e-4)
    assert "occam" not in found


@pytest.mark.parametrize("errors", [0, 2])
def test_the_examples_needed_certify_the_accuracy(capsys, errors):
    needed = rows(capsys, budget=256, errors=errors, accuracy=0.99, bits=20)
    for name, choices in (("validation", 256), ("test", 1)):
        m = needed[name]["examples_needed"]
        seen = errors if name == "validation" else 0
        assert binom.cdf(seen, m, 0.01) <= 0.05 / choices < binom.cdf(seen, m - 1, 0.01)
    assert ("occam" in needed) == (errors == 0)
    assert ("paper" in needed) == (errors == 0)  # an error refutes its premise
    if errors == 0:
        found = rows(capsys, budget=256, examples=needed["paper"]["examples_needed"])
        assert found["paper"]["error_upper_bound"] == pytest.approx(0.01, rel=1e-3)
        found = rows(capsys, examples=needed["occam"]["examples_needed"], bits=20)
        assert found["occam"]["error_upper_bound"] == pytest.approx(0.01, rel=1e-2)


def test_comparing_runs_costs_certainty(capsys):
    one, ten = (rows(capsys, runs=runs)["test"]["error_upper_bound"] for runs in (1, 10))
    assert one < ten


def test_the_table_rounds_the_accuracy_down(invoke):
    done = invoke("bound", "--accuracy", 0.99)
    assert done.returncode == 0, done.stderr
    assert "95.49%" in done.stdout
    assert "5 was fixed before validation" in done.stdout


@pytest.mark.parametrize(
    "arguments", [("--budget", 0), ("--errors", 101), ("--confidence", 1), ("--accuracy", "nan")]
)
def test_impossible_numbers_are_one_sentence(invoke, arguments):
    done = invoke("bound", *arguments)
    assert done.returncode == 2
    assert arguments[0] in done.stderr
    assert done.stdout == ""
