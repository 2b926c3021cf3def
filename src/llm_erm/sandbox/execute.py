"""The parent's side of the sandbox."""

import platform
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, Self

import numpy as np

from llm_erm.cores import usable_cores
from llm_erm.errors import InputError, LLMERMError
from llm_erm.sandbox.execution import (
    BINARY,
    INVALID,
    Execution,
    Input,
    Limits,
    Outputs,
    SandboxJob,
    nothing,
)
from llm_erm.sandbox.linux import LinuxProcesses
from llm_erm.sandbox.wasm import INSTALL_WASM, Guests

DEFAULT_LIMITS = Limits()
REPLAY_SEED = 1
Isolation = Literal["auto", "wasm"]
"""What isolates programs: the best that this Linux offers, or WebAssembly, on any system."""
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
        alone: int = 16,
    ) -> Execution:
        """Runs a program again; returns ``first`` if nothing differs, else ``nondeterministic``.

        Randomly chosen inputs are given to a second child in a different order, with different hash
        and random seeds, and some of them to children that get only that one input. A program whose
        predictions depend on state, order, other inputs, the clock or chance for a fraction q of
        the inputs passes the second check with probability at most (1 − q)^alone.

        Args:
            source: The program.
            inputs: The inputs of the first execution.
            first: What ``execute`` returned for them.
            limits: The limits of the first execution.
            outputs: The outputs of the first execution.
            together: Number of inputs for the second child.
            alone: Number of inputs that are run in a child each.
        """
        if first.status != "ok":
            return first
        with self._random_lock:
            chosen = self._random.permutation(len(inputs))[: max(together, alone)].tolist()
        groups = [chosen[:together], *([i] for i in chosen[:alone])]
        seconds = first.cpu_seconds
        for group in groups:
            again = self._execute(source, [inputs[i] for i in group], limits, outputs, REPLAY_SEED)
            seconds += again.cpu_seconds
            expected = first.predictions[group]
            if again.status != "ok" or not np.array_equal(
                again.predictions, expected, equal_nan=outputs.labels is None
            ):
                return Execution(
                    "nondeterministic",
                    nothing(len(inputs), outputs),
                    f"run again on {len(group)} of the inputs, it gave something else",
                    seconds,
                )
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

    def close(self) -> None:
        """Ends every process of the sandbox."""
        self._runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


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
