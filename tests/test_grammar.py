"""Every expression of the grammar is a program that parses and has a single derivation."""

import ast
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_erm import grammar
from llm_erm.grammar import PRODUCTIONS, START, complement, gbnf, read_program, to_program

GOLDEN = Path(__file__).parent / "golden" / "grammar.gbnf"


@st.composite
def expressions(draw) -> str:
    """Draws a random text derived from the productions."""

    def derive(symbol: str) -> str:
        if symbol not in PRODUCTIONS:
            return symbol
        return "".join(map(derive, draw(st.sampled_from(PRODUCTIONS[symbol]))))

    return derive(START)


def run(source: str, x: str) -> object:
    namespace: dict = {}
    exec(source, namespace)
    return namespace["f"](x)


@settings(max_examples=400)
@given(expressions(), st.text("01", min_size=1, max_size=24))
def test_every_expression_is_a_program_and_has_a_complement(expression, x):
    source = to_program(expression)
    ast.parse(source)
    try:
        label = run(source, x)
    except (IndexError, ValueError):  # x[9] of a short string, int("") of an empty slice
        return
    assert label in (0, 1)
    assert run(complement(source), x) == 1 - label


@settings(max_examples=100)
@given(expressions())
def test_every_expression_is_read(expression):
    assert read_program(expression) == (to_program(expression), None)


@pytest.mark.parametrize(
    "text",
    [
        *("0\n    -x.count('1')", "'1'\n    '0' in x", "0\r    -1", "0; 1", "0  # 1", "0 \\\n"),
        *(
            "x == '1') or (1",
            "0\n\ndef f(x):\n    return 1",
            "",
            "yield",
            "y := 1",
            "1 if x else 2",
        ),
        *("\0", "\ud800", "(" * 9000, "-" * 9000 + "1", "1 if x" * 999, "9" * 5000, "import os"),
    ],
)
def test_what_is_no_single_expression_is_no_program(text):
    """Else the verdict on a function could be counted, upside down, for another one."""
    assert read_program(text) == (None, "no code: the answer is no expression")


def test_an_expression_that_is_too_long_is_no_program():
    assert read_program("x == '" + "1" * 50_000 + "'")[1].startswith("too long: ")


def test_the_grammar_has_no_cycles_so_every_expression_is_finite():
    def depth(symbol: str, above: tuple[str, ...] = ()) -> int:
        assert symbol not in above
        return 1 + max(
            (
                depth(part, (*above, symbol))
                for sequence in PRODUCTIONS[symbol]
                for part in sequence
                if part in PRODUCTIONS
            ),
            default=0,
        )

    assert depth(START) < 25


def test_the_gbnf_matches_the_golden_file():
    assert gbnf() == GOLDEN.read_text()


@pytest.mark.parametrize(
    "rule", ["x == x[::-1]", "sum(int(c) for c in x) % 2", "'10101010' in x", "not x == '0'"]
)
def test_the_grammar_derives_rules_of_these_forms(rule):
    """Checks membership with a slow recognizer over the productions."""

    def ends(symbol: str, text: str, start: int) -> set[int]:
        if symbol not in PRODUCTIONS:
            return {start + len(symbol)} if text.startswith(symbol, start) else set()
        found: set[int] = set()
        for sequence in PRODUCTIONS[symbol]:
            places = {start}
            for part in sequence:
                places = {end for place in places for end in ends(part, text, place)}
            found |= places
        return found

    text = f" {rule}\n"
    assert len(text) in ends(START, text, 0)


def test_a_test_and_its_branches_are_one_program():
    assert to_program(" 1 if x == x[::-1] else 0\n") == to_program(" x == x[::-1]\n")


def test_the_prompt_contains_no_example():
    assert "->" not in grammar.PROMPT
    assert not any(character.isdigit() for character in grammar.PROMPT)
