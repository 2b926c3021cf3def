import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest

pytest.importorskip("numba")

from llm_erm.rulelists.learn import learn
from llm_erm.rulelists.meaning import meaning
from llm_erm.rulelists.pool import pool_of
from llm_erm.rulelists.rule import Above, Among, AtMost, Line, NotAmong, RuleList
from llm_erm.rulelists.settings import TableSettings
from llm_erm.rulelists.stored import read_rule, write_rule
from llm_erm.rulelists.thresholds import settled
from llm_erm.rulelists.undetermined import in_question, votes
from llm_erm.tables.columns import ColumnSchema, Labelled, NumberColumn, Table
from llm_erm.tables.reading import load
from made_rules import learned as made


def every_rule(table: Table, conditions: int, classes: tuple[str, ...]) -> Iterator[RuleList]:
    """All rules with up to so many conditions, whatever they give."""
    pool = pool_of(table, distinct=False).conditions
    lines = {size: list(combinations(pool, size)) for size in range(1, conditions + 1)}

    def bodies(left: int) -> Iterator[tuple]:
        yield ()
        for size in range(1, left + 1):
            for first in lines[size]:
                for rest in bodies(left - size):
                    yield (first, *rest)

    for body in bodies(conditions):
        for *labels, otherwise in product(range(len(classes)), repeat=len(body) + 1):
            made = tuple(Line(held, label) for held, label in zip(body, labels, strict=True))
            yield RuleList(made, otherwise, classes)


def small_table(seed: int) -> Labelled:
    random = np.random.default_rng(seed)
    rows = 12
    x = random.integers(0, 4, rows)
    columns = {
        "x": x,
        "y": np.where(random.random(rows) < 0.8, x * 10, random.integers(0, 4, rows) * 10),
        "c": random.choice(["p", "q", "r"], rows),
    }
    label = (x > 1) ^ (random.random(rows) < 0.15)
    label[:2] = False, True
    return load(columns | {"label": np.where(label, "yes", "no")}, "label", columns=["x", "y", "c"])


@pytest.mark.parametrize(
    ("seed", "conditions"), [(seed, 2) for seed in (13, 51, 91)] + [(17, 1), (31, 1)]
)
def test_rules_kept_are_those_that_trying_every_rule_finds(seed: int, conditions: int) -> None:
    data = small_table(seed)
    settings = TableSettings(max_conditions=conditions)
    learned = learn(data, settings)
    size, table = learned.size, data.table

    def errors(rule: RuleList) -> int:
        return int((rule.predict(table) != data.labels).sum())

    rules = (
        settled(rule, table) for rule in every_rule(table, learned.rule.conditions, ("no", "yes"))
    )
    as_good = {meaning(rule, table) for rule in rules if errors(rule) == size.cost}
    assert learned.ties_complete
    kept = [tie.rule for tie in learned.ties]
    assert len({meaning(rule, table) for rule in kept}) == len(kept)
    assert {meaning(rule, table) for rule in [learned.rule, *kept]} == as_good


def two_columns(odd: float = 9.0) -> Labelled:
    """Rows on which ``x`` and ``y`` say the same, but for ``y`` in one of them."""
    high = np.arange(20) % 2 == 1
    x, y = (np.where(high, 9.0, 1.0) for _ in "xy")
    y[7] = odd
    return load({"x": x, "y": y, "label": np.where(high, "yes", "no")}, "label")


def test_rule_that_errs_more_is_not_kept():
    settings = TableSettings(max_conditions=1)
    kept = learn(two_columns(), settings)
    assert [str(tie.rule).split()[1] for tie in kept.ties] == ["y"]
    assert kept.ties[0].rooms == ((1.0, 9.0),)
    assert kept.ties_complete
    assert learn(two_columns(odd=0.0), settings).ties == ()


def test_label_that_costs_as_little_is_as_good():
    data = load({"x": [1, 9] * 10, "label": ["no", "yes"] * 10}, "label")
    learned = learn(data, TableSettings(max_conditions=0))
    assert [tie.rule for tie in learned.ties] == [RuleList((), 1, CLASSES)]
    assert learned.rule == RuleList((), 0, CLASSES)


def test_more_rules_than_are_kept_are_not_called_all(monkeypatch):
    monkeypatch.setattr("llm_erm.rulelists.as_good.TIES", 3)
    columns = {f"x{number}": [1, 9] * 10 for number in range(6)}
    learned = learn(load(columns | {"label": ["no", "yes"] * 10}, "label"), TableSettings())
    assert 2 <= len(learned.ties) <= 3
    assert not learned.ties_complete


def test_value_in_the_room_of_a_threshold_is_undetermined_and_at_its_ends_is_not():
    learned = learn(two_columns(), TableSettings(max_conditions=1))
    values = np.array([0.0, 1.0, 1.1, 5.0, 8.9, 9.0, 10.0])
    columns = (NumberColumn("x", values, False), NumberColumn("y", values, False))
    counts = votes(in_question(learned), Table(columns, len(values)), 2)
    assert ((counts > 0).sum(axis=1) > 1).tolist() == [False, False, True, True, True, False, False]


