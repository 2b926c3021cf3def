"""Data of the published releases: the same distribution, with repeats, overlaps and wrong labels.

The published counts come from the published code's own random streams, so ours agree with them in
distribution: each must lie within five standard deviations of the expected value (by chance, one in
a million does not), and so must ours.
"""

import json
from itertools import product
from math import comb, sqrt

import numpy as np
import pytest
from numpy.random import RandomState

from drawn import draw_all, folder_of
from llm_erm.erm.bounds import certify
from llm_erm.errors import InputError
from llm_erm.records import Verdict
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.splits import load
from llm_erm.tasks.suite import PUBLISHED, get

FULL = {"train_size": 100, "val_size": 100, "test_size": 10_000, "seed": 42}
NEGATIVES = 5_100
SIGMAS = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("published")


@pytest.fixture
def draw(folder):
    """Draws a full data set of a release."""

    def drawn(fn, length, release):
        return draw_all(get(fn), length=length, published=release, dataset_dir=folder, **FULL)

    return drawn


def parts(drawn):
    return drawn.train, drawn.validation, drawn.test


def of_label(drawn, label):
    return [
        x
        for data in parts(drawn)
        for x, y in zip(data.inputs, data.labels, strict=True)
        if y == label
    ]


def within(value, mean, deviation):
    return abs(value - mean) <= SIGMAS * deviation


def distinct(probabilities, draws):
    """Mean and standard deviation of the number of distinct values in independent draws."""
    p = np.asarray(probabilities, dtype=float)
    missed = (1 - p) ** draws
    seen = np.sum(1 - missed)
    # The variance with a Poisson number of draws, less what a fixed number takes from it.
    rate = draws * p
    variance = np.sum(np.exp(-rate) * (1 - np.exp(-rate))) - draws * np.sum(p * np.exp(-rate)) ** 2
    return seen, sqrt(variance)


def one_flip_negatives():
    """Probabilities of the negatives of fn_g at length 20: all alike."""
    return np.full(10 * 2**10, 1 / (10 * 2**10))


def broken_words():
    """Probabilities of the negatives of fn_h at length 20, for every bit string."""
    length, pairs = 20, 5
    words = np.zeros(2**length)
    walk(words, "", [], pairs, 1.0)
    flips = np.zeros(2**length)
    ones = np.array([index.bit_count() for index in range(2**length)])
    for count in range(1, 6):
        flips[ones == count] = 1 / 5 / comb(length, count)
    both = walsh(walsh(words) * walsh(flips)) / 2**length
    broken = np.where(words > 0, 0, both)
    return broken / broken.sum()


def walk(words, text, stack, unopened, probability):
    """Adds the probability of every word that the published random walk may still reach."""
    if unopened == 0:
        closing = "".join(f"{kind}1" for kind in reversed(stack))
        words[int(text + closing, 2)] += probability
        return
    opening = probability / 2 if stack else probability
    for kind in "01":
        walk(words, f"{text}{kind}0", [*stack, kind], unopened - 1, opening / 2)
    if stack:
        walk(words, f"{text}{stack[-1]}1", stack[:-1], unopened, probability / 2)


def walsh(values):
    """The Walsh-Hadamard transform, under which flipping bits is a product."""
    values = values.copy()
    step = 1
    while step < len(values):
        pairs = values.reshape(-1, 2, step)
        values = np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], axis=1).ravel()
        step *= 2
    return values


def test_the_walk_reaches_every_word():
    words = np.zeros(2**20)
    walk(words, "", [], 5, 1.0)

    assert (words > 0).sum() == 1344
    assert words.sum() == pytest.approx(1)


@pytest.mark.parametrize("release", ["erm", "pv"])
@pytest.mark.parametrize(
    ("fn", "probabilities", "published"),
    [("fn_g", one_flip_negatives, 4_008), ("fn_h", broken_words, 5_002)],
)
def test_negatives_at_length_20_repeat_as_published(draw, release, fn, probabilities, published):
    mean, deviation = distinct(probabilities(), NEGATIVES)
    negatives = of_label(draw(fn, 20, release), 0)

    assert len(negatives) == NEGATIVES
    assert within(published, mean, deviation)
    assert within(len(set(negatives)), mean, deviation)


def test_negatives_of_odd_palindromes_are_sometimes_palindromes_as_published(draw, slow_rules):
    """The flip is at one of 13 places, of which one is the middle."""
    mean, deviation = NEGATIVES / 13, sqrt(NEGATIVES / 13 * (12 / 13))
    drawn = draw("fn_g", 25, "pv")
    wrong = sum(slow_rules["fn_g"](x, 25) for x in of_label(drawn, 0))

    assert within(390, mean, deviation)
    assert within(wrong, mean, deviation)
    assert all(slow_rules["fn_g"](x, 25) for x in of_label(drawn, 1))
    assert any(
        f"{wrong} of the 10200 labels" in w and "no certificate" in w for w in drawn.warnings
    )


