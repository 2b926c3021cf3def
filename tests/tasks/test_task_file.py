"""A user's own task comes from one file, and errors say what is wrong with the file."""

import sys
from pathlib import Path

import pytest

from drawn import draw_all, folder_of
from llm_erm.errors import InputError
from llm_erm.tasks.task_file import load_task_file

EXAMPLE = Path(__file__).parents[2] / "examples" / "my_task.py"
GOOD = """
lengths = (10, 12)

def rule(x):
    return x.count("1") % 3 == 0

def sample(rng, length):
    return "".join(map(str, rng.randint(0, 2, length)))

uniform = True
"""


@pytest.fixture
def own(tmp_path):
    """Loads a task from source text."""

    def load(source, name="thirds"):
        path = tmp_path / f"{name}.py"
        path.write_text(source)
        return load_task_file(path)

    return load


def test_a_file_becomes_a_task(own, sizes):
    task = own(GOOD + "\nkind = 'binary'\ndescription = 'ones come in threes'\n")
    drawn = draw_all(task, **(sizes | {"length": 12}))

    assert (task.id, task.name, task.kind, task.lengths) == ("thirds", "thirds", "binary", (10, 12))
    assert task.computes == "ones come in threes"
    assert drawn.disjoint
    assert sum(drawn.test.labels) == 50
    for part in (drawn.train, drawn.validation, drawn.test, drawn.length_generalization):
        assert list(part.labels) == [x.count("1") % 3 == 0 for x in part.inputs]
    assert {len(x) for x in drawn.length_generalization.inputs} == {10}
    assert drawn.contrast is None
    assert draw_all(task, **(sizes | {"length": 12})) == drawn


def test_the_example_is_a_task(sizes):
    task = load_task_file(EXAMPLE)
    drawn = draw_all(task, **sizes)

    assert task.id == "majority_a"
    assert list(drawn.test.labels) == [2 * x.count("a") > len(x) for x in drawn.test.inputs]


def test_the_example_imports_nothing():
    code = [line for line in EXAMPLE.read_text().splitlines() if "import" in line.split()]

    assert code == []


def test_loading_the_file_again_gives_the_same_data(own, sizes, tmp_path):
    one = draw_all(own(GOOD), **(sizes | {"length": 12}))
    two = draw_all(own(GOOD), **(sizes | {"length": 12, "dataset_dir": tmp_path / "two"}))

    assert one.train == two.train
    assert one.length_generalization == two.length_generalization


def test_stored_data_are_refused_after_the_rule_has_changed(own, sizes):
    request = sizes | {"length": 12}
    draw_all(own(GOOD), **request)
    changed = own(GOOD.replace("== 0", "== 1"))

    with pytest.raises(InputError, match=r"The rule in .*thirds.py now contradicts") as caught:
        draw_all(changed, **request)
    assert caught.value.setting == "fresh_data"
    assert draw_all(changed, **request, fresh=True).warnings == ()


def test_stored_data_come_with_a_warning_after_the_sampler_has_changed(own, sizes):
    request = sizes | {"length": 12}
    stored = draw_all(own(GOOD), **request)
    assert draw_all(own(GOOD), **request).warnings == stored.warnings == ()
    changed = own(GOOD.replace("randint(0, 2", "randint(0, 9"))

    again = draw_all(changed, **request)
    assert again.train == stored.train
    (warning,) = again.warnings
    assert "thirds.py has changed since the data in" in warning
    assert "draw fresh data (--fresh-data)" in warning
    assert draw_all(changed, **request, fresh=True).train != stored.train
    assert draw_all(changed, **request).warnings == ()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("lengths = (", "line 1: the file fails with SyntaxError"),
        ("\n\n1 / 0", "line 3: the file fails with ZeroDivisionError"),
        ("import nothing_like_it", "ModuleNotFoundError"),
        ("raise SystemExit", "SystemExit"),
        ("\nopen('/none/at/all')", "line 2: the file fails with FileNotFoundError"),
        (GOOD.replace("def rule", "def law"), "does not define the function rule"),
        (GOOD.replace("def sample", "def draw"), "does not define the function sample"),
        (GOOD.replace("(10, 12)", "()"), "lengths is"),
        (GOOD.replace("(10, 12)", "(10, 0)"), "lengths is"),
        (GOOD.replace("(10, 12)", "10"), "lengths is 10"),
        (GOOD.replace("(10, 12)", "(10, 10**20)"), f"lengths is (10, {10**20})"),
        ("import nothing_like_it", "may import installed packages, but not the files next to it"),
        (GOOD.replace("lengths =", "sizes ="), "lengths is None"),
        (GOOD + "name = '../x'", "cannot name a folder"),
        (GOOD + "name = 'palindrome'", "the suite already has a task 'palindrome'"),
        (GOOD + "name = 'fn_a'", "the suite already has a task 'fn_a'"),
        (GOOD + "kind = 'bits'", "choose one of binary, decimal, text"),
    ],
)
def test_the_error_for_a_bad_file_names_it_and_its_fault(own, source, message):
    with pytest.raises(InputError, match=r"thirds\.py") as caught:
        own(source)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('x.count("1") % 3 == 0', "x.count(1)", "line 5: rule("),
        ('x.count("1") % 3 == 0', "2", "returns 2; it must return 0 or 1"),
        ('x.count("1") % 3 == 0', "None", "returns None"),
        ('x.count("1") % 3 == 0', "x == '0' * 12", "of the 70 needed; define sample(rng, length,"),
        ('"".join(map(str, rng.randint(0, 2, length)))', "7", "returns 7; a text input"),
        ('"".join(map(str, rng.randint(0, 2, length)))', "'a\\nb'", "returns 'a\\nb'"),
        (
            '"".join(map(str, rng.randint(0, 2, length)))',
            "'\\ud800'",
            "a text input is a line of text",
        ),
        ('"".join(map(str, rng.randint(0, 2, length)))', "rng.bits()", "AttributeError"),
    ],
)
def test_functions_that_misbehave_are_named(own, sizes, old, new, message):
    task = own(GOOD.replace(old, new))

    with pytest.raises(InputError, match=r"thirds\.py") as caught:
        draw_all(task, **(sizes | {"length": 12}))
    assert message in str(caught.value)


