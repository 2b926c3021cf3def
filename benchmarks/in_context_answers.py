"""Queries per second of the three ways to answer, on one engine and model.

    python benchmarks/in_context_answers.py [--model FOLDER_OR_GGUF | --base-url URL --model NAME]
        [--shots 200] [--queries 20] [--together 1]

The ways take turns, with --together queries at a time, so that other load on the machine affects
all of them equally; the table shows medians. Each way has its own queries, so that it does not find
results of the others in the cache; the common beginning of all prompts is cached beforehand.
Without a schema, eight tokens are generated per answer.
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from llm_erm.cli.engines import EngineOptions, engine_of
from llm_erm.incontext.engine import Prompt
from llm_erm.incontext.questions import pose
from llm_erm.incontext.settings import InContextSettings
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.splits import load

SETTINGS = InContextSettings(max_new_tokens=8)
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
    parser.add_argument("--together", type=int, default=1)
    parser.add_argument("--base-url")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--enforce-eager", action="store_true")
    arguments = parser.parse_args()
    options = EngineOptions(
        model=arguments.model,
        base_url=arguments.base_url,
        threads=arguments.threads,
        enforce_eager=arguments.enforce_eager,
    )
    engine = engine_of(options, seed=0)
    with tempfile.TemporaryDirectory() as scratch:
        spec = DataSpec(
            function="fn_a",
            length=arguments.length,
            train_size=arguments.shots,
            val_size=0,
            test_size=arguments.queries * len(WAYS),
        )
        splits = load(spec, Path(scratch))
        questions = {
            way: pose(splits, arguments.shots, spec.test_size, engine, settings)
            for way, settings in WAYS.items()
        }
        inputs = splits.reveal().test.inputs
    engine.load()
    rates: dict[str, list[float]] = {way: [] for way in WAYS}
    tokens: dict[str, list[tuple[int, int]]] = {way: [] for way in WAYS}
    for start in range(0, arguments.queries, arguments.together):
        for number, (way, settings) in enumerate(WAYS.items()):
            group = inputs[number :: len(WAYS)][start : start + arguments.together]
            texts = [questions[way].frame.around(query) for query in group]
            prompts = [Prompt(i, text, i) for i, text in enumerate(texts, start=1)]
            started = time.perf_counter()
            answers = list(engine.answer(prompts, settings))
            seconds = time.perf_counter() - started
            if start == 0:  # it has filled the cache
                continue
            rates[way].append(len(group) / seconds)
            tokens[way] += [
                (answer.computed_tokens or 0, answer.usage.completion_tokens) for answer in answers
            ]
    engine.close()
    score = statistics.median(rates["score"])
    print(
        f"{engine.name}, {arguments.shots} examples of length {arguments.length}, "
        f"{arguments.together} queries at a time"
    )
    for way in WAYS:
        rate = statistics.median(rates[way])
        computed, generated = (statistics.mean(part) for part in zip(*tokens[way], strict=True))
        print(
            f"{way:20} {rate:8.2f} queries/s; the score has {score / rate:.2f} times as many; "
            f"{computed:.0f} prompt and {generated:.1f} answer tokens computed per query"
        )


if __name__ == "__main__":
    main()
