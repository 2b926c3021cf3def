"""`llm-erm predict`: adds to each row of a table what a rule says of it."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from llm_erm.cli import output
from llm_erm.cli.places import refuse_inputs
from llm_erm.phrases import counted, listed
from llm_erm.rulelists.evidence import Learned
from llm_erm.rulelists.predictions import Predictions
from llm_erm.rulelists.stored import read_rule
from llm_erm.runs.files import replacing, writing


@dataclass(frozen=True)
class Options:
    """Flags of `llm-erm predict`."""

    rule: Annotated[Path, tyro.conf.Positional] = tyro.MISSING
    """File that `llm-erm fit --out` wrote."""
    data: Annotated[Path, tyro.conf.Positional] = tyro.MISSING
    """Table: CSV, TSV, JSON Lines or Parquet."""
    out: Path | None = None
    """Write the rows into this file (default: print them)."""
    undetermined: Literal["mark"] | None = None
    """With `mark`, a further column holds the other classes that rules that are as good on the
    rule's data give to a row; it is empty where all agree."""


def predict(options: Options) -> int:
    """Apply a rule to the rows of a table: add the class, and the line that gave it."""
    learned = read_rule(options.rule)
    refuse_inputs(options.out, options.rule, options.data)
    mark = options.undetermined == "mark"
    with closing(Predictions(learned, options.data, mark_undetermined=mark)) as predictions:
        if options.out is None:
            for text in predictions.texts():
                output.pour(text)
        else:
            with writing(options.out, "out"), replacing(options.out) as file:
                for text in predictions.texts():
                    file.write(text.encode("utf-8", errors="backslashreplace"))
    for notice in predictions.notices():
        output.note(notice)
    target = learned.schema.target
    output.note(f"Added to {counted(predictions.rows, 'row')}: {listed(predictions.names)}.")
    if mark and predictions.rows:
        output.note(_undetermined(learned, predictions))
    if predictions.labelled:
        accuracy = 1 - predictions.wrong / predictions.labelled
        output.note(
            f"{output.percent(accuracy)} right: of {counted(predictions.labelled, 'row')} whose "
            f"{target} is known, {counted(predictions.wrong, 'is', 'are')} wrong."
        )
    return 0


def _undetermined(learned: Learned, predictions: Predictions) -> str:
    """Returns how many rows the rule's data leave open, and whether there may be more."""
    number = predictions.undetermined
    if number:
        told = (
            f"{number:,} of {counted(predictions.rows, 'row')} {'is' if number == 1 else 'are'} "
            "undetermined: rules that are as good on the rule's data disagree there."
        )
    else:
        told = "No row is undetermined: rules that are as good on the rule's data agree on all."
    if learned.ties_complete:
        return told
    return f"{told} Not all such rules are known."