def test_inputs_must_be_of_the_stated_kind(own, sizes):
    task = own(GOOD.replace("length)))", "length + 1)))") + "\nkind = 'binary'\n")

    with pytest.raises(InputError, match="a binary input is a string of .* binary digits"):
        draw_all(task, **(sizes | {"length": 12}))


def test_a_sampler_may_take_the_wanted_label(own, sizes):
    source = GOOD.replace("(rng, length)", "(rng, length, label)").replace(
        'return "".join', 'return "0" * length if label and rng.rand() < 0.01 else "".join'
    )
    drawn = draw_all(own(source), **(sizes | {"length": 12}))

    assert drawn.disjoint


def test_scarce_inputs_fill_the_test_split_without_training_inputs(own, sizes):
    drawn = draw_all(own(GOOD), **(sizes | {"length": 8}))  # about 85 of 256 are positive

    assert drawn.disjoint
    request = sizes | {"length": 6}
    with pytest.raises(InputError, match="few inputs of label 1 .found 22; there may be more"):
        draw_all(own(GOOD), **request)


def test_the_data_folder_is_named_after_the_task(own, sizes):
    task = own(GOOD)

    assert folder_of(task, **sizes).parts[-3:-1] == ("thirds", "L20")


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"Cannot read the task file .*none\.py"):
        load_task_file(tmp_path / "none.py")


def test_importing_a_neighbouring_file_is_explained(own, tmp_path):
    (tmp_path / "neighbour_of_thirds.py").write_text("")
    task = own(GOOD.replace("return x.count", "import neighbour_of_thirds\n    return x.count"))

    with pytest.raises(InputError, match=r"line 5: rule.*not the files next to it"):
        task.label(["1"])


@pytest.mark.parametrize("source", ["1 / 0", "open('/none')", None])
def test_a_file_that_fails_leaves_no_module_behind(own, tmp_path, source):
    before = set(sys.modules)

    with pytest.raises(InputError):
        own(source, "failing") if source else load_task_file(tmp_path / "none.py")
    assert set(sys.modules) == before


def test_a_task_file_may_use_dataclasses_and_postponed_annotations(tmp_path):
    path = tmp_path / "modern.py"
    path.write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n\n"
        "@dataclass\nclass Rule:\n    at: int\n\nlengths = (8,)\n\n"
        "def rule(x):\n    return int(x[Rule(0).at])\n\n"
        "def sample(rng, length):\n    return ''.join(rng.choice(['0', '1'], size=length))\n"
    )
    assert load_task_file(path).label(["10000000", "01111111"]) == [1, 0]


def test_a_rule_that_gives_one_label_only_is_found_out_at_once(own, sizes):
    task = own(GOOD.replace('x.count("1") % 3 == 0', "1"))
    with pytest.raises(InputError, match="20,000 calls of sample .* 0 inputs of label 0 of the"):
        draw_all(task, **(sizes | {"length": 12, "test_size": 10_000}))


def test_a_syntax_error_is_placed_once(own):
    with pytest.raises(InputError) as raised:
        own("def rule(x)\n    return 1\n")
    assert str(raised.value).count("line 1") == 1


def test_bits_say_how_long_the_rule_is(own):
    assert own(GOOD).bits is None
    assert own(GOOD + "bits = 24\n", "whole").bits == 24.0
    assert own(GOOD + "bits = 24.5\n", "half").bits == 24.5


@pytest.mark.parametrize("bits", ["0", "-1", "True", "'24'", "float('nan')", "float('inf')"])
def test_bits_that_are_no_length_are_refused(own, bits):
    with pytest.raises(InputError, match="it must be a number above 0, such as 24"):
        own(GOOD + f"bits = {bits}\n")
