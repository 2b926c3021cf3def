"""Seconds a query of the three ways to answer, on one engine and model, one query at a time.

    python benchmarks/in_context_answers.py [--model FOLDER_OR_GGUF] [--shots 200] [--queries 20]

Each query is answered in every way in turn, so that what else the machine does falls on all of them
alike; the table shows medians. What the prompts share is computed beforehand. Eight tokens are
generated where generation is not held to the JSON of an answer.
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from llm_erm.cli.engines import EngineOptions, engine_of
from llm_erm.incontext.engine import Prompt
from llm_erm.incontext.learn import pose
from llm_erm.incontext.settings import Settings
from llm_erm.tasks.splits import load_or_make
from llm_erm.tasks.suite import SUITE

SETTINGS = Settings(max_new_tokens=8)
WAYS = {
    "score": replace(SETTINGS, answer="score"),
    "constrained": replace(SETTINGS, answer="constrained", max_new_tokens=24),
    "generate, 8 tokens": SETTINGS,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model")
    parser.add_argument("--length", type=int, default=20)
    parser.add_argument("--shots", type=int, default=200)
    parser.add_argument("--queries", type=int, default=20)
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    options = EngineOptions(model=arguments.model, threads=arguments.threads, enforce_eager=True)
    engine = engine_of(options, seed=0)
    with tempfile.TemporaryDirectory() as scratch:
        splits = load_or_make(
            SUITE["fn_a"],
            length=arguments.length,
            train_size=arguments.shots,
            validation_size=0,
            test_size=arguments.queries,
            seed=42,
            dataset_dir=Path(scratch),
            evaluation_sets=False,
        )
    questions = {
        way: pose(splits, arguments.shots, arguments.queries, engine, settings)
        for way, settings in WAYS.items()
    }
    engine.load()
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    tokens: dict[str, list[tuple[int, int]]] = {way: [] for way in WAYS}
    for index in (0, *range(arguments.queries)):  # the first one twice: it fills the cache
        for way, settings in WAYS.items():
            text = questions[way].frame.around(splits.test.inputs[index])
            started = time.perf_counter()
            (answer,) = engine.answer([Prompt(1, text, index)], settings)
            seconds[way].append(time.perf_counter() - started)
            tokens[way].append(
                (answer.computed_tokens or 0, answer.completion.usage.completion_tokens)
            )
    engine.close()
    score = statistics.median(seconds["score"][1:])
    print(f"{engine.name}, {arguments.shots} examples of length {arguments.length}")
    for way in WAYS:
        median = statistics.median(seconds[way][1:])
        computed, generated = (statistics.mean(part) for part in zip(*tokens[way][1:], strict=True))
        print(
            f"{way:20} {median:8.3f} s  {1 / median:6.2f} queries/s, {median / score:.2f} times "
            f"the score's seconds; {computed:.0f} prompt and {generated:.0f} answer tokens computed"
        )


if __name__ == "__main__":
    main()
