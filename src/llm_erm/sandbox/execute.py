"""The parent's side of the sandbox."""

import os
import re
import signal
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import numpy as np

from llm_erm.errors import InputError, LLMERMError
from llm_erm.sandbox import payload, protocol
from llm_erm.sandbox.execution import BINARY, INVALID, Execution, Input, Limits, Outputs, Status
from llm_erm.sandbox.process import Ending, Zygote, ZygoteLostError

DEFAULT_LIMITS = Limits()
NEEDS_SCIENCE = re.compile(r"\b(numpy|sympy|mpmath|gmpy2)\b")
# Wall time is only the backstop for a program that is neither idle nor given any CPU time.
WALL_FACTOR = 20
WALL_EXTRA_SECONDS = 30


class Sandbox:
    """Runs candidate programs in processes of their own.

    Start it from the main thread (``with Sandbox() as sandbox``). ``execute`` blocks, and may be
    called from several threads at once.
    """

    def __init__(self, workers: int | None = None) -> None:
        """Starts the sandbox.

        Args:
            workers: How many candidates may run at once; None for one a usable core.

        Raises:
            LLMERMError: The sandbox cannot start on this machine.
        """
        if workers is not None and workers < 1:
            raise InputError(f"The sandbox got {workers} workers; it needs at least 1.")
        self._workers = workers or len(os.sched_getaffinity(0))
        self._free = threading.Semaphore(self._workers)
        self._lock = threading.Lock()
        self._idle: list[Zygote] = []
        self._closed = False
        self._random = np.random.default_rng()
        first = Zygote(protocol.STANDARD)
        first.wait_ready()
        self._idle.append(first)

    @property
    def isolation(self) -> str:
        """The level that the start-up self-test found: strong, standard, basic or none."""
        return "none"

    @property
    def workers(self) -> int:
        """How many candidates can run at once."""
        return self._workers

    def execute(
        self,
        source: str,
        inputs: Sequence[Input],
        limits: Limits = DEFAULT_LIMITS,
        outputs: Outputs = BINARY,
    ) -> Execution:
        """Runs the function that ``source`` defines on each input, in shuffled order."""
        _check(limits, outputs)
        with self._lock:
            order = self._random.permutation(len(inputs)).tolist()
        shuffled = [inputs[i] for i in order]
        kind = protocol.SCIENCE if NEEDS_SCIENCE.search(source) else protocol.STANDARD
        job = payload.write_payload(source, shuffled, outputs, seed=0)
        try:
            shared = payload.write_map(len(inputs), outputs)
            try:
                with self._free:
                    ending = self._run(kind, job, shared, len(inputs), limits)
                left = payload.read_map(shared, len(inputs), outputs)
            finally:
                os.close(shared)
        finally:
            os.close(job)
        status, message = _judge(ending, left, limits)
        predictions = nothing(len(inputs), outputs)
        if status == "ok":
            predictions[order] = left.predictions
        return Execution(status, predictions, message, ending.cpu_seconds)

    def _run(self, kind: str, job: int, shared: int, count: int, limits: Limits) -> Ending:
        wall = WALL_FACTOR * limits.seconds_per_candidate + WALL_EXTRA_SECONDS
        for _ in range(2):
            zygote = self._take(kind)
            try:
                ending = zygote.run(job, shared, count, limits, wall)
            except ZygoteLostError:
                zygote.close()
                continue
            except BaseException:
                zygote.close()
                raise
            self._give_back(zygote)
            return ending
        raise LLMERMError(
            "A process of the sandbox ended twice without an answer, most likely for want of "
            "memory; give it fewer workers or a lower memory limit and run again."
        )

    def _take(self, kind: str) -> Zygote:
        with self._lock:
            if self._closed:
                raise LLMERMError("The sandbox is closed; open a new one to run programs.")
            for zygote in self._idle:
                if zygote.kind == kind:
                    self._idle.remove(zygote)
                    return zygote
        zygote = Zygote(kind)
        zygote.wait_ready()
        return zygote

    def _give_back(self, zygote: Zygote) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(zygote)
                return
        zygote.close()

    def close(self) -> None:
        """Ends every process of the sandbox."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for zygote in idle:
            zygote.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def nothing(
    count: int, outputs: Outputs
) -> np.ndarray[tuple[int], np.dtype[np.uint8]] | np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Returns ``count`` predictions that are all invalid."""
    if outputs.labels is None:
        return np.full(count, np.nan)
    return np.full(count, INVALID, np.uint8)


def _check(limits: Limits, outputs: Outputs) -> None:
    if min(limits.seconds_per_call, limits.seconds_per_candidate, limits.memory_bytes) <= 0:
        raise InputError(f"A limit of a program is not above zero: {limits}; raise it.")
    labels = outputs.labels
    if labels is not None and not (0 < len(labels) <= INVALID and len(set(labels)) == len(labels)):
        raise InputError(
            f"A program was given {len(labels)} labels; allowed are 1 to {INVALID} different ones."
        )


def _judge(ending: Ending, left: payload.Leftover, limits: Limits) -> tuple[Status, str | None]:
    """Returns what became of the candidate, by how its process ended before what it claims."""
    killed = os.WTERMSIG(ending.status) if os.WIFSIGNALED(ending.status) else 0
    call, total = limits.seconds_per_call, limits.seconds_per_candidate
    if ending.killer == "call limit":
        return "timeout", f"one call took more than {call:g} CPU seconds"
    if ending.killer == "idle":
        return "timeout", "it waited for something that never came"
    if ending.killer == "wall limit":
        return "timeout", "it did not end in many times its CPU limit"
    if ending.cpu_seconds > total or killed == signal.SIGXCPU:
        return "timeout", f"the program took more than {total:g} CPU seconds"
    if killed == signal.SIGSYS:
        return "forbidden", "it made a system call that no candidate may make"
    if killed == signal.SIGKILL:
        return "memory", "the system ended it, most likely for want of memory"
    if killed:
        return "crash", f"its process died of {signal.Signals(killed).name}"
    if ending.status != 0 or left.outcome == "unfinished":
        return (
            "crash",
            f"its process ended itself, status {os.waitstatus_to_exitcode(ending.status)}",
        )
    return left.outcome, left.message  # type: ignore[return-value]
