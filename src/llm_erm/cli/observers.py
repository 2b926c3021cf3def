"""Shows the progress of a run on stderr: bars and notices."""

from typing import Self

from rich.progress import TaskID

from llm_erm.cli.options import warn_if_weak
from llm_erm.cli.output import note
from llm_erm.cli.progress import Bars
from llm_erm.runs.events import (
    Advanced,
    Attempted,
    Event,
    Finished,
    Hidden,
    Isolated,
    Noticed,
    Started,
)
from llm_erm.runs.jobs import JobKey
from llm_erm.secrets import HIDDEN

BARS = 20
"""Maximum number of jobs with a bar each; more jobs share one bar."""


class Shown:
    """Shows a bar for all jobs and, unless there are many, one for each; prints notices."""

    def __init__(self, jobs: int, what: str = "jobs", *, done: int = 0) -> None:
        """Prepares the bars.

        Args:
            jobs: Number of jobs.
            what: What to call them.
            done: Number of jobs that an earlier run finished.
        """
        self._bars = Bars()
        self._many = jobs > BARS
        self._total = self._bars.add(what, jobs, done, shown=jobs > 1)
        self._of_jobs: dict[JobKey, TaskID] = {}
        self._told_of_hidden = False

    def __enter__(self) -> Self:
        self._bars.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.__exit__()

    def __call__(self, job: JobKey | None, event: Event) -> None:
        """Shows what happened."""
        match event:
            case Noticed(text):
                note(text if job is None else f"{job.name}: {text}")
            case Hidden() if not self._told_of_hidden:
                self._told_of_hidden = True
                note(
                    f"An answer contained a key that was sent to the server; {HIDDEN} replaces it, "
                    "also in programs before they are verified."
                )
            case Isolated(level, missing):
                warn_if_weak(level, missing)
                note(f"Programs run in a sandbox with isolation {level!r}.")
        if job is None:
            return
        match event:
            case Started(total, done, seconds) if not self._many:
                self._of_jobs[job] = self._bars.add(job.name, total, done, seconds=seconds)
            case Advanced(done) if job in self._of_jobs:
                self._bars.set(self._of_jobs[job], done)
            case Attempted() if job in self._of_jobs:
                self._bars.advance(self._of_jobs[job])
            case Finished():
                self._bars.advance(self._total)
                if (bar := self._of_jobs.pop(job, None)) is not None:
                    self._bars.remove(bar)