def test_rows_on_which_the_columns_disagree_are_undetermined():
    learned = learn(two_columns(), TableSettings(max_conditions=1))
    x, y = np.array([1.0, 1.0, 9.0, 9.0]), np.array([1.0, 9.0, 1.0, 9.0])
    table = Table((NumberColumn("x", x, False), NumberColumn("y", y, False)), 4)
    rules = in_question(learned)
    counts = votes(rules, table, 2)
    assert (counts.sum(axis=1) == len(rules)).all()
    assert ((counts > 0).sum(axis=1) > 1).tolist() == [False, True, True, False]
    for label in (0, 1):
        expected = sum((rule.predict(table) == label).astype(int) for rule in rules)
        assert counts[:, label].tolist() == expected.tolist()


def test_condition_that_could_stand_in_place_of_one_counts_though_no_tie_is_known():
    learned = replace(learn(two_columns(), TableSettings(max_conditions=1)), ties=())
    (opened,) = learned.open
    assert [other.column for other in opened.others] == ["y"]
    assert any(rule.columns == ("y",) for rule in in_question(learned))


def test_search_that_was_cut_short_does_not_claim_all():
    settings = TableSettings(max_conditions=1, looks=0)
    assert not learn(two_columns(), settings).ties_complete


def test_rules_that_need_some_of_their_conditions_are_kept_as_well():
    random = np.random.default_rng(5)
    x = random.integers(0, 2, (60, 4))
    x[:, 3] = x[:, 2]
    columns = {f"x{i}": np.where(x[:, i], "p", "q") for i in range(4)}
    labels = np.where(x[:, :3].sum(axis=1) > 1, "yes", "no")
    data = load(columns | {"label": labels}, "label")
    learned = learn(data, TableSettings(max_conditions=3))
    assert learned.size.form == "m of n"
    assert learned.rule.columns == ("x0", "x1", "x2")
    assert ("x0", "x1", "x3") in [tie.rule.columns for tie in learned.ties]
    assert all((tie.rule.predict(data.table) == data.labels).all() for tie in learned.ties)
    assert not learned.ties_complete
    given = load(columns | {"x3": np.where(x[:, 3], "q", "p"), "label": labels}, "label").table
    open_rows = (votes(in_question(learned), given, 2) > 0).sum(axis=1) > 1
    assert open_rows.tolist() == (x[:, 0] != x[:, 1]).tolist()


CLASSES = ("no", "yes")
LOW, HIGH = AtMost("x", 5.0), Above("x", 5.0)


def same(one: RuleList, other: RuleList, **columns) -> bool:
    given = {"x": [1, 9, 3, 7], "y": [1, 2, 3, 4], "c": ["p", "q", "p", "q"]} | columns
    table = load(given | {"label": ["no", "yes"] * 2}, "label").table
    return meaning(one, table) == meaning(other, table)


def test_other_order_and_opposite_conditions_say_the_same():
    first, second = Line((LOW,), 1), Line((Among("c", ("p",)),), 1)
    assert same(RuleList((first, second), 0, CLASSES), RuleList((second, first), 0, CLASSES))
    assert same(RuleList((Line((LOW,), 1),), 0, CLASSES), RuleList((Line((HIGH,), 0),), 1, CLASSES))
    assert same(
        RuleList((Line((Among("c", ("p",)),), 1),), 0, CLASSES),
        RuleList((Line((Among("c", ("q",)),), 0),), 1, CLASSES),
    )
    assert same(
        RuleList((Line((LOW, Among("c", ("p",))), 1),), 0, CLASSES),
        RuleList((Line((HIGH,), 0), Line((NotAmong("c", ("p",)),), 0)), 1, CLASSES),
    )


def test_other_columns_labels_and_missing_values_make_a_difference():
    low = RuleList((Line((LOW,), 1),), 0, CLASSES)
    assert not same(low, RuleList((Line((LOW,), 0),), 1, CLASSES))
    assert not same(low, RuleList((Line((AtMost("y", 5.0),), 1),), 0, CLASSES), y=[1, 9, 3, 7])
    high = RuleList((Line((HIGH,), 0),), 1, CLASSES)
    assert not same(low, high, x=[1, 9, 3, None])


def test_ties_are_stored_and_files_without_them_are_read(tmp_path):
    learned = learn(two_columns(), TableSettings(max_conditions=1))
    write_rule(tmp_path / "rule.json", learned)
    assert read_rule(tmp_path / "rule.json") == learned
    plain = json.loads((tmp_path / "rule.json").read_text())
    del plain["learned"]["ties"], plain["learned"]["ties_complete"]
    (tmp_path / "rule.json").write_text(json.dumps(plain))
    older = read_rule(tmp_path / "rule.json")
    assert older.ties == ()
    assert not older.ties_complete


def test_rule_without_conditions_is_the_only_one_in_question():
    rule = RuleList((), 1, CLASSES)
    assert in_question(made(rule, [ColumnSchema("x", "number")])) == (rule,)
