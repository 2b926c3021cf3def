"""What a process of a Ray cluster does: jobs, whose events it yields in batches to the driver."""

import os
import platform
import queue
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from llm_erm.errors import LLMERMError
from llm_erm.runs.events import Answered, Event, Finished, Observer
from llm_erm.runs.jobs import JobKey, Work
from llm_erm.runs.sessions import KeptSession
from llm_erm.version import VERSION

BATCH_SECONDS = 0.05
"""How long an event may wait for others; answers, which were paid for, do not wait."""
CHUNK_BYTES = 4 * 2**20
"""Size of the parts in which files are sent."""
MOST_WAITING = 8
"""Events that may wait for the driver; a job that tells more than it takes waits for it."""


@dataclass(frozen=True)
class Wrote(Event):
    """A part of a file that a job wrote, for the run's folder.

    Attributes:
        name: The file, relative to the folder.
        data: The part.
        start: Where in the file it belongs.
        last: Whether it is the last part.
    """

    name: str
    data: bytes
    start: int
    last: bool


Told = tuple[JobKey | None, Event]
Batch = list[Told]

_session = KeptSession()
# Linux ends a sandbox with the thread that started it, so one thread does all jobs of the process.
_thread = ThreadPoolExecutor(1, "job")


def serve(version: str, pickled: bytes, work: Work) -> Iterator[Batch]:
    """Does a job and yields its events in batches.

    Args:
        version: The driver's version of this package.
        pickled: The method, without a budget.
        work: The job, whose held-out data are read where the driver is.

    Raises:
        LLMERMError: The job cannot be done, or this node has another version of the package.
    """
    if version != VERSION:
        raise LLMERMError(
            f"The node {platform.node()} has llm-erm {VERSION}, but the run was started with "
            f"{version}; install the same version on every node."
        )
    events: queue.Queue[Told | None] = queue.Queue(MOST_WAITING)

    def observe(job: JobKey | None, event: Event) -> None:
        events.put((job, event))

    done = _thread.submit(_do, pickled, work, observe)
    done.add_done_callback(lambda _: events.put(None))
    yield from _batches(events, done)
    done.result()


def _do(pickled: bytes, work: Work, observe: Observer) -> None:
    """Does a job in a folder of its own, and tells of the files that it wrote there."""
    if work.folder is None:
        _session.do(pickled, work, observe)
        return
    finished: list[Told] = []

    def tell(job: JobKey | None, event: Event) -> None:
        if isinstance(event, Finished):  # once its files are there: a result is not done again
            finished.append((job, event))
        else:
            observe(job, event)

    with tempfile.TemporaryDirectory(prefix="llm-erm-") as name:
        folder = Path(name)
        _session.do(pickled, replace(work, folder=folder), tell)
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.name.startswith("checkpoint."):
                _send(path, path.relative_to(folder).as_posix(), work.job.key, observe)
    for told in finished:
        observe(*told)


def _send(path: Path, name: str, job: JobKey, observe: Observer) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        for start in range(0, max(size, 1), CHUNK_BYTES):
            data = file.read(CHUNK_BYTES)
            observe(job, Wrote(name, data, start, last=start + CHUNK_BYTES >= size))


def _batches(events: "queue.Queue[Told | None]", done: "Future[None]") -> Iterator[Batch]:
    """Yields the events until the job is done."""
    over = False
    while not over:
        batch: Batch = []
        told = events.get()
        while told is not None:
            batch.append(told)
            if isinstance(told[1], Answered | Wrote):
                break
            try:
                told = events.get(timeout=BATCH_SECONDS)
            except queue.Empty:
                break
        over = told is None
        if batch:
            yield batch


class Desk:
    """What workers ask of the driver's machine: it alone has the files of the data sets."""

    def __init__(self, folder: str) -> None:
        """Takes the folder that paths are relative to."""
        os.chdir(folder)

    def ready(self) -> None:
        """Returns when the process is there."""

    def call(self, function: Callable[[], object]) -> object:
        """Returns what a function returns there."""
        return function()
