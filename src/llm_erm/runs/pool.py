"""A pool of processes that do jobs and tell their parent of what happens."""

import asyncio
import inspect
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING, Any

from llm_erm.errors import LLMERMError
from llm_erm.llms.llm import Completion
from llm_erm.runs.events import Event, Finished, Observer
from llm_erm.runs.jobs import JobKey, Method, Work

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


class JobPool:
    """A pool of processes whose jobs tell the parent of their events.

    Every process ignores Ctrl-C, which the parent answers by ending them all, and ends when the
    parent is gone.
    """

    def __init__(
        self,
        count: int,
        devices: Sequence[str],
        observe: Observer,
        *,
        threads: int | None = None,
    ) -> None:
        """Starts the pool; its processes start when they are needed.

        Args:
            count: Number of processes.
            devices: The CUDA device of each, one after another; empty to leave them as they are.
            observe: Told of every event, one at a time, and once of what all sessions say.
            threads: Threads that numerical libraries may use in each; None leaves it to them.
        """
        context = _Spawning()
        self._processes = context.started
        self._events, self._sender = context.Pipe(duplex=False)
        places: Any = context.SimpleQueue()
        for index in range(count if devices else 0):
            places.put(devices[index % len(devices)])
        self._threads = threads
        self._failure: BaseException | None = None
        self._observe = observe
        self._of_run: list[Event] = []
        self._pool = ProcessPoolExecutor(
            count,
            mp_context=context,
            initializer=_begin,
            initargs=(self._sender, context.Lock(), places if devices else None),
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> "JobPool":
        self._listener.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is not None:
            self.stop()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._sender.close()  # the last end that is open: the listener reads what is left and ends
        self._listener.join()
        if self._failure is not None:
            raise self._failure
        if isinstance(error, BrokenProcessPool):
            raise LLMERMError(
                "A process of the run was killed, perhaps for lack of memory; the same command "
                "goes on from what is done."
            ) from error

    def submit(self, function: Callable[..., Any], *arguments: object) -> "Future[Any]":
        """Has a function run by one of the processes."""
        with _environment(self._threads), _uninterrupted():
            return self._pool.submit(function, *arguments)

    def stop(self, *, kill: bool = False) -> None:
        """Ends all processes, also those that are only starting.

        Args:
            kill: Whether to end them at once instead of letting them clean up.
        """
        for process in list(self._processes):
            if process.is_alive():
                process.kill() if kill else process.terminate()

    def _listen(self) -> None:
        try:
            while True:
                try:
                    job, event = self._events.recv()
                except (EOFError, OSError):  # all are gone, one perhaps in the middle of a message
                    return
                if job is None and event in self._of_run:
                    continue  # every process opens a session
                if job is None:
                    self._of_run.append(event)
                self._observe(job, event)
        except Exception as error:  # noqa: BLE001 - raised again where the pool is left
            self._failure = error
            self.stop()


class _Spawning(SpawnContext):
    """Starts processes that copy no lock or thread of ours, and remembers them."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[SpawnProcess] = []

    def Process(self, *arguments: Any, **keywords: Any) -> SpawnProcess:  # type: ignore[override]  # noqa: N802, ANN401
        process = SpawnProcess(*arguments, **keywords)
        self.started.append(process)
        return process


_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What numerical libraries read when they are loaded, which is before a process's first line."""


@contextmanager
def _environment(threads: int | None) -> Iterator[None]:
    """Sets how many threads numerical libraries use in processes that start meanwhile."""
    environment = os.environ  # noqa: TID251 - that of the processes to start
    before = {name: environment.get(name) for name in _THREADS}
    if threads is not None:
        environment.update(dict.fromkeys(_THREADS, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                environment.pop(name, None)
            else:
                environment[name] = value


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Holds Ctrl-C back until the end, and for good from processes that start meanwhile.

    In the middle of its start a process would be one that nobody knows of, or print a traceback.
    """
    held: list[int] = []
    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, lambda *_: held.append(1)) if main else None
    blocked = _block_interrupts()
    try:
        yield
    finally:
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_UNBLOCK, blocked)
        if main:
            signal.signal(signal.SIGINT, before)
        if held:
            signal.raise_signal(signal.SIGINT)


def _block_interrupts() -> set[signal.Signals]:
    """Blocks Ctrl-C in this thread and what it starts; returns what was not blocked before."""
    if sys.platform == "win32":
        return set()
    return {signal.SIGINT} - signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


_process: dict[str, Any] = {}
"""What a process of a pool keeps between jobs: its way to the parent, and the session open."""


def _begin(sender: "Connection", sending: Any, places: Any) -> None:  # noqa: ANN401
    """Prepares a process of a pool."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if places is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = places.get()  # noqa: TID251 - before CUDA is loaded
    sessions = ExitStack()
    Finalize(None, sessions.close, exitpriority=0)  # processes of a pool end without `atexit`
    _process.update(sender=sender, sending=sending, sessions=sessions, method=None)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Ends this process when the parent was killed: nobody would."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def tell(job: JobKey | None, event: Event) -> None:
    """Tells the parent of an event, from a process of a pool."""
    with _process["sending"]:
        _process["sender"].send((job, event))


def do(method: Method, work: Work, spent: Sequence[Completion]) -> None:
    """Does a job in a process of a pool, in the session that is open there for its method."""
    if _process["method"] != method:
        _process["method"] = None
        _process["sessions"].close()
        _process["session"] = _process["sessions"].enter_context(method.session([work], spent))
        _process["method"] = method
        for event in _process["session"].events:
            tell(None, event)
    observe = partial(tell, work.job.key)
    learned = _process["session"].learn(work, observe)
    observe(Finished(asyncio.run(learned) if inspect.iscoroutine(learned) else learned))
