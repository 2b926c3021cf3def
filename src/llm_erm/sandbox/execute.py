"""The parent's side of the sandbox."""

import platform
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Self

import numpy as np

from llm_erm.cores import usable_cores
from llm_erm.errors import InputError, LLMERMError
from llm_erm.execution import (
    BINARY,
    INVALID,
    Execution,
    Input,
    Isolation,
    Limits,
    Outputs,
    Status,
    nothing,
)
from llm_erm.sandbox.job import SandboxJob
from llm_erm.sandbox.linux import LinuxProcesses
from llm_erm.sandbox.payload import MESSAGE_CHARACTERS
from llm_erm.sandbox.wasm import INSTALL_WASM, Guests

DEFAULT_LIMITS = Limits()
REPLAY_SEED = 1
MOST_SECONDS_AGAIN = 300.0
"""Wall time of all runs on single inputs of one replay, since a program can tell that it is alone,
and then take as long as its limits allow for each."""
RUNS_WORTH_A_PROCESS = 50
"""Runs of one input that take as long as starting another process to share them with."""
USE_WASM = f"isolation wasm (in beta; install it with: {INSTALL_WASM})"


class Sandbox:
    """Runs candidate programs in separate processes.

    ``execute`` blocks, and may be called from several threads at once::

        with Sandbox() as sandbox:
            execution = sandbox.execute("def f(x): return x.count('1') % 2", ["0110", "1000"])
    """

    def __init__(
        self,
        workers: int | None = None,
        *,
        isolation: Isolation = "auto",
        unsafe_no_isolation: bool = False,
    ) -> None:
        """Starts the first process and determines how well it is isolated.

        Args:
            workers: Number of candidates that may run at once; None for one per usable core.
                Together they may take ``workers`` times the memory limit.
            isolation: ``auto`` for the best that this Linux offers; ``wasm`` for an interpreter
                compiled to WebAssembly, which is in beta and also runs on other systems. Its first
                start on a machine compiles it, which takes about a minute.
            unsafe_no_isolation: Run programs even if the self-test finds isolation ``none``.

        Raises:
            LLMERMError: If the sandbox cannot start here, or programs would not be isolated.
        """
        if workers is not None and workers < 1:
            raise InputError(f"The sandbox was given {workers} workers; it needs at least 1.")
        self._workers = workers or usable_cores()
        self._random = np.random.default_rng()
        self._random_lock = threading.Lock()
        self._stopped = threading.Event()
        self._runner = _runner(isolation, self._workers)
        if self.isolation == "none" and not unsafe_no_isolation:
            self.close()
            raise LLMERMError(
                f"Programs would not be isolated on this machine ({'; '.join(self.missing)}); "
                f"use Linux 5.13 or later on x86-64 or aarch64, or {USE_WASM}, or, if you trust "
                "the model as you trust yourself, allow its programs to run without isolation.",
                setting="unsafe_no_isolation",
            )

    @property
    def isolation(self) -> str:
        """The level that the self-test found (strong, standard, basic or none), or wasm."""
        return self._runner.level

    @property
    def missing(self) -> tuple[str, ...]:
        """What keeps the level from being ``strong``, one sentence per reason."""
        return self._runner.missing

    @property
    def notices(self) -> tuple[str, ...]:
        """Which limits of this process are lower than the default ones, one sentence each."""
        return self._runner.notices

    @property
    def workers(self) -> int:
        """Number of candidates that can run at once."""
        return self._workers

    def execute(
        self,
        source: str,
        inputs: Sequence[Input],
        limits: Limits = DEFAULT_LIMITS,
        outputs: Outputs = BINARY,
    ) -> Execution:
        """Runs the function that ``source`` defines on each input, in shuffled order.

        A program that takes seconds is spread over idle workers (except with ``wasm``), which does
        not change its verdict.
        """
        return self._execute(source, inputs, limits, outputs, seed=0)

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
        """Runs a program again; returns ``first`` if nothing differs, else ``nondeterministic``.

        Randomly chosen inputs are given to a second child in a different order, with different hash
        and random seeds. Then each of ``alone`` is given to a child that gets no other input. A
        program whose predictions depend on state, order, other inputs, the clock or chance for a
        fraction q of the inputs passes n such runs with probability at most (1 − q)^n. Time limits
        are twice those of the first execution, so that noise in measured time is no difference.

        Args:
            source: The program.
            inputs: The inputs of the first execution.
            first: What ``execute`` returned for them.
            limits: The limits of the first execution.
            outputs: The outputs of the first execution.
            together: Number of inputs for the second child.
            alone: Indices of the inputs that are run in a child each, or how many are chosen.
        """
        if first.status != "ok":
            return first
        with self._random_lock:
            chosen = self._random.permutation(len(inputs)).tolist()
        job = SandboxJob(source, inputs, limits.for_another_run(), outputs, REPLAY_SEED)
        again = _Again(self._execute, job, first, self._stopped)
        again.run(chosen[:together])
        again.run_each(
            chosen[:alone] if isinstance(alone, int) else list(alone), workers=self._workers
        )
        seconds = first.cpu_seconds + again.cpu_seconds
        if again.failure is not None:
            status, message = again.failure
            return Execution(status, nothing(len(inputs), outputs), message, seconds)
        return replace(first, cpu_seconds=seconds)

    def _execute(
        self, source: str, inputs: Sequence[Input], limits: Limits, outputs: Outputs, seed: int
    ) -> Execution:
        _check(limits, outputs)
        with self._random_lock:
            order = self._random.permutation(len(inputs))
        shuffled = list(map(inputs.__getitem__, order.tolist()))
        job = SandboxJob(source, shuffled, limits, outputs, seed)
        ran = self._runner.run(job)
        predictions = ran.predictions.copy()
        predictions[order] = ran.predictions
        return replace(ran, predictions=predictions)

    def stop(self) -> None:
        """Ends what ``replay`` does in other threads after its current runs; they then raise."""
        self._stopped.set()

    def close(self) -> None:
        """Ends every process of the sandbox."""
        self.stop()
        self._runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Again:
    """Runs a program that has run before, up to the first difference.

    Attributes:
        failure: Status and message of the program if an answer differed, or if this took too long.
        cpu_seconds: CPU time of these runs.
    """

    def __init__(
        self,
        execute: Callable[[str, Sequence[Input], Limits, Outputs, int], Execution],
        job: SandboxJob,
        first: Execution,
        stopped: threading.Event,
    ) -> None:
        self._execute, self._job, self._first, self._stopped = execute, job, first, stopped
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._deadline = time.monotonic() + MOST_SECONDS_AGAIN
        self.failure: tuple[Status, str] | None = None
        self.cpu_seconds = 0.0

    def run(self, group: list[int]) -> None:
        """Runs the inputs with these indices in one child."""
        if not group:
            return
        job = self._job
        inputs = [job.inputs[i] for i in group]
        again = self._execute(job.source, inputs, job.limits, job.outputs, job.seed)
        with self._lock:
            self.cpu_seconds += again.cpu_seconds
            if again.status != "ok":
                self._end(group, f"it ended by {again.status} ({again.message})")
            elif not np.array_equal(
                again.predictions,
                self._first.predictions[group],
                equal_nan=job.outputs.labels is None,
            ):
                self._end(group, "it gave something else")

    def _end(self, group: list[int], what: str) -> None:
        where = "alone on one" if len(group) == 1 else f"on {len(group)}"
        message = f"run again {where} of the inputs, {what}"[:MESSAGE_CHARACTERS]
        self.failure = ("nondeterministic", message)
        self._over.set()

    def run_each(self, indices: list[int], workers: int) -> None:
        """Runs each of these inputs in a child of its own, on as many workers as is worthwhile."""
        shares = max(1, min(workers, len(indices) // RUNS_WORTH_A_PROCESS))
        with ThreadPoolExecutor(shares, "alone") as threads:
            try:
                list(threads.map(self._run_some, [indices[i::shares] for i in range(shares)]))
            finally:
                self._over.set()  # an error or Ctrl-C ends the other shares too

    def _run_some(self, indices: list[int]) -> None:
        for i in indices:
            if self._over.is_set():
                return
            if self._stopped.is_set():
                raise LLMERMError(
                    "The sandbox was closed while a program ran; start the run again."
                )
            if time.monotonic() > self._deadline:
                message = f"its runs on single inputs took more than {MOST_SECONDS_AGAIN:g} seconds"
                self.failure = ("timeout", message)
                self._over.set()
                return
            self.run([i])


def _runner(isolation: Isolation, workers: int) -> LinuxProcesses | Guests:
    if isolation == "wasm":
        return Guests(workers)
    if platform.system() != "Linux":
        raise LLMERMError(
            f"This is {platform.system()}, where programs only run with {USE_WASM}; use that, or a "
            "Linux machine, a Linux container or WSL.",
            setting="isolation",
        )
    return LinuxProcesses(workers)


def _check(limits: Limits, outputs: Outputs) -> None:
    limits.check()
    labels = outputs.labels
    if labels is not None and not (0 < len(labels) <= INVALID and len(set(labels)) == len(labels)):
        raise InputError(
            f"A program was given {len(labels)} labels; it needs 1 to {INVALID} distinct ones."
        )
