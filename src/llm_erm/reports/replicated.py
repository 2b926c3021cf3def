"""The parts of a replication and what came of them, kept in its folder for later calls and `watch`.

Results are in the folders of the runs. What cannot be read back from there is here: accuracies at
other lengths, remarks, why a part was not run, and which parts the last call has not ended yet.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from llm_erm.counts import check_counts
from llm_erm.reports.published import Point, published
from llm_erm.reports.replication import Measured, Missing
from llm_erm.runs.files import read_bytes, replace_bytes, writing
from llm_erm.runs.files import replace as write_whole
from llm_erm.runs.fingerprint import file_digest
from llm_erm.serial import RecordError, from_json, from_plain, to_json

FILE = "replicate.json"

ABANDONED = "the command that ran it was stopped or killed"

_FOLDER = re.compile(r"(?!.*\.\.)[\w.-]+(/[\w.-]+)*", re.ASCII)
_MOST_CHARACTERS = 200
"""No folder of a part has a longer name, and every file system takes one of this length."""


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

    def __post_init__(self) -> None:
        """Refuses counts that no call has, such as those of an edited file."""
        check_counts(least=1, tests=self.tests, trials=self.trials)


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

    def __post_init__(self) -> None:
        """Refuses what no part has, such as what is in an edited file."""
        if not _names_a_part(self.folder):
            raise ValueError(f"{self.folder[:_MOST_CHARACTERS]!r} is no folder of a part")
        for point in {*self.points, *(one.point for one in self.measured)}:
            if point.experiment not in published().experiments:
                raise ValueError(f"there is no published experiment {point.experiment!r:.60}")

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
        stopped: Whether the last call was stopped, so that nobody runs what is due.
    """

    due: tuple[str, ...] = ()
    parts: tuple[PartRecord, ...] = ()
    stopped: bool = False

    def lacks(self, folder: str) -> str:
        """Returns why a part ended without all its results; empty if somebody runs it, or will."""
        if folder in self.due and not self.stopped:
            return ""
        reasons = [one.reason for one in self.parts if one.folder == folder and one.reason]
        return reasons[-1] if reasons else ABANDONED


@dataclass(frozen=True)
class _File:
    """What the file holds; each part is checked on its own."""

    due: tuple[str, ...] = ()
    parts: tuple[object, ...] = ()
    stopped: bool = False


def read_replication(folder: Path) -> Replication:
    """Returns what a folder says of its parts, as far as it is not damaged or of another version.

    Raises:
        InputError: The file cannot be read.
    """
    return _read(_content(folder))[0]


def _content(folder: Path) -> bytes:
    return read_bytes(folder / FILE, None, missing=b"{}")


def _read(content: bytes) -> tuple[Replication, str]:
    """Returns what a file says, and what is wrong with the first part that is left out, if any."""
    try:
        file = from_json(_File, content.decode(errors="replace"))
    except RecordError as error:
        return Replication(), str(error)
    fault, parts = "", []
    for one in file.parts:
        try:
            parts.append(from_plain(PartRecord, one))
        except RecordError as error:
            fault = fault or str(error)
    due = tuple(filter(_names_a_part, file.due))
    if due != file.due:
        fault = fault or "what is due is no folder of a part"
    return Replication(due, tuple(parts), file.stopped), fault


def _names_a_part(folder: str) -> bool:
    """Returns whether a text may name the folder of a part: one within that of the replication."""
    return len(folder) <= _MOST_CHARACTERS and _FOLDER.fullmatch(folder) is not None


class Replicated:
    """Keeps what came of the parts; the folder must be locked.

    Attributes:
        folder: The folder of the replication.
        terms: What the parts of the call have in common.
        notice: That the file of earlier calls was damaged; empty if it was not.
    """

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
        content = _content(folder)
        earlier, fault = _read(content)
        self.notice = ""
        if fault:
            aside = folder / f"{FILE}.damaged"
            with writing(aside):
                replace_bytes(aside, content, follow=False)
            self.notice = (
                f"{folder / FILE} was damaged, or another version wrote it ({fault}); what could "
                f"not be read is not in the tables. The old file is {aside}."
            )
        self._held = Replication(tuple(map(self.name, due)), earlier.parts)
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

    def stop(self) -> None:
        """Keeps that the call was stopped.

        Raises:
            InputError: The file cannot be written.
        """
        self._held = replace(self._held, stopped=bool(self._held.due))
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

    def unknown(self) -> list[str]:
        """Returns the folders with results of which nothing is known, such as after damage."""
        known = {one.folder for one in self.parts()}
        files = self.folder.rglob("results.jsonl")
        found = (path.parent for path in files if path.stat().st_size)
        names = {self.name(one) for one in found if one != self.folder}
        return sorted(names - known)

    def _holds(self, part: PartRecord) -> bool:
        return part.results_sha256 == self.digest(part.folder)

    def _write(self) -> None:
        with writing(path := self.folder / FILE):
            write_whole(path, to_json(self._held) + "\n")
