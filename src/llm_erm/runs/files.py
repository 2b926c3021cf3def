"""Reading and writing the files of a run: whole or not at all, and errors that name the file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llm_erm.errors import InputError


def read(path: Path, setting: str | None = "out_dir") -> str:
    """Returns the text of a file of a run; ``setting`` is the one that names the run.

    Raises:
        InputError: It cannot be read.
    """
    try:
        return path.read_bytes().decode("utf-8", errors="replace")
    except OSError as error:
        raise InputError(
            f"Cannot read {path}: {error.strerror}; restore it, or name another folder.",
            setting=setting,
        ) from error


def replace(path: Path, text: str) -> None:
    """Writes a whole file or nothing; a link stays one, and what it names is written.

    A device or a pipe is written to, since no file may take its place.
    """
    data = text.encode("utf-8", errors="backslashreplace")
    if is_special(path):
        path.write_bytes(data)
        return
    path = path.resolve()
    draft = path.with_name(path.name + ".part")
    draft.write_bytes(data)
    draft.replace(path)


def is_special(path: Path) -> bool:
    """Returns whether there is something that is neither file nor folder, such as /dev/null."""
    return path.exists() and not path.is_file() and not path.is_dir()


@contextmanager
def writing(place: Path, setting: str = "out_dir") -> Iterator[None]:
    """Turns a failure to write into one sentence for the user; ``setting`` names another place."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"Cannot write to {place}: {error.strerror or error}; free space, change its "
            "permissions, or name another place.",
            setting=setting,
        ) from error
