from dataclasses import replace

import numpy as np
import pytest

from llm_erm.rulelists.alternatives import left_open
from llm_erm.rulelists.rule import Among, AtMost, Line, NotMoreThan, RuleList
from llm_erm.tables.columns import CategoryColumn, NumberColumn, Table

X = np.array([1.0, 2.0, 5.0, 6.0, 9.0])
RULE = RuleList((Line((AtMost("x", 3.0),), 0),), 1, ("no", "yes"))


def table(**columns) -> Table:
    made = (NumberColumn(name, np.array(v, float), False) for name, v in columns.items())
    return Table(tuple(made), len(X))


def test_threshold_may_lie_between_two_values():
    (found,) = left_open(RULE, table(x=X))
    assert found.room == (2, 5)
    assert found.others == ()


def test_column_that_divides_the_rows_alike_could_stand_in_its_place():
    (found,) = left_open(RULE, table(x=X, y=[0, 0, 4, 4, 4], z=[0, 1, 0, 1, 0]))
    assert {str(other) for other in found.others} >= {"y ≤ 2"}
    assert not any(other.column == "z" for other in found.others)


def test_only_the_rows_that_a_condition_decides_count():
    rule = replace(RULE, lines=(Line((AtMost("w", 0.5),), 1), *RULE.lines))
    given = table(x=X, y=[0, 0, 0, 4, 4], w=[1, 1, 0, 1, 1])
    assert left_open(rule, given)[1].room == (2, 6)
    assert "y ≤ 2" in {str(other) for other in left_open(rule, given)[1].others}


@pytest.mark.parametrize("seed", range(5))
def test_no_row_gets_another_label(seed):
    random = np.random.default_rng(seed)
    given = table(x=random.permutation(X), y=random.permutation(X), z=random.integers(0, 3, 5))
    rule = RuleList((Line((AtMost("x", 5.5), AtMost("y", 5.5)), 0),), 1, ("no", "yes"))
    labels = rule.predict(given)
    for found in left_open(rule, given):
        conditions = list(rule.lines[0].conditions)
        for other in found.others:
            conditions[found.place] = other
            exchanged = replace(rule, lines=(replace(rule.lines[0], conditions=tuple(conditions)),))
            assert (exchanged.predict(given) == labels).all()


def test_two_columns_that_agree_on_all_rows_are_told_apart_by_none():
    (found,) = left_open(RULE, table(x=X, y=X + 1, low=[0, 0, 9, 9, 9], high=[1, 1, 1, 1, 1]))
    assert NotMoreThan("low", "high") in found.others


def test_same_condition_in_other_words_is_no_alternative():
    city = CategoryColumn("city", np.array([0, 0, 1, 2, 2], dtype=np.int32), ("a", "b", "c"))
    rule = RuleList((Line((Among("city", ("a",)),), 0),), 1, ("no", "yes"))
    (found,) = left_open(rule, Table((city,), 5))
    assert found.others == ()
