"""Reads and writes the files of a run: whole or not at all, with errors that name the file."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llm_erm.errors import InputError


def read(path: Path, setting: str | None = "out_dir") -> str:
    """Returns the text of a file of a run; ``setting`` is the setting that names the run.

    Raises:
        InputError: It cannot be read.
    """
    return read_bytes(path, setting).decode("utf-8", errors="replace")


def read_bytes(
    path: Path, setting: str | None = "out_dir", *, missing: bytes | None = None
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
            f"Cannot read {path}: {error.strerror}; restore it, or name another folder.",
            setting=setting,
        ) from error


def replace(path: Path, text: str) -> None:
    """Writes a whole file or nothing; follows links.

    A device or a pipe is written to directly, since no file may replace it.
    """
    replace_bytes(path, text.encode("utf-8", errors="backslashreplace"))


def replace_bytes(path: Path, data: bytes) -> None:
    """Does what ``replace`` does, with bytes."""
    if is_special(path):
        path.write_bytes(data)
        return
    path = path.resolve()
    draft = path.with_name(path.name + ".part")
    draft.write_bytes(data)
    draft.replace(path)


def is_special(path: Path) -> bool:
    """Returns whether the path is neither a file nor a folder, such as /dev/null."""
    return path.exists() and not path.is_file() and not path.is_dir()


@contextmanager
def writing(place: Path, setting: str = "out_dir") -> Iterator[None]:
    """Turns a failed write into an InputError; ``setting`` is the setting that names the place."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"Cannot write to {place}: {error.strerror or error}; free up space, change its "
            "permissions, or name another place.",
            setting=setting,
        ) from error
