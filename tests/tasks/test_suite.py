"""Every task of the suite draws the data that it promises."""

from collections import Counter

import pytest
from numpy.random import RandomState

from drawn import draw_all
from llm_erm.errors import InputError
from llm_erm.tasks.files import DATA_FILES
from llm_erm.tasks.spec import DataGrid, DataSpec
from llm_erm.tasks.suite import SUITE, get
from llm_erm.tasks.task import MAX_LENGTH

ODD = {"fn_h": 24, "fn_aa": 77}  # tasks that do not exist at length 25
SHORT = {"fn_aa": 36}
LONG = {"fn_i": 30, "fn_k": 30, "fn_v": 30, "fn_aa": 300}


def draw(fn, length, folder, **options):
    arguments = {
        "length": length,
        "train_size": 40,
        "val_size": 60,
        "test_size": 400,
        "seed": 3,
        "dataset_dir": folder,
    }
    return draw_all(get(fn), **(arguments | options))


def test_the_published_suite_comes_first():
    letters = [f"fn_{letter}" for letter in "abcdefghijkl"]

    assert list(SUITE) == [*letters, "fn_v", "fn_aa"]
    assert all(task.id == fn for fn, task in SUITE.items())
    assert len({task.name for task in SUITE.values()}) == len(SUITE)


def test_an_unknown_function_lists_the_known_ones():
    with pytest.raises(InputError, match=r"fn_z.*fn_a fn_b.*fn_aa"):
        get("fn_z")


def test_a_task_by_its_name_is_the_task_by_its_id():
    assert get("parity_all") is get("fn_a")
    named = DataSpec(function="parity_all", length=12)
    assert named == DataSpec(function="fn_a", length=12)  # the same seed and the same files
    assert DataGrid(functions=("parity_all", "fn_a"), lengths=(12,)).specs() == [named]


@pytest.mark.parametrize("fn", SUITE)
def test_default_lengths_are_possible(fn):
    task = SUITE[fn]

    assert [task.why_not(length) for length in task.lengths] == [None] * len(task.lengths)


