"""Times the embedded model's proposals and counts the exact rules among them.

    python benchmarks/local_proposals.py [--seeds 10] [--samples 256] [--threads N]

The prompt and the grammar are the same for every task, so one set of samples serves all tasks. A
sample counts as a task's exact rule if it, or its complement, is correct on all inputs that are
drawn here from the task's own distribution, its contrast set and its other lengths. Sampled
expressions are evaluated in this process, since the grammar contains nothing harmful.
"""

import argparse
import asyncio
import os
import time
import warnings
from collections.abc import Callable, Iterable

import numpy as np

from llm_erm import grammar
from llm_erm.llms.llm import Completion, Request
from llm_erm.llms.local import LocalLLM
from llm_erm.tasks import probes, suite
from llm_erm.tasks.task import Dataset

LENGTH = 20
TASKS = tuple(f"fn_{letter}" for letter in "abcdefghijkl")
INPUTS = 300


async def draw(llm: LocalLLM, seed: int, samples: int) -> list[Completion]:
    request = Request(
        grammar.PROMPT,
        range(1, samples + 1),
        seed,
        max_tokens=64,
        grammar=grammar.gbnf(),
        continued=True,
    )
    return [completion async for completion in llm.complete(request)]


def example_sets(id: str) -> list[Dataset]:
    """Returns all examples of a task that can distinguish its rule from another."""
    task = suite.get(id)
    negatives, positives = task.draw(np.random.RandomState(5), LENGTH, (INPUTS, INPUTS))
    usual = Dataset((*negatives, *positives), (0,) * len(negatives) + (1,) * len(positives))
    others = (probes.contrast_set(task, LENGTH), probes.length_generalization_set(task, LENGTH))
    return [usual, *(data for data in others if data is not None)]


def is_exact(rule: Callable[[str], object], data: Iterable[Dataset]) -> bool:
    """Returns whether a rule, or its complement, is correct on every example."""
    flips = set()
    for dataset in data:
        for x, label in zip(dataset.inputs, dataset.labels, strict=True):
            try:
                prediction = rule(x)
            except (ValueError, IndexError, ArithmeticError):
                return False
            if prediction not in (0, 1):
                return False
            flips.add(prediction != label)
            if len(flips) > 1:
                return False
    return True


def exact_tasks(expression: str, sets: dict[str, list[Dataset]]) -> list[str]:
    """Returns the tasks that an expression solves."""
    names: dict[str, Callable[[str], object]] = {}
    exec(grammar.to_program(expression), names)
    return [id for id, data in sets.items() if is_exact(names["f"], data)]


def figures(completions: list[Completion], texts: list[str], wall: float, cpu: float) -> str:
    count, tokens = len(completions), sum(c.usage.completion_tokens for c in completions)
    return (
        f"{count / wall:.1f} proposals/s, {tokens / wall:.0f} tokens/s, "
        f"{cpu / count * 1000:.0f} CPU ms and {tokens / count:.1f} tokens per proposal, "
        f"{len(texts) - len(set(texts))} duplicates, {count - len(texts)} cut off"
    )


def listed(exact: dict[str, int]) -> str:
    return ", ".join(f"{id} {count}" for id, count in exact.items() if count) or "none"


async def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    warnings.simplefilter("ignore", SyntaxWarning)
    sets = {id: example_sets(id) for id in TASKS}
    solves: dict[str, list[str]] = {}
    totals = dict.fromkeys(TASKS, 0)
    solved = dict.fromkeys(TASKS, 0)
    llm = LocalLLM(threads=options.threads)
    await draw(llm, 0, 1)  # loads the model
    print(f"{llm.name}, {llm.threads} threads, {os.cpu_count()} cores, L = {LENGTH}")
    for seed in range(1, options.seeds + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        completions = await draw(llm, seed, options.samples)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        texts = [sample.text.strip() for sample in completions if sample.finish_reason == "stop"]
        for text in set(texts) - solves.keys():
            solves[text] = exact_tasks(text, sets)
        exact = {id: sum(id in solves[text] for text in texts) for id in TASKS}
        for id, count in exact.items():
            totals[id] += count
            solved[id] += count > 0
        print(f"seed {seed}: {figures(completions, texts, wall, cpu)}, exact: {listed(exact)}")
    await llm.aclose()
    drawn = options.seeds * options.samples
    for id in TASKS:
        print(
            f"{id}: exact in {totals[id]} of {drawn} samples ({totals[id] / drawn:.2%}), "
            f"in {solved[id]} of {options.seeds} seeds"
        )


if __name__ == "__main__":
    asyncio.run(main())
