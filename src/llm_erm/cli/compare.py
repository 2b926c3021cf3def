"""`llm-erm compare`: compares runs of several methods on the same data."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from llm_erm.cli import output
from llm_erm.cli.results import TASK, entries_of_runs
from llm_erm.cli.tables import Column
from llm_erm.errors import InputError
from llm_erm.phrases import counted
from llm_erm.reports import comparison
from llm_erm.reports.comparison import Row, left_out, verdicts
from llm_erm.reports.feedback import feedback_lines
from llm_erm.reports.remarks import remarks, unfinished
from llm_erm.reports.results import chosen
from llm_erm.reports.tables import COLUMNS, cells, check_table, record, write_table
from llm_erm.tasks.task_file import load_task_file

TERMINAL: dict[str, dict[str, Any]] = {
    "task": {"legend": TASK.legend},
    "length": {"setting": True},
    "method": {"text": True},
    "trials": {"setting": True, "usual": "1"},
    "test examples": {"wide": True, "setting": True},
    "95% interval": {"wide": True},
    "contrast set": {"wide": True},
    "candidates": {"wide": True},
    "s to exact": {"wide": True},
    "cost": {"usual": "$0.0000"},
}
"""How a terminal shows columns of the table."""


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
    plot_width: float | None = None
    """Width of the plot in inches, such as 3.4 for one of two columns (default: 6.8)."""
    table: Path | None = None
    """Also write the whole table into this file, whose name ends in .md, .csv or .tex."""
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
    if options.plot is None and options.plot_width is not None:
        raise InputError(
            "--plot-width is given without --plot; name the picture's file, or omit it."
        )
    if options.plot is not None:
        from llm_erm.reports.figures import check_target

        check_target(options.plot, options.plot_width)
    if options.table is not None:
        check_table(options.table)
    found = entries_of_runs(options.runs)
    entries = chosen(found, options.functions, options.lengths)
    kept, mixed = comparison.trials_of_one_setting(entries)
    rows = comparison.compare(kept or entries)  # which says why if nothing is left
    for line in mixed:
        output.note(line)
    if rest := left_out(kept, rows):
        output.note(
            f"Left out {counted(rest, 'result')} on data that some method of the task has not seen."
        )
    for line in unfinished(entries):
        output.note(line)
    sentences = [*verdicts(rows), *feedback_lines(kept), *remarks(rows)]
    if options.json:
        for row in rows:
            output.say_json(record(row))
    else:
        _table(rows, wide=options.wide)
        if sentences:
            output.say_below("\n".join(("", *sentences)))
    if options.table is not None:
        write_table(rows, options.table)
        output.note(f"Table: {options.table}")
    if options.plot is not None:
        from llm_erm.reports.figures import draw_comparison

        own = None if options.task_file is None else load_task_file(options.task_file)
        draw_comparison(rows, options.plot, own, options.plot_width)
        output.note(f"Picture: {options.plot}")
    return 0


def _table(rows: Sequence[Row], *, wide: bool) -> None:
    columns = [Column(one.name, **TERMINAL.get(one.name, {})) for one in COLUMNS]
    output.table(columns, [cells(row) for row in rows], wide=wide)