@pytest.mark.parametrize("fn", SUITE)
@pytest.mark.parametrize("which", ["short", "odd", "long"])
def test_splits_are_balanced_disjoint_shuffled_and_correctly_labelled(
    slow_rules, tmp_path, fn, which
):
    lengths = {"short": SHORT.get(fn, 20), "odd": ODD.get(fn, 25), "long": LONG.get(fn, 100)}
    length = lengths[which]
    drawn = draw(fn, length, tmp_path)
    parts = (drawn.train, drawn.validation, drawn.test)
    inputs = [x for part in parts for x in part.inputs]

    assert [len(part) for part in parts] == [40, 60, 400]
    assert [sum(part.labels) for part in parts] == [20, 30, 200]
    assert len(set(inputs)) == 500
    assert drawn.disjoint
    assert all("draws repeated an input" in warning for warning in drawn.warnings)
    assert not drawn.warnings or fn == "fn_h"  # whose words are not equally likely
    assert {len(x) for x in inputs} == {length // 6 * 6 if fn == "fn_aa" else length}
    for part in parts:
        assert list(part.labels) == [slow_rules[fn](x, length) for x in part.inputs]
        # Sorted by class, the label would change once; in random order it changes half the time.
        changes = sum(a != b for a, b in zip(part.labels, part.labels[1:], strict=False))
        assert 0.2 < changes / len(part) < 0.8


@pytest.mark.parametrize("fn", SUITE)
def test_evaluation_sets_are_balanced_and_correctly_labelled(slow_rules, tmp_path, fn):
    length = {"fn_aa": 60}.get(fn, 20)
    drawn = draw(fn, length, tmp_path)

    shift = drawn.length_generalization
    assert len(shift) == 1000
    assert list(shift.labels) == [slow_rules[fn](x, length) for x in shift.inputs]
    assert length not in {len(x) for x in shift.inputs}
    counts = Counter(zip(map(len, shift.inputs), shift.labels, strict=True))
    assert all(counts[n, 0] == counts[n, 1] for n, _ in counts)
    assert len(set(shift.inputs)) == len(shift)
    if fn in ("fn_a", "fn_b", "fn_e", "fn_f", "fn_j", "fn_l"):
        assert drawn.contrast is None
        return
    assert len(drawn.contrast) == len(set(drawn.contrast.inputs)) == 1000
    assert sum(drawn.contrast.labels) == 500
    assert list(drawn.contrast.labels) == [slow_rules[fn](x, length) for x in drawn.contrast.inputs]


@pytest.mark.parametrize("fn", ["fn_e", "fn_f"])
def test_fixed_positions_stay_those_of_the_training_length(tmp_path, fn):
    drawn = draw(fn, 20, tmp_path)

    assert {len(x) for x in drawn.length_generalization.inputs} == {30, 40}


@pytest.mark.parametrize(
    ("fn", "length", "reason"),
    [
        ("fn_h", 22, "multiple of 4"),
        ("fn_c", 7, "at least 8"),
        ("fn_f", 9, "at least 10"),
        ("fn_i", 3, "at least 4"),
        ("fn_aa", 35, "at least 36"),
        ("fn_aa", 600, "at most 599"),
        ("fn_a", 0, "at least 1"),
        ("fn_g", -4, "at least 2"),
    ],
)
def test_an_impossible_length_says_why(tmp_path, fn, length, reason):
    assert reason in get(fn).why_not(length)
    with pytest.raises(InputError, match=f"{fn} does not exist at length {length}.*{reason}"):
        draw(fn, length, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fn", SUITE)
@pytest.mark.parametrize("length", [120_000, 10**8, 10**20])
def test_a_length_that_does_not_fit_in_memory_is_refused_before_drawing(tmp_path, fn, length):
    with pytest.raises(InputError, match=f"{fn} does not exist at length {length}: .* at most"):
        draw(fn, length, tmp_path, train_size=4, val_size=4, test_size=4)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fn", SUITE)
def test_length_shift_stays_within_the_lengths_of_the_task(fn):
    task = SUITE[fn]
    longest = max(n for n in (*task.lengths, 599, 1000, 4300, MAX_LENGTH) if not task.why_not(n))

    assert [n for n in task.shift(longest) if task.why_not(n)] == []


def test_composites_are_products_with_the_stated_last_digits(tmp_path):
    last = {}
    for fn, offset in (("fn_i", 0), ("fn_k", 0), ("fn_v", 47)):
        test = draw(fn, 20, tmp_path).test
        examples = zip(test.inputs, test.labels, strict=True)
        last[fn] = {(int(x) - offset) % 10 for x, y in examples if y == 0}

    assert last["fn_i"] == set(range(10))
    assert last["fn_k"] == last["fn_v"] == {1, 3, 7, 9}


def test_near_misses_differ_from_a_palindrome_in_one_pair(tmp_path):
    for length in (20, 25):
        test = draw("fn_g", length, tmp_path).test
        for x, y in zip(test.inputs, test.labels, strict=True):
            pairs = sum(x[i] != x[-1 - i] for i in range(length // 2))
            assert pairs == 1 - y


def test_random_negatives_differ_in_about_half_of_the_pairs_and_have_their_own_folder(tmp_path):
    near = draw("fn_g", 20, tmp_path)
    drawn = draw("fn_g", 20, tmp_path, negatives="random")
    negatives = [x for x, y in zip(drawn.test.inputs, drawn.test.labels, strict=True) if not y]
    pairs = [sum(x[i] != x[-1 - i] for i in range(10)) for x in negatives]

    assert 4.5 < sum(pairs) / len(pairs) < 5.5
    assert near.test != drawn.test
    assert {path.name for path in tmp_path.iterdir()} == {
        "palindrome",
        "palindrome+random-negatives",
    }


def test_tasks_without_a_choice_of_negatives_keep_one_folder(tmp_path):
    assert draw("fn_a", 20, tmp_path) == draw("fn_a", 20, tmp_path, negatives="random")
    assert [path.name for path in tmp_path.iterdir()] == ["parity_all"]


def test_dyck2_negatives_are_one_to_five_flips_from_a_word():
    task = get("fn_h")
    words = set(task.draw(RandomState(0), 8, (1, 2000))[1])
    negatives = set(task.draw(RandomState(0), 8, (4000, 1))[0])
    distance = {
        x: min(sum(a != b for a, b in zip(x, word, strict=True)) for word in words)
        for x in negatives
    }

    assert len(words) == 8  # Catalan(2) · 2²: all of them
    assert set(distance.values()) <= {1, 2, 3, 4, 5}
    assert len(negatives) > 200  # of 248: flips are not confined to a few positions


def test_graphs_are_simple_and_differ_in_components(tmp_path):
    test = draw("fn_aa", 300, tmp_path).test
    for x in test.inputs:
        edges = [frozenset((x[i + 1 : i + 3], x[i + 4 : i + 6])) for i in range(0, 300, 6)]
        assert len(set(edges)) == 50
        assert all(len(edge) == 2 and "00" not in edge for edge in edges)


def test_files_hold_what_is_returned(tmp_path):
    drawn = draw("fn_d", 30, tmp_path)
    (place,) = (tmp_path / "patternmatch2" / "L30").iterdir()

    for name, part in zip(DATA_FILES, (drawn.train, drawn.validation, drawn.test), strict=True):
        pairs = zip(part.inputs, part.labels, strict=True)
        assert (place / name).read_text() == "".join(f"{x} -> {y}\n" for x, y in pairs)
