"""Does the jobs of a run on a Ray cluster, of one machine or many."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from llm_erm.checks import Checked
from llm_erm.errors import InputError, LLMERMError, UnfinishedError
from llm_erm.llms.llm import Completion
from llm_erm.runs.cluster_connection import check_reachable, connected, import_ray
from llm_erm.runs.cluster_worker import Batch, Desk, Wrote, serve
from llm_erm.runs.events import Answered, Attempted, Event, Finished, Noticed, Observer
from llm_erm.runs.executors import WAKE_SECONDS, at_interrupt, method_to_send
from llm_erm.runs.files import writing
from llm_erm.runs.jobs import JobKey, Method, Work
from llm_erm.tasks.task import HeldOut
from llm_erm.version import VERSION

MOST_LOSSES = 3
"""How often a job may be lost with its process before the run ends: it may be the cause itself."""
RECOUNT_SECONDS = 5.0
"""How often to look how many CPUs and GPUs the cluster has, since nodes come and go."""


@dataclass(frozen=True)
class RayCluster(Checked):
    """Does each job as a task on a Ray cluster; programs run in the sandbox of the job's node.

    The run's folder and the data sets are on the driver's machine; no other needs them. A job whose
    process or node is lost is done again, from the answers and attempts that arrived.

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
        for name, number, most in (("CPUs", self.cpus, 1e6), ("GPUs", self.gpus, 1e4)):
            if not (least <= number <= most or (name == "GPUs" and number == 0)):
                raise InputError(f"A job cannot take {number:g} {name}; give {least:g} or more.")
        if self.memory_bytes is not None and self.memory_bytes <= 0:
            raise InputError(
                f"A job cannot take {self.memory_bytes:,} bytes of memory; give more than 0."
            )

    @property
    def takes(self) -> str:
        """What a job takes, in words."""
        memory = self.memory_bytes
        more = "" if memory is None else f", {memory / 2**20:,.0f} MiB"
        return f"{self.cpus:g} CPUs, {self.gpus:g} GPUs{more}"

    def check(self, method: Method) -> None:
        """Checks that the cluster could do the jobs of a method, before anything is drawn.

        Raises:
            InputError: The method calls a server, cannot be sent, or there is no such cluster.
            MissingExtraError: Ray is not installed.
        """
        if method.budget is not None:
            raise InputError(
                f"The method {method.name!r} calls a server, whose budget and limit of calls the "
                "processes of a cluster cannot share; use another executor.",
                setting="executor",
            )
        method_to_send(method)
        import_ray()
        if self.address not in (None, "auto"):
            check_reachable(self.address or "")

    def execute(
        self,
        method: Method,
        work: Sequence[Work],
        observe: Observer,
        spent: Sequence[Completion] = (),
    ) -> None:
        """Does all jobs.

        Raises:
            InputError: The method has a budget, cannot be sent, or there is no such cluster.
            MissingExtraError: Ray is not installed.
            LLMERMError: A job cannot be done, or was lost with its process several times.
        """
        self.check(method)
        sent = method_to_send(method)
        with connected(self.address) as ray:
            _Dispatch(ray, self, sent, observe).run(work)


@dataclass
class _Running:
    """A job that is being done.

    Attributes:
        work: The job, with all that arrived of it.
        losses: How often its process was lost.
        finished: Whether its result has arrived.
    """

    work: Work
    losses: int = 0
    finished: bool = False

    def take(self, event: Event) -> None:
        """Adds what another process would go on from."""
        work = self.work
        match event:
            case Answered(completion):
                if completion.finish_reason not in ("cancelled", "unanswered"):
                    answers = {**work.answers, completion.index: completion}
                    self.work = replace(work, answers=answers)
            case Finished():
                self.finished = True
            case Attempted(attempt):
                others = [one for one in work.attempts if one.index != attempt.index]
                attempts = sorted([*others, attempt], key=lambda one: one.index)
                self.work = replace(work, attempts=attempts)


