"""The learner: budget, limits, noise, classes and tables; and no test data in the choice."""

import math
from dataclasses import replace

import numpy as np
import pytest

from llm_erm.enumeration.learn import Watch, learn
from llm_erm.enumeration.settings import Settings
from llm_erm.errors import InputError
from llm_erm.sandbox import Sandbox
from llm_erm.tasks.splits import load_or_make
from llm_erm.tasks.suite import SUITE
from llm_erm.tasks.task import Dataset, Splits

# The limit on memory is the whole process's, and this one holds the libraries of all other tests.
DEFAULT = Settings(max_memory_bytes=8 * 2**30)
QUICK = replace(DEFAULT, attempts=16, max_seconds=60, max_bits=14)


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as opened:
        yield opened


def draw(count, length, seed=0, alphabet="01"):
    rng = np.random.RandomState(seed)
    rows = rng.randint(len(alphabet), size=(count, length))
    return list(dict.fromkeys("".join(alphabet[i] for i in row) for row in rows))


def splits_of(inputs, rule, sizes=(60, 60), noise=0.0, kind="binary") -> Splits:
    flip = np.random.RandomState(1).random_sample(len(inputs)) < noise
    labels = [
        int(rule(x)) ^ int(f) if noise else int(rule(x)) for x, f in zip(inputs, flip, strict=True)
    ]
    ends = (sizes[0], sizes[0] + sizes[1], len(inputs))
    parts = [
        Dataset(tuple(inputs[a:b]), tuple(labels[a:b]))
        for a, b in zip((0, *ends[:2]), ends, strict=True)
    ]
    length = len(inputs[0])
    return Splits("own", "own", kind, length, 0, *parts)


def suite(task, length, folder, seed=1):
    return load_or_make(
        SUITE[task],
        length=length,
        train_size=100,
        validation_size=100,
        test_size=1000,
        seed=seed,
        dataset_dir=folder,
    )


@pytest.mark.parametrize(
    ("task", "expression"),
    [
        ("fn_a", "x.count('1') % 2"),
        ("fn_b", "x[:len(x) // 2].count('1') % 2"),
        ("fn_g", "x == x[::-1]"),
        ("fn_c", "'10101010' in x"),
        ("fn_i", "isprime(int(x))"),
    ],
)
def test_one_default_command_learns_tasks_of_the_suite(task, expression, sandbox, tmp_path):
    run = learn(suite(task, 20, tmp_path), sandbox, DEFAULT)
    assert expression in run.selected.candidate.source
    assert run.test.perfect
    assert run.probe is None or run.probe.perfect
    assert run.length_shift.perfect
    assert (run.method, run.model) == ("enumeration", "length-first")
    assert run.details["candidates_to_first_exact"] <= run.details["considered"]
    assert 0 < run.details["seconds_to_first_exact"] <= run.seconds
    assert run.details["stopped_by"] == "found"
    assert run.certificate.validation.choices == DEFAULT.attempts


def test_ten_fixed_positions_are_learned_by_elimination(sandbox, tmp_path):
    run = learn(suite("fn_f", 100, tmp_path), sandbox, replace(DEFAULT, more_cpu_seconds=0.1))
    assert run.test.perfect
    assert run.details["found_by"] == "elimination"


def test_programs_tied_on_all_data_are_listed(sandbox, tmp_path):
    """On even near-palindromes the parity of the ones is right too."""
    run = learn(suite("fn_g", 20, tmp_path), sandbox, DEFAULT)
    assert any("count('1') % 2" in other["program"] for other in run.details["tied"])


def test_nothing_is_claimed_where_nothing_short_is_right(sandbox, tmp_path):
    run = learn(suite("fn_l", 20, tmp_path), sandbox, replace(DEFAULT, max_bits=20))
    assert not run.selected.validation.perfect
    assert run.details["seconds_to_first_exact"] is None
    assert run.details["stopped_by"] == "bits"
    assert len(run.attempts) == DEFAULT.attempts
    errors = [attempt.train.errors for attempt in run.attempts]
    assert errors[3:] == sorted(errors[3:])  # after what elimination proposed


@pytest.mark.parametrize("attempts", [1, 5])
def test_the_budget_is_never_passed(attempts, sandbox):
    data = splits_of(draw(200, 12), lambda x: int(x, 2) ** 3 % 7919 % 5 < 2)
    run = learn(data, sandbox, replace(QUICK, attempts=attempts))
    assert len(run.attempts) == attempts
    assert run.certificate.validation.choices == attempts


def test_with_few_examples_much_fits_and_validation_still_decides(sandbox):
    data = splits_of(draw(300, 12), lambda x: x.count("1") % 2, sizes=(8, 100))
    run = learn(data, sandbox, replace(QUICK, attempts=64, max_bits=24))
    assert sum(attempt.train.perfect for attempt in run.attempts) > 3
    assert run.test.perfect


def test_a_tenth_of_wrong_labels_does_not_hide_the_rule(sandbox):
    data = splits_of(draw(400, 14), lambda x: "101" in x, sizes=(150, 100), noise=0.1)
    run = learn(data, sandbox, QUICK)
    assert "'101' in x" in run.selected.candidate.source
    assert not run.selected.train.perfect


