"""Finds files by their names: in folders, and in zip archives as they were downloaded."""

import io
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

from llm_erm.advice import advice
from llm_erm.errors import InputError

MAX_BYTES = 200_000_000
"""Size of a file at most; the largest of the tables has 23 MB."""


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
            for member in archive.namelist():
                found = PurePosixPath(member).name
                inner = nested and found.lower().endswith(".zip")
                if found != name and not inner:
                    continue
                with archive.open(member) as opened:
                    data = limited(opened.read(MAX_BYTES + 1), f"{member} in {place}")
                if not inner:
                    return data
                data_inside = in_archive(
                    io.BytesIO(data), name, f"{member} in {place}", nested=False
                )
                if data_inside is not None:
                    return data_inside
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise InputError(
            f"{place} is no zip archive that can be read ({error}); download it again, or unpack "
            "it."
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
