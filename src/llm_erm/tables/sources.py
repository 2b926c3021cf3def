"""Opens a table, whatever it is: by what a file holds, not by its name alone."""

import os
import re
from collections.abc import Collection, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from llm_erm.errors import InputError
from llm_erm.tables.chunks import Opened
from llm_erm.tables.delimited import open_delimited
from llm_erm.tables.examples import EXAMPLE, open_examples
from llm_erm.tables.files import Lines, opened, unreadable
from llm_erm.tables.jsonlines import open_json_lines
from llm_erm.tables.memory import open_memory
from llm_erm.tables.notices import Notices
from llm_erm.tables.parquet import MAGIC, open_parquet

_FIRST_LINES = 50
_FIRST_CHARACTERS = 100_000
_TEXT_FORM = re.compile(r".+ -> [^,;|\t]*\s*")


def open_source(source: Any, wanted: Collection[str], target: str) -> Opened:  # noqa: ANN401
    """Returns a table: a file's, or one in memory.

    Args:
        source: A path (also as a string), or what ``open_memory`` takes.
        wanted: Names of columns that it should have.
        target: Name of the column that labels after an arrow make.

    Raises:
        InputError: It cannot be read, or holds no table.
        MissingExtraError: A library that it needs is not installed.
    """
    if not isinstance(source, str | os.PathLike):
        return open_memory(source)
    path = Path(source)
    file = opened(path)
    try:
        return _open_file(path, file, wanted, target)
    except BaseException:
        file.close()
        raise


def _open_file(path: Path, file: BinaryIO, wanted: Collection[str], target: str) -> Opened:
    try:
        parquet = file.read(len(MAGIC)) == MAGIC
        file.seek(0)
    except OSError as error:
        raise unreadable(path, error) from error
    if parquet:
        return open_parquet(path, file)
    notices = Notices()
    lines = Lines(file, path, notices)
    first = _first(lines)
    filled = [line for line in first if line.strip()]
    suffix = path.suffix.lower()
    if suffix in (".jsonl", ".ndjson", ".json") or (filled and _is_json(filled[0])):
        return open_json_lines(path, first, lines, target, notices)
    if filled and all(map(EXAMPLE.match, filled)):
        return open_examples(path, first, lines, target, notices)
    if filled and all(map(_TEXT_FORM.fullmatch, filled)):
        raise InputError(
            f"{path} holds texts with labels (<input> -> <label>), not rows with columns; learn "
            "from texts with `llm-erm enumerate --task-file`, or write each row as an object "
            '(such as {"age": 31, "plan": "basic"} -> 1).'
        )
    return open_delimited(path, first, lines, wanted, notices)


def _first(lines: Lines) -> Sequence[str]:
    """Returns the first lines, which show what the file is."""
    first: list[str] = []
    for line in islice(lines, _FIRST_LINES):
        first.append(line)
        lines.row_start = lines.size
        if lines.size > _FIRST_CHARACTERS:
            break
    return first


def _is_json(line: str) -> bool:
    return re.match(r'\s*(\{\s*["}]|\[\s*[\[{"])', line) is not None
