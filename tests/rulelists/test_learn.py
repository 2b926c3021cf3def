import numpy as np
import pytest
from scipy.stats import binom

pytest.importorskip("numba")

from llm_erm.errors import InputError
from llm_erm.rulelists.division import divide
from llm_erm.rulelists.evidence import Learned, Size
from llm_erm.rulelists.learn import best_size, learn
from llm_erm.rulelists.rule import RuleList
from llm_erm.rulelists.settings import ErrorCost, TableSettings
from llm_erm.rulelists.stored import read_rule, write_rule
from llm_erm.rulelists.words import proof
from llm_erm.serial import from_json, to_json
from llm_erm.tables.columns import Labelled
from llm_erm.tables.reading import load


def customers(rows: int, noise: float, seed: int) -> dict[str, np.ndarray]:
    """Customers who churn if the contract is monthly and young, or if they call often."""
    random = np.random.default_rng(seed)
    columns = {
        "contract": random.choice(["monthly", "yearly", "two years"], rows),
        "tenure": random.integers(1, 73, rows),
        "calls": random.integers(0, 9, rows),
        "age": random.integers(18, 81, rows),
    }
    churned = (columns["contract"] == "monthly") & (columns["tenure"] <= 20)
    churned |= columns["calls"] > 5
    churned ^= random.random(rows) < noise
    return columns | {"churned": np.where(churned, "yes", "no")}


def labelled(columns: dict[str, np.ndarray], **roles) -> Labelled:
    return load(columns, "churned", **roles)


def accuracy(learned: Learned, columns: dict[str, np.ndarray]) -> float:
    rows = labelled(columns)
    assert rows.schema == learned.schema
    return float((learned.rule.predict(rows.table) == rows.labels).mean())


def test_planted_rule_is_found_and_proved_best():
    learned = learn(labelled(customers(200, 0, seed=1)), TableSettings())
    assert learned.size.conditions == learned.rule.conditions == 3
    assert [size.proved for size in learned.sizes[:4]] == [True] * 4
    assert learned.sizes[3].cost == 0
    assert accuracy(learned, customers(5000, 0, seed=2)) > 0.98
    assert sum(count.rows for count in learned.lines) == learned.learned_rows == 200
    assert all(count.right == count.rows for count in learned.lines)


def test_rule_for_noisy_rows_stays_close_to_the_planted_one():
    learned = learn(labelled(customers(200, 0.1, seed=3)), TableSettings())
    assert learned.rule.conditions <= 4
    assert accuracy(learned, customers(5000, 0, seed=4)) > 0.93


def test_result_is_the_same_each_time_and_survives_storage():
    data = labelled(customers(120, 0.05, seed=5))
    settings = TableSettings(max_conditions=2)
    assert learn(data, settings) == learn(data, settings)
    assert from_json(Learned, to_json(learn(data, settings))) == learn(data, settings)
    short = learn(data, TableSettings(max_conditions=3, looks=1000))
    assert not short.ties_complete
    assert from_json(Learned, to_json(short)) == short


def test_rule_of_another_version_is_refused(tmp_path):
    path = tmp_path / "rule.json"
    write_rule(path, learn(labelled(customers(60, 0, seed=5)), TableSettings(max_conditions=0)))
    assert read_rule(path).rule.lines == ()
    path.write_text(path.read_text().replace('"version": 2', '"version": 1'))
    with pytest.raises(InputError, match="is of version 1; this program reads version 2"):
        read_rule(path)


def test_rows_checked_on_shape_none_of_the_rules_that_meet_them():
    data = labelled(customers(120, 0.05, seed=6))
    settings = TableSettings(max_conditions=2, keep_checked=True)
    learning = divide(data, settings).learning
    flipped = np.where(learning, data.labels, 1 - data.labels).astype(np.int32)
    other = Labelled(data.table, flipped, data.schema, (), data.row_numbers)
    found = [learn(one, settings) for one in (data, other)]
    rules = [[size.rule for size in one.sizes] for one in found]
    assert rules[0] == rules[1]
    assert found[0].rule == found[0].check.rule
    assert found[0].error_at_most == found[0].check.error_at_most
    again = learn(data, TableSettings(max_conditions=2))
    assert again.check.rule in rules[0]
    assert again.learned_rows == 120


