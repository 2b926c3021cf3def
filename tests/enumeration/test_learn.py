"""The learner: budget, limits, noise, classes and tables, and no test data in the selection."""

import math
from dataclasses import replace

import numpy as np
import pytest

from llm_erm.enumeration.evaluation import OwnPrograms
from llm_erm.enumeration.events import LevelDone
from llm_erm.enumeration.language import LIST_BITS, SIGN_BITS
from llm_erm.enumeration.learn import learn
from llm_erm.enumeration.settings import EnumerationSettings
from llm_erm.errors import InputError
from llm_erm.records import Attempt, Candidate, Result
from llm_erm.runs.events import Attempted
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.splits import load
from llm_erm.tasks.task import DataKey, Dataset, HeldOut, Splits

# The limit on memory is the whole process's, and this one holds the libraries of all other tests.
DEFAULT = EnumerationSettings(max_memory_bytes=8 * 2**30)
QUICK = replace(DEFAULT, attempts=16, max_seconds=60, max_bits=14)


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
    train, validation, test = parts
    key = DataKey("own", len(inputs[0]), 0)
    return Splits(key, kind, train, validation, lambda: HeldOut(test), independent=True)


def suite(task, length, folder, seed=1) -> Splits:
    spec = DataSpec(function=task, length=length, test_size=1000, seed=seed)
    return load(spec, folder)


def watched(splits, settings, **keywords) -> tuple[Result, list[Attempt], list[LevelDone]]:
    """What a search returns, and the attempts and levels that it tells of."""
    told = []
    result = learn(splits, settings, observe=told.append, **keywords)
    attempts = [event.attempt for event in told if isinstance(event, Attempted)]
    return result, attempts, [event for event in told if isinstance(event, LevelDone)]


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
def test_one_default_command_learns_tasks_of_the_suite(task, expression, tmp_path):
    run = learn(suite(task, 20, tmp_path), DEFAULT)
    assert expression in run.program
    assert run.test.perfect
    assert run.contrast is None or run.contrast.perfect
    assert run.length_generalization.perfect
    assert (run.method, run.model) == ("enumeration", "length-first")
    assert run.candidates_to_selected <= run.facts.considered
    assert 0 < run.seconds_to_selected <= run.seconds
    assert run.facts.stopped_by == "found"
    assert run.certificate.validation.choices == DEFAULT.attempts
    assert run.certificate.occam.examples == run.examples == 200


def test_ten_fixed_positions_are_learned_by_elimination(tmp_path):
    run = learn(suite("fn_f", 100, tmp_path), replace(DEFAULT, more_cpu_seconds=0.1))
    assert run.test.perfect
    assert run.facts.found_by == "elimination"


def test_programs_tied_on_all_data_are_listed(tmp_path):
    """On near-palindromes of even length, the parity of the ones is also correct."""
    run = learn(suite("fn_g", 20, tmp_path), DEFAULT)
    assert any("count('1') % 2" in other.program for other in run.facts.tied)


def test_no_exact_program_is_reported_if_none_is_short_enough(tmp_path):
    settings = replace(DEFAULT, max_bits=20)
    run, attempts, _ = watched(suite("fn_l", 20, tmp_path), settings)
    assert not run.validation.perfect
    assert run.candidates_to_selected is None
    assert run.seconds_to_selected is None
    assert run.facts.stopped_by == "bits"
    assert run.attempts == len(attempts) == DEFAULT.attempts


@pytest.mark.parametrize("attempts", [1, 5])
def test_the_budget_is_never_exceeded(attempts):
    data = splits_of(draw(200, 12), lambda x: int(x, 2) ** 3 % 7919 % 5 < 2)
    run, told, _ = watched(data, replace(QUICK, attempts=attempts))
    assert run.attempts == len(told) == attempts
    assert run.certificate.validation.choices == attempts


def test_with_few_examples_many_programs_fit_and_validation_decides():
    data = splits_of(draw(300, 12), lambda x: x.count("1") % 2, sizes=(8, 100))
    run, attempts, _ = watched(data, replace(QUICK, attempts=64, max_bits=24))
    assert sum(attempt.train.perfect for attempt in attempts) > 3
    assert run.test.perfect


def test_ten_percent_label_noise_does_not_hide_the_rule():
    data = splits_of(draw(400, 14), lambda x: "101" in x, sizes=(150, 100), noise=0.1)
    run = learn(data, QUICK)
    assert "'101' in x" in run.program
    assert not run.train.perfect


