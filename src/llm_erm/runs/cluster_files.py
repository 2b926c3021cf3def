"""The files that a job writes on a node: sent in parts, and written into the run's folder."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from llm_erm.errors import LLMERMError
from llm_erm.runs.events import Event
from llm_erm.runs.files import writing

CHUNK_BYTES = 4 * 2**20
"""Size of the parts in which files are sent."""


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
        InputError: The folder is not writable.
        LLMERMError: The file is not in the folder.
    """
    path = folder / part.name
    if ".." in path.parts or not path.is_relative_to(folder):
        raise LLMERMError(f"A node sent {part.name!r:.60}, which is outside the run's folder.")
    draft = path.with_name(path.name + ".part")
    with writing(folder):
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("ab" if part.start else "wb") as file:
            file.write(part.data)
        if part.last:
            draft.replace(path)
