"""Data that no file holds while a model is asked, so that one that reads files cannot read them.

They are drawn by chance, and written into the run's folder once the run has stopped, from where the
same command goes on. A run that was killed has lost them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from llm_erm.errors import InputError
from llm_erm.runs.files import holds_run
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
        InputError: There is no folder, the run is a shard, or it was killed and has lost its data.
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
    if holds_run(folder):
        raise InputError(
            f"{folder} holds a run without the data of {spec.name}: hidden data are in memory "
            "while a run goes on, and lost if it is killed. What else it kept can still be read. "
            "Unless it goes on, name another folder, or delete that run.",
            setting="out_dir or fresh",
        )
    return hide(spec, folder / DATA)


@contextmanager
def in_memory_alone(data: Sequence[Hidden]) -> Iterator[None]:
    """Deletes the files of hidden data for the time of the block.

    Raises:
        InputError: The folder is not writable.
    """
    for one in data:
        one.remove()
    try:
        yield
    finally:
        for one in data:
            one.write()
