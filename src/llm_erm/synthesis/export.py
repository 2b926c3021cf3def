"""The published result files: one JSON record and one CSV row an attempt."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_erm.erm.verify import verify
from llm_erm.journal import replace
from llm_erm.records import Attempt
from llm_erm.sandbox import Limits, Sandbox
from llm_erm.store import Point
from llm_erm.tasks.task import Splits

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
"""Columns of the published CSV, in its order; ours has more after them."""


@dataclass(frozen=True)
class Judged:
    """How an attempt does on data that no choice may use.

    Attributes:
        test_accuracy: On the test examples; None where its program did not run.
        exact: Whether it is right on all test and probe examples.
    """

    test_accuracy: float | None
    exact: bool


def judge_all(
    attempts: Sequence[Attempt], splits: Splits, sandbox: Sandbox, limits: Limits
) -> list[Judged]:
    """Returns how each attempt does on the test and probe examples.

    For the published files and for statistics of the model alone: called when the choice is made.
    """
    judged = {
        attempt.index: _judged(attempt, splits, sandbox, limits)
        for attempt in attempts
        if attempt.duplicate_of is None
    }
    return [judged[attempt.duplicate_of or attempt.index] for attempt in attempts]


def _judged(attempt: Attempt, splits: Splits, sandbox: Sandbox, limits: Limits) -> Judged:
    if attempt.validation.status != "ok":
        return Judged(None, exact=False)
    source = attempt.candidate.source
    test = verify(source, [splits.test], sandbox, limits)[0]
    exact = test.perfect
    if exact and splits.probe is not None:
        exact = verify(source, [splits.probe], sandbox, limits)[0].perfect
    return Judged(test.accuracy if test.status == "ok" else None, exact)


def record(
    point: Point, attempt: Attempt, test_accuracy: float | None, *, ended: bool
) -> dict[str, Any]:
    """Returns the published record of an attempt, with what ours knows beyond it at the end.

    Args:
        point: The grid point that it is of.
        attempt: What to record.
        test_accuracy: Its accuracy on the test examples, where its program ran.
        ended: Whether it ended the search.
    """
    candidate, validation = attempt.candidate, attempt.validation
    completion, usage = candidate.completion, candidate.completion.usage
    ran = validation.status == "ok"
    return {
        "fn": point.function,
        "length": point.length,
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
        "trial": point.trial,
        "seed": point.seed,
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
    _write(path, "".join(json.dumps(record) + "\n" for record in records))


def write_csv(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Writes the published columns, ``error``, and which trial it is where there are several."""
    text = io.StringIO(newline="")
    several = any(record["trial"] > 1 for record in records)
    columns = [*PUBLISHED_COLUMNS, "error", *(["trial", "seed"] if several else [])]
    writer = csv.DictWriter(text, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(records)
    _write(path, text.getvalue())


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, text)