def test_the_choice_ignores_test_labels(sandbox, tmp_path):
    data = suite("fn_a", 20, tmp_path)
    turned = replace(data, test=Dataset(data.test.inputs, data.test.labels[::-1]))
    one, other = (learn(each, sandbox, QUICK) for each in (data, turned))
    assert one.selected.candidate.source == other.selected.candidate.source
    assert one.test != other.test


def test_the_candidates_do_not_depend_on_validation_data(sandbox):
    """Else the bound at the budget K would not hold."""
    inputs = draw(300, 12)
    data = splits_of(inputs, lambda x: int(x, 2) ** 3 % 7919 % 5 < 2)
    other = replace(data, validation=data.test, test=data.validation)
    runs = [learn(each, sandbox, QUICK) for each in (data, other)]
    sources = [[a.candidate.source for a in run.attempts] for run in runs]
    assert sources[0] == sources[1]


def test_three_classes_become_a_decision_list(sandbox):
    def rule(x):
        return 2 if "111" in x else int(x[0] == "1")

    run = learn(splits_of(draw(300, 10), rule, sizes=(100, 80)), sandbox, QUICK)
    assert run.selected.candidate.source.count("return") == 3
    assert run.test.perfect


def test_rows_of_a_table_are_told_apart_by_their_columns(sandbox):
    rng = np.random.RandomState(0)
    rows = [
        {
            "age": None if rng.random_sample() < 0.1 else int(rng.randint(100)),
            "height": float(rng.random_sample()),
            "colour": str(rng.choice(["red", "green", "blue"])),
        }
        for _ in range(400)
    ]

    def rule(row):
        return row["colour"] == "red" and row["age"] is not None and row["age"] > 40

    run = learn(
        splits_of(rows, rule, sizes=(150, 100), kind="table"), sandbox, replace(QUICK, max_bits=26)
    )
    source = run.selected.candidate.source
    assert "x['colour'] == 'red'" in source
    assert "x['age'] > 4" in source or "x['age'] > 3" in source
    assert run.test.accuracy > 0.95


def test_missing_values_are_a_piece_of_their_own(sandbox):
    rows = [{"a": None if i % 3 == 0 else i, "b": i % 7} for i in range(120)]
    run = learn(splits_of(rows, lambda r: r["a"] is None, (40, 40), kind="table"), sandbox, QUICK)
    assert "x['a'] is None" in run.selected.candidate.source
    assert run.test.perfect


ODD_NAMES = [
    *("it's", 'a "quote"', "back\\slash", "new\nline", "nul\0", "{0}{p!r}", "isprime(", ""),
    "'] or __import__('builtins').print('ran') or x['",
]


@pytest.mark.parametrize("order", ["length-first", "uniform"])
@pytest.mark.parametrize("name", ODD_NAMES)
def test_names_and_values_of_a_table_are_never_more_than_strings(name, order, sandbox, capfd):
    """Drawn programs run in this process: what columns are called must not become code."""
    rng = np.random.RandomState(0)
    rows = [
        {name: str(rng.choice([name, name + "'"])), "n": int(rng.randint(9))} for _ in range(80)
    ]
    data = splits_of(rows, lambda row: row[name] == name, (30, 30), kind="table")
    run = learn(data, sandbox, replace(QUICK, order=order))
    assert run.test.perfect
    assert run.probe is None
    assert "ran" not in capfd.readouterr().out


@pytest.mark.parametrize("order", ["length-first", "uniform"])
def test_numbers_without_a_literal_are_no_thresholds(order, sandbox):
    values = [1.5, math.nan, math.inf, -math.inf, None, 7, -3, 10**400]
    rng = np.random.RandomState(0)
    rows = [{"a": values[rng.randint(8)], "b": ["u", math.inf][rng.randint(2)]} for _ in range(200)]
    data = splits_of(rows, lambda row: row["a"] is not None and row["a"] > 2, kind="table")
    run = learn(data, sandbox, replace(QUICK, order=order))
    assert run.test.perfect
    assert all(attempt.validation.invalid == 0 for attempt in run.attempts)


def test_rows_with_different_columns_are_refused_and_the_first_is_named(sandbox):
    rows = [{"a": 1, "b": 2}, {"a": 1}] * 40
    data = splits_of(rows, lambda row: row["a"], (30, 30), kind="table")
    with pytest.raises(InputError, match=r"Row 2 .* lacks the columns \['b'\]"):
        learn(data, sandbox, QUICK)


def test_the_limit_on_bits_holds_for_elimination_too(sandbox, tmp_path):
    run = learn(suite("fn_a", 20, tmp_path), sandbox, replace(QUICK, max_bits=9))
    assert not run.selected.train.perfect
    assert run.details["bits"] <= 9


def test_growth_and_attempts_are_told_while_it_runs(sandbox, tmp_path):
    levels, attempts = [], []
    run = learn(suite("fn_a", 20, tmp_path), sandbox, QUICK, Watch(levels.append, attempts.append))
    assert [level["bits"] for level in run.details["levels"]] == [level.bits for level in levels]
    assert attempts == list(run.attempts)


def test_programs_drawn_at_random_find_a_short_rule(sandbox, tmp_path):
    settings = replace(QUICK, order="uniform", max_programs=20_000)
    run = learn(suite("fn_a", 20, tmp_path), sandbox, settings)
    assert run.model == "uniform"
    assert run.test.perfect
    again = learn(suite("fn_a", 20, tmp_path), sandbox, settings)
    assert again.details["candidates_to_first_exact"] == run.details["candidates_to_first_exact"]
