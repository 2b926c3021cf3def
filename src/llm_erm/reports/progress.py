"""How far a run is that another process is doing, read from what it writes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from llm_erm.errors import InputError
from llm_erm.facts import CurvePoint
from llm_erm.llms.llm import Completion
from llm_erm.records import Result, accuracy
from llm_erm.reports.planned import planned_jobs, planned_trainings
from llm_erm.runs.checksum import Seal
from llm_erm.runs.files import FILES, SETTINGS, read_bytes
from llm_erm.runs.fingerprint import Fingerprint, read_fingerprint, read_settings
from llm_erm.runs.jobs import JobKey, key_of
from llm_erm.runs.kept import AnswerLine, AttemptLine
from llm_erm.runs.sweep import status_in
from llm_erm.runs.tail import RewrittenError, Tail
from llm_erm.serial import RecordError, from_json

Record = TypeVar("Record")

METRICS = "metrics.jsonl"
NOTHING_YET = "nothing yet"
COUNTS = {"training": "epochs", "incontext": "answers"}
"""What the steps of a job are, by method; others make attempts."""


@dataclass
class Search:
    """How far one job is.

    Attributes:
        key: The job.
        counts: What its steps are: ``attempts``, ``answers`` or ``epochs``.
        total: The most steps that it takes; None if unknown.
        answered: The samples whose answers arrived.
        validated: Validation accuracy by attempt; None for a program that did not run.
        epochs: Number of epochs trained.
        train_accuracy: Accuracy on the training examples after these.
        prompt_tokens: Number of prompt tokens so far.
        completion_tokens: Number of answer tokens so far.
        usd: Price so far in US dollars; None if that of any answer is unknown.
        seconds: Wall time spent on it when it last wrote anything.
        result: Its result, once it has one.
    """

    key: JobKey
    counts: str
    total: int | None = None
    answered: set[int] = field(default_factory=set)
    validated: dict[int, float | None] = field(default_factory=dict)
    epochs: int = 0
    train_accuracy: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float | None = 0.0
    seconds: float = 0.0
    result: Result | None = None

    @property
    def steps(self) -> int:
        """Number of steps done."""
        return {
            "attempts": len(self.validated),
            "answers": len(self.answered),
            "epochs": self.epochs,
        }[self.counts]

    @property
    def unverified(self) -> int:
        """Number of answers that wait for verification."""
        return len(self.answered - self.validated.keys()) if self.counts == "attempts" else 0

    @property
    def best_validation(self) -> float | None:
        """The best validation accuracy so far."""
        return max((one for one in self.validated.values() if one is not None), default=None)

    @property
    def state(self) -> str:
        """``done``, ``running``, or ``nothing yet`` if it has not written anything."""
        if self.result is not None:
            return "done"
        return "running" if self.seconds or self.steps or self.answered else NOTHING_YET

    @property
    def seconds_left(self) -> float | None:
        """The most seconds until it is done, at the speed so far; None if that is unknown."""
        if self.result is not None or not self.total or not self.steps:
            return None
        return self.seconds * max(0, self.total - self.steps) / self.steps

    def take(self, answer: Completion, seconds: float) -> None:
        """Counts an answer, or a call without one, which may be billed as well."""
        if answer.finish_reason not in ("cancelled", "unanswered"):
            self.answered.add(answer.index)
        self.prompt_tokens += answer.usage.prompt_tokens
        self.completion_tokens += answer.usage.completion_tokens
        if self.usd is not None:
            self.usd = None if answer.cost_usd is None else self.usd + answer.cost_usd
        self.seconds = max(self.seconds, seconds)


@dataclass(frozen=True)
class RunState:
    """How far a run is.

    Attributes:
        folder: Its folder.
        method: Name of the method.
        searches: Its jobs.
        written: When it last wrote anything, in seconds since 1970.
        damaged: Number of lines that do not fit their checksums.
        status: Exit status of the job of a sweep that it was; None if it has not ended.
        lacks: Why the part of a replication that it was ended without all its results; empty if it
            did not.
    """

    folder: Path
    method: str
    searches: tuple[Search, ...]
    written: float
    damaged: int
    status: int | None
    lacks: str = ""

    @property
    def done(self) -> int:
        """Number of jobs with a result."""
        return sum(search.result is not None for search in self.searches)

    @property
    def ended(self) -> bool:
        """Whether it has all its results, or ended without them in a sweep or a replication."""
        return self.done == len(self.searches) or bool(self.status or self.lacks)

    @property
    def seconds_left(self) -> float | None:
        """About the most seconds until it is done; None if that is unknown.

        Jobs that run at the same time are assumed to go on so, and others to take the mean time.
        """
        running = [search for search in self.searches if search.state == "running"]
        waiting = [search for search in self.searches if search.state == NOTHING_YET]
        left = [search.seconds_left for search in running]
        known = [one for one in left if one is not None]
        if self.ended or len(known) < len(left):
            return None
        whole = [one.seconds for one in self.searches if one.result is not None]
        whole += [one.seconds + more for one, more in zip(running, known, strict=True)]
        if not whole:
            return None
        places = max(1, len(running))
        return max(known, default=0.0) + len(waiting) * sum(whole) / len(whole) / places


class Watched:
    """One run, whose folder is read as it grows; it is neither locked nor changed."""

    def __init__(self, folder: Path) -> None:
        """Prepares to read a folder, which need not hold a run yet."""
        self.folder = folder
        self._read: _Read | None = None

    def state(self) -> RunState | None:
        """Returns how far the run is; None before it has begun.

        Raises:
            InputError: A file cannot be read, or another version wrote it.
        """
        try:
            settings = read_settings(self.folder, None)
            if self._read is None or self._read.known.text != settings:
                self._read = _Read(self.folder, read_fingerprint(self.folder, None))
            try:
                self._read.catch_up()
            except RewrittenError:  # it was run anew, or an earlier part of it was damaged
                self._read = _Read(self.folder, self._read.known)
                self._read.catch_up()
        except (InputError, RewrittenError):
            if (self.folder / SETTINGS).exists():
                raise
            self._read = None
            return None
        return self._read.state()


class _Read:
    """What was read of one run so far."""

    def __init__(self, folder: Path, known: Fingerprint) -> None:
        self.known = known
        self._folder = folder
        self._counts = COUNTS.get(known.method, "attempts")
        self._searches = {
            key: Search(key, self._counts, steps)
            for key, steps in planned_jobs(known, folder).items()
        }
        names = ("results", "attempts", "answers")
        self._tails = {name: Tail(folder / f"{name}.jsonl") for name in names}
        self._metrics: dict[Path, JobKey] = {}
        if known.method == "training":
            jobs = planned_trainings(known)
            self._metrics = {job.folder(folder) / METRICS: job.key for job in jobs}
        self._damaged = 0

    def catch_up(self) -> None:
        """Reads what the files have gained.

        Raises:
            RewrittenError: A journal was written anew.
            InputError: A file cannot be read, or another version wrote it.
        """
        for result in self._records("results", Result):
            self._search(key_of(result)).result = result
        for attempted in self._records("attempts", AttemptLine):
            one = self._search(attempted.job)
            one.validated[attempted.attempt.index] = accuracy(attempted.attempt.validation)
            one.seconds = max(one.seconds, attempted.seconds)
        for answered in self._records("answers", AnswerLine):
            self._search(answered.job).take(answered.answer, answered.seconds)
        for path, key in self._metrics.items():
            if (point := _last_point(path)) is not None:
                one = self._search(key)
                one.epochs, one.train_accuracy = point.epoch, point.train_accuracy
                one.seconds = point.seconds
        for one in self._searches.values():
            if one.result is not None:
                one.seconds = one.result.seconds

    def state(self) -> RunState:
        """Returns how far the run is, as far as it was read."""
        files = [*(self._folder / name for name in FILES), *self._metrics]
        return RunState(
            self._folder,
            self.known.method,
            tuple(self._searches.values()),
            max(map(last_written, files)),
            self._damaged,
            status_in(self._folder),
        )

    def _search(self, key: JobKey) -> Search:
        return self._searches.setdefault(key, Search(key, self._counts))

    def _records(self, name: str, kind: type[Record]) -> Iterator[Record]:
        """Yields the records that a journal has gained, and counts lines that are not believed."""
        seal, tail = Seal(self.known.sha256, name), self._tails[name]
        for line in tail.lines():
            if (opened := seal.open(line)) is None:
                self._damaged += 1
                continue
            try:
                yield from_json(kind, opened[0])
            except RecordError as error:
                raise InputError(
                    f"Another version of llm-erm wrote {tail.path} ({error}); use that version."
                ) from None


def last_written(path: Path) -> float:
    """Returns when a file was last written, in seconds since 1970; 0 if it is not there."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _last_point(path: Path) -> CurvePoint | None:
    """Returns the last evaluation of a model in training; None before the first one."""
    text = read_bytes(path, None, missing=b"").decode("utf-8", errors="replace")
    *_, last = ["", *text.splitlines()]
    try:
        return from_json(CurvePoint, last)
    except RecordError:
        return None
