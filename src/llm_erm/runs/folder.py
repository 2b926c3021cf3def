"""The folder of a run, from which an interrupted one goes on; every method has the same.

settings.json      the method, its settings that shape results, and the data with their digests
prompts.jsonl      one line per search: its prompt
answers.jsonl      one line per answer of a model, the moment it arrives
attempts.jsonl     one line per attempt, the moment it is verified
results.jsonl      one line per result
programs/<job>.py  the selected programs, each a file that needs nothing of this package
"""

import math
import threading
from bisect import bisect_left
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from llm_erm.errors import InputError
from llm_erm.llms.llm import Completion
from llm_erm.records import Attempt, Result
from llm_erm.runs.events import Answered, Attempted, Event, Finished, Prompted
from llm_erm.runs.files import read, replace, writing
from llm_erm.runs.fingerprint import Fingerprint, difference
from llm_erm.runs.jobs import JobKey, key_of
from llm_erm.runs.journal import Journal, records_in
from llm_erm.serial import to_json

JOURNALS = ("results", "prompts", "answers", "attempts")
"""Names of the journals; the first one's lock is the folder's."""
FILES = ("settings.json", *(f"{name}.jsonl" for name in JOURNALS))
"""What a run is read back from."""
PROGRAMS = "programs/*-L*-seed*.py"
TRAININGS = tuple(
    f"{place}{name}"
    for place in ("", "*-L*-n*/")
    for name in ("checkpoint.pt", "checkpoint.part", "metrics.jsonl")
)
"""What trainings keep of their own, in the folder or, if there are several, one inside for each."""


@dataclass(frozen=True)
class PromptLine:
    """A line of ``prompts.jsonl``."""

    job: JobKey
    prompt: str


@dataclass(frozen=True)
class AnswerLine:
    """A line of ``answers.jsonl``."""

    job: JobKey
    answer: Completion


@dataclass(frozen=True)
class AttemptLine:
    """A line of ``attempts.jsonl``."""

    job: JobKey
    attempt: Attempt


