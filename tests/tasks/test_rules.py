"""The whole-array rules agree with slow, independently written ones."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_erm.tasks import rules
from llm_erm.tasks.suite import SUITE

BINARY = [fn for fn, task in SUITE.items() if task.kind == "binary"]

brackets = st.recursive(
    st.just(""),
    lambda inner: st.one_of(
        inner.map(lambda word: f"00{word}01"),
        inner.map(lambda word: f"10{word}11"),
        st.tuples(inner, inner).map("".join),
    ),
)


@pytest.mark.parametrize("fn", [fn for fn in BINARY if fn not in ("fn_e", "fn_f")])
@given(data=st.data(), length=st.integers(3, 15).map(lambda n: 4 * n))
def test_a_rule_labels_any_bits_as_the_slow_rule_does(slow_rules, fn, data, length):
    bits = st.text("01", min_size=length, max_size=length)
    inputs = data.draw(st.lists(bits, min_size=1, max_size=5))

    assert SUITE[fn].label(inputs) == [slow_rules[fn](x, length) for x in inputs]


@given(data=st.data(), length=st.sampled_from([20, 25, 30, 50, 100]))
def test_parities_at_fixed_positions_use_the_published_ones(slow_rules, data, length):
    inputs = data.draw(st.lists(st.text("01", min_size=length, max_size=length), min_size=1))

    for fn in ("fn_e", "fn_f"):
        assert SUITE[fn].label(inputs) == [slow_rules[fn](x, length) for x in inputs]


def test_fixed_positions_are_the_published_ones(positions):
    for length, first_ten in positions.items():
        assert rules.fixed_positions(length, 10) == first_ten
        assert rules.fixed_positions(length, 3) == first_ten[:3]


def test_fixed_positions_of_the_shortest_length_are_a_permutation():
    assert sorted(rules.fixed_positions(3, 3)) == [0, 1, 2]


@given(word=brackets.filter(bool), flips=st.lists(st.integers(0, 10_000), max_size=2))
def test_balanced_words_are_distinguished_from_their_neighbours(slow_rules, word, flips):
    bits = list(word)
    for flip in flips:
        bits[flip % len(bits)] = "10"[int(bits[flip % len(bits)])]
    x = "".join(bits)

    assert SUITE["fn_h"].label([word]) == [1]
    assert SUITE["fn_h"].label([x]) == [slow_rules["fn_h"](x, len(x))]


def test_rows_of_one_call_do_not_affect_each_other(slow_rules):
    words = ["0001" * 3, "0100" * 3, "001011010001", "001001110001", "000000000000", "11" * 6]

    assert SUITE["fn_h"].label(words) == [slow_rules["fn_h"](x, 12) for x in words]


@given(half=st.text("01", min_size=1, max_size=40), middle=st.text("01", max_size=1))
def test_a_flip_breaks_a_palindrome_except_in_the_middle(half, middle):
    x = half + middle + half[::-1]
    flipped = "10"[int(x[0])] + x[1:]
    centre = x[: len(half)] + "".join("10"[int(bit)] for bit in middle) + x[len(half + middle) :]

    assert SUITE["fn_g"].label([x, flipped, centre]) == [1, 0, 1]


@given(numbers=st.lists(st.integers(10**5, 10**6 - 1), min_size=1))
def test_primes_of_six_digits(slow_rules, numbers):
    inputs = [str(n) for n in numbers]

    for fn in ("fn_i", "fn_k", "fn_v"):
        assert SUITE[fn].label(inputs) == [slow_rules[fn](x, 6) for x in inputs]


@settings(deadline=None)  # the first call loads SciPy
@given(
    st.lists(
        st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=13, max_size=13),
        min_size=1,
        max_size=4,
    ),
    st.integers(0, 6),
)
def test_cycles_of_any_edge_lists_padding_and_loops_included(slow_rules, graphs, padding):
    inputs = [
        "".join(f"u{u:02}v{v:02}" for u, v in graph[padding:]) + "u00v00" * padding
        for graph in graphs
    ]

    assert SUITE["fn_aa"].label(inputs) == [slow_rules["fn_aa"](x, 78) for x in inputs]


def test_no_inputs_give_no_labels():
    assert all(task.label([]) == [] for task in SUITE.values())
