"""Shortcuts that do well on test data fail on the contrast sets or at other lengths."""

import random

import pytest

from llm_erm.tasks.probes import contrast_set, length_generalization_set
from llm_erm.tasks.suite import get


def accuracy(shortcut, data):
    pairs = zip(data.inputs, data.labels, strict=True)
    return sum(int(shortcut(x)) == y for x, y in pairs) / len(data)


def even_ones(x):
    return x.count("1") % 2 == 0


def outer_pairs(x):
    return x[:7] == x[::-1][:7]


def same_ones_in_halves(x):
    half = len(x) // 2
    return x[:half].count("1") == x[-half:].count("1")


def symbol_counts(x):
    symbols = [x[i : i + 2] for i in range(0, len(x), 2)]
    count = symbols.count
    return count("00") == count("01") and count("10") == count("11")


def depth_only(x):
    depth = 0
    for i in range(1, len(x), 2):
        depth += 1 if x[i] == "0" else -1
        if depth < 0:
            return False
    return depth == 0


def no_small_factor(offset):
    def shortcut(x):
        number = int(x) - offset
        return all(number % factor for factor in range(2, 1000))

    return shortcut


def edges_of(x):
    return [(x[i + 1 : i + 3], x[i + 4 : i + 6]) for i in range(0, len(x), 6)]


def few_vertices(x):
    """Counts vertices as if all graphs were connected."""
    vertices = {vertex for edge in edges_of(x) for vertex in edge}
    return len(edges_of(x)) - len(vertices) + 1 > len(edges_of(x)) // 6


def many_leaves(x):
    ends = [vertex for edge in edges_of(x) for vertex in edge]
    return sum(ends.count(vertex) == 1 for vertex in set(ends)) > 14


@pytest.mark.parametrize(
    ("fn", "length", "shortcut", "most"),
    [
        ("fn_c", 50, lambda x: "1010101" in x, 0.9),
        ("fn_c", 50, lambda x: "101010" in x or "010101" in x, 0.85),
        ("fn_d", 50, lambda x: "011111" in x, 0.85),
        ("fn_d", 50, lambda x: x.count("1") > 25, 0.6),
        ("fn_g", 50, outer_pairs, 0.75),
        ("fn_g", 50, same_ones_in_halves, 0.8),
        ("fn_g", 20, even_ones, 0.8),
        ("fn_g", 50, even_ones, 0.8),
        ("fn_g", 100, even_ones, 0.8),
        ("fn_g", 50, lambda x: x[0] == x[-1], 0.6),
        ("fn_h", 40, symbol_counts, 0.8),
        ("fn_h", 40, depth_only, 0.8),
        ("fn_i", 20, no_small_factor(0), 0.55),
        ("fn_k", 20, no_small_factor(0), 0.55),
        ("fn_v", 20, no_small_factor(47), 0.55),
        ("fn_i", 20, lambda x: x[-1] in "1379", 0.55),
        ("fn_aa", 300, few_vertices, 0.8),
        ("fn_aa", 300, many_leaves, 0.8),
    ],
)
def test_a_shortcut_fails_on_the_contrast_set(fn, length, shortcut, most):
    assert accuracy(shortcut, contrast_set(get(fn), length)) < most


@pytest.mark.parametrize("length", [20, 25, 30, 50, 100])
def test_parity_does_not_detect_palindromes_at_odd_lengths(length):
    assert accuracy(even_ones, length_generalization_set(get("fn_g"), length)) < 0.9


def test_pattern_contrast_sets_differ_from_a_positive_in_one_bit():
    for fn, pattern in (("fn_c", "10101010"), ("fn_d", "00111111")):
        data = contrast_set(get(fn), 30)
        changed = {
            pattern[:i] + "10"[int(pattern[i])] + pattern[i + 1 :] for i in range(len(pattern))
        }
        negatives = [x for x, y in zip(data.inputs, data.labels, strict=True) if y == 0]
        assert all(any(near in x for near in changed) for x in negatives)


def test_the_palindrome_contrast_set_breaks_every_pair():
    data = contrast_set(get("fn_g"), 50)
    negatives = [x for x, y in zip(data.inputs, data.labels, strict=True) if y == 0]
    broken = {i for x in negatives for i in range(25) if x[i] != x[-1 - i]}

    assert broken == set(range(25))


def test_composites_in_the_contrast_set_have_no_small_factor():
    data = contrast_set(get("fn_i"), 20)
    negatives = [int(x) for x, y in zip(data.inputs, data.labels, strict=True) if y == 0]

    assert all(number % factor for number in negatives for factor in range(2, 10_000))


def test_the_classes_of_the_graph_contrast_set_are_one_cycle_apart():
    data = contrast_set(get("fn_aa"), 300)
    cycles = set()
    for x, y in zip(data.inputs, data.labels, strict=True):
        parent = {vertex: vertex for edge in edges_of(x) for vertex in edge}

        def root(vertex, parent=parent):
            return vertex if parent[vertex] == vertex else root(parent[vertex])

        closing = 0
        for u, v in edges_of(x):
            closing += root(u) == root(v)
            parent[root(u)] = root(v)
        cycles.add((y, closing))

    assert cycles == {(0, 8), (1, 9)}


def test_contrast_sets_do_not_depend_on_other_random_state():
    random.seed(1)
    first = contrast_set(get("fn_h"), 24)
    contrast_set.cache_clear()

    assert contrast_set(get("fn_h"), 24) == first
