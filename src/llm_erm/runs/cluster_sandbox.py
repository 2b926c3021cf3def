"""Runs programs in the sandboxes of a cluster's nodes, for searches that the driver does."""

import threading
from collections.abc import Sequence
from typing import Any, Self

from llm_erm.execution import BINARY, Execution, Input, Isolation, Limits, Outputs
from llm_erm.runs.cluster_calls import StoppedError, called
from llm_erm.runs.cluster_room import Room
from llm_erm.runs.cluster_worker import Ran, SandboxSettings, in_sandbox
from llm_erm.runs.events import Isolated, Noticed
from llm_erm.runs.executors import at_interrupt
from llm_erm.version import VERSION

_LEVELS = ("none", "basic", "standard", "strong")
MOST_AT_ONCE = 64
"""Programs that may be on nodes, or wait for one, at the same time; each has a thread here."""
DEFAULT_LIMITS = Limits()


class ClusterSandbox:
    """What a ``Sandbox`` does, on the nodes: inputs go there, predictions come back.

    A program whose process or node is lost runs again, which changes nothing: it depends on its
    inputs alone, or its replay exposes it.
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
        self._task = task.options(**room.options, max_retries=0)
        self._stopped = threading.Event()
        self._change = threading.Condition()
        self._under_way = 0
        self._weakest: Ran | None = None
        with at_interrupt(lambda *_: self._stopped.set()):  # Ray loses it in its callbacks
            try:
                self._ask(None)
            except StoppedError:
                raise KeyboardInterrupt from None

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
        return MOST_AT_ONCE

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
        """Ends all programs; what waits for them in other threads raises an error first.

        Nothing may call Ray once this process has left the cluster: that would start another one.
        """
        self._stopped.set()
        with self._change:
            self._change.wait_for(lambda: not self._under_way)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, method: str | None, *arguments: Any) -> Any:  # noqa: ANN401 - those of a method
        """Returns what a method of a node's sandbox returns.

        Raises:
            StoppedError: The sandbox was closed.
            LLMERMError: No node can run programs.
        """
        with self._change:
            if self._stopped.is_set():
                raise StoppedError("The sandbox is closed.")
            self._under_way += 1
        try:
            given = (VERSION, self._settings, method, *arguments)
            ran: Ran = called(self._room, self._task, given, self._stopped.is_set, "a program")
            self._note(ran)
            return ran.value
        finally:
            with self._change:
                self._under_way -= 1
                self._change.notify_all()

    def _note(self, ran: Ran) -> None:
        """Notes the isolation of the node, and tells if it is weaker than that of earlier ones."""
        with self._change:
            first = self._weakest is None
            if not first and _rank(ran) >= _rank(self._weakest):
                return
            self._weakest = ran
        if not first:  # whoever opened the sandbox tells of the first one
            self._room.observe(None, Isolated(ran.isolation, ran.missing))
            for notice in ran.notices:
                self._room.observe(None, Noticed(notice))


def _rank(ran: Ran | None) -> int:
    assert ran is not None
    return _LEVELS.index(ran.isolation) if ran.isolation in _LEVELS else len(_LEVELS)