def test_each_row_is_checked_on_once():
    data = labelled(customers(101, 0.05, seed=6))
    folds = divide(data, TableSettings()).folds
    assert [int((~fold).sum()) for fold in folds] == [33, 34, 34]
    assert (np.sum([~fold for fold in folds], axis=0) == 1).all()
    (rest,) = divide(data, TableSettings(checked=0.8)).folds[1:]
    assert int((~rest).sum()) == 101 - 81
    learned = learn(data, TableSettings(max_conditions=1))
    assert learned.cross_validated >= learned.size.checked_cost / 101


def test_estimate_counts_what_the_choice_of_the_size_hides():
    """Labels are coins, so that the best of many sizes is one by luck."""
    random = np.random.default_rng(13)
    settings = TableSettings(max_conditions=4, looks=10**5)
    estimates, counted = [], []
    for _ in range(20):
        columns = {name: random.random(48) for name in "abc"}
        data = load(columns | {"label": random.permutation(np.arange(48) % 2)}, "label")
        learned = learn(data, settings)
        estimates.append(learned.cross_validated)
        counted.append(learned.size.checked_cost / 48)
    assert np.mean(counted) + 0.02 < np.mean(estimates) < 0.55


def test_groups_and_times_are_not_mixed():
    day = np.arange(120.0)
    columns = customers(120, 0, seed=8) | {"patient": np.repeat(np.arange(30), 4), "day": day}
    with pytest.raises(InputError, match="not by both"):
        divide(labelled(columns, groups="patient", time="day"), TableSettings())


@pytest.mark.filterwarnings("error")
def test_numbers_far_apart_are_divided_between_them():
    low, high = -1e308, 1e308
    data = load({"x": [low, high] * 20, "label": ["no", "yes"] * 20}, "label")
    rule = learn(data, TableSettings(max_conditions=1)).rule
    (condition,) = rule.lines[0].conditions
    assert low < condition.value < high
    assert (rule.predict(data.table) == data.labels).all()


def test_thresholds_that_were_not_tried_limit_the_proof(monkeypatch):
    monkeypatch.setattr("llm_erm.rulelists.pool.MOST_CELLS", 1)
    random = np.random.default_rng(14)
    x = random.random(500)
    labels = np.where((x > 0.4) ^ (random.random(500) < 0.1), "yes", "no")
    learned = learn(load({"x": x, "label": labels}, "label"), TableSettings(max_conditions=1))
    assert learned.thresholds == 100
    assert "proved for 100 thresholds per column" in proof(learned)
    few = load({"x": x.round(1), "label": labels}, "label")
    assert learn(few, TableSettings(max_conditions=1)).thresholds is None


def test_dear_errors_are_avoided():
    columns = customers(200, 0.15, seed=7)
    settings = TableSettings(max_conditions=3, costs=(ErrorCost("yes", "no", 20),))
    missed = []
    for one in (settings, TableSettings(max_conditions=3)):
        data = labelled(columns)
        given = learn(data, one).rule.predict(data.table)
        missed.append(int(((data.labels == 1) & (given == 0)).sum()))
    assert missed[0] < missed[1]


def test_rows_of_a_group_are_on_one_side_and_bound_nothing():
    columns = customers(120, 0.05, seed=8) | {"patient": np.repeat(np.arange(30), 4)}
    data = labelled(columns, groups="patient")
    learning = divide(data, TableSettings()).learning
    assert 0 < learning.sum() < 120
    assert all(len(set(part)) == 1 for part in learning.reshape(30, 4))
    learned = learn(data, TableSettings(max_conditions=1))
    assert learned.error_at_most is None
    assert learned.check.error_at_most is None
    assert "group" in learned.no_bound


def test_latest_rows_are_checked_on_and_bound_nothing():
    day = np.random.default_rng(9).permutation(120).astype(float)
    data = labelled(customers(120, 0.05, seed=9) | {"day": day}, time="day")
    learning = divide(data, TableSettings()).learning
    assert day[learning].max() < day[~learning].min()
    learned = learn(data, TableSettings(max_conditions=1))
    assert learned.error_at_most is None
    assert learned.cross_validated is None


def test_rows_that_seem_to_be_labelled_twice_bound_nothing():
    columns = customers(120, 0, seed=11) | {"income": np.random.default_rng(11).random(120)}
    for column in columns.values():
        column[70] = column[20]
    settings = TableSettings(max_conditions=1, looks=10**5)
    assert learn(labelled(columns), settings).error_at_most is not None
    columns["churned"][70] = "yes" if columns["churned"][20] == "no" else "no"
    assert "rows 21 and 71 have the same cells" in learn(labelled(columns), settings).no_bound
    # Where no column tells rows apart, some are equal by chance, and differ by noise alone.
    few = {name: columns[name] for name in ("contract", "calls", "churned")}
    assert learn(labelled(few), settings).no_bound == ""


