"""One result of a search, as JSON and as a row of the final table."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from llm_erm.cli import output
from llm_erm.records import Run, Verdict


def result_of(run: Run) -> dict[str, Any]:
    """Returns the summary of a run; the keys that do not apply are None."""
    selected = run.selected
    return {
        "method": run.method,
        "function": run.function,
        "length": run.length,
        "seed": run.seed,
        "model": run.model,
        "attempts": len(run.attempts),
        "duplicates": sum(attempt.duplicate_of is not None for attempt in run.attempts),
        "selected_attempt": None if selected is None else selected.index,
        "program": None if selected is None else selected.candidate.source,
        "train_accuracy": None if selected is None else selected.train.accuracy,
        "validation_accuracy": None if selected is None else selected.validation.accuracy,
        "test_accuracy": _accuracy(run.test),
        "probe_accuracy": _accuracy(run.probe),
        "length_shift_accuracy": _accuracy(run.length_shift),
        "certificate": None if run.certificate is None else asdict(run.certificate),
        "notices": list(run.notices),
        "isolation": run.isolation,
        "seconds": round(run.seconds, 3),
        **run.details,
    }


def result_table(results: Sequence[Mapping[str, Any]]) -> None:
    """Prints the final table of a search."""
    output.table(
        (
            "task",
            "length",
            "attempts",
            "validation",
            "test",
            "probes",
            "other lengths",
            "error at most",
            "program",
        ),
        [_row(result) for result in results],
    )


def _row(result: Mapping[str, Any]) -> tuple[str, ...]:
    certificate = result["certificate"]
    return (
        result["function"],
        str(result["length"]),
        str(result["attempts"]),
        output.percent(result["validation_accuracy"]),
        output.percent(result["test_accuracy"]),
        output.percent(result["probe_accuracy"]),
        output.percent(result["length_shift_accuracy"]),
        (
            f"{certificate['error_upper_bound']:.1%} ({certificate['confidence']:.0%} sure)"
            if certificate
            else "no certificate"
        ),
        _program(result),
    )


def _program(result: Mapping[str, Any]) -> str:
    if result["program"] is None:
        return "no program ran"
    text = _brief(result["program"])
    return text if result["validation_accuracy"] == 1.0 else f"nothing exact; best: {text}"


def _brief(source: str) -> str:
    """A one-line program by its expression, a longer one as it is."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return source
    if len(body) == 1 and isinstance(body[0], ast.FunctionDef) and len(body[0].body) == 1:
        statement = body[0].body[0]
        if isinstance(statement, ast.Return) and statement.value is not None:
            return ast.unparse(statement.value)
    return source.strip()


def _accuracy(verdict: Verdict | None) -> float | None:
    return verdict.accuracy if verdict is not None and verdict.status == "ok" else None
