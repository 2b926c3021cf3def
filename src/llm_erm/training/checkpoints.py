"""The files from which an interrupted training run resumes, written while training goes on.

The last two are kept. A checksum of the weights, the run and the job ends each, since torch loads
weights that have changed. They are single files that ``torch.load(weights_only=True)`` reads:
torch's own distributed checkpoints hold pickles, which can run anything when they are read.
"""

import hashlib
import io
import os
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, cast

from llm_erm.advice import advice
from llm_erm.errors import InputError
from llm_erm.runs.files import writing

if TYPE_CHECKING:
    from typing_extensions import Buffer

NAME = "checkpoint.pt"
PREVIOUS = "checkpoint.previous"
DIGITS = 64


class CheckpointWriter:
    """Writes one job's checkpoints in a thread; a context manager, which waits for the last.

    A copy of the weights and of the optimizer's state in the memory of the CPU is written, so
    training can change them meanwhile. On a GPU this copy is in pinned memory that is allocated
    once.
    """

    def __init__(self, folder: Path, job: str = "") -> None:
        """Takes the folder of the checkpoints, and what identifies the run and the job."""
        import torch
        from torch.distributed.checkpoint.staging import BlockingAsyncStager

        self._folder = folder
        self._job = job
        self._stager = BlockingAsyncStager(cache_staged_state_dict=torch.cuda.is_available())
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._written: Future[None] | None = None

    def save(self, weights: Mapping[str, Any], rest: Mapping[str, Any]) -> bool:
        """Starts to write a checkpoint; False if the one before is still being written.

        Args:
            weights: What changes with every step: nested dicts and lists of tensors and numbers,
                always of the same shapes.
            rest: The rest of the state.

        Raises:
            InputError: The one before could not be written.
        """
        if self._written is not None:
            if not self._written.done():
                return False
            self._written.result()
        state = {"engine": self._stager.stage(dict(weights)), **rest}
        self._written = self._thread.submit(save_checkpoint, self._folder, state, self._job)
        return True

    def __enter__(self) -> "CheckpointWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Waits until the last checkpoint is written.

        Raises:
            InputError: It could not be written, and training did not end by an error of its own.
        """
        self._thread.shutdown()
        if kind is None and self._written is not None:
            self._written.result()


def save_checkpoint(folder: Path, state: Mapping[str, Any], job: str = "") -> None:
    """Writes a checkpoint, whole or not at all, and keeps the one before.

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
            draft.unlink(missing_ok=True)
            with draft.open("xb") as file:  # follows no link
                hashed = _Hashed(file, job)
                torch.save(dict(state), cast("IO[bytes]", hashed))
                file.write(hashed.checksum())
                file.flush()
                os.fsync(file.fileno())
            if path.exists():
                path.replace(folder / PREVIOUS)
            draft.replace(path)
    except RuntimeError as error:  # how torch reports a full disk
        raise InputError(f"Cannot write {draft}: {error}; free some space there.") from error


def load_checkpoint(folder: Path, job: str = "") -> tuple[dict[str, Any] | None, tuple[Path, ...]]:
    """Returns the last whole checkpoint of a job, in the memory of the CPU, and the damaged files.

    Files of another job count as damaged. Without a whole checkpoint, the first is None.

    Raises:
        InputError: A file cannot be read.
    """
    damaged: list[Path] = []
    for path in (folder / NAME, folder / PREVIOUS):
        if path.exists():
            if (state := _load(path, job)) is not None:
                return state, tuple(damaged)
            damaged.append(path)
    return None, tuple(damaged)


def drop_checkpoint(folder: Path) -> None:
    """Deletes the checkpoints, and what a kill left of a later one.

    Raises:
        InputError: The folder cannot be written.
    """
    path = folder / NAME
    with writing(folder):
        for suffix in (".pt", ".previous", ".part"):
            path.with_suffix(suffix).unlink(missing_ok=True)


class _Hashed(io.RawIOBase):
    """A file opened for writing that hashes what is written to it."""

    def __init__(self, file: BinaryIO, job: str) -> None:
        self._file = file
        self._digest = _digest(job)

    def write(self, data: "Buffer") -> int:
        self._digest.update(data)
        return self._file.write(data)

    def checksum(self) -> bytes:
        return self._digest.hexdigest().encode()


def _digest(job: str) -> "hashlib._Hash":
    return hashlib.sha256(f"{job}\n".encode())


def _load(path: Path, job: str) -> dict[str, Any] | None:
    """Returns what a checkpoint holds, or None if it is damaged or another job's."""
    import torch

    try:
        with path.open("rb") as file:
            digest, size = _digest(job), path.stat().st_size - DIGITS
            while size > 0 and (part := file.read(min(size, 2**20))):
                digest.update(part)
                size -= len(part)
            if size != 0 or digest.hexdigest().encode() != file.read():
                return None
            file.seek(0)
            state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(
            f"Cannot read {path}: {error.strerror}; {advice(error, path, 'delete it')}."
        ) from error
    return state
