"""Reads back what a run's folder holds: every line is checked before it is believed."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_erm.errors import InputError
from llm_erm.llms.llm import Completion
from llm_erm.records import Attempt, Result
from llm_erm.runs.checksum import Seal, chained, settings_digest
from llm_erm.runs.files import JOURNALS
from llm_erm.runs.fingerprint import read_settings
from llm_erm.runs.jobs import JobKey, key_of
from llm_erm.runs.journal_file import JournalFile
from llm_erm.serial import to_json

_CONSEQUENCES_FIRST = ("results", "attempts", "answers", "prompts")
"""The order in which to read them while a run writes: what a line follows from is read after it."""
ANEW = {
    "results": "what it held is computed again",
    "prompts": "the prompt is written again",
    "answers": "the model is asked again, which may cost money again",
    "attempts": "what it held is verified again",
}
"""What a resumed run does about a line of each journal that cannot be believed."""


@dataclass(frozen=True)
class PromptLine:
    """A line of ``prompts.jsonl``."""

    job: JobKey
    prompt: str
    index: int = 1


@dataclass(frozen=True)
class AnswerLine:
    """A line of ``answers.jsonl``; ``seconds`` as in ``AttemptLine``."""

    job: JobKey
    answer: Completion
    seconds: float = 0.0

    def __post_init__(self) -> None:
        """Refuses an index that no answer of a run has, such as that of an edited file."""
        if self.answer.index < 1:
            raise ValueError(f"index is {self.answer.index}, less than 1")


@dataclass(frozen=True)
class AttemptLine:
    """A line of ``attempts.jsonl``.

    Attributes:
        job: The job.
        attempt: One of its attempts.
        seconds: Wall time that all parts of the run had spent on the job by then.
        answer_sha256: Checksum of the line of the answer that was verified; None without a model.
    """

    job: JobKey
    attempt: Attempt
    seconds: float = 0.0
    answer_sha256: str | None = None


Line = PromptLine | AnswerLine | AttemptLine
KINDS: dict[str, type[Any]] = {
    "prompts": PromptLine,
    "answers": AnswerLine,
    "attempts": AttemptLine,
}


@dataclass(frozen=True)
class _Origin:
    """What a line of ``results.jsonl`` holds besides the result.

    Attributes:
        lines_sha256: Checksum of the lines of the other journals that the result follows from.
    """

    lines_sha256: str = ""


@dataclass
class Kept:
    """What is journaled of one job.

    Attributes:
        prompts: Its prompts, by the first sample that each is for.
        answers: Its answers by index, in the order in which they arrived.
        checksums: The checksums of their lines, by index.
        attempts: Its attempts by index.
        given_up: Its calls without an answer that were or may be made again, and all of which may
            be billed: cancelled ones, unanswered ones, and failed ones that were made again.
        seconds: Wall time that earlier parts of the run spent on it.
        began: When it would have begun without interruptions, on the monotonic clock.
    """

    prompts: dict[int, str] = field(default_factory=dict)
    answers: dict[int, Completion] = field(default_factory=dict)
    checksums: dict[int, str] = field(default_factory=dict)
    attempts: dict[int, Attempt] = field(default_factory=dict)
    given_up: list[Completion] = field(default_factory=list)
    seconds: float = 0.0
    began: float | None = None
    _lines: dict[str, str] = field(default_factory=dict)

    @property
    def lines_sha256(self) -> str:
        """A checksum of all lines of the job, in the order of each file; empty without any."""
        return " ".join(f"{name} {self._lines[name]}" for name in sorted(self._lines))

    def forget(self) -> None:
        """Frees the texts of a finished job, which are on disk; counts and checksums stay."""
        self.prompts, self.answers, self.checksums, self.attempts = {}, {}, {}, {}

    def take(self, name: str, line: Line, checksum: str) -> bool:
        """Adds a line of a journal; returns whether it counts.

        An attempt counts if the answer that it verified is the one that is journaled.
        """
        self._lines[name] = chained(self._lines.get(name, ""), checksum)
        match line:
            case PromptLine(_, prompt, index):
                self.prompts[index] = prompt
            case AnswerLine(_, answer):
                if answer.finish_reason in ("cancelled", "unanswered"):
                    self.given_up.append(answer)
                else:
                    earlier = self.answers.get(answer.index)
                    if earlier is not None and earlier.finish_reason == "error":
                        self.given_up.append(earlier)
                    self.answers[answer.index] = answer
                    self.checksums[answer.index] = checksum
            case AttemptLine(_, attempt, _, verified):
                if verified != self.checksums.get(attempt.index):
                    return False
                self.attempts[attempt.index] = attempt
        return True


@dataclass
class Contents:
    """What the folder of a run holds.

    Attributes:
        results: The results that fit what else is there, by job.
        kept: The prompts, answers and attempts of each job.
        files: The journals by name.
        faults: What cannot be believed or is missing, as one phrase per file, by journal.
        dropped: The lines of results that fit their checksums and nothing else.
    """

    results: dict[JobKey, Result] = field(default_factory=dict)
    kept: defaultdict[JobKey, Kept] = field(default_factory=lambda: defaultdict(Kept))
    files: dict[str, JournalFile] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    dropped: list[bytes] = field(default_factory=list)


def read_contents(
    folder: Path,
    settings: str,
    setting: str | None = "out_dir",
    *,
    jobs: Collection[JobKey] | None = None,
) -> Contents:
    """Returns what fits its checksums in the folder of a run, which may be in progress.

    Args:
        folder: The folder.
        settings: SHA-256 of the run's settings.
        setting: The setting that names the run, if there is one.
        jobs: The jobs of the run, whose results alone are believed; None if they are unknown.

    Raises:
        InputError: A file cannot be read, or another version wrote it.
    """
    found = Contents()
    files = {
        name: JournalFile.read(folder / f"{name}.jsonl", Seal(settings, name), setting)
        for name in _CONSEQUENCES_FIRST
    }
    for name in JOURNALS:
        found.files[name] = file = files[name]
        if file.fault is not None:
            found.faults[name] = file.fault
    for name, kind in KINDS.items():
        for line, checksum in found.files[name].records(kind, setting):
            kept = found.kept[line.job]
            if kept.take(name, line, checksum):
                kept.seconds = max(kept.seconds, getattr(line, "seconds", 0.0))
            elif line.attempt.index not in kept.answers:
                found.faults.setdefault(
                    "answers",
                    f"{folder}/answers.jsonl lacks the answer to attempt {line.attempt.index} of "
                    f"{line.job.name}",
                )
    _take_results(found, jobs, setting)
    return found


def _take_results(found: Contents, jobs: Collection[JobKey] | None, setting: str | None) -> None:
    """Adds the results of the run's jobs that were computed from the other lines of the folder."""
    file = found.files["results"]
    lines: list[tuple[JobKey, bytes]] = []
    held = zip(file.records(Result, setting), file.records(_Origin, setting), strict=True)
    for ((result, _), (origin, _)), (_, text, *_) in zip(held, file.lines, strict=True):
        job = key_of(result)
        lines.append((job, text))
        if jobs is not None and job not in jobs:
            found.faults.setdefault(
                "results", f"{file.path}: the run has no job {job.name!r}, of which it has a result"
            )
        elif origin.lines_sha256 == found.kept[job].lines_sha256:
            found.results[job] = result
        else:
            found.results.pop(job, None)
            if not found.faults.keys() & KINDS.keys():
                found.faults.setdefault(
                    "results",
                    f"{file.path}: the result of {job.name} is not that of the prompts, answers "
                    "and attempts in its folder, of which some were deleted or moved",
                )
    found.dropped = [text for job, text in lines if job not in found.results]