@pytest.mark.parametrize(("copies", "bound"), [(3, True), (30, False), (90, False)])
def test_many_copies_of_rows_bound_nothing(copies, bound):
    columns = customers(120, 0, seed=11) | {"income": np.random.default_rng(11).random(120)}
    once = 120 - copies
    for column in columns.values():
        column[once:] = np.resize(column[:once], copies)
    no_bound = learn(labelled(columns), TableSettings(max_conditions=0)).no_bound
    assert no_bound == ("" if bound else f"{copies} rows seem to be copies of others")


def test_independent_rows_are_not_taken_for_copies():
    """Rows equal by chance, in one column of 2,500 whole numbers or beside another of two."""
    random = np.random.default_rng(12)
    for _ in range(60):
        columns = {"x": random.integers(0, 2500, 200), "y": random.integers(0, 2, 200)}
        columns["label"] = random.integers(0, 2, 200)
        for names in (("x", "label"), ("x", "y", "label")):
            data = load({name: columns[name] for name in names}, "label")
            assert divide(data, TableSettings()).no_bound == ""


def test_rows_said_to_be_dependent_bound_nothing():
    settings = TableSettings(max_conditions=1, independent=False)
    assert learn(labelled(customers(60, 0, seed=10)), settings).error_at_most is None


@pytest.mark.parametrize(
    "settings",
    [
        {"max_conditions": -1},
        {"max_conditions": 13},
        {"checked": 0.0},
        {"checked": 1.0},
        {"confidence": 0.4},
        {"confidence": 2.0},
        {"seed": -1},
        {"max_conditions": "three"},
    ],
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(InputError):
        TableSettings(**settings)


@pytest.mark.parametrize("cost", [("yes", "maybe", 2), ("yes", "yes", 2), ("yes", "no", 0)])
def test_impossible_costs_are_refused(cost):
    with pytest.raises(InputError):
        learn(labelled(customers(40, 0, seed=11)), TableSettings(costs=(ErrorCost(*cost),)))


def test_bound_fails_no_more_often_than_it_says():
    """The true error is known: two columns of ten values each, and labels that are 20 % noise."""
    cells = np.indices((10, 10)).reshape(2, 100)
    chance = np.where((cells[0] > 4) & (cells[1] > 2), 0.8, 0.2)
    grid = load({"x": cells[0], "y": cells[1], "label": np.arange(100) % 2}, "label").table
    random = np.random.default_rng(12)
    runs, failures = 200, np.zeros(2, dtype=int)
    settings = TableSettings(max_conditions=2, looks=10**6)
    for _ in range(runs):
        drawn = random.integers(0, 100, 60)
        labels = (random.random(60) < chance[drawn]).astype(int)
        if len(set(labels)) < 2:
            continue
        data = load({"x": cells[0][drawn], "y": cells[1][drawn], "label": labels}, "label")
        learned = learn(data, settings)
        for index, (rule, most) in enumerate(
            [
                (learned.rule, learned.error_at_most),
                (learned.check.rule, learned.check.error_at_most),
            ]
        ):
            error = float(np.where(rule.predict(grid) == 1, 1 - chance, chance).mean())
            failures[index] += error > most
            assert error > 0.19  # the best rule errs on 0.2
    assert (failures <= binom.isf(1e-7, runs, 0.05)).all()


@pytest.mark.parametrize(
    ("cost_and_checked_cost_by_size", "chosen"),
    [
        ([(50, 60), (9, 14), (7, 14)], 1),  # no clear gain: the smaller
        ([(50, 60), (9, 14), (4, 14)], 2),  # at most half the errors learned from
        ([(50, 60), (9, 14), (4, 14), (3, 14)], 2),
        ([(50, 60), (9, 14), (4, 14), (2, 14)], 3),
        ([(50, 60), (9, 14), (0, 15)], 1),  # rows kept aside decide first
        ([(50, 60), (0, 14), (0, 14)], 1),
    ],
)
def test_of_sizes_that_check_alike_a_larger_one_must_halve_the_errors_learned_from(
    cost_and_checked_cost_by_size, chosen
):
    anything = RuleList((), 0, ("no", "yes"))
    sizes = [
        Size(conditions, anything, cost, 0, checked_cost)
        for conditions, (cost, checked_cost) in enumerate(cost_and_checked_cost_by_size)
    ]
    assert best_size(sizes) == chosen
