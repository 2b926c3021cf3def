"""Calls one function for several pieces of work, wherever an executor has jobs done."""

import pickle
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from llm_erm.errors import InputError, LLMERMError
from llm_erm.runs.cluster import RayCluster
from llm_erm.runs.cluster_calls import StoppedError, called
from llm_erm.runs.cluster_connection import connected
from llm_erm.runs.cluster_worker import check_version
from llm_erm.runs.events import Event, Noticed
from llm_erm.runs.executors import WAKE_SECONDS, InProcess, Processes, at_interrupt
from llm_erm.version import VERSION

Shared = TypeVar("Shared")
Piece = TypeVar("Piece")
Result = TypeVar("Result")


def check_mapping(executor: object) -> None:
    """Checks that an executor can call a function for pieces of work, before there are any.

    Raises:
        InputError: It is none of those that can, or there is no such cluster.
        MissingExtraError: Ray is not installed.
    """
    if isinstance(executor, RayCluster):
        if executor.gpus:
            raise InputError(
                f"No search for rules uses a GPU, but each would take {executor.gpus:g}; leave out "
                "the number of GPUs.",
                setting="executor",
            )
        executor.check_cluster()
    elif not isinstance(executor, InProcess | Processes):
        raise InputError(
            f"The executor is {executor!r:.80}; give InProcess(), Processes(…) or RayCluster(…).",
            setting="executor",
        )


def mapped(
    executor: InProcess | Processes | RayCluster,
    function: Callable[[Shared, Piece], Result],
    shared: Shared,
    pieces: Sequence[Piece],
) -> list[Result]:
    """Returns what a function returns for each piece, in their order, whichever ends first.

    Args:
        executor: Where to call it.
        function: Depends on its arguments alone, and is at the top level of a module: a call that
            is lost with its node is made again.
        shared: What all calls need; it is sent to each process or node once.
        pieces: What each call is about, those that take longest first.

    Raises:
        InputError: The executor cannot do that.
        MissingExtraError: Ray is not installed.
        LLMERMError: A process was killed, or a node has another version of this package.
    """
    check_mapping(executor)
    if isinstance(executor, RayCluster):
        return _on_cluster(executor, function, shared, pieces)
    count = min(executor.count, len(pieces)) if isinstance(executor, Processes) else 1
    if isinstance(executor, InProcess) or count <= 1:
        return [function(shared, piece) for piece in pieces]
    return _in_processes(executor, count, function, shared, pieces)


def _in_processes(
    executor: Processes,
    count: int,
    function: Callable[[Shared, Piece], Result],
    shared: Shared,
    pieces: Sequence[Piece],
) -> list[Result]:
    from llm_erm.runs.pool import JobPool, call

    sent = pickle.dumps((function, shared))
    with JobPool(
        count, executor.devices, lambda *_: None, threads=executor.threads, shared=sent
    ) as pool:
        try:
            calls = [pool.submit(call, piece) for piece in pieces]
            waiting = set(calls)
            while waiting:
                done, waiting = wait(waiting, WAKE_SECONDS, "FIRST_COMPLETED")
                for one in done:
                    one.result()  # raises the first error while the others are at work
            return [one.result() for one in calls]
        except BrokenProcessPool as error:
            raise LLMERMError(
                "A process of the search was killed, perhaps for lack of memory; use fewer "
                "processes, or search in this one."
            ) from error


def _on_cluster(
    cluster: RayCluster,
    function: Callable[[Shared, Piece], Result],
    shared: Shared,
    pieces: Sequence[Piece],
) -> list[Result]:
    stopped = threading.Event()
    interrupts: list[int] = []  # Ray loses a KeyboardInterrupt in its callbacks

    def interrupt(*_: object) -> None:
        interrupts.append(1)
        stopped.set()

    with connected(cluster.address) as ray:
        room = cluster.room(ray, _refuse)
        room.jobs()
        sent = ray.put(pickle.dumps((function, shared)))
        task = ray.remote(_called).options(**room.options, max_retries=0)

        def result(piece: Piece) -> Result:
            found: Result = called(room, task, (VERSION, sent, piece), stopped.is_set, "a search")
            return found

        with (
            at_interrupt(interrupt),
            ThreadPoolExecutor(len(pieces), "search") as threads,
        ):
            results = [threads.submit(result, piece) for piece in pieces]
            try:
                waiting = set(results)
                while waiting and not stopped.is_set():
                    done, waiting = wait(waiting, WAKE_SECONDS, "FIRST_COMPLETED")
                    for one in done:
                        one.result()  # raises the first error while the others are at work
            except StoppedError:
                assert interrupts
            finally:
                stopped.set()  # or the others would be waited for
        if interrupts:
            raise KeyboardInterrupt
        return [one.result() for one in results]


def _refuse(job: object, event: Event) -> None:
    """Raises an error if no node of the cluster is large enough for a search."""
    if isinstance(event, Noticed):
        raise InputError(
            f"{event.text.partition(';')[0]}; let a search take less, or add a node.",
            setting="job_cpus or job_memory_mb",
        )


def _called(version: str, sent: bytes, piece: object) -> object:
    """Calls a function for a piece on a node of a cluster.

    Raises:
        LLMERMError: This node has another version of the package.
    """
    check_version(version)
    function, shared = pickle.loads(sent)  # noqa: S301 - from the driver
    return function(shared, piece)
