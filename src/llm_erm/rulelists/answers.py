"""The file of labels that were asked for: a table that people can read, and a later run goes on."""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

from llm_erm.errors import InputError
from llm_erm.phrases import counted
from llm_erm.rulelists.predictions import without_formula
from llm_erm.runs.files import read, replace, writing
from llm_erm.tables.answers import Answers
from llm_erm.tables.notices import short

_ROW_NUMBER = re.compile("[0-9]{1,18}")


def read_answers(path: Path, target: str) -> Answers:
    """Returns the answers in a file: none if there is no file.

    Raises:
        InputError: The file cannot be read, or does not hold answers for this column.
    """
    if not path.exists():
        return Answers(str(path), {})

    def other(why: object) -> InputError:
        return InputError(
            f"{path} does not hold answers that llm-erm fit wrote for {short(target)!r} ({why}); "
            "name another file.",
            setting="answered",
        )

    text = io.StringIO(read(path, "answered"), newline="")
    try:
        header, *lines = list(csv.reader(text, strict=True)) or [[]]
    except csv.Error as error:
        raise other(error) from error
    names = list(map(_plain, header[1:]))
    if target not in names:
        raise other(f"there is no column {short(target)!r}")
    rows = {}
    for line in lines:
        if len(line) != len(header):
            raise other(f"a row has {counted(len(line), 'cell')}, not {len(header)}")
        number, *cells = line
        if not _ROW_NUMBER.fullmatch(number):
            raise other(f"its first column holds no row numbers, but {short(number)!r}")
        rows[int(number)] = dict(zip(names, map(_plain, cells), strict=True))
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