def checked_contents(folder: Path, setting: str | None = None) -> Contents:
    """Returns what the folder of a run holds.

    Raises:
        InputError: The folder holds no run, or any of it cannot be believed.
    """
    found = read_contents(folder, settings_digest(read_settings(folder, setting)), setting)
    for fault in found.faults.values():
        raise damaged(fault, setting)
    return found


def checked_results(folder: Path, setting: str | None = None) -> dict[JobKey, Result]:
    """Returns the results in the folder of a run by job, without reading anything else.

    Raises:
        InputError: The folder holds no run, or a line of ``results.jsonl`` cannot be believed.
    """
    seal = Seal(settings_digest(read_settings(folder, setting)), "results")
    file = JournalFile.read(folder / "results.jsonl", seal, setting)
    if file.fault is not None:
        raise damaged(file.fault, setting)
    return {key_of(result): result for result, _ in file.records(Result, setting)}


def damaged(fault: str, setting: str | None) -> InputError:
    """Returns the error of a run that cannot be believed where it is only read."""
    return InputError(
        f"{fault}; restore the file, or run the command of that run again, which replaces what is "
        "damaged.",
        setting=setting,
    )


def result_line(result: Result, lines_sha256: str, seal: Seal) -> str:
    """Returns a line of ``results.jsonl``: a result, and what tells what it was computed from."""
    text = to_json(result)
    if lines_sha256:
        text = f'{text[:-1]}, "lines_sha256": "{lines_sha256}"}}'
    return seal.close(text) + "\n"
