"""Calls pure functions on the nodes of a cluster, again if their process is lost."""

from collections.abc import Callable
from itertools import count
from typing import Any

from llm_erm.errors import LLMERMError
from llm_erm.runs.cluster_room import Room
from llm_erm.runs.executors import WAKE_SECONDS

MOST_LOSSES = 3
"""How often a job or call may lose its process before the run ends: it may be the cause itself."""


class StoppedError(LLMERMError):
    """A call was given up because nobody waits for it any more."""


def called(
    room: Room,
    task: Any,  # noqa: ANN401 - of Ray
    arguments: tuple[Any, ...],
    stopped: Callable[[], bool],
    what: str,
) -> Any:  # noqa: ANN401 - whatever the function returns
    """Returns what a function returns on some node; calls it again if its process is lost.

    Ray would repeat a call that takes too much memory forever, and say nothing.

    Args:
        room: The cluster, and what the call takes.
        task: The function as a task without retries.
        arguments: Its arguments.
        stopped: Says whether to give up; asked now and then.
        what: What the function does, for messages.

    Raises:
        StoppedError: It was given up.
        LLMERMError: The function raised it, or its process was lost too often.
    """
    ray, errors = room.ray, room.ray.exceptions
    for losses in count(1):
        call = task.remote(*arguments)
        try:
            while not ray.wait([call], timeout=WAKE_SECONDS)[0]:
                room.jobs()
                if stopped():
                    raise StoppedError(f"The call of {what} was given up.")
            return ray.get(call)
        except errors.RayTaskError as error:
            raise cause_of(error) from None
        except errors.RayError as error:
            if losses > MOST_LOSSES:
                raise LLMERMError(
                    f"The process of {what} was lost {losses} times, perhaps for lack of memory "
                    f"({type(error).__name__}); give each job more memory, and run the same "
                    "command again."
                ) from error
        except BaseException:
            ray.cancel(call, force=True)
            raise
    raise AssertionError  # the loop returns or raises


def cause_of(error: Any) -> Exception:  # noqa: ANN401 - of Ray
    """Returns the error that a process raised."""
    cause: Exception = error.cause
    if isinstance(cause, ImportError) or "failed to import on the worker" in str(cause):
        return not_loaded(cause)
    return cause


def not_loaded(error: Exception) -> LLMERMError:
    """Returns the error of a node that lacks a package; Ray ends with the exception in question."""
    why = str(error).strip().splitlines()[-1].strip()
    return LLMERMError(
        f"A node of the cluster cannot load llm-erm ({why}); install the same version on every "
        "node."
    )
