"""One result of a search, as JSON and as a row of the final table."""

import ast
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from llm_erm.cli import output
from llm_erm.erm.trials import Estimate, mean_of_accuracies, mean_of_shares
from llm_erm.llms.llm import Completion
from llm_erm.records import Certificate, Run, Verdict
from llm_erm.reports.results import is_exact


def result_of(run: Run) -> dict[str, Any]:
    """Returns the summary of a run; the keys that do not apply are None."""
    selected = run.selected
    return {
        "method": run.method,
        "function": run.function,
        "length": run.length,
        "seed": run.seed,
        "trial": run.trial,
        "model": run.model,
        "attempts": len(run.attempts),
        "duplicates": sum(attempt.duplicate_of is not None for attempt in run.attempts),
        "selected_attempt": None if selected is None else selected.index,
        "program": None if selected is None else selected.candidate.source,
        "train_accuracy": None if selected is None else selected.train.accuracy,
        "validation_accuracy": None if selected is None else selected.validation.accuracy,
        "test_accuracy": _accuracy(run.test),
        "test_examples": None if run.test is None else run.test.total,
        "probe_accuracy": _accuracy(run.probe),
        "length_shift_accuracy": _accuracy(run.length_shift),
        "certificate": None if run.certificate is None else _certificate(run.certificate),
        "notices": list(run.notices),
        "isolation": run.isolation,
        **cost_of([attempt.candidate.completion for attempt in run.attempts]),
        "data_sha256": run.data_sha256,
        "examples": run.examples,
        "seconds": round(run.seconds, 3),
        **run.details,
    }


def _certificate(certificate: Certificate) -> dict[str, Any]:
    return {"error_upper_bound": certificate.error_upper_bound} | asdict(certificate)


def cost_of(completions: Sequence[Completion]) -> dict[str, Any]:
    """Returns what answers took together; a price that one of them lacks leaves the sum unknown."""
    prices = [completion.cost_usd for completion in completions]
    known = [price for price in prices if price is not None]
    return {
        "prompt_tokens": sum(completion.usage.prompt_tokens for completion in completions),
        "completion_tokens": sum(completion.usage.completion_tokens for completion in completions),
        "tool_calls": sum(len(completion.tool_calls) for completion in completions),
        "cost_usd": sum(known) if len(known) == len(prices) else None,
    }


def cost_line(results: Sequence[Mapping[str, Any]]) -> str:
    """Returns what all results took together, in a sentence."""
    total = {
        key: sum(result[key] for result in results)
        for key in ("attempts", "prompt_tokens", "completion_tokens")
    }
    prices = [result["cost_usd"] for result in results]
    dollars = "of unknown cost" if None in prices else f"${sum(prices):.4f}"
    return (
        f"{total['attempts']:,} answers: {total['prompt_tokens']:,} prompt and "
        f"{total['completion_tokens']:,} output tokens, {dollars}."
    )


def trial_lines(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns what the trials of each task and length say together, a sentence each."""
    groups: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for result in results:
        groups.setdefault((result["function"], result["length"]), []).append(result)
    return [
        f"{function} L={length}: {line}"
        for (function, length), group in groups.items()
        for line in _about_trials(group)
    ]


def _about_trials(group: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    if len(group) > 1:
        accuracies = [result["test_accuracy"] or 0.0 for result in group]
        lines.append(f"mean test accuracy {_estimate(mean_of_accuracies(accuracies))}")
        exact = [float(is_exact(result)) for result in group]
        lines.append(f"trials with an exact program {_estimate(mean_of_shares(exact))}")
    if all("success_at" in result for result in group):
        one = mean_of_shares([result["success_at"]["1"] for result in group])
        lines.append(f"one proposal is right with probability {_estimate(one)}")
        drawn_by_all = set.intersection(*(set(result["success_at"]) for result in group))
        for k in sorted(drawn_by_all - {"1"}, key=int):
            share = mean_of_shares([result["success_at"][k] for result in group])
            lines.append(f"success@{k} {_estimate(share)}")
    return lines


def _estimate(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        alone = "one trial gives no interval; give --num-trials"
        alike = f"the same in all {estimate.trials} trials"
        return f"{estimate.mean:.1%} ({alone if estimate.trials == 1 else alike})"
    interval = f"95% interval {estimate.low:.1%} to {estimate.high:.1%}"
    return f"{estimate.mean:.1%} ({interval}, {estimate.trials} trials)"


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
            "error at most, 95% sure",
            "isolation",
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
        at_most(certificate),
        result["isolation"] or "–",
        _program(result),
    )


def at_most(certificate: Mapping[str, Any] | None) -> str:
    """Returns the bounds from validation and test data, rounded up, so that each still holds."""
    if certificate is None:
        return "no certificate"
    named = {"validation": certificate["validation"], "test": certificate["test"]}
    bounds = [
        f"{math.ceil(bound['error_upper_bound'] * 10_000) / 100:.2f}% by {name}"
        for name, bound in named.items()
        if bound
    ]
    return ", ".join(bounds)


def _program(result: Mapping[str, Any]) -> str:
    if result["program"] is None:
        return "no program ran"
    text = brief(result["program"])
    return text if result["validation_accuracy"] == 1.0 else f"nothing exact; best: {text}"


def brief(source: str) -> str:
    """Returns a one-line program as its expression, a longer or a very deep one as it is."""
    try:
        body = ast.parse(source).body
        if len(body) == 1 and isinstance(body[0], ast.FunctionDef) and len(body[0].body) == 1:
            statement = body[0].body[0]
            if isinstance(statement, ast.Return) and statement.value is not None:
                return ast.unparse(statement.value)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return source
    return source.strip()


def _accuracy(verdict: Verdict | None) -> float | None:
    return verdict.accuracy if verdict is not None and verdict.status == "ok" else None
