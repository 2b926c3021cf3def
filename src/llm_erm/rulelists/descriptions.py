"""Reads what the user says of the columns of a table."""

from pathlib import Path

from llm_erm.errors import InputError
from llm_erm.runs.files import read


def read_descriptions(path: Path) -> dict[str, str]:
    """Returns what the columns in a file are, by their names: one per line, ``column: text``.

    Raises:
        InputError: It cannot be read, or a line says nothing of a column, or two are of the same.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(read(path, "describe").removeprefix("\ufeff").splitlines(), 1):
        if not line.strip():
            continue
        name, colon, text = (part.strip() for part in line.partition(":"))
        if not (name and colon and text):
            raise InputError(
                f"{path}, line {number}, is {line.strip()!r:.60}; write a column and what it is, "
                "as in `age: in years`.",
                setting="describe",
            )
        if name in found:
            raise InputError(
                f"{path} describes {name!r:.60} twice; leave out one line.", setting="describe"
            )
        found[name] = text
    return found
