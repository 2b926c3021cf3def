"""Decides what the columns of a table hold, and reads columns as decided."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from llm_erm.errors import InputError
from llm_erm.phrases import listed
from llm_erm.tables.cells import (
    MISSING,
    PLAIN,
    Decimals,
    NumberFormat,
    are_codes,
    certainly_commas,
    finite,
    have_signs,
    numbers_in,
    parse,
    read_date,
    read_number,
    stripped,
)
from llm_erm.tables.chunks import Cells, as_texts
from llm_erm.tables.columns import (
    MISSING_CODE,
    UNSEEN_CODE,
    CategoryColumn,
    Column,
    ColumnSchema,
    NumberColumn,
)
from llm_erm.tables.notices import Notices, quoted, short

_MOSTLY = 0.9
"""From this share of numbers on, a column holds numbers, and its words mean missing values."""
_FEW = 20
"""Up to as many distinct values, a value like 3+ among numbers is one more category."""
_INFINITE = "infinite values count as missing"
_OTHER_DATE = re.compile(r"[0-9]{1,4}[./-][0-9]{1,2}[./-][0-9]{1,4}\b.*", re.DOTALL)


def decimals_of(columns: Mapping[str, Cells], delimiter: str) -> Decimals:
    """Returns what a table's columns together say of the decimal mark."""
    for cells in columns.values():
        if isinstance(cells, np.ndarray) or not any("," in cell for cell in cells):
            continue
        if certainly_commas(set(stripped(cells)) - MISSING):
            return "comma"
    return "perhaps comma" if delimiter == ";" else "point"


def inferred(
    name: str, cells: Cells, decimals: Decimals, notices: Notices, *, category: bool = False
) -> ColumnSchema:
    """Returns what a column holds.

    Args:
        name: The column's name.
        cells: All its cells.
        decimals: What the table says of the decimal mark.
        notices: Gets what was decided where that is not plain to see.
        category: Whether the user says that it holds categories.
    """
    if isinstance(cells, np.ndarray) and not category:
        present = cells[~np.isnan(cells)]
        if np.isinf(present).any():
            notices.of_column(_INFINITE, name)
            present = present[np.isfinite(present)]
        return ColumnSchema(name, "number", integral=bool((present == np.rint(present)).all()))
    texts = stripped(as_texts(cells))
    if not isinstance(cells, np.ndarray) and texts != list(cells):
        notices.of_column("spaces around values were removed", name)
    counts = Counter(texts)
    if markers := [word for word in MISSING if word and word in counts]:
        verb = "counts" if len(markers) == 1 else "count"
        notices.of_column(f"{listed(list(map(repr, sorted(markers))))} {verb} as missing", name)
    for word in MISSING:
        counts.pop(word, None)
    if category or not counts:
        return _category(name, counts)
    return _number(name, counts, decimals, notices) or _category(name, counts)


def _category(name: str, counts: Counter[str]) -> ColumnSchema:
    return ColumnSchema(name, "category", levels=in_order(counts))


def in_order(values: Collection[str]) -> tuple[str, ...]:
    """Returns distinct values, sorted as numbers if all are numbers, else as texts."""
    _, numbers = numbers_in(values, "point")
    if len(numbers) == len(values):
        return tuple(sorted(values, key=lambda value: (numbers[value], value)))
    return tuple(sorted(values))