@pytest.mark.parametrize("release", ["erm", "pv"])
def test_training_and_test_data_of_short_palindromes_overlap_as_published(draw, release):
    """A training input recurs unless all test inputs of its class miss it."""
    shares = [(50, 1 / 2**10), (50, 1 / (10 * 2**10))]
    recurs = [1 - (1 - p) ** 5_000 for _, p in shares]
    distincts = [distinct(np.full(round(1 / p), p), n)[0] for n, p in shares]
    mean = sum(n * q for n, q in zip(distincts, recurs, strict=True))
    # Repeats within the training inputs add less than one to the variance.
    deviation = sqrt(sum(n * q * (1 - q) for n, q in zip(distincts, recurs, strict=True)) + 1)
    drawn = draw("fn_g", 20, release)

    assert within(65, mean, deviation)
    assert within(len(set(drawn.train.inputs) & set(drawn.test.inputs)), mean, deviation)
    assert not drawn.disjoint


def test_the_successors_second_pattern_repeats_itself(draw):
    """At length 20, a positive is one of 13 places and 12 free bits."""
    positives = {label: of_label(draw("fn_d", 20, "pv"), label) for label in (0, 1)}
    strings = {}
    for start, free in product(range(13), range(2**12)):
        bits = f"{free:012b}"
        x = f"{bits[:start]}00111111{bits[start:]}"
        strings[x] = strings.get(x, 0) + 1 / (13 * 2**12)
    mean, deviation = distinct(list(strings.values()), NEGATIVES)
    without = 2**20 - len(strings)
    expected = distinct(np.full(without, 1 / without), NEGATIVES)

    assert within(len(set(positives[1])), mean, deviation)
    assert within(len(set(positives[0])), *expected)
    assert len(set(of_label(draw("fn_d", 20, "erm"), 1))) == NEGATIVES


UNIQUE = [
    *((release, fn) for fn in PUBLISHED for release in ("erm", "pv")),
    ("pv", "fn_v"),
    ("pv", "fn_aa"),
]


@pytest.mark.parametrize(("release", "fn"), UNIQUE)
def test_all_else_is_unique_balanced_and_rightly_labelled(tmp_path, slow_rules, release, fn):
    length = {"fn_h": 40, "fn_aa": 90}.get(fn, 30)
    sizes = {"length": length, "train_size": 40, "val_size": 60, "test_size": 400, "seed": 3}
    drawn = draw_all(get(fn), published=release, dataset_dir=tmp_path, **sizes)
    inputs = [x for data in parts(drawn) for x in data.inputs]

    assert [sum(data.labels) for data in parts(drawn)] == [20, 30, 200]
    assert {len(x) for x in inputs} == {length}
    assert [y for data in parts(drawn) for y in data.labels] == [
        slow_rules[fn](x, length) for x in inputs
    ]
    if (release, fn) not in (("pv", "fn_g"), ("pv", "fn_d")):
        assert len(set(inputs)) == 500
        assert drawn.disjoint
        assert drawn.warnings == ()


