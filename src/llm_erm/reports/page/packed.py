"""Packs attempts into a page: a table that is there at once, and details read where needed."""

import base64
import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from llm_erm.markup import visible
from llm_erm.records import Attempt, Verdict, accuracy
from llm_erm.reports.page.records import Page, Tried

PER_BLOCK = 250
"""Attempts whose details are compressed together: one is shown in some milliseconds."""


@dataclass(frozen=True)
class Packed:
    """The attempts of a page, compressed.

    Attributes:
        table: What the rows of the table show.
        details: The texts and figures of attempts, ``PER_BLOCK`` at a time.
        prompts: The prompts, one each.
    """

    table: str
    details: tuple[str, ...]
    prompts: tuple[str, ...]


def packed(page: Page) -> Packed:
    """Returns the attempts of a page, all of whose texts are visible, as text.

    The page's script knows the order of the values in a row.
    """
    table = {
        "perBlock": PER_BLOCK,
        "jobs": [[visible(job.name), visible(job.value)] for job in page.jobs],
        "rows": [_row(one) for one in page.tried],
    }
    details = [_detail(one) for one in page.tried]
    starts = range(0, len(details), PER_BLOCK)
    return Packed(
        _compressed(table),
        tuple(_compressed(details[start : start + PER_BLOCK]) for start in starts),
        tuple(_compressed(visible(prompt)) for prompt in page.prompts),
    )


def _compressed(value: object) -> str:
    """Returns JSON values as base64 text; the same values give the same text."""
    data = gzip.compress(json.dumps(value, ensure_ascii=False).encode(), mtime=0)
    return base64.b64encode(data).decode("ascii")


def _row(one: Tried) -> list[Any]:
    attempt, answer = one.attempt, one.answer
    return [
        one.job,
        one.index,
        status_of(one),
        None if attempt is None else accuracy(attempt.train),
        None if attempt is None else accuracy(attempt.validation),
        None if answer is None else answer.usage.completion_tokens,
        _seconds(one),
        int(one.selected),
    ]


def status_of(one: Tried) -> str:
    """Returns how an attempt ended, in a word or two."""
    if one.attempt is not None:
        if one.attempt.duplicate_of is not None:
            return "duplicate"
        return one.attempt.train.status.replace("_", " ")
    assert one.answer is not None
    return "answered" if one.answer.error is None else f"call: {one.answer.finish_reason}"


def _seconds(one: Tried) -> float | None:
    """Returns how long the model took; without one, the CPU time of the program."""
    if one.answer is not None:
        return round(one.answer.latency_seconds, 3)
    return None if one.attempt is None else round(one.attempt.train.cpu_seconds, 6)


def _detail(one: Tried) -> dict[str, Any]:
    """Returns what is shown of an attempt alone: named figures, and named texts."""
    answer, attempt = one.answer, one.attempt
    source = None if attempt is None else attempt.candidate.source
    texts = {"Program": source, "Answer": None if answer is None else answer.text}
    if answer is not None:
        for place, call in enumerate(answer.tool_calls, 1):
            texts[f"Tool call {place}: {call.tool}"] = f"{call.code}\n→ {call.output}"
    return {
        "facts": [[name, visible(value)] for name, value in _figures(one)],
        "texts": [[visible(name), visible(text)] for name, text in texts.items() if text],
        "prompt": one.prompt,
    }


def _figures(one: Tried) -> Iterator[tuple[str, str]]:
    answer, attempt = one.answer, one.attempt
    if attempt is not None:
        yield from _judged(attempt)
    if answer is None:
        return
    usage = answer.usage
    if answer.error is not None:
        yield "error of the call", answer.error
    yield "answer ended by", answer.finish_reason
    yield (
        "tokens",
        f"{usage.prompt_tokens:,} prompt ({usage.cached_tokens:,} cached), "
        f"{usage.completion_tokens:,} output ({usage.reasoning_tokens:,} of reasoning)",
    )
    if answer.probability is not None:
        yield "probability of label 1", f"{answer.probability:.4f}"
    yield "seconds", f"{answer.latency_seconds:,.2f}"
    yield "cost", "not known" if answer.cost_usd is None else f"${answer.cost_usd:.4f}"


def _judged(attempt: Attempt) -> Iterator[tuple[str, str]]:
    if attempt.candidate.reason is not None:
        yield "no program because", attempt.candidate.reason
    if attempt.duplicate_of is not None:
        yield "same program as", f"attempt {attempt.duplicate_of}"
    yield "training", _told(attempt.train)
    yield "validation", _told(attempt.validation)
    if attempt.train.message:
        yield "message", attempt.train.message
    yield "CPU seconds of the program", f"{attempt.train.cpu_seconds:,.4f}"


def _told(verdict: Verdict) -> str:
    if verdict.status != "ok":
        return f"none: {verdict.status}"
    invalid = f", {verdict.invalid:,} without a label" if verdict.invalid else ""
    return f"{verdict.correct:,} of {verdict.total:,}{invalid}"


def statuses(tried: Sequence[Tried]) -> list[str]:
    """Returns the ways in which attempts ended, each once, the most frequent first."""
    counts: dict[str, int] = {}
    for one in tried:
        status = status_of(one)
        counts[status] = counts.get(status, 0) + 1
    return sorted(counts, key=lambda status: -counts[status])
