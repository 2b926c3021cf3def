"""The published result files: one JSON record and one CSV row per attempt."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from llm_erm.facts import SynthesisFacts
from llm_erm.llms.llm import Completion
from llm_erm.records import Attempt, Result
from llm_erm.runs.files import csv_text, replace, writing
from llm_erm.runs.folder import RunFolder
from llm_erm.runs.jobs import JobKey

PUBLISHED_COLUMNS = (
    "fn",
    "length",
    "attempt",
    "prompt",
    "text",
    "duration_ms",
    "cached_tokens",
    "prompt_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "tool_uses",
    "tool_results_chars",
    "val_acc",
    "test_acc",
    "stopped_early",
    "compile_error",
)
"""Columns of the published CSV, in their order; ours adds more after them."""


def export(
    folder: RunFolder,
    jobs: Iterable[JobKey],
    isolation: str,
    jsonl: Path | None,
    table: Path | None,
) -> None:
    """Writes the published files from a run's journal; writes nothing if it holds no attempt.

    Attempts of an unfinished search have no test accuracy, because nothing was selected yet.

    Args:
        folder: The run.
        jobs: Its searches, in the order of the records.
        isolation: Level of the sandbox, for unfinished searches.
        jsonl: File for the JSON records, or None.
        table: File for the CSV table, or None.

    Raises:
        InputError: A file cannot be written.
    """
    records = [record for job in jobs for record in _records_of(folder, job, isolation)]
    for path, text, setting in (
        (jsonl, _as_jsonl, "out_jsonl"),
        (table, _as_csv, "out_csv"),
    ):
        if path is not None and records:
            with writing(path, setting):
                replace(path, text(records))


def _records_of(folder: RunFolder, job: JobKey, isolation: str) -> list[dict[str, Any]]:
    attempts, answers = folder.attempts(job), folder.answers(job)
    result = folder.results.get(job)
    first_perfect = next((a.index for a in attempts if a.validation.perfect), None)
    return [
        _record(job, folder.prompt(job, attempt.index), attempt, answers[attempt.index], accuracy)
        | {
            "stopped_early": attempt.index == first_perfect,
            "isolation": isolation if result is None else result.isolation,
        }
        for attempt, accuracy in zip(attempts, _accuracies(result, attempts), strict=True)
    ]


def _accuracies(result: Result | None, attempts: Sequence[Attempt]) -> Sequence[float | None]:
    facts = None if result is None else result.facts
    if isinstance(facts, SynthesisFacts) and facts.test_accuracies is not None:
        return facts.test_accuracies
    return [None] * len(attempts)


def _record(
    job: JobKey,
    prompt: str,
    attempt: Attempt,
    completion: Completion,
    test_accuracy: float | None,
) -> dict[str, Any]:
    """Returns the published record of an attempt, followed by fields of our own."""
    candidate, validation, usage = attempt.candidate, attempt.validation, completion.usage
    ran = validation.status == "ok"
    return {
        "fn": job.function,
        "length": job.length,
        "attempt": attempt.index,
        "prompt": prompt,
        "text": completion.text,
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.prompt_tokens + usage.completion_tokens,
            "cached_tokens": usage.cached_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
        },
        "duration_ms": round(completion.latency_seconds * 1000),
        "cached_tokens": usage.cached_tokens,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "prompt_chars": len(prompt),
        "tool_uses": len(completion.tool_calls),
        "tool_results_chars": sum(len(call.output) for call in completion.tool_calls),
        "val_acc": validation.accuracy if ran else None,
        "test_acc": test_accuracy,
        "stopped_early": False,
        "compile_error": _compile_error(attempt),
        "error": candidate.reason if candidate.source is None else validation.message,
        "status": validation.status,
        "train_acc": attempt.train.accuracy if ran else None,
        "code": candidate.source,
        "finish_reason": completion.finish_reason,
        "cost_usd": completion.cost_usd,
        "duplicate_of": attempt.duplicate_of,
        "trial": job.trial,
        "seed": job.seed,
        "variant": job.variant,
    }


def _compile_error(attempt: Attempt) -> str | None:
    match attempt.validation.status:
        case "ok":
            return None
        case "no_code":
            return "no_code_found"
        case status:
            return f"{status}: {attempt.validation.message or 'no message'}"


def _as_jsonl(records: Sequence[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def _as_csv(records: Sequence[Mapping[str, Any]]) -> str:
    """Returns the published columns, ``error``, and trial and variant if there are several."""
    several = any(record["trial"] > 1 for record in records)
    named = any(record["variant"] for record in records)
    columns = [*PUBLISHED_COLUMNS, "error", *(["trial", "seed"] if several else [])]
    columns += ["variant"] if named else []
    return csv_text(columns, ([record[name] for name in columns] for record in records))
