"""Shows the progress of a run on stderr: bars and notices."""

from typing import Self

from rich.progress import TaskID

from llm_erm.cli.options import warn_if_weak
from llm_erm.cli.output import note, progress
from llm_erm.cli.text import printable
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


class Bars:
    """Shows one progress bar per job, or a single one for many jobs, and prints notices."""

    def __init__(self, jobs: int, what: str = "jobs") -> None:
        """Prepares the bars.

        Args:
            jobs: Number of jobs to do.
            what: What to call them.
        """
        self._progress = progress()
        self._many = jobs > BARS
        self._total = self._progress.add_task(what, total=jobs, visible=self._many)
        self._bars: dict[JobKey, TaskID] = {}
        self._told_of_hidden = False

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

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
            case Started(total, done) if not self._many:
                self._bars[job] = self._progress.add_task(
                    printable(job.name), total=total, completed=done
                )
            case Advanced(done) if job in self._bars:
                self._progress.update(self._bars[job], completed=done)
            case Attempted() if job in self._bars:
                self._progress.advance(self._bars[job])
            case Finished():
                self._progress.advance(self._total)
                if (bar := self._bars.pop(job, None)) is not None:
                    self._progress.remove_task(bar)
