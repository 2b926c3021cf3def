"""Executors run the jobs of a run in this process or in a pool of processes."""

import asyncio
import inspect
import pickle
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from llm_erm.checks import Checked
from llm_erm.errors import InputError, LLMERMError, UnfinishedError
from llm_erm.llms.llm import Completion
from llm_erm.runs.events import Finished, Observer
from llm_erm.runs.jobs import Method, Session, Work

WAKE_SECONDS = 0.5
"""A signal that arrives just before a wait does not end it, so waits are short."""


class Executor(Protocol):
    """Does the jobs of a run."""

    def check(self, method: Method) -> None:
        """Checks that it can do the jobs of a method, before their data are drawn.

        Raises:
            LLMERMError: It cannot.
        """
        return

    def execute(
        self,
        method: Method,
        work: Sequence[Work],
        observe: Observer,
        spent: Sequence[Completion] = (),
    ) -> None:
        """Does all jobs and reports each result as a ``Finished`` event.

        Args:
            method: How to learn.
            work: The jobs, each with its data and with what an interrupted run left.
            observe: Receives every event; may be called from several threads.
            spent: Completions that earlier parts of the run got from a model.

        Raises:
            LLMERMError: A job cannot be done; running jobs were stopped.
            UnfinishedError: Some jobs could not continue; the others are done.
        """
        ...


@dataclass(frozen=True)
class InProcess:
    """Does the jobs in this process, concurrently if the method waits for a server."""

    def check(self, method: Method) -> None:
        """Checks nothing: it can do the jobs of every method."""

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
            unfinished: UnfinishedError | None = None
            for one in work:
                tell = partial(observe, one.job.key)
                try:
                    tell(Finished(session.learn(one, tell)))
                except UnfinishedError as error:
                    unfinished = unfinished or error
            if unfinished is not None:
                raise unfinished


async def _all_at_once(session: Session, work: Sequence[Work], observe: Observer) -> None:
    """Does the jobs of a session concurrently; one that cannot go on lets the others finish."""
    unfinished: list[UnfinishedError] = []

    async def one(todo: Work) -> None:
        tell = partial(observe, todo.job.key)
        try:
            tell(Finished(await session.learn(todo, tell)))
        except UnfinishedError as error:  # what others have in flight is paid for
            unfinished.append(error)

    try:
        async with asyncio.TaskGroup() as group:
            for todo in work:
                group.create_task(one(todo))
    except BaseExceptionGroup as group:
        raise _first(group.subgroup(LLMERMError) or group) from None
    finally:
        if (close := getattr(session, "aclose", None)) is not None:
            await close()
    if unfinished:
        raise unfinished[0]


def _first(error: BaseException) -> BaseException:
    """Returns the first error in a group, or in a group within it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def run_coroutine(main: Coroutine[Any, Any, None]) -> None:
    """Runs a coroutine to its end, even if an event loop is already running, as in a notebook.

    Ctrl-C cancels the coroutine, waits until it has cleaned up, and then raises
    KeyboardInterrupt.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(main)
        return
    begun: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = []
    stopped = False

    async def announced() -> None:
        task = asyncio.current_task()
        assert task is not None
        begun.append((asyncio.get_running_loop(), task))
        if stopped:
            main.close()
            raise asyncio.CancelledError
        await main

    def stop(*_: object) -> None:
        nonlocal stopped
        if stopped:
            raise KeyboardInterrupt
        stopped = True  # not raised here: the thread might just be starting
        for loop, task in begun:
            with suppress(RuntimeError):  # it has ended by itself
                loop.call_soon_threadsafe(task.cancel)

    with at_interrupt(stop), ThreadPoolExecutor(1, "run") as thread:
        running = thread.submit(asyncio.run, announced())
        while not wait([running], WAKE_SECONDS).done:
            pass
        try:
            running.result()
        except asyncio.CancelledError:
            if not stopped:
                raise
    if stopped:
        raise KeyboardInterrupt


def method_to_send(method: Method) -> bytes:
    """Returns the method in the form that is sent to other processes.

    Raises:
        InputError: The method has a budget, or cannot be sent to other processes.
    """
    if method.budget is not None and method.budget.limited:
        raise InputError(
            f"The method {method.name!r} has a budget, which processes cannot share; do its jobs "
            "in this process or on a Ray cluster, or set no limits.",
            setting="executor",
        )
    try:
        return pickle.dumps(method)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        if method.budget is not None:
            raise InputError(
                f"The method {method.name!r} calls a server, which a pool of processes cannot "
                "share; do its jobs in this process or on a Ray cluster.",
                setting="executor",
            ) from error
        raise InputError(
            f"The method {method.name!r} or its model cannot be sent to other processes ({error}); "
            "do its jobs in this process.",
            setting="executor",
        ) from error


@contextmanager
def at_interrupt(handler: Callable[..., None]) -> Iterator[None]:
    """Installs a handler for Ctrl-C, in the main thread and unless Ctrl-C is ignored."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not (in_main_thread and callable(signal.getsignal(signal.SIGINT))):
        yield
        return
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@dataclass(frozen=True)
class Processes(Checked):
    """Does the jobs in a pool of processes, each of which opens a session and keeps it.

    Attributes:
        count: Number of processes.
        devices: If given, process i sees only the CUDA device ``devices[i % len(devices)]``.
        threads: If given, number of threads that the numerical libraries of each process may use.
    """

    count: int
    devices: tuple[str, ...] = ()
    threads: int | None = None

    def check(self, method: Method) -> None:
        """Checks that the method can be sent to other processes.

        Raises:
            InputError: It has a budget, or cannot be sent.
        """
        method_to_send(method)

    def execute(
        self,
        method: Method,
        work: Sequence[Work],
        observe: Observer,
        spent: Sequence[Completion] = (),
    ) -> None:
        """Does all jobs, ``count`` at a time.

        Raises:
            InputError: The method has a budget, or cannot be sent to other processes.
            LLMERMError: A job cannot be done, or a process was killed.
        """
        from llm_erm.runs.pool import JobPool, do

        sent = method_to_send(method)
        unfinished: UnfinishedError | None = None
        count = max(min(self.count, len(work)), 1)
        with JobPool(count, self.devices, observe, threads=self.threads) as pool:
            for future in as_completed([pool.submit(do, sent, one) for one in work]):
                try:
                    future.result()
                except UnfinishedError as error:  # what others have in flight is paid for
                    unfinished = unfinished or error
        if unfinished is not None:
            raise unfinished