class RunFolder:
    """Writes one run's folder and reads back what an interrupted run left there.

    It is the run's first observer: what it is told of is on disk when the call returns. Files of
    kinds that a run does not write are not created.

    Attributes:
        path: Where the folder is.
        results: The results by job.
    """

    def __init__(
        self, path: Path, fingerprint: Fingerprint, *, fresh: bool = False, writer: bool = True
    ) -> None:
        """Opens the folder, creating it if necessary, and locks it.

        Args:
            path: Where everything of this run goes.
            fingerprint: What shapes the results.
            fresh: Whether to delete what an earlier run left there.
            writer: Whether this process writes; if several processes share a job, one does, and
                the others only need to know what is done.

        Raises:
            InputError: The folder cannot be written, holds a run with other settings or a damaged
                journal, or another process is writing there.
        """
        self.path = path
        self.results: dict[JobKey, Result] = {}
        self._prompts: dict[JobKey, str] = {}
        self._attempts: dict[JobKey, list[Attempt]] = {}
        self._answers: dict[JobKey, dict[int, Completion]] = {}
        self._given_up: list[Completion] = []
        self._writing = threading.Lock()
        self._writer = writer
        self._settings_path = path / "settings.json"
        self._journals: dict[str, Journal] = {}
        if not writer:
            if not fresh:
                self._read_results()
            return
        self._journals[JOURNALS[0]] = Journal(path / f"{JOURNALS[0]}.jsonl")
        try:
            self._lock()
            if fresh:
                self._clear()
            self._check(fingerprint)
            self._read()
        except BaseException:
            self.close()
            raise

    def __call__(self, job: JobKey | None, event: Event) -> None:
        """Writes down what happened; from any thread.

        Raises:
            InputError: The disk is full or the folder is gone.
        """
        if job is None or not self._writer:
            return
        with self._writing:
            match event:
                case Prompted(prompt) if self._prompts.get(job) != prompt:
                    self._prompts[job] = prompt
                    self._append("prompts", PromptLine(job, prompt))
                case Answered(completion):
                    self._append("answers", AnswerLine(job, completion))
                    self._keep(job, completion)
                case Attempted(attempt):
                    self._append("attempts", AttemptLine(job, attempt))
                    _put(self._attempts.setdefault(job, []), attempt)
                case Finished(result):
                    self._finish(job, result)

    def attempts(self, job: JobKey) -> list[Attempt]:
        """Returns the journaled attempts of a job, in order."""
        return list(self._attempts.get(job, ()))

    def prompt(self, job: JobKey) -> str:
        """Returns the prompt of a search; empty where none was written."""
        return self._prompts.get(job, "")

    def check_answers(self, job: JobKey) -> None:
        """Makes sure that the answer to every attempt of a job is there.

        Raises:
            InputError: One is missing, so what it said and cost would be missing in the results.
        """
        answers = self._answers.get(job, {})
        for attempt in self._attempts.get(job, ()):
            if attempt.index not in answers:
                raise InputError(
                    f"{self.path}/answers.jsonl lacks the answer to attempt {attempt.index} of "
                    f"{job.name}; restore the file, or delete the run.",
                    setting="fresh",
                )

    def answers(self, job: JobKey) -> dict[int, Completion]:
        """Returns all answers of a job by index, in the order in which they came."""
        return dict(self._answers.get(job, {}))

    def completions(self) -> list[Completion]:
        """Returns what all calls gave: every answer, used or not, and every call given up on."""
        return [
            *(one for answers in self._answers.values() for one in answers.values()),
            *self._given_up,
        ]

    def given_up(self) -> int:
        """Returns the number of calls that were given up on while in flight."""
        return len(self._given_up)

    def close(self) -> None:
        """Closes the journals and lets other processes write to the folder."""
        for journal in self._journals.values():
            journal.close()

    def _journal(self, name: str) -> Journal:
        if name not in self._journals:
            self._journals[name] = Journal(self.path / f"{name}.jsonl")
        return self._journals[name]

    def _append(self, name: str, record: object) -> None:
        self._journal(name).append(record)

    def _finish(self, job: JobKey, result: Result) -> None:
        if result.program is not None:
            with writing(self.path):
                programs = self.path / "programs"
                programs.mkdir(exist_ok=True)
                replace(programs / f"{job.file_name}.py", standalone(result))
        known, self.results[job] = job in self.results, result
        if known:  # measured on later: the line is replaced
            text = "".join(to_json(one) + "\n" for one in self.results.values())
            with writing(self.path):
                replace(self._journals["results"].path, text)
            reopened = Journal(self._journals["results"].path)
            reopened.lock()
            self._journals["results"].close()
            self._journals["results"] = reopened
        else:
            self._append("results", result)

    def _keep(self, job: JobKey, completion: Completion) -> None:
        """A sample that was given up on may be asked for again; both calls may be billed."""
        if completion.finish_reason == "cancelled":
            self._given_up.append(completion)
        else:
            self._answers.setdefault(job, {})[completion.index] = completion

    def _read(self) -> None:
        for name in JOURNALS:
            path = self.path / f"{name}.jsonl"
            if name not in self._journals and not path.exists():
                continue
            self._journal(name).repair()
        self._read_results()
        for prompted in records_in(self.path / "prompts.jsonl", PromptLine, "fresh"):
            self._prompts[prompted.job] = prompted.prompt
        for answered in records_in(self.path / "answers.jsonl", AnswerLine, "fresh"):
            self._keep(answered.job, answered.answer)
        for tried in records_in(self.path / "attempts.jsonl", AttemptLine, "fresh"):
            _put(self._attempts.setdefault(tried.job, []), tried.attempt)

    def _read_results(self) -> None:
        for result in records_in(self.path / "results.jsonl", Result, "fresh"):
            self.results[key_of(result)] = result

    def _lock(self) -> None:
        if not self._journals[JOURNALS[0]].lock():
            raise InputError(
                f"Another process is writing to {self.path}; wait for it, or name another folder.",
                setting="out_dir",
            )

    def _begun(self) -> bool:
        """Whether any journal holds a line, or a training has begun."""
        paths = [self.path / f"{name}.jsonl" for name in JOURNALS]
        trainings = self._matching(*TRAININGS)
        return bool(trainings) or any(path.exists() and path.stat().st_size for path in paths)

    def _matching(self, *patterns: str) -> list[Path]:
        return [path for pattern in patterns for path in self.path.glob(pattern)]

    def _clear(self) -> None:
        """Deletes an earlier run, and nothing that no run wrote."""
        if self._begun() and not self._settings_path.exists():
            raise InputError(
                f"{self.path} holds a journal but no settings.json, so it is not a run to start "
                "afresh; name another folder.",
                setting="out_dir",
            )
        with writing(self.path):
            for name in JOURNALS[1:]:
                (self.path / f"{name}.jsonl").unlink(missing_ok=True)
            self._journals[JOURNALS[0]].clear()
            self._settings_path.unlink(missing_ok=True)
            for path in self._matching(PROGRAMS, *TRAININGS):
                path.unlink()

    def _check(self, fingerprint: Fingerprint) -> None:
        """Makes sure that what is there comes from the same settings and data."""
        if not self._begun():
            with writing(self.path):
                replace(self._settings_path, fingerprint.text)
            return
        earlier = read(self._settings_path)
        if earlier != fingerprint.text:
            raise InputError(
                f"{self.path} holds a run with other settings "
                f"({difference(earlier, fingerprint)}); name another folder, or delete that run.",
                setting="out_dir or fresh",
            )


def standalone(result: Result) -> str:
    """Returns the selected program as a file of its own, with what is known of it on top."""
    assert result.program is not None
    assert result.validation is not None
    test = result.test
    if test is None:
        told = "none"
    else:
        told = f"{test.accuracy:.4f}" if test.status == "ok" else f"none ({test.status})"
    data = result.data
    lines = [
        f"Program for {data.function} at length {data.length}, found by {result.method} "
        f"({result.model}).",
        f"Validation accuracy {result.validation.accuracy:.4f}, test accuracy {told}.",
    ]
    if result.certificate is not None and (bound := result.certificate.validation) is not None:
        lines.append(
            f"Error at most {math.ceil(bound.error_upper_bound * 1e4) / 1e4} at "
            f"{result.certificate.confidence:.0%} confidence, if {bound.assumes}."
        )
    if result.isolation is not None:
        lines.append(f"Isolation of the sandbox that ran it: {result.isolation}.")
    if result.method == "synthesis":
        lines.append("Written by a language model: read it before you run it outside a sandbox.")
    source = result.program.rstrip("\n")
    return "".join(f"# {line}\n" for line in lines) + "\n" + source + "\n"


def _put(attempts: list[Attempt], attempt: Attempt) -> None:
    """Puts an attempt in its place, that of an earlier one with its index included."""
    place = bisect_left(attempts, attempt.index, key=attrgetter("index"))
    same = place < len(attempts) and attempts[place].index == attempt.index
    attempts[place : place + same] = [attempt]
