"""The parts of a replication and what came of them, kept in its folder for later calls and `watch`.

Results are in the folders of the runs. What cannot be read back from there is here: accuracies at
other lengths, remarks, why a part was not run, and which parts the last call has not ended yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llm_erm.reports.published import Point
from llm_erm.reports.replication import Measured, Missing
from llm_erm.runs.files import read_bytes, writing
from llm_erm.runs.files import replace as write_whole
from llm_erm.runs.fingerprint import file_digest
from llm_erm.serial import RecordError, from_json, to_json

FILE = "replicate.json"


@dataclass(frozen=True)
class Terms:
    """What the parts of one call have in common.

    Attributes:
        quick: Whether it is the quick version.
        seed: Base seed of the data.
        tests: Number of test examples.
        trials: Number of data sets per task.
    """

    quick: bool
    seed: int
    tests: int
    trials: int


@dataclass(frozen=True)
class PartRecord:
    """What came of a part.

    Attributes:
        folder: The folder of its run, within that of the replication.
        terms: What it has in common with the other parts of the same call.
        points: What it is about.
        beside: The published method that it stands beside; empty if none does what it does.
        name: What the replication calls the method.
        measured: What it scored.
        reason: Why it lacks results; empty if it does not.
        sentence: Says so, and what it would take; empty if it does not lack any.
        results_sha256: Digest of the run's results; None if there are none.
    """

    folder: str
    terms: Terms
    points: tuple[Point, ...]
    beside: str
    name: str
    measured: tuple[Measured, ...] = ()
    reason: str = ""
    sentence: str = ""
    results_sha256: str | None = None

    @property
    def missing(self) -> Missing | None:
        """What it lacks; None if nothing."""
        points = frozenset(self.points) - {one.point for one in self.measured}
        if not (self.reason and points):
            return None
        return Missing(points, self.beside, self.name, self.reason)


@dataclass(frozen=True)
class Replication:
    """What a replication's folder says of its parts.

    Attributes:
        due: Folders of the parts that the last call has not ended, the current one first.
        parts: What came of the others, and of those of earlier calls.
    """

    due: tuple[str, ...] = ()
    parts: tuple[PartRecord, ...] = ()

    def lacks(self, folder: str) -> str:
        """Returns why a part ended without all its results; empty if it did not, or is due."""
        reasons = [one.reason for one in self.parts if one.folder == folder]
        return "" if folder in self.due or not reasons else reasons[-1]


def read_replication(folder: Path) -> Replication:
    """Returns what a folder says of its parts: nothing if it was damaged, or is of another version.

    Raises:
        InputError: The file cannot be read.
    """
    text = read_bytes(folder / FILE, None, missing=b"").decode(errors="replace")
    try:
        return from_json(Replication, text)
    except RecordError:
        return Replication()


class Replicated:
    """Keeps what came of the parts; the folder must be locked."""

    def __init__(self, folder: Path, terms: Terms, due: Sequence[Path]) -> None:
        """Begins a call.

        Args:
            folder: The folder of the replication.
            terms: What the parts of the call have in common.
            due: The folders of the parts that it is to run, in order.

        Raises:
            InputError: The file cannot be read or written.
        """
        self.folder = folder
        self.terms = terms
        self._held = read_replication(folder)
        left = tuple(one for one in self._held.parts if self._holds(one))
        self._held = Replication(tuple(map(self.name, due)), left)
        self._write()

    def name(self, folder: Path) -> str:
        """Returns what the file calls the folder of a part."""
        return folder.relative_to(self.folder).as_posix()

    def digest(self, folder: str) -> str | None:
        """Returns the digest of the results in a part's folder; None without any."""
        return file_digest(self.folder / folder / "results.jsonl")

    def keep(self, part: PartRecord, *, due: bool = False) -> None:
        """Keeps what came of a part, in place of what did earlier.

        Args:
            part: The part.
            due: Whether the call has not ended it.

        Raises:
            InputError: The file cannot be written.
        """
        key = part.folder, part.terms
        others = [one for one in self._held.parts if (one.folder, one.terms) != key]
        left = [one for one in self._held.due if due or one != part.folder]
        self._held = Replication(tuple(left), (*others, part))
        self._write()

    def parts(self) -> list[PartRecord]:
        """Returns what came of all parts of this call and of earlier ones.

        Of a folder whose results were deleted, or changed by another command, nothing is known.
        """
        found: dict[str, PartRecord] = {}
        for one in self._held.parts:
            earlier = found.get(one.folder)
            own = earlier is not None and earlier.terms == self.terms != one.terms
            if not own and self._holds(one):
                found[one.folder] = one
        return list(found.values())

    def _holds(self, part: PartRecord) -> bool:
        return part.results_sha256 == self.digest(part.folder)

    def _write(self) -> None:
        with writing(path := self.folder / FILE):
            write_whole(path, to_json(self._held) + "\n")
