"""The file from which an interrupted training run resumes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llm_erm.errors import InputError
from llm_erm.runs.files import writing

NAME = "checkpoint.pt"


def save_checkpoint(folder: Path, state: Mapping[str, Any]) -> None:
    """Writes a checkpoint, whole or not at all.

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
            draft.replace(path)
    except RuntimeError as error:  # how torch reports a full disk
        raise InputError(f"Cannot write {draft}: {error}; free space.") from error


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """Returns the last checkpoint, in the memory of the CPU, or None if there is none.

    Raises:
        InputError: The file is not a checkpoint.
    """
    path = folder / NAME
    if not path.exists():
        return None
    import torch

    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InputError(
            f"{path} is not a checkpoint ({type(error).__name__}); delete it to train from the "
            "start."
        ) from error
    return state


def drop_checkpoint(folder: Path) -> None:
    """Deletes the checkpoint, and what a kill left of a later one.

    Raises:
        InputError: The folder cannot be written.
    """
    path = folder / NAME
    with writing(folder):
        for suffix in (".pt", ".part"):
            path.with_suffix(suffix).unlink(missing_ok=True)
