"""Asks for the labels that would tell most, for `llm-erm fit --ask`."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from llm_erm.cli import output
from llm_erm.cli.places import check_files
from llm_erm.errors import InputError
from llm_erm.phrases import counted, either
from llm_erm.rulelists.answers import write_answers
from llm_erm.rulelists.settings import TableSettings
from llm_erm.runs.files import is_special
from llm_erm.tables.answers import Answers
from llm_erm.tables.columns import Labelled
from llm_erm.tables.notices import short
from llm_erm.tables.unlabelled import waiting_rows

MOST_CELLS = 40
"""Cells of a row that are shown at most."""


def check_answers(
    source: Path, answered: Path | None, *, asking: bool, out: Path | None, drawn: bool
) -> None:
    """Checks the flags on labels that are asked for.

    Args:
        source: The table.
        answered: The file of answers.
        asking: Whether to ask for more.
        out: The file that gets the rule.
        drawn: Whether the rows are divided one by one.

    Raises:
        InputError: They do not go together, or a file cannot be written.
    """
    if answered is None:
        if asking:
            raise InputError("--ask needs a file that keeps the answers; name one (--answered).")
        return
    if not drawn:
        raise InputError(
            "A row that was asked about may belong with those checked on, so --answered goes with "
            "neither --groups nor --time; leave them out."
        )
    if not asking:
        if not answered.exists():
            raise InputError(f"There is no {answered}; --ask makes one.")
        return
    if is_special(source):
        raise InputError(f"{source} is read more than once with --ask; save it as a file.")
    if answered.resolve() == source.resolve():
        raise InputError(f"{answered} is what is read; name another file (--answered).")
    check_files({"--out": out, "--answered": answered}, None)


def ask(
    source: Path,
    answers: Answers,
    settings: TableSettings,
    most_rows: int,
    load: Callable[[Answers], Labelled],
) -> Labelled:
    """Returns the rows with those that the user labelled; each answer is written at once.

    Args:
        source: The table.
        answers: Earlier answers, and the file that gets them.
        settings: How a rule is learned.
        most_rows: Rows without a label that may be asked about, at most.
        load: Reads the rows that have a label, in the table or in the answers.

    Raises:
        InputError: No row lacks a label, or the file cannot be written.
    """
    from llm_erm.rulelists.asking import most_telling

    told = False
    while True:
        data = load(answers)
        waiting = waiting_rows(source, data.schema, answers, most_rows)
        if len(waiting.row_numbers) == most_rows and not told:
            told = True
            output.note(
                f"Only the first {counted(most_rows, 'row')} without a label may be asked about."
            )
        if not len(waiting.row_numbers):
            if answers.rows:
                output.note("No row without a label is left.")
                return data
            raise InputError(
                f"Each row of {source} has a label, so there is none to ask about; add rows whose "
                f"{data.schema.target} is empty.",
                setting="ask",
            )
        rows = most_telling(data, settings, waiting.table)
        if not len(rows):
            output.note(
                f"Nothing is left open on the {counted(len(waiting.row_numbers), 'row')} without "
                "a label."
            )
            return data
        for place in rows.tolist():
            number, cells = int(waiting.row_numbers[place]), waiting.cells[place]
            label = _answer(number, cells, data)
            if label is None:
                return load(answers)
            known = {**answers.rows, number: {**cells, data.schema.target: label}}
            answers = replace(answers, rows=known)
            write_answers(Path(answers.place), answers, waiting.names)


def _answer(number: int, cells: Mapping[str, str], data: Labelled) -> str | None:
    """Returns the label that the user gives to a row; None at the end."""
    target, classes = data.schema.target, data.schema.classes
    shown = [
        f"{short(name, 30)} {short(text, 60)}"
        for name, text in cells.items()
        if name != target and text.strip()
    ]
    more = ["…"] if len(shown) > MOST_CELLS else []
    output.note(f"Row {number:,}: {', '.join(shown[:MOST_CELLS] + more)}")
    output.note(f"Its {target}, {either(classes)}? Press Enter to stop.")
    while line := sys.stdin.readline():
        label = line.strip()
        if not label:
            return None
        if label in classes:
            return label
        output.note(f"{label!r:.60} is none of the classes; answer {either(classes)}.")
    return None
