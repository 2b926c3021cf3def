"""Rules planted in tables: how often `fit` finds them, beside trees of scikit-learn.

    python benchmarks/table_rules.py [--seeds 5] [--rows 200] [--noise 0 0.05 0.1] [--missing 0 0.1]

Each line is one planted rule at one level of noise: the share of 2,000 fresh rows, labelled without
noise, that each method gets right, as the mean and the least over the seeds; the number of
conditions; the CPU seconds of one fit. Trees get medians for missing numbers and a column per
category. The last tree is chosen by 5-fold cross-validation (depth, leaf size), then fitted to all
rows.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier

from llm_erm.rulelists.learn import learn
from llm_erm.rulelists.rivals import encoded
from llm_erm.rulelists.settings import TableSettings
from llm_erm.tables.columns import Table
from llm_erm.tables.reading import load

Columns = dict[str, np.ndarray]


def columns(random: np.random.Generator, rows: int) -> Columns:
    """Numbers whole and not, two that compare, categories, and columns of no use."""
    return {
        "age": random.integers(18, 91, rows).astype(float),
        "visits": random.integers(0, 13, rows).astype(float),
        "score": random.random(rows),
        "before": random.integers(0, 101, rows).astype(float),
        "after": random.integers(0, 101, rows).astype(float),
        "city": random.choice(["Lima", "Oslo", "Rome", "Nice"], rows),
        "plan": random.choice(["a", "b", "c"], rows),
        "noise1": random.normal(size=rows),
        "noise2": random.normal(size=rows),
    }


RULES: dict[str, Callable[[Columns], np.ndarray]] = {
    "conjunction": lambda c: (c["age"] > 40) & (c["visits"] > 3),
    "disjunction": lambda c: (c["score"] > 0.7) | (c["visits"] > 8),
    "interval": lambda c: (c["age"] > 30) & (c["age"] <= 60),
    "column against column": lambda c: c["before"] <= c["after"],
    "three lines": lambda c: np.select(
        [c["city"] == "Rome", c["visits"] > 8, c["score"] > 0.5], [1, 0, 1], 0
    ),
    "three classes": lambda c: np.select([c["age"] <= 35, c["visits"] > 6], [0, 1], 2),
    "and, or": lambda c: (c["age"] > 40) & ((c["visits"] > 3) | (c["score"] > 0.7)),
    "set of levels": lambda c: np.isin(c["city"], ["Lima", "Oslo"]) & (c["visits"] > 4),
    "two conjunctions": lambda c: (
        ((c["city"] == "Rome") & (c["age"] > 50)) | ((c["plan"] == "a") & (c["visits"] <= 4))
    ),
    "order and level": lambda c: (c["before"] <= c["after"]) & (c["city"] != "Nice"),
    "exclusive or": lambda c: (c["age"] > 50) ^ (c["visits"] > 6),
    "levels only": lambda c: (c["city"] == "Oslo") | (c["plan"] == "b"),
}


def with_gaps(random: np.random.Generator, given: Columns, share: float) -> dict[str, list]:
    """The columns with a share of the cells empty."""
    return {
        name: [None if gap else value for value, gap in zip(column.tolist(), gaps, strict=True)]
        for name, column in given.items()
        for gaps in [random.random(len(column)) < share]
    }


def tree(table: Table, labels: np.ndarray, fresh: Table, learner) -> np.ndarray:
    """What a tree says of fresh rows."""
    both = Table(
        tuple(
            type(one)(one.name, np.concatenate([a, b]), *rest)
            for one, other in zip(table.columns, fresh.columns, strict=True)
            for (_, a, *rest), (_, b, *_) in [(vars(one).values(), vars(other).values())]
        ),
        table.n_rows + fresh.n_rows,
    )
    numbers = encoded(both, np.arange(table.n_rows))
    return learner.fit(numbers[: table.n_rows], labels).predict(numbers[table.n_rows :])


def main() -> None:
    """Prints one line per rule, noise and share of gaps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--noise", type=float, nargs="+", default=[0, 0.05, 0.1])
    parser.add_argument("--missing", type=float, nargs="+", default=[0, 0.1])
    parser.add_argument("--rules", nargs="+", default=list(RULES))
    asked = parser.parse_args()
    print(f"{'rule':22} noise gaps  fit mean least  conditions  s    depth-3 tree  chosen tree")
    for name in asked.rules:
        for noise in asked.noise:
            for missing in asked.missing:
                if not (noise and missing):
                    print(line(name, noise, missing, asked), flush=True)


def line(name: str, noise: float, missing: float, asked: argparse.Namespace) -> str:
    """Means and least accuracies of one planted rule."""
    right, sizes, seconds, trees = [], [], [], []
    for seed in range(asked.seeds):
        random = np.random.default_rng([seed, list(RULES).index(name)])
        given = columns(random, asked.rows + 2000)
        labels = RULES[name](given).astype(int)
        noisy = labels.copy()
        flipped = random.random(len(labels)) < noise
        noisy[flipped] = (noisy[flipped] + 1) % (labels.max() + 1)
        data = load(with_gaps(random, given, missing) | {"label": noisy}, "label")
        train, fresh = np.arange(asked.rows), np.arange(asked.rows, asked.rows + 2000)
        taken = data.take(train)
        start = time.process_time()
        learned = learn(taken, TableSettings())
        seconds.append(time.process_time() - start)
        sizes.append(learned.rule.conditions)
        new = data.table.take(fresh)
        right.append((learned.rule.predict(new) == labels[fresh]).mean())
        grid = {"max_depth": [1, 2, 3, 4, 5, None], "min_samples_leaf": [1, 2, 5]}
        learners = (
            DecisionTreeClassifier(max_depth=3, random_state=0),
            GridSearchCV(DecisionTreeClassifier(random_state=0), grid, cv=5),
        )
        trees.append(
            [
                (tree(taken.table, taken.labels, new, one) == labels[fresh]).mean()
                for one in learners
            ]
        )
    small, chosen = np.mean(trees, axis=0)
    return (
        f"{name:22} {noise:5.0%} {missing:4.0%}  {np.mean(right):8.1%} {min(right):6.1%}"
        f"  {np.mean(sizes):10.1f}  {np.median(seconds):4.1f} {small:12.1%} {chosen:12.1%}"
    )


if __name__ == "__main__":
    main()
