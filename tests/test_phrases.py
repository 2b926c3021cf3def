"""One call is not "1 calls"."""

import pytest

from llm_erm.phrases import counted, lasting, listed


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 calls"), (1, "1 call"), (2, "2 calls"), (1500, "1,500 calls")]
)
def test_a_noun_agrees_with_its_number(number, said):
    assert counted(number, "call") == said


def test_an_irregular_plural_is_given():
    assert (counted(1, "query", "queries"), counted(2, "query", "queries")) == (
        "1 query",
        "2 queries",
    )


def test_names_are_listed_as_in_a_sentence():
    assert [listed(list(names)) for names in ("", "a", "ab", "abc")] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (12.2, "12 s"), (59.7, "1 min 0 s"), (432, "7 min 12 s")]
)
def test_times_are_said_in_minutes_and_seconds(seconds, said):
    assert lasting(seconds) == said
