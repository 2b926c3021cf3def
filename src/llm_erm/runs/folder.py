"""The folder of a run, from which an interrupted run resumes; the same for every method.

settings.json      the method, the settings that shape results, and the data with their digests
prompts.jsonl      one line per search: its prompt
answers.jsonl      one line per answer of a model, written when it arrives
attempts.jsonl     one line per attempt, written when it is verified
results.jsonl      one line per result
programs/<job>.py  the selected programs, as files that do not need this package
"""

import math
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

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
"""Names of the journals; the first one is always there."""
FILES = ("settings.json", *(f"{name}.jsonl" for name in JOURNALS))
"""The files that an interrupted run is read back from."""
PROGRAMS = "programs/*-L*-seed*.py"
TRAININGS = tuple(
    f"{place}{name}"
    for place in ("", "*-L*-n*/")
    for name in ("checkpoint.pt", "checkpoint.part", "metrics.jsonl")
)
"""Extra files of training jobs, in the folder or, if there are several jobs, in subfolders."""


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


@dataclass(frozen=True)
class AttemptLine:
    """A line of ``attempts.jsonl``.

    Attributes:
        job: The job.
        attempt: One of its attempts.
        seconds: Wall time that all parts of the run had spent on the job by then.
    """

    job: JobKey
    attempt: Attempt
    seconds: float = 0.0


@dataclass
class _Kept:
    """What is journaled of one job.

    Attributes:
        prompts: Its prompts, by the first sample that each is for.
        answers: Its answers by index, in the order in which they arrived.
        attempts: Its attempts by index.
        seconds: Wall time that earlier parts of the run spent on it.
        began: When it would have begun without interruptions, on the monotonic clock.
    """

    prompts: dict[int, str] = field(default_factory=dict)
    answers: dict[int, Completion] = field(default_factory=dict)
    attempts: dict[int, Attempt] = field(default_factory=dict)
    seconds: float = 0.0
    began: float | None = None


