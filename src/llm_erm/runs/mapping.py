"""Calls one function for several pieces of work, wherever an executor has jobs done."""

import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from llm_erm.errors import InputError, LLMERMError
from llm_erm.runs.cluster import RayCluster
from llm_erm.runs.cluster_connection import connected
from llm_erm.runs.cluster_dispatch import MOST_LOSSES, cause_of
from llm_erm.runs.cluster_worker import check_version
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
        calls = [pool.submit(call, piece) for piece in pieces]
        waiting = set(calls)
        try:
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
    with connected(cluster.address) as ray:
        room = cluster.room(ray, lambda *_: None)
        if not room.jobs():
            raise InputError(
                f"No node of the cluster has what a search takes ({room.takes}); let it take less, "
                "or add a node.",
                setting="job_cpus or job_memory_mb",
            )
        sent = ray.put(pickle.dumps((function, shared)))
        task = ray.remote(_called).options(**room.options, max_retries=MOST_LOSSES)
        calls = [task.remote(VERSION, sent, piece) for piece in pieces]
        waiting = calls
        results: dict[Any, Any] = {}
        stopped: list[int] = []  # Ray loses a KeyboardInterrupt in its callbacks
        with at_interrupt(lambda *_: stopped.append(1)):
            try:
                while waiting and not stopped:
                    done, waiting = ray.wait(waiting, timeout=WAKE_SECONDS)
                    results |= {one: _result(ray, one) for one in done}
            finally:
                for one in waiting:
                    ray.cancel(one, force=True)
        if stopped:
            raise KeyboardInterrupt
        return [results[one] for one in calls]


def _result(ray: Any, call: Any) -> Any:  # noqa: ANN401 - a module, and one of its objects
    """Returns what a call returned, or raises what it raised."""
    errors = ray.exceptions
    try:
        return ray.get(call)
    except errors.RayTaskError as error:
        raise cause_of(error) from None
    except errors.RayError as error:
        raise LLMERMError(
            f"The process of a search was lost {MOST_LOSSES + 1} times, perhaps for lack of "
            f"memory ({type(error).__name__}); give each search more memory, and search again."
        ) from error


def _called(version: str, sent: bytes, piece: object) -> object:
    """Calls a function for a piece on a node of a cluster.

    Raises:
        LLMERMError: This node has another version of the package.
    """
    check_version(version)
    function, shared = pickle.loads(sent)  # noqa: S301 - from the driver
    return function(shared, piece)
