"""The parent's side of the sandbox."""

import contextlib
import os
import platform
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from llm_erm.errors import InputError, LLMERMError
from llm_erm.sandbox.execution import (
    BINARY,
    INVALID,
    Execution,
    Input,
    Limits,
    Outputs,
    Predictions,
    nothing,
)
from llm_erm.sandbox.part import Job, Part
from llm_erm.sandbox.pool import Pool
from llm_erm.sandbox.process import Zygote, ZygoteLostError
from llm_erm.sandbox.spread import run_parts

DEFAULT_LIMITS = Limits()
REPLAY_SEED = 1
LATE_SECONDS = 0.1  # two looks of the zygote


class Sandbox:
    """Runs candidate programs in processes of their own.

    ``execute`` blocks, and may be called from several threads at once::

        with Sandbox() as sandbox:
            execution = sandbox.execute("def f(x): return x.count('1') % 2", ["0110", "1000"])
    """

    def __init__(self, workers: int | None = None, *, unsafe_no_isolation: bool = False) -> None:
        """Starts the first process and finds out how well it is isolated.

        Args:
            workers: How many candidates may run at once; None for one a usable core. Together
                they may take ``workers`` times the memory limit.
            unsafe_no_isolation: Run programs even where the self-test finds isolation ``none``.

        Raises:
            LLMERMError: The sandbox cannot start here, or nothing would hold a program back.
        """
        if workers is not None and workers < 1:
            raise InputError(f"The sandbox got {workers} workers; it needs at least 1.")
        if platform.system() != "Linux":
            raise LLMERMError(
                f"This is {platform.system()}, and programs are run on Linux only; use a Linux "
                "machine, a Linux container or WSL."
            )
        self._workers = workers or len(os.sched_getaffinity(0))
        self._slots = threading.Semaphore(self._workers)
        self._random = np.random.default_rng()
        self._random_lock = threading.Lock()
        self._pool = Pool(self._workers)
        if self.isolation == "none" and not unsafe_no_isolation:
            self.close()
            raise LLMERMError(
                f"Nothing would hold a program back on this machine ({'; '.join(self.missing)}); "
                "use Linux 5.13 or later on x86-64 or aarch64, or give --unsafe-no-isolation to "
                "run the programs of a model you trust as you trust yourself."
            )

    @property
    def isolation(self) -> str:
        """The level that the start-up self-test found: strong, standard, basic or none."""
        return self._pool.level

    @property
    def missing(self) -> tuple[str, ...]:
        """What keeps the level from being ``strong``, in sentences."""
        return self._pool.missing

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
        """Runs the function that ``source`` defines on each input, in shuffled order.

        A program that takes seconds is spread over the workers that are idle; its verdict is the
        same.
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
        """Runs a program again and returns ``first`` if nothing differs, else ``nondeterministic``.

        Randomly chosen inputs are given to a second child in another order, with other hash and
        random seeds, and some to children that hold that one input alone. A program whose
        predictions depend on state, order, other inputs, the clock or chance in a share q of the
        inputs passes the second part with probability (1 − q)^alone at most.

        Args:
            source: The program.
            inputs: The inputs of the first execution.
            first: What ``execute`` returned for them.
            limits: The limits of the first execution.
            outputs: The outputs of the first execution.
            together: Number of inputs for the second child.
            alone: Number of inputs with a child each.
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
        job = Job(source, shuffled, limits, outputs, seed)
        for _ in range(2):
            with contextlib.suppress(ZygoteLostError), contextlib.ExitStack() as stack:
                parts = run_parts(job, lambda: self._zygote(job), self._slots, stack)
                return _merge(job, parts, order)
        raise LLMERMError(
            "A process of the sandbox ended twice without an answer, most likely for want of "
            "memory; give it fewer workers or a lower memory limit and run again."
        )

    @contextlib.contextmanager
    def _zygote(self, job: Job) -> Iterator[Zygote]:
        """Lends a zygote; one that an error left in the middle of something is ended."""
        zygote = self._pool.take(job.source, job.seed)
        try:
            yield zygote
        except BaseException:
            zygote.close()
            raise
        self._pool.give_back(zygote)

    def close(self) -> None:
        """Ends every process of the sandbox."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _check(limits: Limits, outputs: Outputs) -> None:
    if min(limits.seconds_per_call, limits.seconds_per_candidate, limits.memory_bytes) <= 0:
        raise InputError(f"A limit of a program is not above zero: {limits}; raise it.")
    labels = outputs.labels
    if labels is not None and not (0 < len(labels) <= INVALID and len(set(labels)) == len(labels)):
        raise InputError(
            f"A program was given {len(labels)} labels; allowed are 1 to {INVALID} different ones."
        )


def _merge(job: Job, parts: Sequence[Part], order: NDArray[np.int64]) -> Execution:
    """Returns what one child would have given: the first failure, or all predictions."""
    endings = [part.ending for part in parts if part.ending is not None]
    seconds = sum(ending.cpu_seconds for ending in endings)
    predictions: Predictions = nothing(len(order), job.outputs)
    judged = [part.judge() for part in parts]
    for status, message in judged:
        if status != "ok":
            return Execution(status, predictions, message, seconds)
    left = [part.left() for part in parts]
    # One child would have loaded the program once, and would not have been stopped a little late.
    twice = sum(
        min(one.load_seconds, ending.cpu_seconds)
        for one, ending in zip(left[1:], endings[1:], strict=True)
    ) + LATE_SECONDS * (len(parts) > 1)
    total = job.limits.seconds_per_candidate
    if seconds - twice > total:
        message = f"the program took more than {total:g} CPU seconds"
        return Execution("timeout", predictions, message, seconds)
    for part, one in zip(parts, left, strict=True):
        predictions[order[part.start : part.stop]] = one.predictions[: part.stop - part.start]
    message = next((message for _, message in judged if message), None)
    return Execution("ok", predictions, message, seconds)
