"""Rules planted in tables: how often `fit` finds them, beside other readable learners.

    python benchmarks/table_rules.py [--seeds 5] [--rows 200] [--noise 0 0.05 0.1] [--missing 0 0.1]

Each line is one planted rule at one level of noise: the share of 2,000 fresh rows, labelled without
noise, that is right. First the rule itself, which errs where cells are missing; then `fit`, as the
mean and the least over the seeds, with the number of conditions and the CPU seconds of one fit;
then those of the learners of table_rivals.py that are installed. At the end, it prints in how many
runs `fit` was right on at least 99 %.
"""

import argparse
import time
import warnings
from collections.abc import Callable

import numpy as np
from table_rivals import rivals

from llm_erm.rulelists.learn import learn
from llm_erm.rulelists.rivals import encoded
from llm_erm.rulelists.settings import TableSettings
from llm_erm.tables.reading import load

Columns = dict[str, np.ndarray]

NUMBERS = {"age", "visits", "score", "before", "after", "noise1", "noise2"}


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


def as_list(name: str, given: dict[str, list]) -> np.ndarray:
    """What the planted rule says where cells are missing: no comparison with those is true."""
    return RULES[name](
        {
            column: np.array(
                [(np.nan if column in NUMBERS else "") if cell is None else cell for cell in cells]
            )
            for column, cells in given.items()
        }
    ).astype(int)


def main() -> None:
    """Prints one line per rule, noise and share of gaps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--noise", type=float, nargs="+", default=[0, 0.05, 0.1])
    parser.add_argument("--missing", type=float, nargs="+", default=[0, 0.1])
    parser.add_argument("--rules", nargs="+", default=list(RULES))
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    names = [name for name, _ in rivals(2) if not name.startswith(("(", "FasterRisk"))]
    print("rule\tnoise\tgaps\trule itself\tfit\tleast\tconditions\ts\t" + "\t".join(names))
    of_noise: dict[tuple[float, float], list[float]] = {}
    for name in asked.rules:
        for noise in asked.noise:
            for missing in asked.missing:
                if not (noise and missing):
                    text, right = line(name, noise, missing, asked, names)
                    of_noise.setdefault((noise, missing), []).extend(right)
                    print(text, flush=True)
    for (noise, missing), right in of_noise.items():
        print(
            f"noise {noise:.0%}, gaps {missing:.0%}: {np.sum(np.array(right) >= 0.99)} of "
            f"{len(right)} runs are right on at least 99 %; mean {np.mean(right):.1%}"
        )


def line(
    name: str, noise: float, missing: float, asked: argparse.Namespace, names: list[str]
) -> tuple[str, list[float]]:
    """Means and least accuracies of one planted rule, and the accuracies of `fit`."""
    right, itself, sizes, seconds = [], [], [], []
    others: dict[str, list[float]] = {one: [] for one in names}
    for seed in range(asked.seeds):
        random = np.random.default_rng([seed, list(RULES).index(name)])
        complete = columns(random, asked.rows + 2000)
        labels = RULES[name](complete).astype(int)
        noisy = labels.copy()
        flipped = random.random(len(labels)) < noise
        noisy[flipped] = (noisy[flipped] + 1) % (labels.max() + 1)
        given = with_gaps(random, complete, missing)
        data = load(given | {"label": noisy}, "label")
        train, fresh = np.arange(asked.rows), np.arange(asked.rows, asked.rows + 2000)
        itself.append((as_list(name, given) == labels)[fresh].mean())
        start = time.process_time()
        learned = learn(data.take(train), TableSettings())
        seconds.append(time.process_time() - start)
        sizes.append(learned.rule.conditions)
        right.append((learned.rule.predict(data.table.take(fresh)) == labels[fresh]).mean())
        numbers = encoded(data.table, train)
        for one, learner in rivals(labels.max() + 1):
            if one in others:
                predict, _ = learner(numbers[train], data.labels[train])
                others[one].append((np.asarray(predict(numbers[fresh])) == labels[fresh]).mean())
    cells = [
        *(name, f"{noise:.0%}", f"{missing:.0%}"),
        *(f"{np.mean(itself):.1%}", f"{np.mean(right):.1%}", f"{min(right):.1%}"),
        *(f"{np.mean(sizes):.1f}", f"{np.median(seconds):.1f}"),
        *(f"{np.mean(scores):.1%}" if scores else "" for scores in others.values()),
    ]
    return "\t".join(cells), right


if __name__ == "__main__":
    main()
