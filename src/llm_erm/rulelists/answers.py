"""The file of labels that were asked for: a table that people can read, and a later run goes on."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from llm_erm.errors import InputError
from llm_erm.rulelists.predictions import without_formula
from llm_erm.runs.files import read, replace, writing
from llm_erm.tables.answers import Answers


def read_answers(path: Path, target: str) -> Answers:
    """Returns the answers in a file: none if there is no file.

    Raises:
        InputError: The file cannot be read, or does not hold answers for this column.
    """
    if not path.exists():
        return Answers(str(path), {})
    other = f"{path} does not hold answers that llm-erm fit wrote for {target!r}; name another file"
    try:
        header, *lines = csv.reader(io.StringIO(read(path, "answered"), newline=""), strict=True)
        _, *names = map(_plain, header)
        rows = {}
        for line in lines:
            number, *cells = line
            rows[int(number)] = dict(zip(names, map(_plain, cells), strict=True))
        if target not in names:
            raise ValueError(f"there is no column {target!r}")
    except (ValueError, csv.Error) as error:
        raise InputError(f"{other} ({error}).", setting="answered") from error
    return Answers(str(path), rows)


def write_answers(path: Path, answers: Answers, names: Sequence[str]) -> None:
    """Writes answers into a file; the number of a row comes first, then its cells.

    In cells that a spreadsheet would take for formulas, an apostrophe comes first.

    Raises:
        InputError: The file cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(["row", *map(without_formula, names)])
    for number, cells in answers.rows.items():
        writer.writerow([number, *(without_formula(cells.get(name, "")) for name in names)])
    with writing(path, "answered"):
        replace(path, text.getvalue())


def _plain(cell: str) -> str:
    """Returns what a cell held before it was made safe."""
    return cell[1:] if cell[:1] == "'" and without_formula(cell[1:]) != cell[1:] else cell
