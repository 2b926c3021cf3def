"""What the command line shows of a run while it lasts: bars and notices on stderr."""

from types import TracebackType
from typing import Self

from rich.progress import TaskID

from llm_erm.cli.output import note, progress
from llm_erm.runs.events import Advanced, Attempted, Event, Finished, Isolated, Noticed, Started
from llm_erm.runs.jobs import JobKey

BARS = 20
"""Jobs with a bar of their own; where there are more, all share one."""


class Bars:
    """One progress bar per job, or one for all where there are many, and notices as they come."""

    def __init__(self, jobs: int, what: str = "jobs") -> None:
        """Prepares the bars.

        Args:
            jobs: Number of jobs that are to be done.
            what: What they are called.
        """
        self._progress = progress()
        self._many = jobs > BARS
        self._total = self._progress.add_task(what, total=jobs, visible=self._many)
        self._bars: dict[JobKey, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def __call__(self, job: JobKey | None, event: Event) -> None:
        """Shows what happened."""
        match event:
            case Noticed(text):
                note(text if job is None else f"{job.name}: {text}")
            case Isolated(level, missing):
                if level in ("basic", "none"):
                    note(f"Warning: isolation is {level!r}: {'; '.join(missing)}")
                note(f"Programs run in a sandbox with isolation {level!r}.")
        if job is None:
            return
        match event:
            case Started(total, done) if not self._many:
                self._bars[job] = self._progress.add_task(job.name, total=total, completed=done)
            case Advanced(done) if job in self._bars:
                self._progress.update(self._bars[job], completed=done)
            case Attempted() if job in self._bars:
                self._progress.advance(self._bars[job])
            case Finished():
                self._progress.advance(self._total)
                if (bar := self._bars.pop(job, None)) is not None:
                    self._progress.remove_task(bar)
