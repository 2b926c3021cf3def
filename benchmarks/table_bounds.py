"""The bounds of `fit`: how often they are too low, and what holding rows back costs.

    python benchmarks/table_bounds.py coverage [--rows 60 200] [--runs 1500]
    python benchmarks/table_bounds.py shares [--rows 50 100 200 1000] [--seeds 2]

`coverage` learns from tables whose true error is known: two columns of ten whole numbers, and
labels of which 20 % are noise. `shares` learns the planted rules of table_rules.py with 5 % noise,
holding back half, a third or a fifth of the rows. It prints the accuracy on 2,000 fresh rows
without noise, and the mean bound, for the rule that was checked and for the one from all rows.
"""

import argparse

import numpy as np
from table_rules import RULES, columns

from llm_erm.rulelists.learn import learn
from llm_erm.rulelists.settings import TableSettings
from llm_erm.tables.reading import load

NOISE = 0.05
SHARES = (0.5, 0.33, 0.2)


def coverage(rows: int, runs: int) -> None:
    """Prints the share of runs in which each bound is below the true error."""
    cells = np.indices((10, 10)).reshape(2, 100)
    chance = np.where((cells[0] > 4) & (cells[1] > 2), 0.8, 0.2)
    grid = load({"x": cells[0], "y": cells[1], "label": np.arange(100) % 2}, "label").table
    random = np.random.default_rng(12)
    settings = TableSettings(max_conditions=2, looks=10**6)
    too_low, bounds = [], []
    while len(bounds) < runs:
        drawn = random.integers(0, 100, rows)
        labels = (random.random(rows) < chance[drawn]).astype(int)
        if len(set(labels.tolist())) < 2:
            continue
        data = load({"x": cells[0][drawn], "y": cells[1][drawn], "label": labels}, "label")
        learned = learn(data, settings)
        found = [learned.check.error_at_most, learned.error_at_most]
        true = [
            float(np.where(rule.predict(grid) == 1, 1 - chance, chance).mean())
            for rule in (learned.check.rule, learned.rule)
        ]
        too_low.append(np.array(found) < true)
        bounds.append(found)
    for name, share, bound in zip(
        ("Checked", "Bound"), np.mean(too_low, axis=0), np.mean(bounds, axis=0), strict=True
    ):
        print(f"{rows} rows  {name:8} too low in {share:.1%} of {runs:,} runs, mean {bound:.1%}")


def shares(rows: int, seeds: int) -> None:
    """Prints accuracies and bounds for each share of rows held back."""
    found: dict[tuple[float, str], list[tuple[float, float]]] = {}
    for number, rule in enumerate(RULES.values()):
        for seed in range(seeds):
            random = np.random.default_rng([seed, number])
            given = columns(random, rows + 2000)
            labels = rule(given).astype(int)
            noisy = labels.copy()
            flipped = random.random(len(labels)) < NOISE
            noisy[flipped] = (noisy[flipped] + 1) % (labels.max() + 1)
            data = load(given | {"label": noisy}, "label")
            fresh = data.table.take(np.arange(rows, rows + 2000))
            for share in SHARES:
                settings = TableSettings(checked=share, looks=5_000_000)
                learned = learn(data.take(np.arange(rows)), settings)
                for name, one, bound in (
                    ("checked rule", learned.check.rule, learned.check.error_at_most),
                    ("from all rows", learned.rule, learned.error_at_most),
                ):
                    right = float((one.predict(fresh) == labels[rows:]).mean())
                    found.setdefault((share, name), []).append((right, bound))
    for (share, name), results in found.items():
        right, bound = np.array(results, dtype=float).T
        error = right.std(ddof=1) / len(right) ** 0.5
        print(
            f"{rows} rows  {share:.0%} held back  {name:13} {right.mean():.1%} ± {error:.1%}  "
            f"bound {bound.mean():.1%}",
            flush=True,
        )


def main() -> None:
    """Prints one of the two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", choices=["coverage", "shares"])
    parser.add_argument("--rows", type=int, nargs="+")
    parser.add_argument("--runs", type=int, default=1500)
    parser.add_argument("--seeds", type=int, default=2)
    asked = parser.parse_args()
    for rows in asked.rows or ([60, 200] if asked.table == "coverage" else [50, 100, 200, 1000]):
        if asked.table == "coverage":
            coverage(rows, asked.runs)
        else:
            shares(rows, asked.seeds)


if __name__ == "__main__":
    main()
