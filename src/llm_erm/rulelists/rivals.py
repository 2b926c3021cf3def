"""Other learners on the same rows, to see what a readable rule gains or costs."""

from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_erm.rulelists.division import Division
from llm_erm.tables.columns import CategoryColumn, Labelled, Table

MOST = 1e15
"""Larger numbers are cut: the learners square them, in single precision."""

MOST_LEVELS = 50
"""Levels of a category column that get a column of their own: the most frequent ones."""


def rival_accuracies(data: Labelled, division: Division, seed: int) -> dict[str, float]:
    """Returns the accuracy of each rival on the rows of the first fold, by name.

    The rivals are the most frequent class and, where scikit-learn is installed, a tree of depth 3,
    logistic regression and gradient boosting, each with its default settings.
    """
    learning, checking = np.flatnonzero(division.learning), np.flatnonzero(~division.learning)
    labels, truth = data.labels[learning], data.labels[checking]
    most = np.bincount(labels).argmax()
    accuracies = {f"always {data.schema.classes[most]}": float((truth == most).mean())}
    if find_spec("sklearn") is None:
        return accuracies
    features = encoded(data.table, learning)
    if len(np.unique(labels)) == 1:
        return accuracies
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # more threads wait for each other on few rows
        for name, learner in _learners(seed).items():
            learner.fit(features[learning], labels)
            accuracies[name] = float((learner.predict(features[checking]) == truth).mean())
    return accuracies


def _learners(seed: int) -> dict[str, Any]:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    return {
        "depth-3 tree": DecisionTreeClassifier(max_depth=3, random_state=seed),
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
        "boosting": HistGradientBoostingClassifier(random_state=seed),
    }


def encoded(table: Table, learning: NDArray[np.intp]) -> NDArray[np.float64]:
    """Returns numbers, shape ``(n_rows, n_features)``: one column per level, medians for gaps."""
    features: list[NDArray[Any]] = []
    for column in table.columns:
        if isinstance(column, CategoryColumn):
            present = column.codes[learning]
            counts = np.bincount(present[present >= 0], minlength=len(column.levels))
            for level in np.argsort(-counts, kind="stable")[:MOST_LEVELS]:
                features.append(column.codes == level)
            missing = column.codes < 0
        else:
            missing = np.isnan(column.values)
            known = column.values[learning][~missing[learning]]
            features.append(np.where(missing, np.median(known) if len(known) else 0, column.values))
        if missing.any():
            features.append(missing)
    return np.column_stack(features).astype(np.float64).clip(-MOST, MOST)