def test_selection_ignores_test_labels(tmp_path):
    data = suite("fn_a", 20, tmp_path)
    held_out = data.reveal()
    turned = replace(held_out, test=replace(held_out.test, labels=held_out.test.labels[::-1]))
    one, other = (learn(each, QUICK) for each in (data, replace(data, reveal=lambda: turned)))
    assert one.program == other.program
    assert one.test != other.test


def test_held_out_data_are_read_once_after_the_last_attempt(tmp_path):
    told = []
    data = suite("fn_a", 20, tmp_path)

    def reveal():
        told.append("revealed")
        return data.reveal()

    learn(replace(data, reveal=reveal), QUICK, observe=told.append)
    assert told.count("revealed") == 1
    assert told[-1] == "revealed"


def test_the_candidates_do_not_depend_on_validation_data():
    """Else the bound at the budget K would not hold."""
    inputs = draw(300, 12)
    data = splits_of(inputs, lambda x: int(x, 2) ** 3 % 7919 % 5 < 2)
    other = replace(data, validation=data.reveal().test)
    told = [watched(each, QUICK)[1] for each in (data, other)]
    sources = [[attempt.candidate.source for attempt in attempts] for attempts in told]
    assert sources[0] == sources[1]
    assert told[0] != told[1]


def test_three_classes_give_a_decision_list():
    def rule(x):
        return 2 if "111" in x else int(x[0] == "1")

    run = learn(splits_of(draw(300, 10), rule, sizes=(100, 80)), QUICK)
    assert run.program.count("return") == 3
    assert run.test.perfect
    begin, three_classes, one_of_three, one_of_two = LIST_BITS, 1, 2, 1
    pattern, first = 2 + 1 + 5 + 3 + SIGN_BITS, 4 + 4 + SIGN_BITS
    if "'111' in x" in run.program:
        pattern -= 2
    assert run.facts.bits == begin + three_classes + one_of_three + one_of_two + pattern + first
    assert run.certificate.occam is not None


ROWS = [{"a": i % 7, "b": i % 3} for i in range(130)]


@pytest.mark.parametrize(
    ("inputs", "rule", "kind"),
    [
        (draw(130, 8, alphabet="ab"), lambda x: x[0] == "a", "text"),
        (draw(130, 8), lambda x: x[0] == "1", "text"),
        ([x[: 6 + i % 3] for i, x in enumerate(draw(400, 8))], lambda x: x[0] == "1", "binary"),
        (ROWS, lambda row: row["b"] == 1, "table"),
    ],
    ids=["characters", "declared as text", "lengths", "values"],
)
def test_a_code_that_depends_on_the_examples_gives_no_occam_bound(inputs, rule, kind):
    """Which characters, lengths or values occur is known from the examples alone."""
    run = learn(splits_of(inputs, rule, (40, 40), kind=kind), replace(QUICK, attempts=4))
    assert run.train.perfect
    assert run.validation.perfect
    assert run.certificate.occam is None
    assert run.certificate.validation is not None


def test_table_rows_are_classified_by_their_columns():
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

    run = learn(splits_of(rows, rule, sizes=(150, 100), kind="table"), replace(QUICK, max_bits=26))
    source = run.program
    assert "x['colour'] == 'red'" in source
    assert "x['age'] > 4" in source or "x['age'] > 3" in source
    assert run.test.accuracy > 0.95


def test_programs_can_test_for_missing_values():
    rows = [{"a": None if i % 3 == 0 else i, "b": i % 7} for i in range(120)]
    run = learn(splits_of(rows, lambda r: r["a"] is None, (40, 40), kind="table"), QUICK)
    assert "x['a'] is None" in run.program
    assert run.test.perfect


ODD_NAMES = [
    "it's",
    'a "quote"',
    "back\\slash",
    "new\nline",
    "nul\0",
    "{0}{p!r}",
    "isprime(",
    "",
    "'] or __import__('builtins').print('ran') or x['",
]


@pytest.mark.parametrize("order", ["length-first", "uniform"])
@pytest.mark.parametrize("name", ODD_NAMES)
def test_names_and_values_of_a_table_are_only_strings(name, order, capfd):
    """Sampled programs run in this process, so column names must not become code."""
    rng = np.random.RandomState(0)
    rows = [
        {name: str(rng.choice([name, name + "'"])), "n": int(rng.randint(9))} for _ in range(80)
    ]
    data = splits_of(rows, lambda row: row[name] == name, (30, 30), kind="table")
    run = learn(data, replace(QUICK, order=order))
    assert run.test.perfect
    assert run.contrast is None
    assert "ran" not in capfd.readouterr().out


