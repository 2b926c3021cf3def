"""Reads tables in delimited text: CSV, TSV, and the same with semicolons or bars."""

import csv
from collections.abc import Collection, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

import numpy as np

from llm_erm.errors import InputError
from llm_erm.phrases import counted
from llm_erm.tables.chunks import (
    CHUNK_CELLS,
    CHUNK_CHARACTERS,
    Chunk,
    Opened,
    repeated_names,
    tidy_names,
)
from llm_erm.tables.files import Lines
from llm_erm.tables.notices import Notices, names

MOST_CHARACTERS = 131_072
"""Characters of a cell; also the limit of ``csv``, which anyone in the process may raise."""

_DELIMITERS = (",", "\t", ";", "|")


def open_delimited(
    path: Path, first: Sequence[str], lines: Lines, wanted: Collection[str], notices: Notices
) -> Opened:
    """Returns a delimited file of which the first lines have been read.

    Args:
        path: The file.
        first: Its first lines.
        lines: The others.
        wanted: Names of columns that the file should have: they tell which delimiter it uses.
        notices: Gets what is noticed.

    Raises:
        InputError: The file has no rows, or rows that are not as they should be; later, from the
            chunks, too.
    """
    declared = first[0].strip().lower().removeprefix("sep=") if first else ""
    if first and first[0].lower().startswith("sep=") and len(declared) <= 1:
        delimiter, first = declared or "\t", first[1:]  # a line that Excel writes and reads
    else:
        delimiter = _delimiter(first, wanted)
    rows = _rows(path, chain(first, lines), lines, len(first), delimiter)
    number, header = next((row for row in rows if len(row[1]) > 1 or row[1][0].strip()), (0, []))
    if not header:
        raise InputError(f"{path} is empty; write a line of column names, and the rows below it.")
    while header and not header[-1].strip() and _one_shorter(first, header, delimiter):
        header = header[:-1]
    tidy = tidy_names(header, f"{path}, line {number}", notices)
    chunks = _chunks(path, rows, tidy, lines, notices)
    return Opened(
        str(path),
        "delimited",
        tidy,
        chunks,
        notices=notices,
        repeated=repeated_names(header),
        delimiter=delimiter,
        close=lines.close,
    )


def _one_shorter(first: Sequence[str], header: Sequence[str], delimiter: str) -> bool:
    """Returns whether no row has a cell under the header's last name, which is empty."""
    rows = csv.reader(first[1:], delimiter=delimiter, skipinitialspace=True)
    return all(len(row) < len(header) or not row[len(header) - 1].strip() for row in rows)


def _delimiter(first: Sequence[str], wanted: Collection[str]) -> str:
    """Returns the delimiter under which most names are found and most rows are equally long."""

    def fits(delimiter: str) -> tuple[int, bool, int, bool]:
        try:
            rows = [
                row for row in csv.reader(first, delimiter=delimiter, skipinitialspace=True) if row
            ]
        except csv.Error:
            return -1, False, 0, False
        header = rows[0] if rows else []
        alike = sum(len(row) == len(header) for row in rows) >= 0.9 * len(rows)
        found = sum(name.strip() in wanted for name in header)
        return found, alike and len(header) > 1, len(header), alike

    return max(_DELIMITERS, key=fits)


def _rows(
    path: Path, texts: Iterator[str], lines: Lines, ahead: int, delimiter: str
) -> Iterator[tuple[int, list[str]]]:
    """Yields each row that is not blank, with the number of its last line."""
    reader = csv.reader(texts, delimiter=delimiter, strict=True, skipinitialspace=True)
    begins = 1
    skipped = lines.number - ahead
    try:
        for row in reader:
            if row and max(map(len, row)) > MOST_CHARACTERS:
                raise csv.Error("field larger")
            lines.row_start = lines.size
            begins = reader.line_num + 1
            if row:
                yield reader.line_num + skipped, row
    except csv.Error as error:
        raise InputError(f"{path}, line {begins + skipped}: {_malformed(str(error))}") from error


def _malformed(error: str) -> str:
    if "field larger" in error:
        limit = min(csv.field_size_limit(), MOST_CHARACTERS)
        return (
            f"a cell has more than {limit:,} characters; close the quotation mark that opens "
            "it, or, if there is none, leave the column out of the file."
        )
    if "unexpected end" in error:
        return (
            "a quotation mark opens there that never closes; close it, or, if it is part of the "
            "text, write it twice and put the cell in quotation marks."
        )
    if "expected after" in error:
        return (
            "text follows a closing quotation mark; write quotation marks within a quoted cell "
            "twice."
        )
    return f"the row cannot be read ({error}); correct it."


def _chunks(
    path: Path,
    rows: Iterator[tuple[int, list[str]]],
    columns: tuple[str, ...],
    lines: Lines,
    notices: Notices,
) -> Iterator[Chunk]:
    """Yields the rows, each with as many cells as there are names."""
    width = len(columns)
    size = max(CHUNK_CELLS // width, 1)
    read = 0
    padded: list[str] = []
    n_padded = 0
    try:
        while True:
            block: list[list[str]] = []
            start, ended = lines.size, True
            for number, row in islice(rows, size):
                ended = False
                if len(row) != width:
                    if len(row) > width:
                        row = _cut(path, number, row, width)
                    elif not any(map(str.strip, row)):
                        continue  # a blank line with spaces
                    else:
                        n_padded += 1
                        padded += [f"line {number}"] if n_padded <= 5 else []
                        row = row + [""] * (width - len(row))
                block.append(row)
                if lines.size - start > CHUNK_CHARACTERS:
                    break
            if ended:
                break
            if not block:
                continue
            numbers = np.arange(read + 1, read + len(block) + 1)
            read += len(block)
            yield Chunk(dict(zip(columns, zip(*block, strict=True), strict=True)), numbers, block)
    finally:
        lines.close()
    if padded:
        more = n_padded - len(padded)
        shown = names([*padded, *([counted(more, "other")] if more else [])])
        has, lacks = ("has", "it lacks") if n_padded == 1 else ("have", "they lack")
        notices.say(
            f"{counted(n_padded, 'row')} of {path} ({shown}) {has} fewer cells than there are "
            f"column names; the values that {lacks} count as missing."
        )


def _cut(path: Path, number: int, row: list[str], width: int) -> list[str]:
    """Returns a row without the empty cells at its end that have no name.

    Raises:
        InputError: A cell without a name is not empty.
    """
    if any(map(str.strip, row[width:])):
        raise InputError(
            f"{path}, line {number}: {len(row):,} cells, but {counted(width, 'column name')}; put "
            "cells that contain the delimiter in quotation marks, or add names."
        )
    return row[:width]
