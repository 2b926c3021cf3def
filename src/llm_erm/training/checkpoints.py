"""The file from which an interrupted training run resumes.

A checksum of the weights, the run and the job ends it, since torch loads weights that have changed.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from llm_erm.errors import InputError
from llm_erm.runs.files import writing

NAME = "checkpoint.pt"
DIGITS = 64


class DamagedError(Exception):
    """A checkpoint has changed since it was written, or is that of another job."""


def save_checkpoint(folder: Path, state: Mapping[str, Any], job: str = "") -> None:
    """Writes a checkpoint, whole or not at all.

    Args:
        folder: Where it goes.
        state: What it holds.
        job: Identifies the run and the job, so that no other continues from it.

    Raises:
        InputError: The disk is full or the folder cannot be written.
    """
    import torch

    path = folder / NAME
    draft = path.with_suffix(".part")
    try:
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            torch.save(dict(state), draft)
            with draft.open("r+b") as file:
                file.write(_checksum(file, draft.stat().st_size, job))
            draft.replace(path)
    except RuntimeError as error:  # how torch reports a full disk
        raise InputError(f"Cannot write {draft}: {error}; free space.") from error


def load_checkpoint(folder: Path, job: str = "") -> dict[str, Any] | None:
    """Returns the last checkpoint, in the memory of the CPU, or None if there is none.

    Raises:
        DamagedError: The file is not a checkpoint of this job, or has changed.
        InputError: The file cannot be read.
    """
    path = folder / NAME
    if not path.exists():
        return None
    import torch

    try:
        with path.open("rb") as file:
            size = path.stat().st_size - DIGITS
            if size <= 0 or _checksum(file, size, job) != file.read():
                raise DamagedError(path)
            file.seek(0)
            state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}; delete it.") from error
    return state


def _checksum(file: BinaryIO, size: int, job: str) -> bytes:
    """Returns the checksum of the first bytes of a file, which is read up to there."""
    digest = hashlib.sha256(f"{job}\n".encode())
    while size > 0 and (part := file.read(min(size, 2**20))):
        digest.update(part)
        size -= len(part)
    return digest.hexdigest().encode()


def drop_checkpoint(folder: Path) -> None:
    """Deletes the checkpoint, and what a kill left of a later one.

    Raises:
        InputError: The folder cannot be written.
    """
    path = folder / NAME
    with writing(folder):
        for suffix in (".pt", ".part"):
            path.with_suffix(suffix).unlink(missing_ok=True)
