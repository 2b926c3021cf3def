"""The files that a job writes on a node: sent in parts, and written into the run's folder."""

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from llm_erm.errors import InputError, LLMERMError
from llm_erm.runs.events import Event
from llm_erm.runs.files import FILES, writing

CHUNK_BYTES = 4 * 2**20
"""Size of the parts in which files are sent."""
_OURS = (".lock*", "*.part", "log.jsonl*", *(f"{name}*" for name in FILES))
"""Files of the run's folder that only the driver writes."""


@dataclass(frozen=True)
class Wrote(Event):
    """A part of a file that a job wrote, for the run's folder.

    Attributes:
        name: The file, relative to the folder.
        data: The part.
        start: Where in the file it belongs.
        last: Whether it is the last part.
    """

    name: str
    data: bytes
    start: int
    last: bool


def send_file(path: Path, name: str, tell: Callable[[Wrote], None]) -> None:
    """Sends a file in parts."""
    size = path.stat().st_size
    with path.open("rb") as file:
        for start in range(0, max(size, 1), CHUNK_BYTES):
            data = file.read(CHUNK_BYTES)
            tell(Wrote(name, data, start, last=start + CHUNK_BYTES >= size))


def write_part(folder: Path, part: Wrote) -> None:
    """Adds a part to a file of the run's folder, which appears when it is whole.

    Raises:
        LLMERMError: A job cannot have written such a file.
        InputError: The folder is not writable.
    """
    if not _is_of_a_job(part.name):
        raise LLMERMError(
            f"A node of the cluster sent a file {part.name!r:.60}, which no job writes; check its "
            "machines."
        )
    path = folder / part.name
    draft = path.with_name(path.name + ".part")
    for place in (path, draft, *path.parents[: len(path.relative_to(folder).parts) - 1]):
        if place.is_symlink():
            raise InputError(
                f"{place} is a link, and a run writes nothing outside its folder; delete the link, "
                "or name another folder.",
                setting="out_dir",
            )
    with writing(folder):
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("ab" if part.start else "wb") as file:
            file.write(part.data)
        if part.last:
            draft.replace(path)


def _is_of_a_job(name: str) -> bool:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or path.parts[0] == "programs":
        return False
    return not any(fnmatchcase(path.parts[0], ours) for ours in _OURS)
