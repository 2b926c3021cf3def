"""Flags that say where the jobs of a run are done, and which of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeVar

from llm_erm.cores import usable_cores
from llm_erm.errors import InputError
from llm_erm.runs.cluster import RayCluster
from llm_erm.runs.executors import InProcess, Processes


@dataclass(frozen=True)
class ShardOption:
    """Which part of a grid to run."""

    shard: str | None = None
    """Run one part of the data sets only, as in 3/16, on a machine of its own; `llm-erm merge`
    joins the parts (default: run all)."""


Executors = Literal["local", "processes", "ray"]
"""Where jobs may run."""


@dataclass(frozen=True)
class PlaceOptions:
    """Where jobs are done that use no GPU."""

    executor: Executors = "local"
    """Where jobs run: in this process, in a pool of processes, or on a Ray cluster."""
    workers: int | None = None
    """Number of processes of the pool (default: as many as there are cores)."""
    ray_address: str | None = None
    """Address of the Ray cluster: auto for the one that this machine belongs to, or HOST:PORT
    (default: starts a cluster of this machine alone)."""
    job_cpus: float = 1.0
    """With --executor ray: number of CPUs that a job takes."""
    job_memory_mb: int | None = None
    """With --executor ray: memory in MiB to reserve for each job (default: none)."""

    def chosen_executor(self) -> InProcess | Processes | RayCluster:
        """Returns what does the jobs; a pool uses as many threads as there are cores in all.

        Raises:
            InputError: A flag belongs to another executor, or a number is out of range.
        """
        gpus: float = getattr(self, "job_gpus", 0.0)
        for name in ("ray_address", "job_cpus", "job_gpus", "job_memory_mb"):
            usual = getattr(ExecutorOptions, name)
            if self.executor != "ray" and getattr(self, name, usual) != usual:
                raise InputError(
                    f"--{name.replace('_', '-')} is for --executor ray; add that, or omit it."
                )
        if self.workers is not None and self.executor != "processes":
            raise InputError("--workers applies only to --executor processes; omit it.")
        if self.executor == "local":
            return InProcess()
        if self.executor == "ray":
            memory = None if self.job_memory_mb is None else self.job_memory_mb * 2**20
            return RayCluster(self.ray_address, self.job_cpus, gpus, memory)
        cores = usable_cores()
        count = cores if self.workers is None else self.workers
        if count < 1:
            raise InputError(
                f"The number of workers is {count}; give 1 or more, or leave it out.",
                setting="workers",
            )
        return InProcess() if count == 1 else Processes(count, threads=max(1, cores // count))


@dataclass(frozen=True)
class ExecutorOptions(PlaceOptions):
    """Where the jobs of a run are done."""

    job_gpus: float = 0.0
    """With --executor ray: number of GPUs that a job takes; a fraction for small models."""


Flags = TypeVar("Flags", bound=ExecutorOptions)


def given_to(flags: Flags, executor: ExecutorOptions) -> Flags:
    """Returns the flags of a command, with the executor of the command that runs it.

    Its jobs run on the cluster that the process is connected to. With ``local``, they run where
    they do by default.

    Args:
        flags: The flags of the command.
        executor: The flags of the command that runs it.
    """
    if executor.executor == "local":
        return flags
    own = {one.name: getattr(executor, one.name) for one in fields(ExecutorOptions)}
    return replace(flags, **(own | {"ray_address": None}))


def check_executor(flags: ExecutorOptions) -> None:
    """Checks that the flags are consistent, and that something listens at the cluster's address.

    Raises:
        InputError: They are not, or nothing does.
        MissingExtraError: Ray is not installed.
    """
    executor = flags.chosen_executor()
    if isinstance(executor, RayCluster):
        executor.check_cluster()


@contextmanager
def cluster_of(flags: ExecutorOptions) -> Iterator[Any]:
    """Yields the module ``ray``, connected until the block ends; None without a cluster.

    Raises:
        InputError: There is no cluster at the address.
    """
    if flags.executor != "ray":
        yield None
        return
    from llm_erm.runs.cluster_connection import connected

    with connected(flags.ray_address) as ray:
        yield ray