@pytest.mark.parametrize("length", [30, 50])
def test_the_papers_palindromes_have_random_negatives(tmp_path, length):
    task = get("fn_g")
    erm, pv = (
        DataSpec(function="fn_g", length=length, published=release).draw(
            RandomState(1), length, (400, 0)
        )[0]
        for release in ("erm", "pv")
    )
    pairs = [
        np.mean([sum(x[i] != x[-1 - i] for i in range(length // 2)) for x in inputs])
        for inputs in (erm, pv)
    ]

    assert abs(pairs[0] - length / 4) < 5 * sqrt(length / 8 / 400)
    assert pairs[1] == 1
    assert task.label(erm) == task.label(pv) == [0] * 400


@pytest.mark.parametrize("length", [36, 42, 48, 150, 300, 594])
def test_the_successors_graphs_have_as_many_vertices_as_edges(length):
    """If two vertices are left beside the triangles, they are joined; a single one is unused."""
    edges = length // 6
    spec = DataSpec(function="fn_aa", length=length, published="pv")
    negatives, positives = spec.draw(RandomState(0), length, (200, 200))

    assert {vertices(x) for x in negatives} == {edges}
    assert {vertices(x) for x in positives} == {edges - (edges % 3 == 1)}
    assert spec.task.label([*negatives, *positives]) == [0] * 200 + [1] * 200
    assert {triangles(x) >= edges // 3 for x in positives} == {True}
    assert {components(x) for x in negatives} == {1}


def edges_of(x):
    return {frozenset((x[i + 1 : i + 3], x[i + 4 : i + 6])) for i in range(0, len(x), 6)}


def vertices(x):
    return len(frozenset().union(*edges_of(x)))


def components(x):
    groups = []
    for edge in edges_of(x):
        joined = frozenset(edge).union(*(group for group in groups if group & edge))
        groups = [group for group in groups if not group & edge] + [joined]
    return len(groups)


def triangles(x):
    edges = edges_of(x)
    return (
        sum(a & b != frozenset() and (a ^ b) in edges for a, b in product(edges, edges) if a != b)
        // 6
    )


@pytest.mark.parametrize(
    ("fn", "release", "said"),
    [
        ("fn_v", "erm", "erm does not have fn_v; pv does, or .*None.*erm has fn_a"),
        ("fn_aa", "erm", "erm does not have fn_aa; pv does"),
    ],
)
def test_a_task_that_a_release_lacks_is_refused_and_says_which_has_it(tmp_path, fn, release, said):
    with pytest.raises(InputError, match=said) as caught:
        draw_all(get(fn), length=60, published=release, dataset_dir=tmp_path)
    assert caught.value.setting == "published"
    assert list(tmp_path.iterdir()) == []


def test_your_own_task_is_in_no_release(tmp_path):
    (tmp_path / "mine.py").write_text(
        "lengths = (8,)\ndef rule(x): return 1\ndef sample(rng, length): return 'a' * length\n"
    )
    spec = DataSpec(function="mine", length=8, task_file=tmp_path / "mine.py", published="pv")

    with pytest.raises(InputError, match="pv does not have mine; use this package's own data"):
        spec.check()


@pytest.mark.parametrize("value", [True, False, "", "ERM", "v2"])
def test_another_release_does_not_exist(value):
    with pytest.raises(InputError, match=r"published is .*; give 'erm', 'pv' or None"):
        DataSpec(function="fn_a", length=20, published=value)


def test_random_negatives_are_not_those_of_a_release(tmp_path):
    with pytest.raises(InputError, match="negatives is 'random'.*erm has its own"):
        draw_all(get("fn_g"), length=50, published="erm", negatives="random", dataset_dir=tmp_path)


def test_unique_inputs_that_do_not_exist_are_an_error(tmp_path):
    with pytest.raises(InputError, match="only 32 inputs of label 1 at length 10") as caught:
        draw_all(get("fn_g"), length=10, published="erm", dataset_dir=tmp_path)
    assert caught.value.setting == "allow_repeats"


@pytest.mark.parametrize("damage", [None, "no digests", "no meta.json"])
def test_wrong_labels_are_counted_again_and_kept_when_read(tmp_path, damage):
    sizes = {"length": 25, "train_size": 40, "val_size": 40, "test_size": 800, "seed": 5}
    arguments = {**sizes, "published": "pv", "dataset_dir": tmp_path}
    drawn = draw_all(get("fn_g"), **arguments)
    place = folder_of(get("fn_g"), **arguments)
    meta = json.loads((place / "meta.json").read_text())
    if damage == "no digests":
        del meta["files_sha256"]
        (place / "meta.json").write_text(json.dumps(meta))
    elif damage:
        (place / "meta.json").unlink()
    again = draw_all(get("fn_g"), **arguments)
    (said,) = (w for w in drawn.warnings if "the rule of fn_g" in w)

    assert meta["wrong_labels"] > 0
    assert said.startswith(f"{meta['wrong_labels']} of the 880 labels")
    assert said in again.warnings
    assert again.train == drawn.train
    assert again.test == drawn.test


@pytest.mark.parametrize(
    ("fn", "length", "release", "certified"),
    [
        ("fn_g", 20, "erm", False),
        ("fn_g", 25, "erm", True),
        ("fn_g", 25, "pv", False),
        ("fn_h", 20, "pv", False),
        ("fn_a", 20, "pv", True),
        ("fn_aa", 300, "pv", True),
    ],
)
def test_repeats_and_wrong_labels_get_no_certificate(tmp_path, fn, length, release, certified):
    spec = DataSpec(function=fn, length=length, published=release, test_size=1000)
    for _ in ("drawn", "read"):
        splits = load(spec, tmp_path)
        found = certify(splits, Verdict("ok", 1000, 0, 1000))
        assert (found is not None) == certified
