"""Numbers are rounded so that what is said of them still holds."""

import io

import pytest

from llm_erm.cli.output import interval, percent
from llm_erm.cli.text import never_fail


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


@pytest.mark.parametrize(
    ("encoding", "printed"),
    [
        ("cp1252", "a <= 1 – 2 -> ? …"),
        ("ascii", "a <= 1 - 2 -> ? ..."),
        ("utf-8", "a ≤ 1 – 2 → 木 …"),
    ],
)
def test_what_an_encoding_lacks_is_spelled(encoding, printed):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    never_fail(stream)
    stream.write("a ≤ 1 – 2 → 木 …")
    stream.seek(0)
    assert stream.read() == printed
