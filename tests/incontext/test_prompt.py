"""The prompt stays as it is unless changed on purpose, and all queries of a task begin alike."""

from pathlib import Path

import pytest

from llm_erm.errors import InputError
from llm_erm.incontext.prompt import GAP, Frame, balanced, build_frame, split_at_gap
from llm_erm.tasks.task import Dataset

GOLDEN = Path(__file__).parents[1] / "golden"
DATA = Dataset(("000", "001", "010", "011", "100"), (0, 1, 1, 0, 1))


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        ("binary", ("0110", "1010", "0001")),
        ("decimal", ("1009", "1011", "1013")),
        ("graph", ("u01v02u02v01", "u01v02u02v03", "u01v02u03v01")),
        ("text", ("abba", "abab", "aaab")),
    ],
)
def test_the_prompt_is_the_golden_one(kind, inputs):
    frame = build_frame(Dataset(inputs[:2], (1, 0)), kind, 4)
    assert frame.around(inputs[2]) == (GOLDEN / f"incontext-{kind}.txt").read_text()


def test_all_that_comes_before_the_query_is_the_same_for_every_query():
    frame = build_frame(DATA, "binary", 3)
    prompts = [frame.around(query) for query in ("110", "101")]
    assert all(prompt.startswith(frame.head) for prompt in prompts)
    assert frame.head.count(" -> ") == 5
    assert len(frame.tail) < 100  # what is computed again for every query


def test_a_template_around_a_prompt_is_split_at_its_query():
    frame = split_at_gap(f"<user>011 -> 1\n{GAP}\nlabel?<end>")
    assert frame == Frame("<user>011 -> 1\n", "\nlabel?<end>")


@pytest.mark.parametrize("rendered", ["<user>0 1 1<end>", f"{GAP} again: {GAP}"])
def test_a_template_that_changes_the_prompt_is_named(rendered):
    with pytest.raises(InputError, match="template") as refusal:
        split_at_gap(rendered)
    assert refusal.value.setting == "raw_prompt"


def test_a_balanced_part_keeps_the_order_and_takes_the_first_of_each_label():
    assert balanced(DATA, 4, "queries", "queries") == Dataset(
        ("000", "001", "010", "011"), (0, 1, 1, 0)
    )
    assert balanced(DATA, 2, "queries", "queries") == Dataset(("000", "001"), (0, 1))


@pytest.mark.parametrize(("size", "said"), [(0, "even"), (3, "even"), (6, "2 examples of label 0")])
def test_a_part_that_cannot_be_balanced_is_refused(size, said):
    with pytest.raises(InputError, match=f"{size} queries.*{said}") as refusal:
        balanced(DATA, size, "queries", "number")
    assert refusal.value.setting == "number"
