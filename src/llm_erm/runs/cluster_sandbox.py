"""Runs programs in the sandboxes of a cluster's nodes, for searches that the driver does."""

import threading
from collections.abc import Sequence
from typing import Any, Self

from llm_erm.errors import LLMERMError
from llm_erm.execution import BINARY, Execution, Input, Isolation, Limits, Outputs
from llm_erm.runs.cluster_dispatch import MOST_LOSSES, cause_of
from llm_erm.runs.cluster_room import Room
from llm_erm.runs.cluster_worker import Ran, SandboxSettings, in_sandbox
from llm_erm.runs.executors import WAKE_SECONDS
from llm_erm.version import VERSION

_LEVELS = ("none", "basic", "standard", "strong")
_MOST_WAITING = 256
"""Programs that may be on nodes, or wait for one, at the same time; each has a thread here."""
DEFAULT_LIMITS = Limits()


class ClusterSandbox:
    """What a ``Sandbox`` does, on the nodes: inputs go there, predictions come back.

    A program whose process or node is lost runs again, which changes nothing: it depends on its
    inputs alone, or else it is found out by its replay.
    """

    def __init__(
        self, room: Room, *, isolation: Isolation = "auto", unsafe_no_isolation: bool = False
    ) -> None:
        """Starts the sandbox of a node.

        Args:
            room: The cluster, and what a program takes.
            isolation: How the nodes isolate programs; see ``Sandbox``.
            unsafe_no_isolation: Whether to run programs on nodes where nothing can isolate them.

        Raises:
            LLMERMError: Programs would not be isolated there.
        """
        self._room = room
        self._settings = SandboxSettings(max(1, int(room.cpus)), isolation, unsafe_no_isolation)
        task = room.ray.remote(max_calls=0)(in_sandbox)  # a process keeps its sandbox
        self._task = task.options(**room.options, max_retries=MOST_LOSSES)
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._weakest: Ran | None = None
        self._ask(None)

    @property
    def isolation(self) -> str:
        """The weakest level of the nodes that have run programs."""
        assert self._weakest is not None
        return self._weakest.isolation

    @property
    def missing(self) -> tuple[str, ...]:
        """What keeps that level from being ``strong``, one sentence per reason."""
        assert self._weakest is not None
        return self._weakest.missing

    @property
    def notices(self) -> tuple[str, ...]:
        """Which limits are lower on that node than the default ones, one sentence each."""
        assert self._weakest is not None
        return self._weakest.notices

    @property
    def workers(self) -> int:
        """Number of programs that may be on nodes, or wait for one, at the same time."""
        return _MOST_WAITING

    def execute(
        self,
        source: str,
        inputs: Sequence[Input],
        limits: Limits = DEFAULT_LIMITS,
        outputs: Outputs = BINARY,
    ) -> Execution:
        """Runs a program on each input; see ``Sandbox.execute``."""
        execution: Execution = self._ask("execute", source, inputs, limits, outputs, {})
        return execution

    def replay(
        self,
        source: str,
        inputs: Sequence[Input],
        first: Execution,
        limits: Limits = DEFAULT_LIMITS,
        outputs: Outputs = BINARY,
        *,
        together: int = 256,
        alone: int | Sequence[int] = 16,
    ) -> Execution:
        """Runs a program again; see ``Sandbox.replay``."""
        if first.status != "ok":
            return first
        how = {"together": together, "alone": alone}
        execution: Execution = self._ask("replay", source, inputs, first, limits, outputs, how)
        return execution

    def close(self) -> None:
        """Ends all programs; what waits for them in other threads raises an error."""
        self._stopped.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, method: str | None, *arguments: Any) -> Any:  # noqa: ANN401 - those of a method
        """Returns what a method of a node's sandbox returns.

        Raises:
            LLMERMError: The sandbox was closed, or no node can run programs.
        """
        ray = self._room.ray
        asked = self._task.remote(VERSION, self._settings, method, *arguments)
        while not ray.wait([asked], timeout=WAKE_SECONDS)[0]:
            self._room.jobs()
            if self._stopped.is_set():
                ray.cancel(asked, force=True)
                raise LLMERMError(
                    "The sandbox was closed while a program ran; start the run again."
                )
        try:
            ran: Ran = ray.get(asked)
        except ray.exceptions.RayTaskError as error:
            raise cause_of(error) from None
        except ray.exceptions.RayError as error:
            raise LLMERMError(
                f"The process of a program was lost {MOST_LOSSES + 1} times, perhaps for lack of "
                f"memory ({type(error).__name__}); give each job more memory, and run the same "
                "command to resume."
            ) from error
        self._note(ran)
        return ran.value

    def _note(self, ran: Ran) -> None:
        """Notes the isolation of the node."""
        with self._lock:
            if self._weakest is None or _rank(ran) < _rank(self._weakest):
                self._weakest = ran


def _rank(ran: Ran) -> int:
    return _LEVELS.index(ran.isolation) if ran.isolation in _LEVELS else len(_LEVELS)
