"""Shows the progress of a run on stderr: bars and notices."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Self

from rich.progress import TaskID

from llm_erm.cli.options import warn_if_weak
from llm_erm.cli.output import note
from llm_erm.cli.progress import LINE_SECONDS, Bars
from llm_erm.cli.reading import Reading
from llm_erm.llms.llm import Paused, PromptRead, Written
from llm_erm.phrases import lasting
from llm_erm.runs.events import (
    Advanced,
    Attempted,
    Event,
    Finished,
    Hidden,
    Isolated,
    Judged,
    Noticed,
    Started,
    Underway,
)
from llm_erm.runs.jobs import JobKey
from llm_erm.secrets import HIDDEN

BARS = 20
"""Maximum number of jobs with a bar each; more jobs share one bar."""

PART_TOKENS = 512
"""A prompt of at most this many tokens is read in one part."""

LONG_SECONDS = 10.0
"""The reason for a pause of this length or more is told."""


@dataclass
class _Share:
    """How much of an unfinished job is done.

    Attributes:
        total: Number of steps to do.
        before: Number of steps that an earlier run did.
        done: Number of steps done now.
    """

    total: int
    before: int
    done: int = 0


class Shown:
    """Shows a bar for all jobs and, unless there are many, one for each; prints notices."""

    def __init__(
        self,
        jobs: int,
        what: str = "jobs",
        *,
        done: int = 0,
        named: Callable[[JobKey], str] = attrgetter("name"),
    ) -> None:
        """Prepares the bars.

        Args:
            jobs: Number of jobs.
            what: What to call them.
            done: Number of jobs that an earlier run finished.
            named: Returns what to call a job.
        """
        self._named = named
        self._bars = Bars()
        self._many = jobs > BARS
        self._total = self._bars.add(what, jobs, done, shown=jobs > 1)
        self._finished = done
        self._shares: dict[JobKey, _Share] = {}
        self._of_jobs: dict[JobKey, TaskID] = {}
        self._told_of_hidden = False
        self._prompts: dict[JobKey, tuple[TaskID, Reading]] = {}
        self._steps: dict[tuple[JobKey, str], TaskID] = {}
        self._pause: TaskID | None = None
        self._quiet_until = 0.0

    def __enter__(self) -> Self:
        self._bars.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.__exit__()

    def __call__(self, job: JobKey | None, event: Event) -> None:
        """Shows what happened."""
        match event:
            case Noticed(text):
                note(text if job is None else f"{self._named(job)}: {text}")
            case Hidden() if not self._told_of_hidden:
                self._told_of_hidden = True
                note(
                    f"An answer contained a key that was sent to the server; {HIDDEN} replaces it, "
                    "also in programs before they are verified."
                )
            case Isolated(level, missing):
                warn_if_weak(level, missing)
                note(f"Programs run in a sandbox with isolation {level!r}.")
            case Underway(Paused() as pause):
                self._show_pause(pause)
        if job is not None:
            self._count(job, event)
            self._show(job, event)

    def _count(self, job: JobKey, event: Event) -> None:
        """Counts what is done of all jobs, of those that have not ended in part."""
        match event:
            case Started(int(total), done) if total > done:
                self._shares[job] = _Share(total - done, done)
            case Advanced(done) if job in self._shares:
                self._shares[job].done = done - self._shares[job].before
            case Attempted() if job in self._shares:
                self._shares[job].done += 1
            case Finished():
                self._shares.pop(job, None)
                self._finished += 1
            case _:
                return
        parts = sum(min(share.done / share.total, 1.0) for share in self._shares.values())
        self._bars.set(self._total, self._finished + parts)

    def _show(self, job: JobKey, event: Event) -> None:
        """Shows what happened in a job."""
        match event:
            case Started(total, done, seconds) if not self._many:
                self._of_jobs[job] = self._bars.add(self._named(job), total, done, seconds=seconds)
            case Advanced(done) if job in self._of_jobs:
                self._bars.set(self._of_jobs[job], done)
            case Attempted() if job in self._of_jobs:
                self._bars.advance(self._of_jobs[job])
            case Underway(PromptRead() as read):
                self._show_read(job, read)
            case Underway(Written(tokens, most)):
                self._show_step(job, "drawing samples", tokens, most, percent=True)
            case Judged(done, total):
                self._show_step(job, "running all attempts on test data", done, total)
            case Finished():
                if (bar := self._of_jobs.pop(job, None)) is not None:
                    self._bars.remove(bar)
                self._end_prompt(job)
                for step in [step for step in self._steps if step[0] == job]:
                    self._bars.remove(self._steps.pop(step))

    def _show_read(self, job: JobKey, read: PromptRead) -> None:
        """Shows a bar while a prompt is read in more than one part."""
        if read.total <= PART_TOKENS:
            return
        now = time.monotonic()
        if read.tokens >= read.total:
            self._end_prompt(job)
            return
        if job not in self._prompts:
            bar = self._bars.add("reading the prompt", read.total, percent=True)
            self._prompts[job] = bar, Reading(now)
        bar, reading = self._prompts[job]
        self._bars.set(bar, read.tokens)
        if (left := reading.seconds_left(read.tokens, read.total, now)) is not None:
            self._bars.expect(bar, left)

    def _end_prompt(self, job: JobKey) -> None:
        if job in self._prompts:
            bar, _ = self._prompts.pop(job)
            self._bars.remove(bar)

    def _show_step(
        self, job: JobKey, what: str, done: int, total: int, *, percent: bool = False
    ) -> None:
        """Shows a bar while one step of a job lasts; percentages are of the most there may be."""
        if done >= total:
            if (job, what) in self._steps:
                self._bars.remove(self._steps.pop((job, what)))
            return
        if (job, what) not in self._steps:
            bar = self._bars.add(what, total, percent=percent, may_end_before=percent)
            self._steps[job, what] = bar
        self._bars.set(self._steps[job, what], done)

    def _show_pause(self, pause: Paused) -> None:
        """Shows a bar while calls wait, and says why if that is long, every half minute at most."""
        if self._pause is not None and not pause.seconds:
            self._bars.remove(self._pause)
            self._pause = None
        if not pause.seconds:
            return
        if self._pause is None:
            self._pause = self._bars.add("waiting for the server", None)
        self._bars.expect(self._pause, pause.seconds)
        now = time.monotonic()
        if pause.seconds >= LONG_SECONDS and now >= self._quiet_until:
            self._quiet_until = now + LINE_SECONDS
            note(f"Waiting {lasting(pause.seconds)}: {pause.why}.")
