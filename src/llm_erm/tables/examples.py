"""Reads examples whose inputs are rows: ``x0:-3.14,x1:c07 -> 1``, as tasks on tables have them."""

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from llm_erm.errors import InputError
from llm_erm.phrases import counted
from llm_erm.tables.chunks import CHUNK_CELLS, MAX_COLUMNS, Chunk, Opened, too_wide
from llm_erm.tables.files import Lines
from llm_erm.tables.notices import Notices, short

EXAMPLE = re.compile(r"x0:[^,]*(?:,x[0-9]+:[^,]*)* -> ")
"""How such a line begins."""
_ARROW = " -> "


def open_examples(
    path: Path, first: Sequence[str], lines: Lines, target: str, notices: Notices
) -> Opened:
    """Returns a file of examples of which the first lines have been read.

    Args:
        path: The file.
        first: Its first lines.
        lines: The others.
        target: Name of the column that the labels make.
        notices: Gets what is noticed.

    Raises:
        InputError: The first example has too many columns, or one with the target's name; later,
            from the chunks, a line is no example with the columns of the first.
    """
    begins = next(line for line in first if line.strip())
    names = [f"x{number}" for number in range(begins.rpartition(_ARROW)[0].count(",") + 1)]
    if len(names) > MAX_COLUMNS:
        raise too_wide(str(path), len(names))
    if target in names:
        raise InputError(
            f"{path}: {target!r} is a column of the inputs, but the labels are to be the target; "
            "choose another name for it, such as label.",
            setting="target",
        )
    numbered = enumerate(chain(first, lines), lines.number - len(first) + 1)
    columns = (*names, target)
    return Opened(
        str(path),
        "delimited",
        columns,
        _chunks(path, numbered, columns, lines),
        notices=notices,
        delimiter=",",
        close=lines.close,
    )


def _chunks(
    path: Path, numbered: Iterator[tuple[int, str]], columns: tuple[str, ...], lines: Lines
) -> Iterator[Chunk]:
    size = max(CHUNK_CELLS // len(columns), 1)
    read = 0
    try:
        while True:
            block: list[list[str]] = []
            for number, line in numbered:
                lines.row_start = lines.size
                if line.strip():
                    block.append(_row(line, f"{path}, line {number}", columns))
                if len(block) == size:
                    break
            if not block:
                break
            numbers = np.arange(read + 1, read + len(block) + 1)
            read += len(block)
            yield Chunk(dict(zip(columns, zip(*block, strict=True), strict=True)), numbers, block)
    finally:
        lines.close()


def _row(line: str, place: str, columns: tuple[str, ...]) -> list[str]:
    """Returns the values and the label of an example."""
    text, _, label = line.strip().rpartition(_ARROW)
    cells = [cell.partition(":") for cell in text.split(",")]
    if tuple(name for name, _, _ in cells) != columns[:-1]:
        raise InputError(
            f"{place}: {short(line.strip())!r} does not give "
            f"{counted(len(columns) - 1, 'column')} in order, as in x0:-3.14,x1:c07 -> 1; correct "
            "it."
        )
    return [*(value for _, _, value in cells), label]
