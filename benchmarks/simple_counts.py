"""What simple counts reach on each task, and how the published releases' data differ from ours.

    python benchmarks/simple_counts.py accuracy [--functions fn_g fn_aa] [--lengths 20 50]
    python benchmarks/simple_counts.py statistics [--functions fn_g] [--lengths 20 25]

``accuracy`` trains three learners on counts of characters, substrings, runs, first and last
characters, and of vertices and degrees of graphs. It prints their test accuracy in %, from 2,000
training and 4,000 test examples (1,000 training examples where too few inputs exist for more).
``statistics`` describes data sets of the default sizes. Both print Markdown; releases that draw
exactly as this package does are left out.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from llm_erm.errors import InputError
from llm_erm.tasks.checks import wrong_labels
from llm_erm.tasks.spec import RELEASES, DataSpec
from llm_erm.tasks.splits import load
from llm_erm.tasks.suite import SUITE

LEARNERS = {
    "logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
    "tree": lambda: DecisionTreeClassifier(min_samples_leaf=5, random_state=0),
    "forest": lambda: RandomForestClassifier(100, random_state=0),
}
TRAIN_SIZES = (2000, 1000)
TEST_SIZE = 4000
LONGEST_SUBSTRING = {"binary": 3, "decimal": 2, "graph": 2}


def ends_of(x):
    return [x[i + 1 : i + 3] for i in range(0, len(x), 3)]


def runs_of(x):
    """Returns the number of runs of equal characters, and the length of the longest."""
    lengths = [len(list(run)) for _, run in groupby(x)]
    return len(lengths), max(lengths)


def counts_of(x, kind):
    """Returns the simple counts of an input, by name."""
    counts = Counter(
        x[i : i + width]
        for width in range(1, LONGEST_SUBSTRING[kind] + 1)
        for i in range(len(x) - width + 1)
    )
    counts["runs"], counts["longest run"] = runs_of(x)
    for i in range(3):
        counts[f"first {i}"], counts[f"last {i}"] = ord(x[i]), ord(x[-1 - i])
    if kind == "graph":
        degrees = Counter(ends_of(x))
        degree = Counter(degrees.values())
        pairs = zip(ends_of(x)[::2], ends_of(x)[1::2], strict=True)
        counts["vertices"], counts["greatest degree"] = len(degrees), max(degrees.values())
        counts["isolated edges"] = sum(degrees[u] == degrees[v] == 1 for u, v in pairs)
        counts |= Counter({f"degree {n}": degree[n] for n in range(1, 7)})
    return counts


def table_of(inputs, kind, names):
    """Returns one row of counts per input."""
    rows = [counts_of(x, kind) for x in inputs]
    return np.array([[row[name] for name in names] for row in rows], dtype=float)


def specs_of(functions, lengths) -> Iterator[tuple[str, DataSpec]]:
    """Yields every kind of data that differs, with whose it is."""
    for fn in functions:
        task = SUITE[fn]
        for length in lengths or task.lengths:
            if task.why_not(length):
                continue
            yield "ours", DataSpec(function=fn, length=length)
            for release in RELEASES:
                published = task.published(release, length)
                if published and (published.repeats or published.draw is not task.draw):
                    yield release, DataSpec(function=fn, length=length, published=release)


def drawn(spec, folder, train_size):
    """Returns training and test data, from fewer training examples if too few inputs exist."""
    sized = DataSpec(
        function=spec.function,
        length=spec.length,
        published=spec.published,
        train_size=train_size,
        val_size=0,
        test_size=TEST_SIZE,
    )
    splits = load(sized, folder)
    return splits.train, splits.reveal().test


def accuracies(spec, folder):
    """Returns the number of training examples, and each learner's test accuracy in %."""
    try:
        train, test = drawn(spec, folder, TRAIN_SIZES[0])
    except InputError:
        train, test = drawn(spec, folder, TRAIN_SIZES[1])
    kind = spec.task.kind
    names = sorted({name for x in train.inputs for name in counts_of(x, kind)})
    features, others = (table_of(data.inputs, kind, names) for data in (train, test))
    return len(train), {
        name: 100 * make().fit(features, train.labels).score(others, test.labels)
        for name, make in LEARNERS.items()
    }


def print_accuracies(functions, lengths, folder):
    print("| task | L | data | examples | logistic regression | decision tree | random forest |")
    print("|---|---|---|---|---|---|---|")
    for whose, spec in specs_of(functions, lengths):
        examples, scores = accuracies(spec, folder)
        values = " | ".join(f"{score:.1f}" for score in scores.values())
        row = f"| {spec.function} | {spec.length} | {whose} | {examples:,} | {values} |"
        print(row, flush=True)


def measure_of(kind, x):
    """Returns the count whose mean the statistics compare."""
    if kind == "graph":
        return len(set(ends_of(x)))
    return x.count("1") if kind == "binary" else int(x[0])


def print_statistics(functions, lengths, folder):
    print(
        "| task | L | data | distinct, label 0 | distinct, label 1 | shared by train and test "
        "| labels against the rule | mean count, label 0 | label 1 |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for whose, spec in specs_of(functions, lengths):
        splits = load(spec, folder)
        parts = (splits.train, splits.validation, splits.reveal().test)
        classes = [
            [x for d in parts for x, y in zip(d.inputs, d.labels, strict=True) if y == label]
            for label in (0, 1)
        ]
        shared = len(set(parts[0].inputs) & set(parts[2].inputs))
        wrong = wrong_labels(spec.task, parts)
        distinct = " | ".join(f"{len(set(inputs)):,}" for inputs in classes)
        means = " | ".join(
            f"{np.mean([measure_of(spec.task.kind, x) for x in inputs]):.2f}" for inputs in classes
        )
        print(
            f"| {spec.function} | {spec.length} | {whose} | {distinct} | {shared} | {wrong} | "
            f"{means} |",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("accuracy", "statistics"))
    parser.add_argument("--functions", nargs="+", default=list(SUITE), choices=list(SUITE))
    parser.add_argument("--lengths", nargs="+", type=int, default=())
    arguments = parser.parse_args()
    show = print_accuracies if arguments.what == "accuracy" else print_statistics
    with tempfile.TemporaryDirectory() as folder:
        show(arguments.functions, arguments.lengths, Path(folder))


if __name__ == "__main__":
    main()
