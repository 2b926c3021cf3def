"""Reads and writes the files of a run: whole or not at all, with errors that name the file."""

import csv
import errno
import io
import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import BinaryIO

from llm_erm.advice import advice
from llm_erm.errors import InputError

SETTINGS = "settings.json"
JOURNALS = ("results", "prompts", "answers", "attempts")
"""Names of the journals; the first one is always there."""
CLOSED = "closed"
"""A file that is there once an agent has called finish, and so may submit nothing more."""
FILES = (SETTINGS, *(f"{name}.jsonl" for name in JOURNALS))
"""The files that an interrupted run is read back from."""


def read(
    path: Path,
    setting: str | None = "out_dir",
    *,
    otherwise: str = "restore it, or name another folder",
) -> str:
    """Returns the text of a file of a run, or of another that is named.

    Args:
        path: The file.
        setting: The setting that names the run.
        otherwise: What to do if it cannot be read.

    Raises:
        InputError: It cannot be read.
    """
    return read_bytes(path, setting, otherwise=otherwise).decode("utf-8", errors="replace")


def read_bytes(
    path: Path,
    setting: str | None = "out_dir",
    *,
    missing: bytes | None = None,
    otherwise: str = "restore it, or name another folder",
) -> bytes:
    """Returns the content of a file of a run; ``missing`` if there is no file, unless it is None.

    Raises:
        InputError: It cannot be read.
    """
    try:
        if is_special(path):  # reading a pipe would wait for a writer
            raise OSError(errno.EINVAL, "not a file")
        return path.read_bytes()
    except OSError as error:
        if missing is not None and isinstance(error, FileNotFoundError):
            return missing
        raise InputError(
            f"Cannot read {path}: {error.strerror}; {advice(error, path, otherwise)}.",
            setting=setting,
        ) from error


def replace(path: Path, text: str, *, follow: bool = True) -> None:
    """Writes a whole file or nothing; makes its folder if necessary.

    Args:
        path: The file.
        text: Its content.
        follow: Whether to write to the file, device or pipe that a link names; else a file takes
            the place of whatever is there.
    """
    replace_bytes(path, text.encode("utf-8", errors="backslashreplace"), follow=follow)


def replace_bytes(path: Path, data: bytes, *, follow: bool = True) -> None:
    """Does what ``replace`` does, with bytes."""
    if follow and is_special(path):  # no file may replace a device or a pipe
        path.write_bytes(data)
        return
    path = path.resolve() if follow else path
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    draft.unlink(missing_ok=True)
    with draft.open("xb") as file:  # follows no link
        file.write(data)
    draft.replace(path)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Opens a file to write part by part: at the end it is there whole, after an error not at all.

    Its folder is made if necessary. A device or pipe gets each part at once.
    """
    if is_special(path):
        with path.open("wb") as file:
            yield file
        return
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    draft.unlink(missing_ok=True)
    try:
        with draft.open("xb") as file:  # follows no link
            yield file
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


_FORMULA = re.compile(r"\s*'*[=+\-@\t\r＝＋－＠]")


def csv_text(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, line_end: str = "\r\n"
) -> str:
    """Returns a table as CSV that no spreadsheet takes for formulas.

    Text that begins like a formula gets an apostrophe before it: after white space and apostrophes,
    it begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return, or with one of the signs
    in its wide form. So the text is what follows one apostrophe in a cell that begins in this way.
    Numbers stay numbers.

    Args:
        columns: The first row.
        rows: The others.
        line_end: What ends a row, as the published files have it.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=line_end)
    writer.writerow(columns)
    writer.writerows([safe_cell(value) for value in row] for row in rows)
    return text.getvalue()


def safe_cell(value: object) -> object:
    """Returns a value as a cell that no spreadsheet takes for a formula, as ``csv_text`` does."""
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def holds_run(folder: Path) -> bool:
    """Returns whether there are journals in a folder: other programs too have settings.json."""
    return any((folder / f"{name}.jsonl").exists() for name in JOURNALS)


def refuse_links(folder: Path, patterns: Collection[str]) -> None:
    """Refuses a run's folder that holds a link with a name that a pattern matches.

    Raises:
        InputError: It holds one.
    """
    for place, folders, files in os.walk(folder):
        for path in (Path(place, name) for name in (*folders, *files)):
            name = path.relative_to(folder).as_posix()
            if path.is_symlink() and any(fnmatch(name, pattern) for pattern in patterns):
                raise InputError(
                    f"{path} is a link, and a run writes nothing outside its folder; delete the "
                    "link, or name another folder.",
                    setting="out_dir",
                )


def is_special(path: Path) -> bool:
    """Returns whether the path is neither a file nor a folder, such as /dev/null."""
    try:
        mode = path.stat().st_mode  # once: a file that vanishes meanwhile is not special
    except (OSError, ValueError):  # whoever opens it is told why
        return False
    return not (S_ISREG(mode) or S_ISDIR(mode))


@contextmanager
def writing(place: Path, setting: str = "out_dir") -> Iterator[None]:
    """Turns a failed write into an InputError; ``setting`` is the setting that names the place."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"Cannot write to {place}: {error.strerror or error}; "
            f"{advice(error, place, 'name another place', written=True)}.",
            setting=setting,
        ) from error
