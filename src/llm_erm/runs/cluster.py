"""Does the jobs of a run on a Ray cluster, of one machine or many."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from llm_erm.checks import Checked
from llm_erm.errors import InputError
from llm_erm.llms.llm import Completion
from llm_erm.runs.cluster_connection import check_reachable, connected, import_ray
from llm_erm.runs.cluster_dispatch import Dispatch
from llm_erm.runs.cluster_room import Room
from llm_erm.runs.cluster_sandbox import ClusterSandbox
from llm_erm.runs.events import Noticed, Observer
from llm_erm.runs.executors import InProcess, method_to_send
from llm_erm.runs.jobs import Method, Work

NOTHING_TO_DO = "This process makes all calls, so the nodes of the cluster have nothing to do."


@dataclass(frozen=True)
class RayCluster(Checked):
    """Does each job in a process of a Ray cluster; programs run in the sandbox of its node.

    The run's folder and the data sets are on the driver's machine; no other needs them. A job whose
    process or node is lost is done again, from the answers and attempts that arrived.

    If a model is behind a server, the driver makes all calls, under one limit of calls in flight
    and one budget, and the nodes run the programs in the answers. They are sent neither the key nor
    labels, other than the training labels that the code tool shows to a program.

    Attributes:
        address: Address of the cluster: ``auto`` for the one that this machine belongs to, or
            ``HOST:PORT``. None starts a cluster of this machine alone, unless the process is
            connected to one already.
        cpus: Number of CPUs that a job takes.
        gpus: Number of GPUs that a job takes; a fraction, such as 0.25, for small models.
        memory_bytes: Memory that a job takes, in bytes; None not to say.
    """

    address: str | None = None
    cpus: float = 1.0
    gpus: float = 0.0
    memory_bytes: int | None = None

    def __post_init__(self) -> None:
        """Checks the fields.

        Raises:
            InputError: One has another type than it declares, or a job would take nothing.
        """
        super().__post_init__()
        least = 1e-3  # of what Ray divides CPUs and GPUs into
        if not least <= self.cpus <= 1e6:
            raise InputError(
                f"A job cannot take {self.cpus:g} CPUs; give {least:g} or more.",
                setting="job_cpus",
            )
        if not (least <= self.gpus <= 1e4 or self.gpus == 0):
            raise InputError(
                f"A job cannot take {self.gpus:g} GPUs; give {least:g} or more.",
                setting="job_gpus",
            )
        if self.gpus > 1 and self.gpus % 1:
            raise InputError(
                f"A job cannot take {self.gpus:g} GPUs; give a whole number, or less than 1.",
                setting="job_gpus",
            )
        if self.memory_bytes is not None and self.memory_bytes <= 0:
            raise InputError(
                f"A job cannot take {self.memory_bytes:,} bytes of memory; give more than 0.",
                setting="job_memory_mb",
            )

    def check(self, method: Method) -> None:
        """Checks that the cluster could do the jobs of a method, before anything is drawn.

        Raises:
            InputError: The method cannot be sent, or there is no such cluster.
            MissingExtraError: Ray is not installed.
        """
        if method.budget is None:
            method_to_send(method)
        self.check_cluster()

    def check_cluster(self) -> None:
        """Checks that Ray is installed, and that something listens at the address if there is one.

        Raises:
            InputError: Nothing does.
            MissingExtraError: Ray is not installed.
        """
        import_ray()
        if self.address not in (None, "auto"):
            check_reachable(self.address or "")

    def room(self, ray: Any, observe: Observer) -> Room:  # noqa: ANN401 - a module
        """Returns what a cluster, to which ``ray`` is connected, has room for."""
        return Room(ray, self.cpus, self.gpus, self.memory_bytes, observe)

    def execute(
        self,
        method: Method,
        work: Sequence[Work],
        observe: Observer,
        spent: Sequence[Completion] = (),
    ) -> None:
        """Does all jobs.

        Raises:
            InputError: The method cannot be sent, or there is no such cluster.
            MissingExtraError: Ray is not installed.
            LLMERMError: A job cannot be done, or was lost with its process several times.
        """
        self.check(method)
        alone = self.address is None and not import_ray().is_initialized()
        with connected(self.address) as ray:
            room = self.room(ray, observe)
            if alone and not self.room(ray, lambda *_: None).jobs():
                raise InputError(
                    f"This machine does not have what a job takes ({room.takes}); let it take "
                    "less, or name the address of a larger cluster.",
                    setting="job_gpus" if self.gpus else "job_cpus",
                )
            if method.budget is None:
                Dispatch(room, method_to_send(method), observe).run(work)
                return
            elsewhere = method.with_sandbox(partial(ClusterSandbox, room))
            if elsewhere is method:
                observe(None, Noticed(NOTHING_TO_DO))
            InProcess().execute(elsewhere, work, observe, spent)
