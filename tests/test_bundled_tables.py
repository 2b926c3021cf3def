"""ProgramClassifier on the tables that scikit-learn brings along, without a network."""

import pytest

pytest.importorskip("narwhals")
pytest.importorskip("numba")
pytest.importorskip("sklearn")

from sklearn import datasets
from sklearn.model_selection import train_test_split

from llm_erm import ProgramClassifier

LEAST = {"breast_cancer": 0.85, "iris": 0.88, "wine": 0.75, "digits": 0.93}
"""Accuracies on other rows at least, with 100 rows learned from; digits are zeros and ones."""


@pytest.mark.parametrize("name", LEAST)
def test_bundled_tables_give_short_rules_that_hold_on_other_rows(name):
    table = getattr(datasets, f"load_{name}")()
    rows, labels = table.data, table.target_names[table.target]
    if name == "digits":
        rows, labels = rows[table.target < 2], labels[table.target < 2]
    rows, others, labels, true = train_test_split(
        rows, labels, train_size=100, stratify=labels, random_state=0
    )
    rule = ProgramClassifier(max_conditions=2, looks=20_000).fit(rows, labels)

    assert rule.score(others, true) >= LEAST[name]
    assert rule.rule_.conditions <= 2