class _Dispatch:
    """The driver of a run: gives jobs to the cluster and takes their events."""

    def __init__(self, ray: Any, cluster: RayCluster, sent: bytes, observe: Observer) -> None:  # noqa: ANN401 - a module
        """Starts the process that reads the data sets for all nodes."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self._ray = ray
        self._cluster = cluster
        self._sent = sent
        self._observe = observe
        self._of_run: list[Event] = []
        self._running: dict[Any, _Running] = {}
        self._counted = -RECOUNT_SECONDS
        self._window = 1
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        actor = ray.remote(Desk)
        self._desk = actor.options(num_cpus=0, scheduling_strategy=here).remote(str(Path.cwd()))
        ray.get(self._desk.ready.remote())
        task = ray.remote(max_calls=0)(serve)  # processes keep their sessions
        self._task = task.options(
            _generator_backpressure_num_objects=4,
            num_cpus=cluster.cpus,
            num_gpus=cluster.gpus,
            memory=cluster.memory_bytes,
            max_retries=0,  # a job is done again from what has arrived of it
        )

    def run(self, work: Sequence[Work]) -> None:
        """Does all jobs.

        Raises:
            LLMERMError: A job cannot be done; the others were stopped.
        """
        waiting = deque(_Running(one) for one in work)
        unfinished: UnfinishedError | None = None
        stopped: list[int] = []  # Ray loses a KeyboardInterrupt in its callbacks
        with at_interrupt(lambda *_: stopped.append(1)):
            try:
                while waiting or self._running:
                    if stopped:
                        raise KeyboardInterrupt
                    self._say_if_too_large()
                    while waiting and len(self._running) < self._window:
                        self._submit(waiting.popleft())
                    ready, _ = self._ray.wait(
                        list(self._running),
                        num_returns=len(self._running),
                        timeout=0,
                    )
                    if not ready:
                        ready, _ = self._ray.wait(list(self._running), timeout=WAKE_SECONDS)
                    for stream in ready:
                        try:
                            again = self._take(stream)
                        except UnfinishedError as error:  # what others have in flight is paid for
                            unfinished = unfinished or error
                            again = None
                        if again is not None:
                            waiting.appendleft(again)
            finally:
                for stream in self._running:
                    self._ray.cancel(stream, force=True)
                self._ray.kill(self._desk)
        if unfinished is not None:
            raise unfinished

    def _submit(self, job: _Running) -> None:
        reveal = partial(_revealed, self._desk, job.work.splits.reveal)
        work = replace(job.work, splits=replace(job.work.splits, reveal=reveal))
        self._running[self._task.remote(VERSION, self._sent, work)] = job

    def _take(self, stream: Any) -> _Running | None:  # noqa: ANN401 - of Ray
        """Takes the next events of a job; returns it if it must be done again.

        Raises:
            LLMERMError: It cannot be done.
        """
        errors = self._ray.exceptions
        job = self._running[stream]
        try:
            batch: Batch = self._ray.get(next(stream))
        except StopIteration:
            del self._running[stream]
            return None
        except errors.RayTaskError as error:
            del self._running[stream]
            if isinstance(error.cause, ImportError):
                raise LLMERMError(
                    f"A node of the cluster cannot load llm-erm ({error.cause}); install the same "
                    "version on every node."
                ) from error
            raise error.cause from None
        except errors.RayError as error:
            del self._running[stream]
            self._ray.cancel(stream, force=True)
            return None if job.finished else self._lost(job, error)
        for key, event in batch:
            self._pass_on(job, key, event)
        return None

    def _pass_on(self, job: _Running, key: JobKey | None, event: Event) -> None:
        if isinstance(event, Wrote):
            assert job.work.folder is not None
            _write(job.work.folder, event)
        elif key is not None:
            job.take(event)
            self._observe(key, event)
        elif event not in self._of_run:  # every process opens a session
            self._of_run.append(event)
            self._observe(None, event)

    def _lost(self, job: _Running, error: Exception) -> _Running:
        """Returns a job whose process was lost, to be done again.

        Raises:
            LLMERMError: It was lost too often.
        """
        job.losses += 1
        name = job.work.job.key.name
        if job.losses == MOST_LOSSES:
            raise LLMERMError(
                f"The process of {name} was lost {job.losses} times, perhaps for lack of memory "
                f"({type(error).__name__}); give each job more memory, and run the same command to "
                "resume."
            ) from error
        self._observe(
            None,
            Noticed(f"The process of {name} was lost ({type(error).__name__}); it is done again."),
        )
        return job

    def _say_if_too_large(self) -> None:
        """Counts the cluster's nodes now and then; says if none of them can do a job."""
        now = time.monotonic()
        if now - self._counted < RECOUNT_SECONDS:
            return
        self._counted = now
        wanted = {"CPU": self._cluster.cpus, "GPU": self._cluster.gpus}
        wanted["memory"] = float(self._cluster.memory_bytes or 0)
        places = 0
        for node in self._ray.nodes():
            has = node["Resources"] if node["Alive"] else {}
            places += int(
                min(has.get(name, 0.0) / amount for name, amount in wanted.items() if amount)
            )
        self._window = 2 * max(places, 1)
        if not places:
            said = Noticed(
                f"No node of the cluster has what a job takes ({self._cluster.takes}); the jobs "
                "wait until one does."
            )
            if said not in self._of_run:
                self._of_run.append(said)
                self._observe(None, said)


def _revealed(desk: Any, reveal: Callable[[], HeldOut]) -> HeldOut:  # noqa: ANN401 - an actor
    """Returns the held-out data, which are read on the driver's machine."""
    import ray

    held_out: HeldOut = ray.get(desk.call.remote(reveal))
    return held_out


def _write(folder: Path, part: Wrote) -> None:
    """Adds a part to a file of the run's folder, which appears when it is whole."""
    path = folder / part.name
    if ".." in path.parts or not path.is_relative_to(folder):
        raise LLMERMError(f"A node sent {part.name!r:.60}, which is outside the run's folder.")
    draft = path.with_name(path.name + ".part")
    with writing(folder):
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("ab" if part.start else "wb") as file:
            file.write(part.data)
        if part.last:
            draft.replace(path)