def _number(
    name: str, counts: Counter[str], decimals: Decimals, notices: Notices
) -> ColumnSchema | None:
    """Returns the schema of a column of numbers or dates; None if it holds neither."""
    if are_codes(counts):
        notices.of_column(
            "read as codes, not as numbers (equally many digits, some with a leading 0; or more "
            "than 15 digits)",
            name,
        )
        return None
    form, known = numbers_in(counts, decimals)
    dates: dict[str, float] = {}
    if len(known) < len(counts):
        dates = {text: day for text in counts if (day := read_date(text)) is not None}
    are_dates = len(dates) > len(known)
    if are_dates:
        form, known = PLAIN, dates
    kind = "date" if are_dates else "number"
    words = [text for text in counts if text not in known]
    if not known or not _are_missing(words, counts, len(known)):
        if known:
            n = sum(counts[text] for text in known)
            are = f"is a {kind}" if n == 1 else f"are {kind}s"
            notices.say(
                f"Column {short(name)} was read as text: {n:,} of its {counts.total():,} values "
                f"{are}, but others are not ({quoted(words)})."
            )
        return None
    if words:
        n = sum(counts[word] for word in words)
        are, count = ("is", "counts") if n == 1 else ("are", "count")
        notices.say(
            f"Column {short(name)} was read as {kind}s; {n:,} of its {counts.total():,} values "
            f"{are} not ({quoted(words)}) and {count} as missing."
        )
    if have_signs(known):
        notices.of_column("signs such as % and $ were removed", name)
    if form != PLAIN:
        marked = {text: n for text, n in known.items() if read_number(text, PLAIN) != n}
        if marked:
            notices.of_column(_described(form, marked), name)
    values = np.array(list(known.values()))
    if np.isinf(values).any():
        notices.of_column(_INFINITE, name)
    values = values[np.isfinite(values)]
    return ColumnSchema(
        name,
        "number",
        integral=bool((values == np.rint(values)).all()),
        dates=are_dates,
        decimal=form.decimal,
        thousands=form.thousands,
        missing=tuple(sorted(words)) if len(words) <= _FEW else (),
    )


def _are_missing(words: Sequence[str], counts: Counter[str], n_known: int) -> bool:
    """Returns whether the words among numbers mean missing values, not categories."""
    if not words:
        return True
    share = 1 - sum(counts[word] for word in words) / counts.total()
    digits = any(char.isdigit() for word in words for char in word)
    if digits and n_known + len(words) <= _FEW:
        return False  # such as 3+ in a column of 0, 1 and 2
    marker = len(words) == 1 and counts[words[0]] > 1 and not digits
    return share >= _MOSTLY or (marker and share >= 0.5)


def _described(form: NumberFormat, known: Mapping[str, float]) -> str:
    marks = [mark for mark in form if mark not in ("", ".") or mark == form.thousands != ""]
    shown = max(known, key=lambda text: (sum(mark in text for mark in marks), -len(text)))
    said = []
    if form.thousands:
        what = {",": "commas", ".": "points", " ": "spaces", "'": "apostrophes"}[form.thousands]
        said.append(f"{what} separate thousands")
    if form.decimal == ",":
        said.append("commas are decimal marks")
    return f"{listed(said)} ({short(shown, 30)!r} was read as {known[shown]:.15g})"


def column_of(cells: Cells, schema: ColumnSchema) -> tuple[Column, list[str]]:
    """Returns cells as a column of a known kind, and the texts that are not numbers there.

    Raises:
        InputError: The schema has dates and the cells are numbers.
    """
    if schema.kind == "category":
        return CategoryColumn(schema.name, _codes(cells, schema.levels), schema.levels), []
    unread: list[str] = []
    if isinstance(cells, np.ndarray):
        if schema.dates and not np.isnan(cells).all():
            raise InputError(
                f"Column {short(schema.name)!r} holds numbers, but the rule needs dates there; "
                "write them as YYYY-MM-DD."
            )
        values = finite(cells)
    else:
        form = NumberFormat(schema.decimal, schema.thousands)
        values, unread = parse(stripped(cells), form, schema.missing, dates=schema.dates)
    return NumberColumn(schema.name, values, schema.integral, schema.dates), unread


def _codes(cells: Cells, levels: Sequence[str]) -> NDArray[np.int32]:
    codes = {level: code for code, level in enumerate(levels)}
    codes |= dict.fromkeys(MISSING, MISSING_CODE)
    texts = stripped(as_texts(cells))
    return np.array([codes.get(text, UNSEEN_CODE) for text in texts], dtype=np.int32)


def looks_like_dates(values: Sequence[str]) -> bool:
    """Returns whether values are dates in another form than YYYY-MM-DD."""
    return bool(values) and all(map(_OTHER_DATE.fullmatch, values))
