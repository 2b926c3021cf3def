"""The published result files: one JSON record a query, one CSV row a task."""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from llm_erm.incontext.learn import Query, Questions
from llm_erm.journal import replace

COLUMNS = (
    "function",
    "length",
    "accuracy",
    "shots",
    "seed",
    "trial",
    "queries",
    "correct",
    "parse_failures",
    "accuracy_low",
    "accuracy_high",
    "accuracy_parsed",
    "differs_from_chance",
)
"""Columns of the CSV: the three published ones, then ours. Bounds are those of the exact 95 %
interval on ``accuracy``."""


def record(questions: Questions, query: Query) -> dict[str, Any]:
    """Returns the published record of a query, with what ours knows beyond it at the end."""
    splits, completion = questions.splits, query.answer.completion
    prediction = query.prediction
    return {
        "prompt": query.prompt,
        "true_label": str(query.label),
        "fn": splits.fn,
        "length": splits.length,
        "model_output": completion.text,
        "predicted_label": None if prediction is None else str(prediction),
        "is_correct": prediction == query.label,
        "index": query.index,
        "input": query.input,
        "shots": questions.shots,
        "seed": splits.seed,
        "trial": splits.trial,
        "probability_of_1": query.answer.probability,
        "prompt_tokens": completion.usage.prompt_tokens,
        "computed_tokens": query.answer.computed_tokens,
        "completion_tokens": completion.usage.completion_tokens,
        "finish_reason": completion.finish_reason,
        "seconds": completion.latency_seconds,
    }


def write_jsonl(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Writes one record a line; the whole file or nothing."""
    _write(path, "".join(json.dumps(record) + "\n" for record in records))


def write_csv(path: Path, results: Iterable[Mapping[str, Any]]) -> None:
    """Writes one row a result; the whole file or nothing."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for result in results:
        low, high = result["accuracy_interval"]
        writer.writerow(
            {
                **result,
                "accuracy": result["test_accuracy"],
                "accuracy_low": round(low, 6),
                "accuracy_high": round(high, 6),
            }
        )
    _write(path, text.getvalue())


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, text)
