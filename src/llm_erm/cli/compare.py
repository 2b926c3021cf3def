"""`llm-erm compare`: compares runs of several methods on the same data."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from llm_erm.cli import output
from llm_erm.cli.results import LENGTH, entries_of_runs
from llm_erm.cli.tables import Column
from llm_erm.errors import InputError
from llm_erm.phrases import bound_percent, counted
from llm_erm.reports import comparison
from llm_erm.reports.comparison import Row, left_out, verdicts
from llm_erm.reports.remarks import remarks, unfinished
from llm_erm.reports.results import chosen
from llm_erm.tasks.task_file import load_task_file


@dataclass(frozen=True)
class Options:
    """Flags of `llm-erm compare`."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Folders of runs to compare, of any methods."""
    functions: tuple[str, ...] = ()
    """Tasks to compare on, by id or name (default: all that the runs hold)."""
    lengths: tuple[int, ...] = ()
    """Lengths of the inputs to compare on (default: all that the runs hold)."""
    plot: Path | None = None
    """Also plot the comparison into this file, whose name ends in .png, .svg or .pdf."""
    task_file: Path | None = None
    """The Python file that defines a task of your own, whose description the picture shows."""
    json: bool = False
    """Print one JSON object per task and method."""
    wide: bool = False
    """On a terminal, show every column of the table."""


def compare(options: Options) -> int:
    """Compare methods on the same data: accuracy, candidates, seconds, cost, and which one wins."""
    if not options.runs:
        raise InputError("No runs given; name the folders of finished runs.")
    if options.plot is not None:
        from llm_erm.reports.figures import check_target

        check_target(options.plot)
    found = entries_of_runs(options.runs)
    entries = chosen(found, options.functions, options.lengths)
    rows = comparison.compare(entries)
    if rest := left_out(entries, rows):
        output.note(
            f"Left out {counted(rest, 'result')} on data that some method of the task has not seen."
        )
    for line in unfinished(entries):
        output.note(line)
    sentences = [*verdicts(rows), *remarks(rows)]
    if options.json:
        for row in rows:
            output.say_json(_json(row))
    else:
        _table(rows, wide=options.wide)
        if sentences:
            output.say_below("\n".join(("", *sentences)))
    if options.plot is not None:
        from llm_erm.reports.figures import draw_comparison

        own = None if options.task_file is None else load_task_file(options.task_file)
        draw_comparison(rows, options.plot, own)
        output.note(f"Picture: {options.plot}")
    return 0


def _json(row: Row) -> dict[str, Any]:
    return {
        "function": row.point[0],
        "length": row.point[1],
        "method": row.method,
        "finished": row.finished,
        "trials": len(row.entries),
        "test_accuracy": row.accuracy,
        "test_examples": row.test_examples,
        "interval": list(row.interval),
        "interval_of": "this trial" if len(row.entries) == 1 else "the mean of all trials",
        "learned_interval": list(row.learned_interval),
        "error_at_most": row.error_at_most,
        "methods_compared": row.rivals,
        "error_at_most_for_all_results": row.counted_by_ledger,
        "contrast_accuracy": row.contrast_accuracy,
        "other_lengths_accuracy": row.other_lengths_accuracy,
        "exact_trials": row.exact,
        "exact_interval": row.exact_interval and list(row.exact_interval),
        "candidates_to_first_exact": row.candidates,
        "seconds_to_first_exact": row.seconds_to_exact,
        "seconds": row.seconds,
        "cost_usd": row.cost_usd,
        "data_sha256": [entry.result.data.sha256 for entry in row.entries],
    }


def _table(rows: Sequence[Row], *, wide: bool) -> None:
    columns = (
        *("task", LENGTH, Column("method", text=True)),
        *(Column("trials", setting=True, usual="1"), "test"),
        Column("test examples", wide=True, setting=True),
        Column("95% interval", wide=True),
        "error at most",
        Column("contrast set", wide=True),
        "exact",
        Column("candidates", wide=True),
        Column("s to exact", wide=True),
        *("seconds", Column("cost", usual="$0.0000")),
    )
    output.table(columns, [_cells(row) for row in rows], wide=wide)


def _cells(row: Row) -> tuple[str, ...]:
    bound, cost = row.error_at_most, row.cost_usd
    return (
        row.point[0],
        str(row.point[1]),
        row.method if row.finished else f"{row.method} (run not finished)",
        str(len(row.entries)),
        output.percent(row.accuracy),
        f"{row.test_examples:,}",
        output.interval(*row.interval),
        "–" if bound is None else bound_percent(bound),
        output.percent(row.contrast_accuracy),
        _exact(row),
        "–" if row.candidates is None else f"{row.candidates:,.0f}",
        "–" if row.seconds_to_exact is None else f"{row.seconds_to_exact:,.2f}",
        f"{row.seconds:,.2f}",
        "–" if cost is None else f"${cost:.4f}",
    )


def _exact(row: Row) -> str:
    """Returns which share of the trials is exact, with its interval; one trial has none."""
    if row.exact_interval is None:
        return "–"
    if len(row.entries) == 1:
        return "yes" if row.exact else "no"
    return f"{row.exact} of {len(row.entries)} ({output.interval(*row.exact_interval)})"
