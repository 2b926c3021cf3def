"""Folders of runs that are under way, written by the journals of the package itself."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest.mock import patch

from llm_erm.facts import CurvePoint, SynthesisFacts
from llm_erm.llms.llm import Completion, FinishReason, Usage
from llm_erm.records import Attempt, Candidate, Result, Verdict
from llm_erm.runs.events import Answered, Attempted, Finished
from llm_erm.runs.fingerprint import DataRecord, Fingerprint
from llm_erm.runs.folder import RunFolder
from llm_erm.runs.jobs import JobKey
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.task import DataKey

SPECS = (DataSpec(function="fn_a", length=20), DataSpec(function="fn_g", length=20))
PARITY, PALINDROME = (JobKey(spec.function, 20, spec.trial_seed) for spec in SPECS)
LATER = 1_000_000_000.0
"""When what was written last was written, in seconds since 1970."""


def known(
    method: str = "synthesis",
    settings: dict[str, Any] | None = None,
    specs: Sequence[DataSpec] = SPECS,
) -> Fingerprint:
    """What shapes the results of a run: by default, of a search with five attempts."""
    records = tuple(
        DataRecord(spec, "abc", "abc", None if spec.task_file is None else "def") for spec in specs
    )
    return Fingerprint("0", method, settings or {"settings": {"attempts": 5}}, records)


class Running:
    """A run that goes on: its folder is open and locked, and its clock stands still."""

    def __init__(self, path: Path, fingerprint: Fingerprint | None = None, **options: Any) -> None:
        fingerprint = fingerprint or known()
        self.path = path
        self.seconds = 0.0
        jobs = [
            JobKey(s.function, s.length, s.trial_seed, s.trial)
            for s in (one.spec for one in fingerprint.data)
        ]
        with patch("llm_erm.runs.folder.monotonic", lambda: self.seconds):
            self.folder = RunFolder(path, fingerprint, jobs, **options)

    def tell(self, job: JobKey, event: object) -> None:
        """Journals an event."""
        with patch("llm_erm.runs.folder.monotonic", lambda: self.seconds):
            self.folder(job, event)

    def answer(
        self,
        job: JobKey,
        index: int,
        usd: float | None = 0.01,
        finish_reason: FinishReason = "stop",
    ) -> None:
        """Journals an answer of 100 tokens."""
        usage = Usage(90, 0, 10, 0)
        self.tell(
            job,
            Answered(
                Completion(index, "{}", usage, 0.5, finish_reason=finish_reason, cost_usd=usd)
            ),
        )

    def attempt(self, job: JobKey, index: int, right: int, status: str = "ok") -> None:
        """Journals an attempt with so many of 40 validation examples right."""
        verdict = Verdict(status, right, 0, 40)
        candidate = Candidate("def f(x):\n    return 1\n")
        self.tell(job, Attempted(Attempt(index, candidate, verdict, verdict)))

    def finish(self, job: JobKey, seconds: float, right: int = 100, variant: str = "") -> None:
        """Journals a result with so many of 100 test examples right."""
        key = DataKey(job.function, job.length, job.seed, job.trial, "abc")
        test = Verdict("ok", right, 0, 100)
        result = Result(
            method="synthesis",
            model="scripted:answers",
            data=key,
            variant=variant,
            examples=80,
            test=test,
            seconds=seconds,
            facts=SynthesisFacts(),
        )
        self.tell(job, Finished(result))

    def close(self, written: float = LATER) -> None:
        """Ends the process that runs, after it wrote something at a given time."""
        self.folder.close()
        written_at(self.path, written)


def written_at(folder: Path, seconds: float) -> None:
    """Sets the time at which all files of a folder were last written."""
    for path in folder.rglob("*"):
        os.utime(path, (seconds, seconds))


@contextmanager
def running(path: Path, *arguments: Any, **options: Any) -> Iterator[Running]:
    """A run that ends with the block."""
    run = Running(path, *arguments, **options)
    try:
        yield run
    finally:
        run.folder.close()


def begun(path: Path) -> Running:
    """Two searches: one is done, the other has made two of five attempts in ten seconds."""
    run = Running(path)
    run.answer(PARITY, 1)
    run.seconds = 6.0
    run.attempt(PARITY, 1, 40)
    run.finish(PARITY, 8.0, 99)
    run.seconds = 8.0
    for index, right in ((1, 20), (2, 30)):
        run.answer(PALINDROME, index)
        run.seconds += 5.0
        run.attempt(PALINDROME, index, right)
    run.answer(PALINDROME, 3)
    return run


def train_until(folder: Path, *epochs: int) -> None:
    """Writes the evaluations of a model after so many epochs, each of two seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    points = [CurvePoint(n, 4 * n, 0.5, 0.5 + n / 100, 0.7, 0.5, 2.0 * n) for n in epochs]
    lines = "".join(json.dumps(asdict(point)) + "\n" for point in points)
    (folder / "metrics.jsonl").write_text(lines)
