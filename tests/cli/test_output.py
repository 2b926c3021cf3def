"""Numbers are rounded so that what is said of them still holds."""

import pytest

from llm_erm.cli.output import interval, percent


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ((0.57649, 0.57651), "57.6% to 57.7%"),
        ((0.0, 1.0), "0.0% to 100.0%"),
        ((0.001, 0.9991), "0.1% to 100.0%"),
        ((0.29, 0.57), "29.0% to 57.0%"),
    ],
)
def test_the_ends_of_an_interval_are_rounded_outwards(ends, said):
    assert interval(*ends) == said


def test_only_a_perfect_score_reads_100():
    assert (percent(0.9999), percent(1.0), percent(None)) == ("99.9%", "100.0%", "–")
