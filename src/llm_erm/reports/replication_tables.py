"""Writes published figures beside ours: as text, records, CSV and Markdown."""

import math
from collections.abc import Sequence
from dataclasses import asdict

from llm_erm.reports.published import Published
from llm_erm.reports.replication import NOT_RUN, Line
from llm_erm.rulelists.as_markdown import in_markdown
from llm_erm.runs.files import csv_text

INTERVALS = (
    "The interval of a difference is that of our accuracy less the published figure: with one "
    "trial, the exact 95% interval of what it learned, from its test examples; with several, that "
    "of the mean over all trials that could be drawn. The published figures have no stated "
    "uncertainty, so no interval accounts for theirs."
)


COLUMNS = (
    *("experiment", "data", "method", "published", "ours", "difference (95% interval)"),
    *("published method", "our method", "95% interval", "length", "examples", "tested at"),
    *("trials", "test examples", "remark"),
)
"""Headings of the table; see ``cells``."""


def cells(known: Published, line: Line) -> tuple[str, ...]:
    """Returns a line as text, in the order of ``COLUMNS``; accuracies are in percent."""
    point, ours = line.point, line.ours
    return (
        point.experiment,
        _data(known, line),
        line.name,
        _percent(line.published),
        NOT_RUN if ours is None else _percent(ours.accuracy),
        _difference(line),
        known.methods.get(line.beside, "–"),
        "–" if ours is None else ours.method,
        "–" if ours is None else interval(ours.low, ours.high, ""),
        str(point.length),
        str(point.examples),
        str(point.tested),
        "–" if ours is None else str(ours.trials),
        "–" if ours is None else str(ours.test_examples),
        line.remark,
    )


def _data(known: Published, line: Line) -> str:
    """Returns the task, and what the experiment varies besides."""
    point, experiment = line.point, known.experiments[line.point.experiment]
    if experiment.test_lengths:
        return f"{point.task} L={point.tested}"
    return f"{point.task} n={point.examples}" if len(experiment.examples) > 1 else point.task


def _difference(line: Line) -> str:
    if line.difference is None or line.difference_interval is None:
        return "–"
    return f"{points_of(line.difference)} ({interval(*line.difference_interval, '+')})"


def interval(low: float, high: float, sign: str) -> str:
    """Returns an interval in percent, its ends rounded outwards so that it still holds.

    Args:
        low: Its lower end.
        high: Its upper end.
        sign: ``+`` to give positive numbers a sign, or nothing.
    """
    ends = math.floor(low * 1000 + 1e-9) / 10, math.ceil(high * 1000 - 1e-9) / 10 + 0.0
    return f"{ends[0]:{sign}.1f} to {ends[1]:{sign}.1f}"


def points_of(difference: float) -> str:
    """Returns a difference in percentage points, with its sign."""
    return f"{100 * difference:+.1f}"


def _percent(accuracy: float | None) -> str:
    return "–" if accuracy is None else f"{100 * accuracy:.1f}"


def record(line: Line) -> dict[str, str | int | float | bool | None]:
    """Returns a line as one flat record; accuracies are in [0, 1]."""
    ours, interval = line.ours, line.difference_interval
    return asdict(line.point) | {
        "published_method": line.beside or None,
        "published": line.published,
        "method": line.name,
        "our_method": None if ours is None else ours.method,
        "ours": None if ours is None else ours.accuracy,
        "low": None if ours is None else ours.low,
        "high": None if ours is None else ours.high,
        "difference": line.difference,
        "difference_low": None if interval is None else interval[0],
        "difference_high": None if interval is None else interval[1],
        "agrees": line.agrees,
        "trials": None if ours is None else ours.trials,
        "test_examples": None if ours is None else ours.test_examples,
        "remark": line.remark,
    }


def as_csv(lines: Sequence[Line]) -> str:
    """Returns the records of lines as CSV; no text is a formula for a spreadsheet."""
    records = [record(line) for line in lines]
    names = list(records[0]) if records else []
    return csv_text(names, [list(one.values()) for one in records])


def as_markdown(known: Published, lines: Sequence[Line], sentences: Sequence[str]) -> str:
    """Returns a document with one table per experiment, and what one must know to read them."""
    said = [*sentences, *summaries(known, lines), INTERVALS]
    parts = ["# Published figures and ours", *map(in_markdown, said)]
    for name in dict.fromkeys(line.point.experiment for line in lines):
        rows = [cells(known, line)[1:] for line in lines if line.point.experiment == name]
        texts = [("---",) * len(rows[0]), *(tuple(map(in_markdown, row)) for row in rows)]
        table = "\n".join(f"| {' | '.join(row)} |" for row in [COLUMNS[1:], *texts])
        parts += [f"## {name}", *map(in_markdown, known.experiments[name].notes), table]
    parts += ["## Sources", "\n".join(f"- {in_markdown(source)}" for source in known.sources)]
    return "\n\n".join(parts) + "\n"


def summaries(known: Published, lines: Sequence[Line]) -> list[str]:
    """Returns one sentence per method of ours on how often it agrees with the published one."""
    groups: dict[tuple[str, str, str], list[Line]] = {}
    for line in lines:
        if line.ours is not None and line.agrees is not None:
            key = (line.point.experiment, line.name, line.beside)
            groups.setdefault(key, []).append(line)
    said = []
    for (experiment, name, beside), group in groups.items():
        agreeing = sum(bool(line.agrees) for line in group)
        far = max(group, key=lambda line: abs(line.difference or 0.0))
        at = far.point
        where = f"{at.task} with {at.examples:,} examples at length {at.tested}"
        said.append(
            f"{experiment}: {name} beside {known.methods[beside]}: {agreeing} of {len(group)} "
            f"intervals hold the published figure; the largest difference is "
            f"{points_of(far.difference or 0.0)} points, on {where}."
        )
    return said
