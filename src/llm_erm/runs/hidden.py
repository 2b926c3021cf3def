"""Data that no file holds while a model is asked, so that one that reads files cannot read them.

They are drawn by chance, and written into the run's folder once the run has stopped, from where the
same command goes on. A run that was killed has lost them, and so has one whose agent, which may
come back, left before it finished.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from llm_erm.errors import InputError
from llm_erm.runs.files import JOURNALS, read_bytes
from llm_erm.runs.fingerprint import read_fingerprint
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.splits import Hidden, hide, kept
from llm_erm.tasks.task import Splits

DATA = "data"
"""Subfolder of a run's folder that gets its hidden data."""


def hidden_data(
    spec: DataSpec, folder: Path | None, shard: str | None, *, fresh: bool
) -> tuple[Splits, Hidden]:
    """Returns a data set in memory, and the files that it gets when the run has stopped.

    Args:
        spec: The data set.
        folder: The run's folder.
        shard: Which part of a grid the run is.
        fresh: Whether to draw new data even if the folder holds those of an earlier run.

    Raises:
        InputError: There is no folder, the run is a shard, it has lost its data, or it did not hide
            them.
    """
    if shard is not None:
        raise InputError(
            "The data of a shard cannot be hidden, since merging needs them; omit one of the two.",
            setting="hide_data or shard",
        )
    if folder is None:
        raise InputError(
            "Hidden data are written into the run's folder once it has stopped; name one.",
            setting="out_dir",
        )
    if fresh:
        return hide(spec, folder / DATA)
    if (found := kept(spec, folder / DATA)) is not None:
        return found
    if any(read_bytes(folder / f"{name}.jsonl", missing=b"") for name in JOURNALS):
        if not read_fingerprint(folder).data_hidden:
            raise InputError(
                f"{folder} holds a run whose data were not hidden, so it can only go on without "
                "hiding; name another folder, or delete that run.",
                setting="hide_data or out_dir or fresh",
            )
        raise InputError(
            f"The run in {folder} was killed, or its agent left it unfinished, so its hidden data "
            "are lost and it cannot go on; its answers can still be read. Name another folder, or "
            "delete that run; if it is still running, wait for it.",
            setting="out_dir or fresh",
        )
    return hide(spec, folder / DATA)


@contextmanager
def in_memory_alone(
    data: Sequence[Hidden], wanted: Callable[[], bool] = lambda: True
) -> Iterator[None]:
    """Deletes the files of hidden data for the time of the block.

    Args:
        data: The files.
        wanted: Whether to write them after the block, however that ended.

    Raises:
        InputError: A folder is not writable. The others have their files, and an error that ended
            the block is raised in place of this one, which is its cause.
    """
    for one in data:
        one.remove()
    try:
        yield
    except BaseException as ended:
        if wanted() and (fault := _write(data)) is not None:
            raise ended from fault
        raise
    if wanted() and (fault := _write(data)) is not None:
        raise fault


def _write(data: Sequence[Hidden]) -> InputError | None:
    """Writes all files that can be written; returns the first error."""
    faults = []
    for one in data:
        try:
            one.write()
        except InputError as fault:
            faults.append(fault)
    return faults[0] if faults else None
