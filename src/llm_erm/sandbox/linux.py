"""Runs jobs in processes isolated by the Linux kernel, each a child of a zygote."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

from llm_erm.errors import LLMERMError
from llm_erm.execution import Execution, Limits, Predictions, nothing
from llm_erm.sandbox.job import SandboxJob
from llm_erm.sandbox.part import Part
from llm_erm.sandbox.pool import Pool
from llm_erm.sandbox.process import ZygoteLostError, ZygoteProcess
from llm_erm.sandbox.spread import run_parts

LEAST_MEMORY_BYTES = 16 * 2**20
LATE_SECONDS = 0.1  # two polling intervals of the watcher


class LinuxProcesses:
    """Zygotes and their children.

    Attributes:
        level: The isolation level that the start-up self-test found.
        missing: What keeps it from being ``strong``, one sentence per reason.
        notices: Which limits of this process are lower than the default ones, one sentence each.
    """

    def __init__(self, workers: int) -> None:
        self._slots = threading.Semaphore(workers)
        self._pool = Pool(workers)
        self.level = self._pool.level
        self.missing = self._pool.missing
        try:
            self.notices = tuple(_notices(*self._pool.room))
        except LLMERMError:
            self.close()
            raise

    def run(self, job: SandboxJob) -> Execution:
        """Runs one job, spread over idle workers if it takes seconds.

        Raises:
            LLMERMError: If processes end without an answer.
        """
        job = replace(job, limits=_within(job.limits, *self._pool.room))
        for _ in range(2):
            with contextlib.suppress(ZygoteLostError), contextlib.ExitStack() as stack:
                parts = run_parts(job, lambda: self._zygote(job), self._slots, stack)
                return _merge(job, parts)
        raise LLMERMError(
            "A process of the sandbox ended twice without an answer, most likely because memory "
            "ran out; use fewer workers or a lower memory limit and run again."
        )

    @contextlib.contextmanager
    def _zygote(self, job: SandboxJob) -> Iterator[ZygoteProcess]:
        """Lends a zygote; ends it if an error interrupts its work."""
        zygote = self._pool.take(job.source, job.seed)
        try:
            yield zygote
        except BaseException:
            self._pool.end(zygote)
            raise
        self._pool.give_back(zygote)

    def close(self) -> None:
        """Ends every process."""
        self._pool.close()


def _notices(seconds: int | None, space: int | None) -> list[str]:
    """Returns which default limits the machine's own limits lower.

    Raises:
        LLMERMError: They leave nothing.
    """
    usual = Limits()
    found = []
    if seconds is not None and seconds < usual.seconds_per_candidate:
        found.append(f"{seconds} CPU seconds for a program (ulimit -t)")
    if space is not None and space < usual.memory_bytes:
        found.append(f"{space >> 20} MiB of memory for a program (ulimit -v)")
    if seconds == 0 or (space is not None and space < LEAST_MEMORY_BYTES):
        raise LLMERMError(
            f"The limits of this process are too low for the sandbox: they leave at most "
            f"{' and '.join(found)}. Raise them and start the run again."
        )
    return [f"The limits of this process leave at most {one}." for one in found]


def _within(limits: Limits, seconds: int | None, space: int | None) -> Limits:
    """Returns the limits, lowered to what the machine's own limits leave."""
    total = limits.seconds_per_candidate if seconds is None else seconds
    return replace(
        limits,
        seconds_per_candidate=min(limits.seconds_per_candidate, total),
        memory_bytes=limits.memory_bytes if space is None else min(limits.memory_bytes, space),
    )


def _merge(job: SandboxJob, parts: Sequence[Part]) -> Execution:
    """Returns what a single child would have given: the first failure, or all predictions."""
    endings = [part.ending for part in parts if part.ending is not None]
    seconds = sum(ending.cpu_seconds for ending in endings)
    predictions: Predictions = nothing(len(job.inputs), job.outputs)
    judged = [part.judge() for part in parts]
    for status, message in judged:
        if status != "ok":
            return Execution(status, predictions, message, seconds)
    left = [part.left() for part in parts]
    # A single child would have loaded the program only once and would not have been stopped late.
    twice = sum(
        min(one.load_seconds, ending.cpu_seconds)
        for one, ending in zip(left[1:], endings[1:], strict=True)
    ) + LATE_SECONDS * (len(parts) > 1)
    total = job.limits.seconds_per_candidate
    if seconds - twice > total:
        message = f"the program took more than {total:g} CPU seconds"
        return Execution("timeout", predictions, message, seconds)
    for part, one in zip(parts, left, strict=True):
        predictions[part.start : part.stop] = one.predictions[: part.stop - part.start]
    message = next((message for _, message in judged if message), None)
    return Execution("ok", predictions, message, seconds)
