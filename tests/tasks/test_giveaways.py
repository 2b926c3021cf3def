"""No count gives the cycle graphs away, and the number of inputs that exist is exact."""

from collections import Counter
from itertools import product
from math import sqrt

import numpy as np
import pytest
from numpy.random import RandomState

from drawn import draw_all
from llm_erm.errors import InputError
from llm_erm.tasks.rules import to_codes
from llm_erm.tasks.suite import get

GRAPHS = 1000
SIGMAS = 5.5
"""A dozen lengths times twenty counts: by chance, one exceeds this in 100,000 seeds."""


def ends_of(x):
    return [x[i + 1 : i + 3] for i in range(0, len(x), 3)]


def degrees_of(x):
    return Counter(ends_of(x)).values()


def isolated_edges(x):
    degree = Counter(ends_of(x))
    ends = ends_of(x)
    return sum(degree[u] == degree[v] == 1 for u, v in zip(ends[::2], ends[1::2], strict=True))


def counts(x):
    """Everything that is counted without following an edge from one place to another."""
    degrees = Counter(degrees_of(x))
    digits = Counter(x)
    return [
        len(degrees_of(x)),
        max(degrees_of(x)),
        isolated_edges(x),
        *(degrees[n] for n in range(1, 7)),
        *(digits[digit] for digit in "0123456789"),
        ends_of(x)[0] < ends_of(x)[1],
        len(set(ends_of(x)[:4])),
    ]


@pytest.mark.parametrize("length", [36, 47, 77, 101, 150, 300, 420, 599])
def test_both_classes_of_graphs_have_the_same_counts(length):
    task = get("fn_aa")
    classes = task.draw(RandomState(length), length, (GRAPHS, GRAPHS))
    negatives, positives = (np.array([counts(x) for x in inputs], float) for inputs in classes)
    difference = np.abs(negatives.mean(axis=0) - positives.mean(axis=0))
    deviation = np.sqrt((negatives.var(axis=0) + positives.var(axis=0)) / GRAPHS)

    assert (difference <= SIGMAS * deviation).all()
    assert [task.label(inputs) for inputs in classes] == [[0] * GRAPHS, [1] * GRAPHS]


@pytest.mark.parametrize("length", [36, 77, 150, 300, 599])
def test_both_classes_of_the_contrast_set_have_the_same_counts(length):
    task = get("fn_aa")
    classes = task.draw_contrast(RandomState(length), length, (GRAPHS, GRAPHS))
    negatives, positives = (np.array([counts(x) for x in inputs], float) for inputs in classes)
    difference = np.abs(negatives.mean(axis=0) - positives.mean(axis=0))
    deviation = np.sqrt((negatives.var(axis=0) + positives.var(axis=0)) / GRAPHS)

    assert (difference <= SIGMAS * deviation).all()
    assert [task.label(inputs) for inputs in classes] == [[0] * GRAPHS, [1] * GRAPHS]


@pytest.mark.parametrize("length", [150, 300])
def test_both_classes_of_graphs_have_the_same_degree_sequences(length):
    """Two samples of one distribution differ by at most about the root of its support's size."""
    classes = get("fn_aa").draw(RandomState(0), length, (GRAPHS, GRAPHS))
    negatives, positives = (Counter(tuple(sorted(degrees_of(x))) for x in one) for one in classes)
    # The mean of Pearson's statistic of two samples is the number of values less one, its variance
    # twice that, where the values are common.
    common = [d for d in negatives | positives if negatives[d] + positives[d] >= 20]
    pearson = sum(
        (negatives[d] - positives[d]) ** 2 / (negatives[d] + positives[d]) for d in common
    )

    assert len(common) >= 10
    assert pearson <= len(common) + SIGMAS * sqrt(2 * len(common))


def test_graphs_of_label_0_are_not_all_connected_nor_alike():
    negatives, positives = get("fn_aa").draw(RandomState(0), 300, (500, 500))
    shapes = {tuple(sorted(degrees_of(x))) for x in (*negatives, *positives)}

    assert len(shapes) > 30
    assert len({len(degrees_of(x)) for x in negatives}) > 10


@pytest.mark.parametrize(
    ("fn", "lengths"),
    [
        ("fn_a", (1, 5, 10)),
        ("fn_b", (2, 5, 10)),
        ("fn_c", (8, 9, 10, 14)),
        ("fn_d", (8, 9, 10, 14)),
        ("fn_e", (3, 10)),
        ("fn_f", (10, 11)),
        ("fn_g", (2, 3, 8, 9)),
        ("fn_h", (4, 8, 12)),
    ],
)
def test_the_number_of_inputs_that_exist_is_exact(fn, lengths):
    task = get(fn)
    for length in lengths:
        strings = ["".join(bits) for bits in product("01", repeat=length)]
        labels = Counter(task.label(strings))
        negatives, positives = task.existing(length)

        assert positives == labels[1]
        if fn == "fn_g":  # one pair differs
            codes = to_codes(strings)
            half = length // 2
            pairs = (codes[:, :half] != codes[:, ::-1][:, :half]).sum(axis=1)
            assert negatives == (pairs == 1).sum()
        elif fn == "fn_h":
            assert negatives is None
        else:
            assert negatives == labels[0]


@pytest.mark.parametrize("seed", range(5))
def test_an_error_states_the_exact_number_whatever_was_found(tmp_path, seed):
    """A few thousand draws find most of the 1,024 palindromes, seldom all."""
    sizes = {"length": 20, "train_size": 1300, "val_size": 1300, "test_size": 4000, "seed": seed}
    with pytest.raises(InputError, match=r"fn_g has only 1,024 inputs of label 1 at length 20"):
        draw_all(get("fn_g"), dataset_dir=tmp_path, **sizes)
    with pytest.raises(InputError, match=r"few inputs of label 0 \(found \d+; there may be more\)"):
        draw_all(get("fn_h"), dataset_dir=tmp_path, **(sizes | {"length": 8}))
