"""What columns, categories and classes are called where a model reads them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from llm_erm.rulelists.rule import printable
from llm_erm.tables.columns import Schema

LONGEST = 80
"""Characters of a name or cell that are shown at most."""

Shown = Mapping[str, str]
"""For each name, what is shown in its place; no two names share it."""


@dataclass(frozen=True)
class Names:
    """What stands for each name of a table.

    Attributes:
        target: What stands for the column to predict.
        columns: For each column.
        levels: For each category of each column that has any.
        classes: For each class.
    """

    target: str
    columns: Shown
    levels: Mapping[str, Shown]
    classes: Shown


def names_of(schema: Schema, *, blind: bool = False) -> Names:
    """Returns the names of a table as a model is shown them: as they are, or without any meaning.

    A name is one line, cut if it is long.
    """
    columns = [column.name for column in schema.columns]
    levels = {column.name: column.levels for column in schema.columns if column.levels}
    if blind:
        return Names(
            "y",
            _numbered(columns, "x"),
            {name: _numbered(some, "c", digits=2) for name, some in levels.items()},
            _numbered(schema.classes, "y"),
        )
    return Names(
        cell(schema.target),
        _distinct(columns),
        {name: _distinct(some) for name, some in levels.items()},
        _distinct(schema.classes),
    )


def cell(text: str, longest: int = LONGEST) -> str:
    """Returns a text as one line without what nobody would see, cut if it is long."""
    line = printable(text)
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def _numbered(names: Iterable[str], letter: str, digits: int = 1) -> Shown:
    return {name: f"{letter}{place:0{digits}d}" for place, name in enumerate(names)}


def _distinct(names: Iterable[str]) -> Shown:
    """Returns each name as one line; those that would look alike get numbers."""
    shown: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        line = first = cell(name)
        number = 1
        while line in taken:
            number += 1
            line = f"{first} ({number})"
        taken.add(line)
        shown[name] = line
    return shown


def reversed_names(shown: Shown) -> Callable[[str], str | None]:
    """Returns a function that finds the name that a text stands for, None if there is none.

    Spaces, quotes and other marks around a text do not matter, nor does its case unless another
    name differs from it in that alone.
    """
    exact = {text: name for name, text in shown.items()}
    loose: dict[str, str | None] = {}
    for name, text in shown.items():
        if text.endswith("…"):  # it may have been cut, and printed rules have the whole name
            exact.setdefault(printable(name), name)
        key = _loose(text)
        loose[key] = None if key in loose else name

    def find(text: str) -> str | None:
        stripped = text.strip()
        return exact[stripped] if stripped in exact else loose.get(_loose(text))

    return find


MARKS = "\"'`*“”‘’"
"""What a model may put around a name: quotes, and the marks of Markdown."""


def _loose(text: str) -> str:
    return " ".join(text.casefold().split()).strip(MARKS + " ")
