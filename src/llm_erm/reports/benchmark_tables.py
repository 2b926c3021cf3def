"""Writes how many tasks methods solve by description length: as text, records, CSV, Markdown."""

from collections.abc import Sequence
from math import ceil, floor
from typing import Any

from llm_erm.erm.trials import Estimate
from llm_erm.phrases import percent
from llm_erm.reports.benchmark import Bracket
from llm_erm.reports.tables import NOTHING
from llm_erm.rulelists.as_markdown import in_markdown
from llm_erm.runs.files import csv_text

EXPLAINED = (
    "Exact: the program or model that the validation examples selected makes no error on the test "
    "examples. pass@k: the probability that one of k proposals is exact, as a mean over tasks. "
    "Seconds: the median wall time per task. Each interval holds on its own with 95% confidence, "
    "over the draw of tasks of these description lengths."
)


def headings(attempts: int) -> tuple[str, ...]:
    """Returns the headings of the table, for so many proposals per task."""
    passed = [f"pass@{k}" for k in sorted({1, attempts})]
    return (
        *("method", "bits", "tasks", "exact (95% interval)", *passed, "seconds"),
        *(*(f"{name} interval" for name in passed), "test accuracy", "cost"),
    )


def cells(one: Bracket, attempts: int) -> tuple[str, ...]:
    """Returns a bracket as text, in the order of ``headings``."""
    passed = [one.pass_at(k) for k in sorted({1, attempts})]
    exact = one.exact_share
    return (
        *(one.method, one.span.name, str(len(one.entries))),
        percent(exact.mean) + ("" if exact.low is None else f" ({_interval(exact)})"),
        *(NOTHING if share is None else percent(share.mean) for share in passed),
        f"{one.seconds:,.2f}",
        *map(_interval, passed),
        percent(one.accuracy),
        NOTHING if one.cost_usd is None else f"${one.cost_usd:.4f}",
    )


def _interval(share: Estimate | None) -> str:
    """Returns an interval in whole percents, its ends rounded outwards so that it still holds."""
    if share is None or share.low is None or share.high is None:
        return NOTHING
    return f"{floor(100 * share.low + 1e-9)}–{ceil(100 * share.high - 1e-9)}%"


def record(one: Bracket, attempts: int) -> dict[str, Any]:
    """Returns what a bracket says by name, unrounded, with None for what is not known."""
    shares = {"exact": one.exact_share, "pass_at_1": one.pass_at(1), "pass_at_k": None}
    if attempts > 1:
        shares["pass_at_k"] = one.pass_at(attempts)
    return {
        "method": one.method,
        "result_method": one.entries[0].method,
        "low_bits": one.span.low,
        "high_bits": one.span.high,
        "tasks": len(one.entries),
        "exact_tasks": one.exact,
        **{name: value for part in shares.items() for name, value in _numbers(*part).items()},
        "k": one.attempts,
        "test_accuracy": one.accuracy,
        "median_seconds": one.seconds,
        "cost_usd": one.cost_usd,
    }


def _numbers(name: str, share: Estimate | None) -> dict[str, float | None]:
    return {
        name: None if share is None else share.mean,
        f"{name}_low": None if share is None else share.low,
        f"{name}_high": None if share is None else share.high,
    }


def as_csv(brackets: Sequence[Bracket], attempts: int) -> str:
    """Returns the records of brackets as CSV; no text is a formula for a spreadsheet."""
    records = [record(one, attempts) for one in brackets]
    names = list(records[0]) if records else []
    return csv_text(names, [list(one.values()) for one in records])


def as_markdown(brackets: Sequence[Bracket], attempts: int, sentences: Sequence[str]) -> str:
    """Returns a document with the table and what one must know to read it."""
    names = headings(attempts)
    lines = [names, ("---",) * len(names), *(cells(one, attempts) for one in brackets)]
    table = "\n".join(f"| {' | '.join(map(in_markdown, line))} |" for line in lines)
    title = "# Tasks solved by description length"
    said = "\n".join(f"- {in_markdown(sentence)}" for sentence in sentences)
    return "\n\n".join((title, said, table, in_markdown(EXPLAINED))) + "\n"
