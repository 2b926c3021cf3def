"""The published result files: one JSON record and one CSV row an attempt."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llm_erm.erm.verify import verify
from llm_erm.records import Attempt
from llm_erm.sandbox import Limits, Sandbox
from llm_erm.tasks.task import Dataset

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
"""Columns of the published CSV, in its order; ours has ``error`` after them."""


def test_accuracies(
    attempts: Sequence[Attempt], test: Dataset, sandbox: Sandbox, limits: Limits
) -> list[float | None]:
    """Returns each attempt's accuracy on ``test``, None where its program did not run.

    For the published files alone: called when the choice is made, it can change none.
    """
    accuracies: list[float | None] = []
    for attempt in attempts:
        if attempt.duplicate_of is not None:
            accuracies.append(accuracies[attempt.duplicate_of - 1])
        elif attempt.validation.status == "ok":
            verdict = verify(attempt.candidate.source, [test], sandbox, limits)[0]
            accuracies.append(verdict.accuracy if verdict.status == "ok" else None)
        else:
            accuracies.append(None)
    return accuracies


def record(
    function: str, length: int, attempt: Attempt, test_accuracy: float | None, *, ended: bool
) -> dict[str, Any]:
    """Returns the published record of an attempt, with what ours knows beyond it at the end.

    Args:
        function: The task's id.
        length: Length of the inputs.
        attempt: What to record.
        test_accuracy: Its accuracy on the test examples, where its program ran.
        ended: Whether it ended the search.
    """
    candidate, validation = attempt.candidate, attempt.validation
    completion, usage = candidate.completion, candidate.completion.usage
    ran = validation.status == "ok"
    return {
        "fn": function,
        "length": length,
        "attempt": attempt.index,
        "prompt": candidate.prompt,
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
        "prompt_chars": len(candidate.prompt),
        "tool_uses": len(completion.tool_calls),
        "tool_results_chars": sum(len(call.output) for call in completion.tool_calls),
        "val_acc": validation.accuracy if ran else None,
        "test_acc": test_accuracy,
        "stopped_early": ended,
        "compile_error": _compile_error(attempt),
        "error": candidate.reason if candidate.source is None else validation.message,
        "status": validation.status,
        "train_acc": attempt.train.accuracy if ran else None,
        "code": candidate.source,
        "finish_reason": completion.finish_reason,
        "cost_usd": completion.cost_usd,
        "duplicate_of": attempt.duplicate_of,
    }


def _compile_error(attempt: Attempt) -> str | None:
    match attempt.validation.status:
        case "ok":
            return None
        case "no_code":
            return "no_code_found"
        case status:
            return f"{status}: {attempt.validation.message or 'no message'}"


def write_jsonl(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Writes one record a line; the whole file or nothing."""
    _replace(path, "".join(json.dumps(record) + "\n" for record in records))


def write_csv(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Writes the published columns and ``error``; the whole file or nothing."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [*PUBLISHED_COLUMNS, "error"], extrasaction="ignore")
    writer.writeheader()
    writer.writerows(records)
    _replace(path, text.getvalue())


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    draft.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
    draft.replace(path)