class RunFolder:
    """Writes one run's folder and reads back what an interrupted run left there.

    It is the run's first observer: an event is on disk when the call returns. Journals that a run
    does not write to are not created.

    Attributes:
        path: The folder.
        results: The results by job.
    """

    def __init__(self, path: Path, fingerprint: Fingerprint, *, fresh: bool = False) -> None:
        """Opens the folder, creating it if necessary, and locks it.

        Args:
            path: The folder.
            fingerprint: What shapes the results.
            fresh: Whether to delete what an earlier run left there.

        Raises:
            InputError: The folder is not writable, holds a run with other settings or a damaged
                journal, or another process is writing to it.
        """
        self.path = path
        self.results: dict[JobKey, Result] = {}
        self._kept: defaultdict[JobKey, _Kept] = defaultdict(_Kept)
        self._given_up: list[Completion] = []
        self._writing = threading.Lock()
        self._journals: dict[str, Journal] = {}
        self._held = Journal(path / ".lock")
        try:
            self._lock()
            self._journal("results")
            if fresh:
                self._clear()
            self._check(fingerprint)
            self._read()
        except BaseException:
            self.close()
            raise

    def __call__(self, job: JobKey | None, event: Event) -> None:
        """Records an event; may be called from any thread.

        Raises:
            InputError: The disk is full or the folder was deleted.
        """
        if job is None:
            return
        with self._writing:
            kept = self._kept[job]
            if kept.began is None:
                kept.began = monotonic() - kept.seconds
            seconds = round(monotonic() - kept.began, 3)
            match event:
                case Prompted(prompt, index):
                    self._prompted(job, prompt, index)
                case Answered(completion):
                    self._journal("answers").append(AnswerLine(job, completion, seconds))
                    self._keep(job, completion)
                case Attempted(attempt):
                    self._journal("attempts").append(AttemptLine(job, attempt, seconds))
                    kept.attempts[attempt.index] = attempt
                case Finished(result):
                    self._finish(job, result)

    def earlier_seconds(self, job: JobKey) -> float:
        """Returns the wall time that earlier parts of the run spent on a job without a result."""
        return 0.0 if job in self.results else self._kept[job].seconds

    def attempts(self, job: JobKey) -> list[Attempt]:
        """Returns the journaled attempts of a job, in order."""
        attempts = self._kept[job].attempts
        return [attempts[index] for index in sorted(attempts)]

    def prompt(self, job: JobKey, index: int = 1) -> str:
        """Returns the prompt of a sample, or an empty string."""
        prompts = self._kept[job].prompts
        first = max((start for start in prompts if start <= index), default=None)
        return "" if first is None else prompts[first]

    def check_answers(self, job: JobKey) -> None:
        """Checks that the journal holds the answer behind every attempt of a job.

        Raises:
            InputError: One is missing, so its text and cost would be missing from the results.
        """
        kept = self._kept[job]
        if missing := sorted(kept.attempts.keys() - kept.answers.keys()):
            raise InputError(
                f"{self.path}/answers.jsonl lacks the answer to attempt {missing[0]} of "
                f"{job.name}; restore the file, or delete the run.",
                setting="fresh",
            )

    def answers(self, job: JobKey) -> dict[int, Completion]:
        """Returns all answers of a job by index, in the order in which they arrived."""
        return dict(self._kept[job].answers)

    def completions(self) -> list[Completion]:
        """Returns the completions of all calls: every answer, used or not, and cancelled calls."""
        return [
            *(one for kept in self._kept.values() for one in kept.answers.values()),
            *self._given_up,
        ]

    def given_up(self) -> int:
        """Returns the number of calls that were cancelled in flight."""
        return len(self._given_up)

    def close(self) -> None:
        """Closes the journals and lets other processes write to the folder."""
        for journal in (*self._journals.values(), self._held):
            journal.close()

    def _journal(self, name: str) -> Journal:
        if name not in self._journals:
            self._journals[name] = Journal(self.path / f"{name}.jsonl")
        return self._journals[name]

    def _prompted(self, job: JobKey, prompt: str, index: int) -> None:
        """Records a prompt unless it is known; rejects one that differs from an earlier prompt."""
        prompts = self._kept[job].prompts
        if prompts.get(index, prompt) != prompt and self._kept[job].answers:
            raise InputError(
                f"The prompt of {job.name} is not the one whose answers are in {self.path}: the "
                "data or the model's chat template changed; name another folder, or delete the "
                "run.",
                setting="out_dir or fresh",
            )
        if prompts.get(index) != prompt:
            prompts[index] = prompt
            self._journal("prompts").append(PromptLine(job, prompt, index))

    def _finish(self, job: JobKey, result: Result) -> None:
        if result.program is not None:
            with writing(self.path):
                programs = self.path / "programs"
                programs.mkdir(exist_ok=True)
                replace(programs / f"{job.file_name}.py", standalone(result))
        known, self.results[job] = job in self.results, result
        if not known:
            self._journal("results").append(result)
            return
        # More was measured later. Windows replaces no file that is open.
        self._journal("results").close()
        del self._journals["results"]
        with writing(self.path):
            text = "".join(to_json(one) + "\n" for one in self.results.values())
            replace(self.path / "results.jsonl", text)

    def _keep(self, job: JobKey, completion: Completion) -> None:
        """Stores an answer; a cancelled call may be repeated, and both may be billed."""
        if completion.finish_reason == "cancelled":
            self._given_up.append(completion)
        else:
            self._kept[job].answers[completion.index] = completion

    def _read(self) -> None:
        for name in JOURNALS:
            if (self.path / f"{name}.jsonl").exists():
                self._journal(name).repair()
        self.results = read_results(self.path)
        for prompted in records_in(self.path / "prompts.jsonl", PromptLine, "fresh"):
            self._kept[prompted.job].prompts[prompted.index] = prompted.prompt
        for answered in records_in(self.path / "answers.jsonl", AnswerLine, "fresh"):
            self._keep(answered.job, answered.answer)
            self._spent_by_then(answered)
        for tried in records_in(self.path / "attempts.jsonl", AttemptLine, "fresh"):
            self._kept[tried.job].attempts[tried.attempt.index] = tried.attempt
            self._spent_by_then(tried)

    def _spent_by_then(self, line: AnswerLine | AttemptLine) -> None:
        kept = self._kept[line.job]
        kept.seconds = max(kept.seconds, line.seconds)

    def _lock(self) -> None:
        if not self._held.lock():
            raise InputError(
                f"Another process is writing to {self.path}; wait for it, or name another folder.",
                setting="out_dir",
            )

    def _begun(self) -> bool:
        """Returns whether any journal holds a line, or a training job has started."""
        journals = self._matching(*(f"{name}.jsonl" for name in JOURNALS))
        return bool(self._matching(*TRAININGS)) or any(path.stat().st_size for path in journals)

    def _matching(self, *patterns: str) -> list[Path]:
        return [path for pattern in patterns for path in self.path.glob(pattern)]

    def _clear(self) -> None:
        """Deletes an earlier run, but no other files."""
        if self._begun() and not (self.path / "settings.json").exists():
            raise InputError(
                f"{self.path} holds a journal but no settings.json, so it does not hold a run that "
                "could be deleted; name another folder.",
                setting="out_dir",
            )
        with writing(self.path):
            for name in JOURNALS[1:]:
                (self.path / f"{name}.jsonl").unlink(missing_ok=True)
            self._journal("results").clear()
            (self.path / "settings.json").unlink(missing_ok=True)
            for path in self._matching(PROGRAMS, *TRAININGS):
                path.unlink()

    def _check(self, fingerprint: Fingerprint) -> None:
        """Checks that an earlier run in the folder had the same settings and data."""
        if not self._begun():
            with writing(self.path):
                replace(self.path / "settings.json", fingerprint.text)
            return
        earlier = read(self.path / "settings.json")
        if earlier != fingerprint.text:
            raise InputError(
                f"{self.path} holds a run with other settings "
                f"({difference(earlier, fingerprint)}); name another folder, or delete that run.",
                setting="out_dir or fresh",
            )


def read_results(folder: Path) -> dict[JobKey, Result]:
    """Returns the results in a run's folder, which may be that of a run in progress, by job.

    Raises:
        InputError: The journal is damaged.
    """
    results = records_in(folder / f"{JOURNALS[0]}.jsonl", Result, "fresh")
    return {key_of(result): result for result in results}


def standalone(result: Result) -> str:
    """Returns the selected program as a file that starts with comments on its accuracy."""
    assert result.program is not None
    assert result.validation is not None
    test = result.test
    if test is None:
        accuracy = "none"
    else:
        accuracy = f"{test.accuracy:.4f}" if test.status == "ok" else f"none ({test.status})"
    data = result.data
    lines = [
        f"Program for {data.function} at length {data.length}, found by {result.method} "
        f"({result.model}).",
        f"Validation accuracy {result.validation.accuracy:.4f}, test accuracy {accuracy}.",
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
