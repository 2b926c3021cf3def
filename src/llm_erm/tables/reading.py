"""Reads a table to learn from: rows, columns, labels, and what the user should know of them."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_erm.errors import InputError
from llm_erm.phrases import counted, either
from llm_erm.tables.answers import NO_ANSWERS, Answers
from llm_erm.tables.cells import MISSING, PLAIN, Decimals, read_date, read_number, stripped
from llm_erm.tables.chunks import Cells, Chunk, Opened, as_texts, joined
from llm_erm.tables.columns import Column, ColumnSchema, Labelled, NumberColumn, Schema, Table
from llm_erm.tables.kinds import column_of, decimals_of, inferred
from llm_erm.tables.labels import classes_of
from llm_erm.tables.notices import Notices, names, quoted, short
from llm_erm.tables.roles import Roles, roles
from llm_erm.tables.sample import Sample
from llm_erm.tables.screening import identifies, useless, warn_of_disguise
from llm_erm.tables.sources import open_source

MAX_ROWS = 20_000
"""Rows to learn from at most, by default."""
_MOST_LABELS = 10_000
"""Distinct labels that are counted at most."""


@dataclass(frozen=True, eq=False)
class Unlabelled:
    """Columns without labels.

    Attributes:
        table: The columns.
        columns: How to read other rows in the same way, one per column.
        notices: One sentence per choice that was made and per thing that was set aside.
    """

    table: Table
    columns: tuple[ColumnSchema, ...]
    notices: tuple[str, ...]


def load(
    source: Any,  # noqa: ANN401 - a path, or what open_memory takes
    target: str,
    *,
    groups: str | None = None,
    time: str | None = None,
    ignore: Collection[str] = (),
    columns: Collection[str] | None = None,
    categories: Collection[str] = (),
    max_rows: int = MAX_ROWS,
    seed: int = 0,
    answers: Answers = NO_ANSWERS,
) -> Labelled:
    """Returns the labelled rows of a table.

    Args:
        source: A path, also as a string, of a file of delimited text, JSON Lines or Parquet; or a
            data frame, a mapping of names to columns, an array, or a list of rows.
        target: Name of the column to predict.
        groups: Name of a column whose equal values say which rows belong together; it is no column
            to learn from.
        time: Name of a column of numbers or ISO dates that orders the rows; it is none either.
        ignore: Names of columns to leave out.
        columns: Names of the columns to learn from; then none is set aside because it numbers the
            rows. None for all.
        categories: Names of columns to read as categories, though they may hold numbers.
        max_rows: Rows to keep at most: a uniform sample of those that have a label.
        seed: Of that sample.
        answers: Labels of rows that were asked for, which are not draws; all are kept.

    Raises:
        InputError: The source cannot be read, lacks a named column, has a target that is no class,
            leaves nothing to learn from, or is not what the answers are about.
        MissingExtraError: A library that the source needs is not installed.
    """
    role = roles(target, groups, time, ignore, columns, categories)
    if max_rows < 2:
        raise InputError(f"max_rows is {max_rows}; give at least 2.", setting="max_rows")
    opened = open_source(source, role.wanted, role.target)
    try:
        read = _read(opened, role, max_rows, seed, answers)
    finally:
        opened.close()
    rows, notices = read.rows, opened.notices
    labels = stripped(as_texts(rows.columns[role.target]))
    _say_lost_classes(read.labels, labels, notices)
    classes, codes = classes_of(labels, role.target, notices)
    features = {name: cells for name, cells in rows.columns.items() if role.learns_from(name)}
    decimals = decimals_of(features, opened.delimiter)
    as_category = role.categories | opened.categories
    kept = []
    for name, cells in features.items():
        column, schema = _read_column(name, cells, decimals, notices, name in as_category)
        why = useless(column)
        if why is None and columns is None:
            why = identifies(column, read.n_rows)
        if why is not None:
            notices.of_column(why, column.name)
            continue
        warn_of_disguise(column, codes, classes, notices)
        kept.append((column, schema))
    if not kept:
        left = (
            f"No column of {opened.place} is left to learn from besides {short(role.target)!r}; "
            "add columns, or leave fewer out."
        )
        raise InputError(" ".join((left, *notices.sentences())))
    return Labelled(
        Table(tuple(column for column, _ in kept), len(rows)),
        codes,
        Schema(tuple(schema for _, schema in kept), role.target, classes),
        row_numbers=rows.row_numbers,
        groups=_groups(role.groups, rows.columns, notices),
        times=_times(role.time, rows.columns, decimals),
        asked=np.isin(rows.row_numbers, list(answers.rows)) if answers.rows else None,
        notices=notices.sentences(),
    )


def load_unlabelled(source: Any, *, categories: Collection[str] = ()) -> Unlabelled:  # noqa: ANN401
    """Returns all columns and rows of a table, none set aside.

    Args:
        source: As in ``load``.
        categories: Names of columns to read as categories, though they may hold numbers.

    Raises:
        InputError: The source cannot be read or has no rows.
        MissingExtraError: A library that the source needs is not installed.
    """
    opened = open_source(source, categories, "")
    try:
        chunks = [replace(chunk, rows=None) for chunk in opened.chunks]
    finally:
        opened.close()
    if not chunks:
        raise InputError(f"There are no rows in {opened.place}; give at least one.")
    rows = joined(chunks)
    decimals = decimals_of(rows.columns, opened.delimiter)
    categories = {*categories, *opened.categories}
    read = [
        _read_column(name, cells, decimals, opened.notices, name in categories)
        for name, cells in rows.columns.items()
    ]
    table = Table(tuple(column for column, _ in read), len(rows))
    return Unlabelled(table, tuple(schema for _, schema in read), opened.notices.sentences())


@dataclass(frozen=True)
class _Read:
    """What reading a source to its end gave."""

    rows: Chunk
    labels: Counter[str]
    n_rows: int


def _read(opened: Opened, role: Roles, max_rows: int, seed: int, answers: Answers) -> _Read:
    """Returns a sample of the rows that have a label, and a time if they need one."""
    place, notices = opened.place, opened.notices
    role.check(opened)
    sample = Sample(max_rows, seed, place)
    labels: Counter[str] = Counter()
    n_rows, lacking, markers = 0, Counter[str](), dict[str, set[str]]()
    answered: list[Chunk] = []
    for chunk in opened.chunks:
        n_rows += len(chunk)
        chunk, drawn = answers.put_into(chunk, role.target, place)
        keep = np.ones(len(chunk), dtype=bool)
        for name in (role.target, role.time):
            if name is not None:
                texts = stripped(as_texts(chunk.columns.get(name, [""] * len(chunk))))
                present = np.array([text not in MISSING for text in texts], dtype=bool)
                lacking[name] += int((keep & ~present).sum())
                keep &= present
                markers.setdefault(name, set()).update(MISSING.intersection(texts))
                if name == role.target and len(labels) < _MOST_LABELS:
                    labels.update(compress(texts, drawn))
        columns = {name: cells for name, cells in chunk.columns.items() if name not in role.ignore}
        rest = replace(chunk, columns=columns, rows=None)
        sample.add(rest.take(np.flatnonzero(keep & drawn)))
        if not drawn.all():
            answered.append(rest.take(np.flatnonzero(keep & ~drawn)))
    if not n_rows:
        raise InputError(f"There are no rows in {place}, only column names; add rows.")
    for name, count in lacking.items():
        if count:
            what = "label" if name == role.target else "time"
            notices.say(
                f"{count:,} of {counted(n_rows, 'row')} {_left_out(what, name, count, markers)}"
            )
    rows = sample.rows()
    if not len(rows):
        where = (
            f"both {' and '.join(map(short, lacking))}" if len(lacking) > 1 else short(role.target)
        )
        raise InputError(
            f"No row of {place} has a value in {where}; name another column.",
            setting="target",
        )
    if len(rows) < sample.added:
        notices.say(
            f"Only a random sample of the rows is used: {len(rows):,} of {sample.added:,} "
            f"(seed {seed})."
        )
    for word in MISSING:
        labels.pop(word, None)
    answers.check(place, n_rows, role.target, labels)
    if answered:
        rows = joined([rows, *answered])
        rows = rows.take(np.argsort(rows.row_numbers, kind="stable"))
    return _Read(rows, labels, n_rows)


def _left_out(what: str, name: str, count: int, markers: Mapping[str, set[str]]) -> str:
    words = either([repr(word) if word else "empty" for word in sorted(markers[name])])
    has, was = ("has", "was") if count == 1 else ("have", "were")
    return f"{has} no {what} in {short(name)} ({words}) and {was} left out."


def _say_lost_classes(all_labels: Counter[str], kept: Sequence[str], notices: Notices) -> None:
    if lost := sorted(set(all_labels) - set(kept)):
        shown = names([f"{short(name, 30)} ({counted(all_labels[name], 'row')})" for name in lost])
        notices.say(f"Classes without a row in the sample cannot be predicted: {shown}.")


def _read_column(
    name: str, cells: Cells, decimals: Decimals, notices: Notices, category: bool
) -> tuple[Column, ColumnSchema]:
    schema = inferred(name, cells, decimals, notices, category=category)
    return column_of(cells, schema)[0], schema


def _groups(
    name: str | None, columns: Mapping[str, Cells], notices: Notices
) -> NDArray[np.int64] | None:
    """Returns the number of each row's group; a row without one is a group of its own."""
    if name is None:
        return None
    texts = stripped(as_texts(columns[name]))
    if without := sum(text in MISSING for text in texts):
        are = "is a group of its own" if without == 1 else "are each a group of their own"
        notices.say(f"{counted(without, 'row')} without a value in {short(name)} {are}.")
    index: dict[str | int, int] = {}
    keys = [row if text in MISSING else text for row, text in enumerate(texts)]
    return np.array([index.setdefault(key, len(index)) for key in keys], dtype=np.int64)


def _times(
    name: str | None, columns: Mapping[str, Cells], decimals: Decimals
) -> NDArray[np.float64] | None:
    """Returns when each row was taken."""
    if name is None:
        return None
    column, _ = _read_column(name, columns[name], decimals, Notices(), False)
    if not isinstance(column, NumberColumn) or np.isnan(column.values).any():
        texts = dict.fromkeys(stripped(as_texts(columns[name])))
        odd = [
            text for text in texts if read_date(text) is None and read_number(text, PLAIN) is None
        ]
        raise InputError(
            f"The time column {short(name)!r} holds {quoted(odd or texts)}; write all times as "
            "numbers, or all as dates in the form YYYY-MM-DD.",
            setting="time",
        )
    return column.values
