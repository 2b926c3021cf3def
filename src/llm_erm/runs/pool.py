"""A pool of processes that do jobs and send their events to the parent."""

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING, Any

from llm_erm.errors import LLMERMError
from llm_erm.runs.events import Event, Observer
from llm_erm.runs.jobs import JobKey, Work
from llm_erm.runs.sessions import KeptSession

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

GRACE_SECONDS = 2.0
"""Time for a process to clean up after its parent is gone, where Linux does not end it."""


class JobPool:
    """A pool of processes whose jobs send their events to the parent.

    Every process ignores Ctrl-C, because the parent reacts to it by ending them all, and exits when
    the parent is gone.
    """

    def __init__(
        self,
        count: int,
        devices: Sequence[str],
        observe: Observer,
        *,
        threads: int | None = None,
        shared: bytes | None = None,
    ) -> None:
        """Starts the pool; its processes start when they are needed.

        Args:
            count: Number of processes.
            devices: The CUDA device of each, in turn; empty to leave all devices visible.
            observe: Receives every event, one at a time; an event that every session sends, once.
            threads: Number of threads that numerical libraries may use in each process; None for
                their default.
            shared: A pickled function and its first argument, for ``call``.
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
        # Linux takes the end of the thread that starts a process for the end of its parent.
        self._starter = ThreadPoolExecutor(1, "start", _block_interrupts)
        self._pool = ProcessPoolExecutor(
            count,
            mp_context=context,
            initializer=_begin,
            initargs=(self._sender, context.Lock(), places if devices else None, shared),
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> "JobPool":
        self._listener.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is not None:
            self.stop()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._starter.shutdown()
        self._sender.close()  # the last end that is open: the listener reads what is left and ends
        self._listener.join()
        if self._failure is not None:
            raise self._failure
        if isinstance(error, BrokenProcessPool):
            raise LLMERMError(
                "A process of the run was killed, perhaps for lack of memory; run the same command "
                "to resume."
            ) from error

    def submit(self, function: Callable[..., Any], *arguments: object) -> "Future[Any]":
        """Runs a function in one of the processes."""
        with _environment(self._threads), _uninterrupted():
            future = self._starter.submit(self._pool.submit, function, *arguments).result()
            # The pool watches the processes that there were at its last call, and starts one after
            # it looked; a second call has it watch that one too, or its death could go unnoticed.
            self._starter.submit(self._pool.submit, int).result()
            return future

    def stop(self, *, kill: bool = False) -> None:
        """Ends all processes, including those that are still starting.

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
                except (EOFError, OSError):  # all have exited, perhaps in the middle of a message
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
    """Starts processes that copy none of our locks and threads, and remembers them."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[SpawnProcess] = []

    def Process(self, *arguments: Any, **keywords: Any) -> SpawnProcess:  # type: ignore[override]  # noqa: N802, ANN401
        process = SpawnProcess(*arguments, **keywords)
        self.started.append(process)
        return process


_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Read by numerical libraries when they load, which is before any code of ours runs there."""


@contextmanager
def _environment(threads: int | None) -> Iterator[None]:
    """Limits the threads of numerical libraries in processes that start in this context."""
    environment = os.environ  # noqa: TID251 - inherited by the processes to start
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
    """Delays Ctrl-C until the end, and blocks it in processes that start in this context.

    Otherwise a process that is just starting could get lost, or print a traceback.
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
    """Blocks Ctrl-C in this thread and its children; returns the signals to unblock later."""
    if sys.platform == "win32":
        return set()
    return {signal.SIGINT} - signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


_process: dict[str, Any] = {}
"""What a process of a pool keeps between jobs: its way to the parent, its session, and what it
shares with the others."""


def _begin(sender: "Connection", sending: Any, places: Any, shared: bytes | None) -> None:  # noqa: ANN401
    """Prepares a process of a pool."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with_parent()
    threading.Thread(target=_end_with_parent, daemon=True).start()  # if it was killed before that
    if places is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = places.get()  # noqa: TID251 - before CUDA is loaded
    session = KeptSession()
    Finalize(None, session.close, exitpriority=0)  # pool processes exit without `atexit`
    _process.update(sender=sender, sending=sending, session=session)
    if shared is not None:
        _process["shared"] = pickle.loads(shared)  # noqa: S301 - from the parent


def _end_with_parent() -> None:
    """Ends this process if the parent was killed, since nobody else would.

    A thread cannot do that while a library computes without letting other threads run, and a job
    that stops without a parent waits for it forever: hence the system's own signal, and the end of
    all patience elsewhere.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(1)


def _die_with_parent() -> None:
    """Has Linux kill this process if the parent is killed, now or earlier."""
    if sys.platform == "linux":
        from llm_erm.sandbox.lockdown import PR_SET_PDEATHSIG, prctl

        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def tell(job: JobKey | None, event: Event) -> None:
    """Sends an event from a process of a pool to the parent."""
    with _process["sending"]:
        _process["sender"].send((job, event))


def do(pickled: bytes, work: Work) -> None:
    """Does a job in a process of a pool, in the session that is open there for its method."""
    _process["session"].do(pickled, work, tell)


def call(piece: object) -> object:
    """Calls the function that the processes of a pool share, in one of them."""
    function, shared = _process["shared"]
    return function(shared, piece)