@pytest.mark.parametrize("order", ["length-first", "uniform"])
def test_numbers_without_a_literal_are_not_thresholds(order):
    values = [1.5, math.nan, math.inf, -math.inf, None, 7, -3, 10**400]
    rng = np.random.RandomState(0)
    rows = [{"a": values[rng.randint(8)], "b": ["u", math.inf][rng.randint(2)]} for _ in range(200)]
    data = splits_of(rows, lambda row: row["a"] is not None and row["a"] > 2, kind="table")
    run, attempts, _ = watched(data, replace(QUICK, order=order))
    assert run.test.perfect
    assert all(attempt.validation.invalid == 0 for attempt in attempts)


def test_rows_with_different_columns_are_refused_naming_the_first():
    rows = [{"a": 1, "b": 2}, {"a": 1}] * 40
    data = splits_of(rows, lambda row: row["a"], (30, 30), kind="table")
    with pytest.raises(InputError, match=r"Row 2 .* lacks the columns \['b'\]"):
        learn(data, QUICK)


def test_the_limit_on_bits_applies_to_elimination_too(tmp_path):
    run = learn(suite("fn_a", 20, tmp_path), replace(QUICK, max_bits=9))
    assert not run.train.perfect
    assert run.facts.bits <= 9


def test_levels_and_attempts_are_told_during_the_search(tmp_path):
    run, attempts, levels = watched(suite("fn_a", 20, tmp_path), QUICK)
    assert list(run.facts.levels) == [level.count for level in levels]
    assert sum(count.considered for count in run.facts.levels) > 10
    assert [attempt.index for attempt in attempts] == list(range(1, run.attempts + 1))
    selected = attempts[run.selected_attempt - 1]
    assert selected.candidate.source == run.program
    assert (selected.train, selected.validation) == (run.train, run.validation)


def test_a_search_that_starts_again_runs_and_counts_no_program_twice(tmp_path, monkeypatch):
    """The first half of an interrupted search's attempts is there, in a journal of its own."""
    data = suite("fn_l", 20, tmp_path)
    settings = replace(QUICK, max_programs=500)
    whole, attempts, _ = watched(data, settings)
    executed, execute = [], OwnPrograms.execute
    monkeypatch.setattr(
        OwnPrograms, "execute", lambda *given: executed.append(given) or execute(*given)
    )
    again, new, _ = watched(data, settings, attempts=attempts[:10])
    assert [attempt.candidate for attempt in new] == [a.candidate for a in attempts[10:]]
    held_out = [whole.test, whole.contrast, whole.length_generalization]
    again_to_confirm = 1
    held_out_runs = sum(verdict is not None for verdict in held_out)
    assert len(executed) == len(new) + again_to_confirm + held_out_runs
    assert (again.attempts, again.program) == (whole.attempts, whole.program)
    assert again.train == attempts[again.selected_attempt - 1].train


def test_attempts_that_a_search_does_not_propose_again_count_for_nothing(tmp_path):
    """Else an interrupted search that got further by the clock would pass the budget."""
    data = suite("fn_a", 20, tmp_path)
    whole, attempts, _ = watched(data, QUICK)
    foreign = replace(
        attempts[whole.selected_attempt - 1],
        index=1,
        candidate=Candidate("def f(x):\n    return 1\n"),
    )
    again, new, _ = watched(data, QUICK, attempts=[foreign])
    assert (again.program, again.attempts) == (whole.program, whole.attempts)
    assert [attempt.index for attempt in new] == [attempt.index for attempt in attempts]


def test_random_sampling_finds_a_short_rule(tmp_path):
    settings = replace(QUICK, order="uniform", max_programs=20_000)
    run = learn(suite("fn_a", 20, tmp_path), settings)
    assert run.model == "uniform"
    assert run.test.perfect
    assert (run.facts.kept, run.facts.levels, run.facts.found_by) == (None, (), "sampling")
    assert run.certificate.occam is None
    again = learn(suite("fn_a", 20, tmp_path), settings)
    assert again.candidates_to_selected == run.candidates_to_selected
