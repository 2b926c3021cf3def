"""Length-first search with noisy labels: python benchmarks/enumeration_noise.py.

Prints, for each rule and share of noise, for how many seeds the selected program is right on all
test inputs, and its mean accuracy on them. The label of each training and validation example is
flipped with this probability, independently of the others; test labels are never flipped. Half of
the inputs of each split are positive, before any flip, and no two splits share one.

Searches end after a fixed number of programs instead of after a time, so that the table does not
depend on the machine.
"""

import argparse
import json
import statistics
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from llm_erm.enumeration.learn import learn
from llm_erm.enumeration.search import prepare
from llm_erm.enumeration.settings import EnumerationSettings
from llm_erm.tasks.suite import get
from llm_erm.tasks.task import DataKey, Dataset, HeldOut, Splits

SUITE = tuple(f"fn_{letter}" for letter in "abcegi")
"""Tasks of the suite that the search learns without noise within half a million programs."""

OUTSIDE = (
    "x[0] == x[-1]",
    "x[4] != x[9]",
    "x.count('1') > len(x) // 2",
    "x.count('1') % 3 == 0",
    "int(x, 2) % 3 == 0",
    "int(x, 2) % 5 == 0",
    "'1001' in x",
    "'111' not in x",
    "x.count('01') > 4",
    "x.count('11') > x.count('00')",
    "x[:len(x) // 2].count('1') > x[len(x) // 2:].count('1')",
    "x[::2].count('1') % 2",
    "x.startswith('10') or x.endswith('01')",
    "x[0] == '1' and x.count('1') % 2",
    "x[1] if x[0] == '1' else x[2]",
)
"""Rules for bit strings that are in no suite, in Python."""


@dataclass(frozen=True)
class Sizes:
    """Numbers of examples."""

    train: int = 100
    validation: int = 100
    test: int = 2000


def draw_by(rule, rng, length, count):
    """As many distinct bit strings of each class as ``count`` says, uniform given their class."""
    function = eval(f"lambda x: int({rule})")
    classes = ([], [])
    seen = set()
    while min(map(len, classes)) < count:
        word = "".join("01"[bit] for bit in rng.randint(2, size=length))
        if word not in seen:
            seen.add(word)
            classes[function(word)].append(word)
    return [words[:count] for words in classes]


def draw_suite(task, rng, length, count):
    """The same for a task of the suite, by its own sampler."""
    drawn = get(task).draw(rng, length, (3 * count, 3 * count))
    return [list(dict.fromkeys(words))[:count] for words in drawn]


def splits_of(name, length, seed, noise, sizes):
    """The data of one search."""
    rng = np.random.RandomState([seed, *name.encode()])
    count = (sizes.train + sizes.validation + sizes.test) // 2
    draw = draw_suite if name in SUITE else draw_by
    classes = draw(name, rng, length, count)
    if len(classes[1]) < count:  # fewer positives exist: the test has the rest of them
        classes[0] = classes[0][: len(classes[1])]
    parts, start = [], 0
    for size in (sizes.train, sizes.validation, sizes.test):
        rows = [
            (word, label)
            for label, words in enumerate(classes)
            for word in words[start : start + size // 2]
        ]
        parts.append([rows[i] for i in rng.permutation(len(rows))])
        start += size // 2
    flips = rng.random_sample(sizes.train + sizes.validation) < noise
    train, validation, test = (
        Dataset(tuple(word for word, _ in rows), tuple(label for _, label in rows))
        for rows in (
            [(w, y ^ int(f)) for (w, y), f in zip(parts[0], flips[: sizes.train], strict=True)],
            [(w, y ^ int(f)) for (w, y), f in zip(parts[1], flips[sizes.train :], strict=True)],
            parts[2],
        )
    )
    kind = get(name).kind if name in SUITE else "binary"
    key = DataKey(name, length, seed)
    return Splits(key, kind, train, validation, lambda: HeldOut(test), independent=True)


def searched(settings, name, length, seed, noise, sizes):
    """What one search found, as a record."""
    started = time.process_time()
    result = learn(splits_of(name, length, seed, noise, sizes), settings)
    return {
        "rule": name,
        "length": length,
        "noise": noise,
        "seed": seed,
        "exact": result.test is not None and result.test.perfect,
        "accuracy": 0.0 if result.test is None else result.test.accuracy,
        "program": result.program,
        "bits": result.facts.bits,
        "train_errors": None if result.train is None else result.train.errors,
        "validation_errors": None if result.validation is None else result.validation.errors,
        "attempts": result.attempts,
        "considered": result.facts.considered,
        "stopped_by": result.facts.stopped_by,
        "cpu_seconds": time.process_time() - started,
    }


def table(records, noises):
    """The Markdown table: one row per rule."""
    yield "| rule |" + "".join(f" {noise:.0%} |" for noise in noises)
    yield "|---|" + "---|" * len(noises)
    for rule in dict.fromkeys(record["rule"] for record in records):
        yield f"| `{rule}` |" + "".join(f" {cell(records, noise, rule)} |" for noise in noises)
    yield "| all |" + "".join(f" {cell(records, noise)} |" for noise in noises)


def cell(records, noise, rule=None):
    """Exact searches, of how many, and the mean accuracy."""
    these = [r for r in records if r["noise"] == noise and rule in (None, r["rule"])]
    accuracy = statistics.mean(r["accuracy"] for r in these)
    return f"{sum(r['exact'] for r in these)} of {len(these)}, {accuracy:.1%}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", nargs="+", default=[*SUITE, *OUTSIDE])
    parser.add_argument("--length", type=int, default=20)
    parser.add_argument("--noise", nargs="+", type=float, default=[0.0, 0.05, 0.1])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--train", type=int, default=Sizes.train)
    parser.add_argument("--attempts", type=int, default=EnumerationSettings().attempts)
    parser.add_argument("--max-programs", type=int, default=500_000)
    parser.add_argument("--json", type=Path, help="append a record per search to this file")
    options = parser.parse_args()
    prepare()
    settings = EnumerationSettings(
        attempts=options.attempts, max_programs=options.max_programs, max_seconds=600
    )
    sizes = Sizes(train=options.train)
    records = []
    for rule, noise, seed in product(options.rules, options.noise, options.seeds):
        record = searched(settings, rule, options.length, seed, noise, sizes)
        records.append(record)
        if options.json is not None:
            with options.json.open("a") as file:
                file.write(json.dumps(record) + "\n")
    print("\n".join(table(records, options.noise)))


if __name__ == "__main__":
    main()
