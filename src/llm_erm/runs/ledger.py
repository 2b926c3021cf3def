"""The ledger beside a data set: what was judged on it, so that bounds can count every look.

A bound for K candidates holds for one search. Whoever searches again on the same examples, with
another seed or in another folder, and reports the best, has looked at more than K candidates. So
the i-th result on a data set has the share 1 / (i (i + 1)) of the failure probability. The
ledger is a file of the data set, so it knows every run on it, but none on a copy of the data, and
nothing from before it was deleted.
"""

import hashlib
import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from llm_erm.errors import InputError
from llm_erm.runs.checksum import Seal
from llm_erm.runs.files import read_bytes
from llm_erm.runs.jobs import JobKey, Method, Work
from llm_erm.runs.journal import locked
from llm_erm.serial import RecordError, from_json, to_json
from llm_erm.version import VERSION

LEDGER = "ledger.jsonl"


@dataclass(frozen=True)
class Entry:
    """One result that was or will be judged on a data set.

    Attributes:
        date: When its run began, in UTC.
        method: Name of the method.
        variant: Distinguishes the results of one method.
        candidates: Number of candidates among which the validation examples choose; 0 if they do
            not choose.
        run: Absolute path of the run's folder; empty if it keeps nothing.
        settings: SHA-256 of what the candidates depend on besides the examples.
        data: Digest of the labelled examples.
    """

    date: str
    method: str
    variant: str
    candidates: int
    run: str
    settings: str
    data: str

    def same_search(self, other: "Entry") -> bool:
        """Returns whether both stand for the same method and settings on the same examples."""
        mine = (self.settings, self.variant, self.data)
        return mine == (other.settings, other.variant, other.data)


def enter(
    method: Method, work: Sequence[Work], *, continued: bool
) -> tuple[dict[JobKey, int], list[str]]:
    """Enters the results of a run before any of them is judged.

    Results of methods whose candidates are the same in every run are entered once, and so are those
    of a run that continues.

    Args:
        method: The method of all jobs.
        work: The jobs with their data.
        continued: Whether the run's folder held an earlier part of the run.

    Returns:
        For each job, which result on its data it is, counted from 1, where that is known; and
        notices, one sentence each.
    """
    date = datetime.now(UTC).isoformat(timespec="seconds")
    notices: dict[str, None] = {}
    looks: dict[JobKey, int] = {}
    for one in work:
        splits = one.splits
        if splits.folder is None:
            continue
        sizes = [len(splits.train), len(splits.validation)]
        known = json.dumps([VERSION, method.name, method.identity(one), sizes], sort_keys=True)
        entry = Entry(
            date=date,
            method=method.name,
            variant=one.job.variant,
            candidates=method.candidates(one),
            run="" if one.folder is None else str(one.folder.absolute()),
            settings=hashlib.sha256(known.encode()).hexdigest(),
            data=splits.key.sha256,
        )
        try:
            looks[one.job.key] = _enter(
                splits.folder / LEDGER, entry, method.reproducible, continued
            )
        except InputError as error:
            notices[str(error)] = None
    return looks, list(notices)


def _enter(path: Path, entry: Entry, reproducible: bool, continued: bool) -> int:
    """Adds an entry unless the ledger has it; returns its number among those of the same data.

    Raises:
        InputError: The ledger cannot be read or written, or is damaged.
    """
    try:
        with closing(locked(path, "dataset_dir")) as journal:
            entries, damaged, size = _read(path)
            same = [one for one in entries if one.data == entry.data]
            numbers = [
                number
                for number, one in enumerate(same, 1)
                if one.same_search(entry) and (reproducible or (continued and one.run == entry.run))
            ]
            if not numbers:
                journal.file.truncate(size)  # half a line of a run that was killed before it judged
                journal.append(Seal("", LEDGER).close(to_json(entry)) + "\n")
                numbers = [len(same) + 1]
    except InputError as error:
        raise InputError(
            f"The ledger of the data cannot be kept, so bounds count this run alone: {error}"
        ) from None
    if damaged:
        raise InputError(
            f"{path} is damaged in line {', '.join(map(str, damaged))}, so nobody knows what else "
            "was judged on these data, and bounds count this run alone; restore the file."
        )
    return numbers[-1]


def _read(path: Path) -> tuple[list[Entry], list[int], int]:
    """Returns the entries of a ledger, the numbers of its damaged lines, and its size in bytes.

    A last line without an end, of a run that was killed while it wrote, belongs to none of them.
    """
    entries, damaged = [], []
    seal = Seal("", LEDGER)
    *lines, _ = read_bytes(path, "dataset_dir", missing=b"").split(b"\n")
    for number, line in enumerate(lines, 1):
        opened = seal.open(line)
        try:
            if opened is None:
                raise RecordError("the checksum does not fit")
            entries.append(from_json(Entry, opened[0]))
        except RecordError:
            damaged.append(number)
    return entries, damaged, sum(len(line) + 1 for line in lines)
