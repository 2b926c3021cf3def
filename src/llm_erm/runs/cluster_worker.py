"""What a process of a Ray cluster does: jobs, whose events it yields in batches, and programs."""

import os
import platform
import queue
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_erm.errors import LLMERMError
from llm_erm.execution import Isolation
from llm_erm.runs.cluster_files import Wrote, send_file
from llm_erm.runs.events import Answered, Event, Finished, Observer
from llm_erm.runs.jobs import JobKey, Work
from llm_erm.runs.sessions import KeptSession
from llm_erm.version import VERSION

if TYPE_CHECKING:
    from llm_erm.sandbox import Sandbox

BATCH_SECONDS = 0.05
"""How long an event may wait for others; answers, which were paid for, do not wait."""
MOST_WAITING = 8
"""Events that may wait for the driver; a job that tells more than it takes waits for it."""

Told = tuple[JobKey | None, Event]
Batch = list[Told]

# Linux ends a sandbox with the thread that started it, so one thread does all work of the process.
_thread = ThreadPoolExecutor(1, "job")


def check_version(version: str) -> None:
    """Checks that this node has the driver's version of the package.

    Raises:
        LLMERMError: It has another one.
    """
    if version != VERSION:
        raise LLMERMError(
            f"The node {platform.node()} has llm-erm {VERSION}, but the driver has "
            f"{version}; install the same version on every node."
        )


class Worker:
    """A process that does jobs of one method, one after another, and keeps its session.

    It keeps its GPUs as well, so that what a session has loaded there stays.
    """

    def __init__(self, pickled: bytes) -> None:
        """Takes the method."""
        self._method = pickled
        self._session = KeptSession()

    def begin(self, version: str) -> str:
        """Returns the id of the node.

        Args:
            version: The driver's version of the package.

        Raises:
            LLMERMError: The node has another version.
        """
        check_version(version)
        import ray

        return str(ray.get_runtime_context().get_node_id())

    def do(self, work: Work) -> Iterator[Batch]:
        """Does a job, whose held-out data are read where the driver is; yields its events.

        Raises:
            LLMERMError: The job cannot be done.
        """
        events: queue.Queue[Told | None] = queue.Queue(MOST_WAITING)

        def observe(job: JobKey | None, event: Event) -> None:
            events.put((job, event))

        done = _thread.submit(self._do, work, observe)
        done.add_done_callback(lambda _: events.put(None))
        yield from _batches(events, done)
        done.result()

    def close(self) -> None:
        """Closes the session."""
        _thread.submit(self._session.close).result()

    def _do(self, work: Work, observe: Observer) -> None:
        """Does a job in a folder of its own, and tells of the files that it wrote there."""
        if work.folder is None:
            self._session.do(self._method, work, observe)
            return
        finished: list[Told] = []

        def tell(job: JobKey | None, event: Event) -> None:
            if isinstance(event, Finished):  # once its files are there: a result is not done again
                finished.append((job, event))
            else:
                observe(job, event)

        with tempfile.TemporaryDirectory(prefix="llm-erm-") as name:
            folder = Path(name)
            self._session.do(self._method, replace(work, folder=folder), tell)
            for path in sorted(folder.rglob("*")):
                if path.is_file() and not path.name.startswith("checkpoint."):
                    named = path.relative_to(folder).as_posix()
                    send_file(path, named, partial(observe, work.job.key))
        for told in finished:
            observe(*told)


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


@dataclass(frozen=True)
class SandboxSettings:
    """How the nodes isolate programs, as for ``Sandbox``."""

    workers: int
    isolation: Isolation
    unsafe_no_isolation: bool


@dataclass(frozen=True)
class Ran:
    """What a node's sandbox returned.

    Attributes:
        value: The value; None if only the sandbox was asked for.
        isolation: The node's isolation level.
        missing: What keeps it from being ``strong``, one sentence per reason.
        notices: Which limits are lower there than the default ones, one sentence each.
    """

    value: Any
    isolation: str
    missing: tuple[str, ...]
    notices: tuple[str, ...]


_sandboxes: "dict[SandboxSettings, Sandbox]" = {}
"""Those of this process; they end with it."""


def in_sandbox(
    version: str,
    settings: SandboxSettings,
    method: str | None,
    *arguments: Any,  # noqa: ANN401
) -> Ran:
    """Calls a method of this process's sandbox, which it keeps.

    Args:
        version: The driver's version of the package.
        settings: Settings of the sandbox.
        method: ``execute`` or ``replay``; None to start the sandbox only.
        arguments: Those of the method, and its keyword arguments in a dict at the end.

    Raises:
        LLMERMError: Programs would not be isolated here, or this node has another version.
    """
    check_version(version)
    return _thread.submit(_in_sandbox, settings, method, arguments).result()


def _in_sandbox(settings: SandboxSettings, method: str | None, arguments: Any) -> Ran:  # noqa: ANN401
    from llm_erm.sandbox import Sandbox

    if settings not in _sandboxes:
        _sandboxes[settings] = Sandbox(
            settings.workers,
            isolation=settings.isolation,
            unsafe_no_isolation=settings.unsafe_no_isolation,
        )
    sandbox = _sandboxes[settings]
    value = None if method is None else getattr(sandbox, method)(*arguments[:-1], **arguments[-1])
    return Ran(value, sandbox.isolation, sandbox.missing, sandbox.notices)


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
