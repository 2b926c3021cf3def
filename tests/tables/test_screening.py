"""Columns that no rule should use, and columns that give the target away."""

import random

import pytest

ROWS = 40


@pytest.fixture
def screened(read):
    """Reads a column beside a useful one; returns the names that are left and what was said."""

    def made(cells, *, name="a", labels=None, **options):
        rng = random.Random(0)
        labels = labels or [rng.choice(["no", "yes"]) for _ in cells]
        rows = [
            f"{cell},{rng.randrange(6)},{label}" for cell, label in zip(cells, labels, strict=True)
        ]
        loaded = read("\n".join([f"{name},b,y", *rows]), **options)
        return [column.name for column in loaded.table.columns], " ".join(loaded.notices)

    return made


def shuffled(values):
    values = list(values)
    random.Random(1).shuffle(values)
    return values


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ([""] * ROWS, "every value is missing"),
        (["NA"] * ROWS, "every value is missing"),
        (["x"] * ROWS, "every value is the same"),
        (["3"] * ROWS, "every value is the same"),
        (range(ROWS), "the values only number the rows"),
        (shuffled(range(1001, 1001 + ROWS)), "the values only number the rows"),
        ([f"name {index}" for index in range(ROWS)], "nearly every row has a different text"),
        ([f"{index % 28 + 1}.{index % 12 + 1}.{1980 + index}" for index in range(ROWS)], "dates"),
    ],
)
def test_a_useless_column_is_set_aside_and_said(screened, cells, why):
    names, said = screened(cells)
    assert names == ["b"]
    assert "Column a: set aside, since " in said
    assert why in said


@pytest.mark.parametrize("name", ["id", "ID", "customer_id", "PassengerId", "User ID"])
def test_distinct_whole_numbers_called_id_are_set_aside(screened, name):
    cells = shuffled(range(100, 100 + 7 * ROWS, 7))
    assert screened(cells, name=name)[0] == ["b"]
    assert screened(cells, name="paid")[0] == ["paid", "b"]


@pytest.mark.parametrize(
    "cells",
    [
        shuffled(index * 1.37 for index in range(ROWS)),
        shuffled(range(0, 3 * ROWS, 3)),
        [*range(ROWS - 1), 0],
        ["x"] * (ROWS - 1) + [""],
        [f"name {index % 30}" for index in range(ROWS)],
    ],
    ids=["measured", "apart", "one twice", "one missing", "some repeated"],
)
def test_a_column_that_says_something_is_kept(screened, cells):
    names, said = screened(cells)
    assert names == ["a", "b"]
    assert "set aside" not in said


def test_a_named_column_is_kept_though_it_numbers_the_rows(screened):
    assert screened(range(ROWS), columns=["a"])[0] == ["a"]
    assert screened(["x"] * ROWS, columns=["a", "b"])[0] == ["b"]


def test_an_ignored_column_is_left_out(screened):
    assert screened(["p", "q"] * 20, ignore=["a"])[0] == ["b"]


def test_row_numbers_are_known_in_a_sample(read):
    rows = "\n".join(f"{index},{index % 6},{'no' if index % 5 else 'yes'}" for index in range(1000))
    loaded = read(f"a,b,y\n{rows}", max_rows=50)
    assert [column.name for column in loaded.table.columns] == ["b"]


def test_nothing_left_to_learn_from_is_refused_with_why(refusal):
    message = refusal("a,y\n1,no\n1,yes\n")
    assert "No column of" in message
    assert "is left to learn from besides 'y'; add columns, or leave fewer out. " in message
    assert message.endswith("Column a: set aside, since every value is the same.")


@pytest.mark.parametrize(
    ("of", "said"),
    [
        ({"no": "stays", "yes": "leaves"}, "gives the target away in every row (leaves means yes"),
        ({"no": "0", "yes": "1"}, "gives the target away in every row (0 means no, 1 means yes)"),
        ({"no": "no", "yes": "yes"}, "gives the target away in every row"),
        ({"no": "", "yes": "1"}, "gives the target away in every row"),
    ],
)
def test_a_column_that_is_the_target_in_disguise_is_said(screened, of, said):
    labels = [["no", "yes"][index * index % 7 % 2] for index in range(ROWS)]
    cells = [of[label] for label in labels]
    names, heard = screened(cells, labels=labels)
    assert names == ["a", "b"]
    assert f"Column a {said}" in heard
    assert "Column a" not in screened(cells[:9], labels=labels[:9])[1]
    cells[0] = of["no" if labels[0] == "yes" else "yes"]
    assert "Column a" not in screened(cells, labels=labels)[1]


def test_a_column_that_is_present_in_one_class_only_is_said(screened):
    labels = [["no", "yes"][index * index % 7 % 2] for index in range(ROWS)]
    cells = [index * 1.7 if label == "yes" else "" for index, label in enumerate(labels)]
    said = screened(cells, labels=labels)[1]
    assert "Column a is missing exactly where the target is no" in said
    cells[labels.index("yes")] = ""
    assert "exactly where" not in screened(cells, labels=labels)[1]
