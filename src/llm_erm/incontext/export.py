"""The published result files: one JSON record per query, one CSV row per result."""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from llm_erm.facts import IncontextFacts
from llm_erm.incontext.method import InContext
from llm_erm.incontext.prompt import balanced, split_at_gap
from llm_erm.incontext.questions import Query, Questions, query_of
from llm_erm.records import Result, Verdict
from llm_erm.runs.files import csv_text, replace, writing
from llm_erm.runs.folder import RunFolder
from llm_erm.runs.run import Plan
from llm_erm.tasks.task import DataKey


def queries_in(
    folder: RunFolder, plan: Plan, method: InContext
) -> Iterator[tuple[Questions, Query]]:
    """Yields the answered queries of a run, job by job and in order, from its journal alone.

    Args:
        folder: The run.
        plan: Its jobs and data.
        method: Its settings.

    Raises:
        InputError: The test data were deleted.
    """
    data = dict(zip(plan.specs, plan.data, strict=True))
    held_out = cache(lambda spec: data[spec].reveal())
    for job in plan.jobs:
        if not (answers := folder.answers(job.key)):
            continue
        questions = Questions(
            splits=data[job.spec],
            shots=method.shots_of(job),
            queries=balanced(held_out(job.spec).test, method.queries, "queries", "queries"),
            frame=split_at_gap(folder.prompt(job.key)),
        )
        for index in sorted(answers):
            yield questions, query_of(questions, answers[index], method.settings)


def export(
    folder: RunFolder,
    plan: Plan,
    method: InContext,
    results: Sequence[Result],
    jsonl: Path | None,
    table: Path | None,
) -> None:
    """Writes the published files, each whole or not at all.

    Args:
        folder: The run, which holds the answers.
        plan: Its jobs and data.
        method: Its settings.
        results: Its results, one row each.
        jsonl: File for the JSON records, or None.
        table: File for the CSV table, or None.

    Raises:
        InputError: A file cannot be written, or the test data were deleted.
    """
    if jsonl is not None:
        records = [record(*one) for one in queries_in(folder, plan, method)]
        _write(jsonl, "".join(json.dumps(one) + "\n" for one in records), "out_jsonl")
    if table is not None:
        _write(table, _as_csv(results), "out_csv")


def record(questions: Questions, query: Query) -> dict[str, Any]:
    """Returns the published record of a query, followed by fields of our own."""
    key, completion, prediction = questions.splits.key, query.completion, query.prediction
    return {
        "prompt": query.prompt,
        "true_label": str(query.label),
        "fn": key.function,
        "length": key.length,
        "model_output": completion.text,
        "predicted_label": None if prediction is None else str(prediction),
        "is_correct": prediction == query.label,
        "index": query.index,
        "input": query.input,
        "shots": questions.shots,
        "seed": key.seed,
        "trial": key.trial,
        "probability_of_1": completion.probability,
        "prompt_tokens": completion.usage.prompt_tokens,
        "computed_tokens": completion.computed_tokens,
        "completion_tokens": completion.usage.completion_tokens,
        "finish_reason": completion.finish_reason,
        "seconds": completion.latency_seconds,
    }


def _as_csv(results: Sequence[Result]) -> str:
    """Returns the three published columns, then ours."""
    return csv_text(list(COLUMNS), map(_row, results), line_end="\n")


def _row(result: Result) -> list[object]:
    facts, test = result.facts, result.test
    assert isinstance(facts, IncontextFacts)
    assert test is not None
    return [value(result.data, facts, test) for value in COLUMNS.values()]


COLUMNS: dict[str, Callable[[DataKey, IncontextFacts, Verdict], object]] = {
    "function": lambda data, facts, test: data.function,
    "length": lambda data, facts, test: data.length,
    "accuracy": lambda data, facts, test: test.accuracy,
    "shots": lambda data, facts, test: facts.shots,
    "seed": lambda data, facts, test: data.seed,
    "trial": lambda data, facts, test: data.trial,
    "queries": lambda data, facts, test: test.total,
    "correct": lambda data, facts, test: test.correct,
    "parse_failures": lambda data, facts, test: test.invalid,
    "accuracy_low": lambda data, facts, test: round(facts.accuracy_interval[0], 6),
    "accuracy_high": lambda data, facts, test: round(facts.accuracy_interval[1], 6),
    "accuracy_parsed": lambda data, facts, test: facts.accuracy_parsed,
    "differs_from_chance": lambda data, facts, test: facts.differs_from_chance,
}
"""The columns of the CSV; ``accuracy_low`` and ``accuracy_high`` are the exact 95 % interval."""


def _write(path: Path, text: str, setting: str) -> None:
    with writing(path, setting):
        replace(path, text)
