"""Length-first search on many seeds: python benchmarks/enumeration_seeds.py --lengths 20 100.

Prints, for every task and length with the default settings of `llm-erm enumerate`: for how many
seeds the program is correct on all test inputs and the contrast set, with the 95 % interval of the
share of all seeds; medians and maxima over the seeds of the wall and CPU seconds until the exact
program is verified; its description length in bits and the programs considered up to it.
"""

import argparse
import json
import statistics
import tempfile
from pathlib import Path

from llm_erm.enumeration.learn import learn
from llm_erm.enumeration.search import prepare
from llm_erm.enumeration.settings import EnumerationSettings
from llm_erm.erm.binomial import binomial_interval
from llm_erm.serial import to_plain
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.splits import load


def one(task, length, seed, folder, settings):
    splits = load(DataSpec(function=task, length=length, seed=seed), folder)
    result = learn(splits, settings)
    contrast, elsewhere = result.contrast, result.length_generalization
    return {
        "task": task,
        "length": length,
        "seed": seed,
        "exact": result.exact,
        "claimed": result.train.perfect and result.validation.perfect,
        "test": result.test.accuracy,
        "contrast": None if contrast is None else contrast.accuracy,
        "other_lengths": None if elsewhere is None else elsewhere.accuracy,
        "program": result.program,
        "seconds": result.seconds,
        "candidates_to_selected": result.candidates_to_selected,
        "seconds_to_selected": result.seconds_to_selected,
        "notices": result.notices,
        **{key: value for key, value in to_plain(result.facts).items() if key != "levels"},
    }


def row(task, length, results):
    first = [r["seconds_to_selected"] for r in results if r["exact"]]
    low, high = binomial_interval(len(first), len(results))
    return {
        "task": task,
        "length": length,
        "exact": f"{len(first)}/{len(results)} ({low:.1%} to {high:.1%} of all seeds)",
        "claimed": f"{sum(r['claimed'] for r in results)}/{len(results)}",
        "seconds": f"{statistics.median(first):.2f} ({max(first):.2f})" if first else "–",
        "bits": sorted({r["bits"] for r in results if r["exact"]}),
        "candidates": int(
            statistics.median(r["candidates_to_selected"] for r in results if r["exact"])
        )
        if first
        else "–",
        "all seconds": f"{statistics.median(r['seconds'] for r in results):.1f}",
        "cpu": f"{statistics.median(r['cpu_seconds'] for r in results):.1f}",
        "tied": sum(len(r["tied"]) for r in results) / len(results),
        "shift": statistics.mean(
            r["other_lengths"] for r in results if r["other_lengths"] is not None
        )
        if any(r["other_lengths"] is not None for r in results)
        else "–",
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="+", default=[f"fn_{letter}" for letter in "abcdefghijkl"])
    parser.add_argument("--lengths", nargs="+", type=int, default=[20, 100])
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(10)))
    parser.add_argument("--max-seconds", type=float, default=EnumerationSettings().max_seconds)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    prepare()
    settings = EnumerationSettings(max_seconds=options.max_seconds)
    with tempfile.TemporaryDirectory() as folder:
        for task in options.tasks:
            for length in options.lengths:
                results = []
                for seed in options.seeds:
                    results.append(one(task, length, seed, Path(folder), settings))
                    if options.json is not None:
                        with options.json.open("a") as file:
                            file.write(json.dumps(results[-1]) + "\n")
                print(json.dumps(row(task, length, results)), flush=True)


if __name__ == "__main__":
    main()
