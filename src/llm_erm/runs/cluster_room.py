"""Counts the jobs that a Ray cluster has room for, and says if there is no room for any."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from llm_erm.runs.events import Noticed, Observer

RECOUNT_SECONDS = 5.0
"""How often to look how many CPUs and GPUs the cluster has, since nodes come and go."""


@dataclass
class Room:
    """What a cluster has room for.

    Attributes:
        ray: The module, connected to the cluster.
        cpus: Number of CPUs that a job takes.
        gpus: Number of GPUs that it takes.
        memory_bytes: Memory that it takes; None if that is not known.
        observe: Is told once if no node has room for a job.
    """

    ray: Any
    cpus: float
    gpus: float
    memory_bytes: int | None
    observe: Observer
    _jobs: int = 0
    _counted: float = field(default=float("-inf"))
    _said: bool = False
    _counting: threading.Lock = field(default_factory=threading.Lock)

    @property
    def options(self) -> dict[str, Any]:
        """What a job takes, as Ray's options."""
        return {"num_cpus": self.cpus, "num_gpus": self.gpus, "memory": self.memory_bytes}

    def jobs(self) -> int:
        """Returns how many jobs the nodes can do at once, counted now and then."""
        with self._counting:
            now = time.monotonic()
            if now - self._counted >= RECOUNT_SECONDS:
                self._counted = now
                self._jobs = self._count()
                if not self._jobs and not self._said:
                    self._said = True
                    self.observe(
                        None,
                        Noticed(
                            f"No node of the cluster has what a job takes ({self.takes}); waiting "
                            "for one that has. Ctrl-C ends the wait."
                        ),
                    )
            return self._jobs

    def is_alive(self, node: str) -> bool:
        """Returns whether a node, named by its id, is still part of the cluster."""
        return any(one["Alive"] and one["NodeID"] == node for one in self.ray.nodes())

    def _count(self) -> int:
        wanted = {"CPU": self.cpus, "GPU": self.gpus, "memory": float(self.memory_bytes or 0)}
        return sum(
            int(min(has.get(name, 0.0) / amount for name, amount in wanted.items() if amount))
            for has in (node["Resources"] for node in self.ray.nodes() if node["Alive"])
        )

    @property
    def takes(self) -> str:
        """What a job takes, in words."""
        counts = {"CPU": self.cpus, "GPU": self.gpus}
        parts = [f"{n:g} {name}{'s' * (n != 1)}" for name, n in counts.items() if n]
        if self.memory_bytes is not None:
            parts.append(f"{self.memory_bytes / 2**20:,.0f} MiB")
        return ", ".join(parts)
