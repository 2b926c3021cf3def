"""Finds files by their names: in folders, and in zip archives as they were downloaded."""

import io
import lzma
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

from llm_erm.advice import advice
from llm_erm.errors import InputError

MAX_BYTES = 200_000_000
"""Size of a file at most; the largest of the tables has 23 MB."""
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    OSError,  # also from bz2
    EOFError,
    RuntimeError,  # of encrypted members, and of methods that zipfile lacks
    UnicodeDecodeError,  # of names
)
"""What zipfile raises for archives that are damaged, encrypted or packed in another way."""


def in_folder(folder: Path, name: str) -> bytes | None:
    """Returns the content of a file in a folder or an archive there; None if there is none.

    Args:
        folder: The folder, or one archive.
        name: The name of the file.

    Raises:
        InputError: A file cannot be read, or is larger than any of the tables.
    """
    path = folder / name
    try:
        if path.is_file():
            with path.open("rb") as file:
                return limited(file.read(MAX_BYTES + 1), str(path))
        archives = [folder] if folder.is_file() else sorted(folder.glob("*.zip"))
        for archive in archives:
            with archive.open("rb") as file:
                if (data := in_archive(file, name, str(archive))) is not None:
                    return data
    except OSError as error:
        raise InputError(
            f"Cannot read {error.filename or path}: {error.strerror}; "
            f"{advice(error, path, 'name a folder that can be read')}.",
            setting="tables_dir",
        ) from error
    return None


def in_archive(file: Any, name: str, place: str, *, nested: bool = True) -> bytes | None:  # noqa: ANN401
    """Returns a file in an archive, or in an archive that this one holds; None if there is none.

    Archives within it are skipped from the one on with which they would be too large together.

    Args:
        file: The archive, open.
        name: The name of the file, in whichever folder it is.
        place: What messages call the archive.
        nested: Whether to look into archives within it.

    Raises:
        InputError: The archive cannot be read, or a file is larger than any of the tables.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            left = MAX_BYTES
            for member in archive.infolist():
                found = PurePosixPath(member.filename).name
                member_place = f"{member.filename} in {place}"
                if found == name:
                    with archive.open(member) as opened:
                        return limited(opened.read(MAX_BYTES + 1), member_place)
                if not nested or not found.lower().endswith(".zip") or member.file_size > left:
                    continue
                left -= member.file_size
                inner = io.BytesIO(archive.read(member))
                if (data := in_archive(inner, name, member_place, nested=False)) is not None:
                    return data
    except _UNREADABLE as error:
        why = str(error) or "it ends too early"
        raise InputError(
            f"{place} is no zip archive that can be read ({why}); download it again, or unpack it."
        ) from error
    return None


def limited(data: bytes, place: str) -> bytes:
    """Returns the content of a file, of which no more than one byte beyond the limit was read.

    Args:
        data: The content.
        place: What messages call the file.

    Raises:
        InputError: It is larger than any of the tables.
    """
    if len(data) > MAX_BYTES:
        raise InputError(
            f"{place} has more than {MAX_BYTES:,} bytes, so it is none of the tables; move it away."
        )
    return data
