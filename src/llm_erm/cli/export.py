"""`llm-erm export`: writes a rule as Python, SQL, a spreadsheet's formula or Markdown."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from llm_erm.cli import output
from llm_erm.cli.places import refuse_inputs
from llm_erm.errors import InputError
from llm_erm.phrases import listed
from llm_erm.rulelists.as_spreadsheet import cells_of
from llm_erm.rulelists.export import Form, exported
from llm_erm.rulelists.literals import one_line
from llm_erm.rulelists.stored import read_rule
from llm_erm.runs.files import replace, writing
from llm_erm.tables.notices import short


@dataclass(frozen=True)
class Options:
    """Flags of `llm-erm export`."""

    rule: Annotated[Path, tyro.conf.Positional] = tyro.MISSING
    """File that `llm-erm fit --out` wrote."""
    form: Form = tyro.MISSING
    """What to write: a Python file without dependencies, an SQL `CASE`, a spreadsheet's formula, or
    a table in Markdown."""
    columns: tuple[str, ...] = ()
    """Columns of the spreadsheet from A on (default: those of the rule's data)."""
    out: Path | None = None
    """Write it into this file (default: print it)."""


def export(options: Options) -> int:
    """Write a rule as Python, SQL, a spreadsheet's formula or Markdown."""
    learned = read_rule(options.rule)
    refuse_inputs(options.out, options.rule)
    if options.columns and options.form != "spreadsheet":
        raise InputError(
            f"--columns is for --form spreadsheet, not {options.form}; leave it out.",
            setting="columns",
        )
    text = exported(learned, options.form, options.columns)
    if options.out is None:
        output.pour(text)
    else:
        with writing(options.out, "out"):
            replace(options.out, text)
    if options.form == "spreadsheet":
        cells = cells_of(learned, options.columns).items()
        places = sorted(
            (f"{cell} has {one_line(short(name))}" for name, cell in cells),
            key=lambda at: (at.index("2"), at),
        )
        if places:
            output.note(
                f"For a sheet in which {listed(places)}: paste it into row 2, and copy it down. "
                "Where commas are decimal marks, put semicolons between its arguments."
            )
    return 0
