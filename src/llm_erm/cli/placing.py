"""Flags that say where the jobs of a run are done, and which of them."""

from dataclasses import dataclass
from typing import Literal

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
        return self._chosen(job_gpus=0.0)

    def _chosen(self, *, job_gpus: float) -> InProcess | Processes | RayCluster:
        of_ray = ("ray_address", "job_cpus", "job_gpus", "job_memory_mb")
        given = vars(self) | {"job_gpus": job_gpus}
        for name in of_ray:
            if self.executor != "ray" and given[name] != getattr(ExecutorOptions, name):
                raise InputError(
                    f"--{name.replace('_', '-')} is for --executor ray; add that, or omit it."
                )
        if self.workers is not None and self.executor != "processes":
            raise InputError("--workers is for --executor processes; add that, or omit it.")
        if self.executor == "local":
            return InProcess()
        if self.executor == "ray":
            memory = None if self.job_memory_mb is None else self.job_memory_mb * 2**20
            return RayCluster(self.ray_address, self.job_cpus, job_gpus, memory)
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

    def chosen_executor(self) -> InProcess | Processes | RayCluster:
        """Returns what does the jobs, as ``PlaceOptions`` does."""
        return self._chosen(job_gpus=self.job_gpus)
