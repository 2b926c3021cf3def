"""Where the jobs of a run are done: in this process, or in a pool of processes."""

import asyncio
import inspect
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

from llm_erm.errors import BudgetSpentError, LLMERMError
from llm_erm.llms.llm import Completion
from llm_erm.runs.events import Event, Finished, Observer
from llm_erm.runs.jobs import JobKey, Method, Session, Work

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


class Executor(Protocol):
    """Does the jobs of a run."""

    def execute(
        self,
        method: Method,
        work: Sequence[Work],
        observe: Observer,
        spent: Sequence[Completion] = (),
    ) -> None:
        """Does all jobs; each result is told as a ``Finished`` event.

        Args:
            method: How to learn.
            work: The jobs, with what there is for each.
            observe: Told of every event; may be called from several threads.
            spent: What earlier parts of the run got from a model.

        Raises:
            LLMERMError: A job cannot be done; those under way were stopped.
            BudgetSpentError: Some jobs could not go on; the others are done.
        """
        ...


@dataclass(frozen=True)
class InProcess:
    """Does the jobs in this process: at the same time where the method waits for a server."""

    def execute(
        self,
        method: Method,
        work: Sequence[Work],
        observe: Observer,
        spent: Sequence[Completion] = (),
    ) -> None:
        """Does all jobs in one session."""
        with method.session(work, spent) as session:
            for event in session.events:
                observe(None, event)
            if inspect.iscoroutinefunction(session.learn):
                run_coroutine(_all_at_once(session, work, observe))
                return
            for one in work:
                tell = partial(observe, one.job.key)
                tell(Finished(session.learn(one, tell)))


async def _all_at_once(session: Session, work: Sequence[Work], observe: Observer) -> None:
    """Does the jobs of a session at the same time; a spent budget lets those under way end."""
    spent: list[BudgetSpentError] = []

    async def one(todo: Work) -> None:
        tell = partial(observe, todo.job.key)
        try:
            tell(Finished(await session.learn(todo, tell)))
        except BudgetSpentError as error:  # what others have in flight is paid for
            spent.append(error)

    try:
        async with asyncio.TaskGroup() as group:
            for todo in work:
                group.create_task(one(todo))
    except* LLMERMError as errors:
        first: BaseException = errors
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None
    finally:
        if (close := getattr(session, "aclose", None)) is not None:
            await close()
    if spent:
        raise spent[0]


def run_coroutine(main: Coroutine[Any, Any, None]) -> None:
    """Runs a coroutine to its end, also where an event loop is running already, as in a notebook.

    Ctrl-C cancels the coroutine, waits until it has cleaned up, and is raised then.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(main)
        return
    started: SimpleQueue[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = SimpleQueue()

    async def announced() -> None:
        task = asyncio.current_task()
        assert task is not None
        started.put((asyncio.get_running_loop(), task))
        await main

    with ThreadPoolExecutor(1, "run") as thread:
        running = thread.submit(asyncio.run, announced())
        try:
            running.result()
        except KeyboardInterrupt:
            loop, task = started.get()
            with suppress(RuntimeError):  # it has ended by itself
                loop.call_soon_threadsafe(task.cancel)
            raise


@dataclass(frozen=True)
class Processes:
    """Does the jobs in a pool of processes, each of which opens a session and keeps it.

    Attributes:
        count: Number of processes.
        devices: Where given, process i sees only the CUDA device ``devices[i % len(devices)]``.
    """

    count: int
    devices: tuple[str, ...] = ()

    def execute(
        self,
        method: Method,
        work: Sequence[Work],
        observe: Observer,
        spent: Sequence[Completion] = (),
    ) -> None:
        """Does all jobs, ``count`` at a time.

        Raises:
            LLMERMError: A job cannot be done, or a process was killed.
        """
        with Pool(min(self.count, len(work)), self.devices, observe) as pool:
            futures = [pool.submit(_learn, method, one, spent) for one in work]
            for future in as_completed(futures):
                future.result()


class Pool:
    """A pool of processes whose jobs tell the parent of their events.

    Every process ignores Ctrl-C, which the parent answers by ending them all.
    """

    def __init__(self, count: int, devices: Sequence[str], observe: Observer) -> None:
        """Starts the pool; its processes start when they are needed.

        Args:
            count: Number of processes.
            devices: The CUDA device of each, one after another; empty to leave them as they are.
            observe: Told of every event, one at a time.
        """
        context = multiprocessing.get_context("spawn")  # no lock or thread of ours is copied
        self._events, self._sender = context.Pipe(duplex=False)
        places: Any = context.SimpleQueue()
        for index in range(count if devices else 0):
            places.put(devices[index % len(devices)])
        self._pids: set[int] = set()
        self._stopped = False
        self._failure: BaseException | None = None
        self._observe = observe
        self._pool = ProcessPoolExecutor(
            count,
            mp_context=context,
            initializer=_begin,
            initargs=(self._sender, context.Lock(), places if devices else None),
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> "Pool":
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
        return self._pool.submit(function, *arguments)

    def stop(self) -> None:
        """Ends all processes, those included that are just starting."""
        self._stopped = True
        for pid in list(self._pids):
            _end(pid)

    def _listen(self) -> None:
        with suppress(EOFError, OSError):  # all are gone, one of them in the middle of a message
            while True:
                message = self._events.recv()
                if isinstance(message, int):
                    self._pids.add(message)
                    if self._stopped:
                        _end(message)
                elif self._failure is None:
                    self._tell(*message)

    def _tell(self, job: JobKey | None, event: Event) -> None:
        try:
            self._observe(job, event)
        except Exception as error:  # noqa: BLE001 - raised again where the pool is left
            self._failure = error
            self.stop()


def _end(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)


_process: dict[str, Any] = {}
"""What a process of a pool keeps between jobs: its way to the parent, and the session open."""


def _begin(sender: "Connection", sending: Any, places: Any) -> None:  # noqa: ANN401
    """Prepares a process of a pool."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if places is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = places.get()  # noqa: TID251 - before CUDA is loaded
    _process.update(sender=sender, sending=sending, sessions=ExitStack(), method=None)
    _send(os.getpid())


def _send(message: object) -> None:
    with _process["sending"]:
        _process["sender"].send(message)


def tell(job: JobKey | None, event: Event) -> None:
    """Tells the parent of an event, from a process of a pool."""
    _send((job, event))


def _learn(method: Method, work: Work, spent: Sequence[Completion]) -> None:
    """Does one job in a process of a pool."""
    if _process["method"] != method:
        _process["sessions"].close()
        _process["session"] = _process["sessions"].enter_context(method.session([work], spent))
        _process["method"] = method
    observe = partial(tell, work.job.key)
    session = _process["session"]
    learned = session.learn(work, observe)
    observe(Finished(asyncio.run(learned) if inspect.iscoroutine(learned) else learned))
