"""Reads JSON Lines: one object per line, and optionally a label after an arrow."""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from llm_erm.errors import InputError
from llm_erm.tables.chunks import (
    CHUNK_CELLS,
    CHUNK_CHARACTERS,
    MAX_COLUMNS,
    Chunk,
    Opened,
    too_wide,
)
from llm_erm.tables.files import Lines
from llm_erm.tables.notices import Notices, short

_SURROGATE = re.compile("[\ud800-\udfff]")


class _RepeatedKeyError(ValueError):
    """An object has the same key twice."""


def open_json_lines(
    path: Path, first: Sequence[str], lines: Lines, target: str, notices: Notices
) -> Opened:
    """Returns a file of objects, one per line, of which the first lines have been read.

    A line may also be ``<object> -> <label>``, the project's form of examples with a table row as
    the input; the label becomes the cell of the target.

    Args:
        path: The file.
        first: Its first lines.
        lines: The others.
        target: Name of the column that labels after an arrow make.
        notices: Gets what is noticed.

    Raises:
        InputError: The first rows are not as they should be; later, from the chunks, others.
    """
    if first and first[0].lstrip().startswith("["):
        raise InputError(f"{path} is one JSON array; write one object per line (JSON Lines).")
    numbered = enumerate(chain(first, lines), lines.number - len(first) + 1)
    chunks = _chunks(path, numbered, lines, target)
    head = next(chunks, None)
    if head is None:
        raise InputError(f"{path} is empty; write one JSON object per line.")
    return Opened(
        str(path),
        "jsonl",
        tuple(head.columns),
        chain([head], chunks),
        notices=notices,
        close=lines.close,
    )


def _chunks(
    path: Path, numbered: Iterator[tuple[int, str]], lines: Lines, target: str
) -> Iterator[Chunk]:
    decoder = json.JSONDecoder(
        object_pairs_hook=_object, parse_float=str, parse_int=str, parse_constant=_constant
    )
    read = 0
    try:
        while True:
            rows: list[dict[str, str]] = []
            written: list[str] = []
            keys: set[str] = set()
            start = lines.size
            for number, line in numbered:
                lines.row_start = lines.size
                if not line.strip():
                    continue
                rows.append(_row(decoder, line, f"{path}, line {number}", target))
                written.append(line)
                keys.update(rows[-1])
                full = (len(keys) + 10) * len(rows) > CHUNK_CELLS
                if full or lines.size - start > CHUNK_CHARACTERS:
                    break
            if not rows:
                break
            numbers = np.arange(read + 1, read + len(rows) + 1)
            read += len(rows)
            yield Chunk(_columns(rows, str(path)), numbers, written)
    finally:
        lines.close()


def _columns(rows: list[dict[str, str]], place: str) -> dict[str, list[str]]:
    keys = dict.fromkeys(key for row in rows for key in row)
    if len(keys) > MAX_COLUMNS:
        raise too_wide(place, len(keys))
    return {key: [row.get(key, "") for row in rows] for key in keys}


def _row(decoder: json.JSONDecoder, line: str, place: str, target: str) -> dict[str, str]:
    text = line.strip()
    try:
        row, end = decoder.raw_decode(text)
    except _RepeatedKeyError as error:
        raise InputError(f"{place}: {error}; name each column once.") from None
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InputError(
            f"{place}: not valid JSON ({reason}); write one object per line."
        ) from None
    if not isinstance(row, dict):
        raise InputError(f"{place}: {short(text)!r} is not a JSON object; write one per line.")
    cells: dict[str, str] = {}
    for key, value in row.items():
        name = _printable(key).strip()
        if name in cells:
            raise InputError(f"{place}: two columns are called {short(name)!r}; rename one.")
        cells[name] = _cell(value)
    if rest := text[end:].strip():
        if not rest.startswith("->"):
            raise InputError(
                f"{place}: {short(rest)!r} follows the object; write one object per line, and "
                "-> before a label."
            )
        if target in cells:
            raise InputError(
                f"{place}: the object holds the target {short(target)!r}, but a label also follows "
                "it; remove one of them, or name another target."
            )
        cells[target] = rest.removeprefix("->").strip()
    return cells


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        again = next(key for key in keys if keys.count(key) > 1)
        raise _RepeatedKeyError(f"two values for {short(again)!r}")
    return made


def _constant(text: str) -> str:
    return "" if text == "NaN" else text


def _cell(value: Any) -> str:  # noqa: ANN401 - what JSON holds
    if isinstance(value, str):
        return _printable(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return _printable(json.dumps(value, ensure_ascii=False))  # a list or an object


def _printable(text: str) -> str:
    """Returns a text that every encoding of Unicode can hold: halves of characters escaped."""
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
