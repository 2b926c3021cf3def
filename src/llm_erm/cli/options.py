"""Flags that several commands share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from llm_erm.cli.output import note
from llm_erm.cores import usable_cores
from llm_erm.errors import InputError
from llm_erm.execution import Isolation, Limits
from llm_erm.runs.executors import Executor, InProcess, Processes

if TYPE_CHECKING:
    from llm_erm.sandbox import Sandbox

MOST = 10_000_000
"""Limits must be below this many seconds or MiB: four months, or ten terabytes."""


@dataclass(frozen=True)
class ShardOption:
    """Which part of a grid to run."""

    shard: str | None = None
    """Run one part of the data sets only, as in 3/16, on a machine of its own; `llm-erm merge`
    joins the parts (default: run all)."""


Executors = Literal["local", "processes", "ray"]
"""Where jobs may run."""


@dataclass(frozen=True)
class ExecutorOptions:
    """Where the jobs of a run are done."""

    executor: Executors = "local"
    """Where jobs run: in this process, in a pool of processes, or on a Ray cluster."""
    workers: int | None = None
    """Number of processes of the pool (default: as many as there are cores)."""
    ray_address: str | None = None
    """Address of the Ray cluster: auto for the one that this machine belongs to, or HOST:PORT
    (default: a cluster of this machine alone)."""
    job_cpus: float = 1.0
    """With --executor ray: number of CPUs that a job takes."""
    job_gpus: float = 0.0
    """With --executor ray: number of GPUs that a job takes; a fraction for small models."""
    job_memory_mb: int | None = None
    """With --executor ray: memory that a job takes in MiB (default: not said)."""

    def chosen_executor(self) -> Executor:
        """Returns what does the jobs; a pool uses as many threads as there are cores in all.

        Raises:
            InputError: A flag belongs to another executor, or a number is out of range.
        """
        for name in ("ray_address", "job_cpus", "job_gpus", "job_memory_mb"):
            if self.executor != "ray" and getattr(self, name) != getattr(ExecutorOptions, name):
                raise InputError(
                    f"--{name.replace('_', '-')} is for --executor ray; add that, or omit it."
                )
        if self.executor == "local":
            return InProcess()
        if self.executor == "ray":
            from llm_erm.runs.cluster import RayCluster

            memory = None if self.job_memory_mb is None else self.job_memory_mb * 2**20
            return RayCluster(self.ray_address, self.job_cpus, self.job_gpus, memory)
        cores = usable_cores()
        count = cores if self.workers is None else self.workers
        if count < 1:
            raise InputError(
                f"The number of workers is {count}; give 1 or more, or leave it out.",
                setting="workers",
            )
        return InProcess() if count == 1 else Processes(count, threads=max(1, cores // count))


@dataclass(frozen=True)
class LimitOptions:
    """Limits on one execution of a candidate program, and how it is isolated."""

    seconds_per_call: float = Limits().seconds_per_call
    """Maximum CPU seconds of a candidate per input."""
    seconds_per_candidate: float = Limits().seconds_per_candidate
    """Maximum CPU seconds of a candidate for all inputs of one execution."""
    memory_mb: int = Limits().memory_bytes // 2**20
    """Maximum memory of a candidate in MiB."""
    isolation: Isolation = "auto"
    """How to isolate programs: with the best means that this Linux offers, or with WebAssembly
    (beta, any system)."""
    unsafe_no_isolation: bool = False
    """Run programs even if nothing can isolate them; every result then says so."""

    def sandbox(self) -> "Sandbox":
        """Returns the sandbox; prints a warning if its isolation is weak.

        Raises:
            LLMERMError: Nothing can isolate programs here, and the flags do not allow that.
        """
        from llm_erm.sandbox import Sandbox

        self.announce()
        sandbox = Sandbox(isolation=self.isolation, unsafe_no_isolation=self.unsafe_no_isolation)
        warn_if_weak(sandbox.isolation, sandbox.missing)
        for notice in sandbox.notices:
            note(notice)
        return sandbox

    def announce(self) -> None:
        """Prints how long the first start may take."""
        if self.isolation == "wasm":
            note(
                "Isolation wasm is in beta. Its first start on a machine compiles an interpreter, "
                "which takes a minute or two; later starts take a second."
            )

    def limits(self) -> Limits:
        """Returns the limits after checking them.

        Raises:
            InputError: A limit is not positive, or too large.
        """
        for name in ("seconds_per_call", "seconds_per_candidate", "memory_mb"):
            if not 0 < (value := getattr(self, name)) < MOST:
                raise InputError(
                    f"--{name.replace('_', '-')} is {value:g}; give a number above 0 and below "
                    f"{MOST:,}, or omit it."
                )
        return Limits(self.seconds_per_call, self.seconds_per_candidate, self.memory_mb * 2**20)


def warn_if_weak(isolation: str, missing: Sequence[str]) -> None:
    """Prints a warning if programs are hardly isolated, or not at all."""
    if isolation in ("basic", "none"):
        note(f"Warning: isolation is {isolation!r}: {'; '.join(missing)}")
