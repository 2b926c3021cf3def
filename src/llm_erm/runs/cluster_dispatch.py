"""The driver of a run on a cluster: starts workers, gives them jobs, and takes their events."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from llm_erm.errors import LLMERMError, UnfinishedError
from llm_erm.runs.cluster_calls import MOST_LOSSES, cause_of, not_loaded
from llm_erm.runs.cluster_files import Wrote, write_part
from llm_erm.runs.cluster_room import Room
from llm_erm.runs.cluster_worker import Batch, Desk, Worker
from llm_erm.runs.events import Answered, Attempted, Event, Finished, Noticed, Observer
from llm_erm.runs.executors import WAKE_SECONDS, at_interrupt
from llm_erm.runs.jobs import JobKey, Work
from llm_erm.tasks.task import HeldOut
from llm_erm.version import VERSION

MOST_SPARE = 64
"""Workers asked for beyond the room that there is, so that a cluster that can grow does."""
CLOSE_SECONDS = 10.0
"""Time for workers to free what they have loaded."""


class Running:
    """A job, and what has arrived of it.

    Attributes:
        finished: Whether its result has arrived.
    """

    def __init__(self, work: Work) -> None:
        """Takes a job that no process has yet."""
        self.finished = False
        self._work = work
        self._answers = dict(work.answers)
        self._attempts = {attempt.index: attempt for attempt in work.attempts}
        self._lost_on: list[str] = []

    @property
    def work(self) -> Work:
        """The job, with all that a process goes on from."""
        attempts = tuple(self._attempts[index] for index in sorted(self._attempts))
        return replace(self._work, answers=dict(self._answers), attempts=attempts)

    @property
    def name(self) -> str:
        """The job, as messages name it."""
        return self._work.job.key.name

    @property
    def folder(self) -> Path | None:
        """The run's folder."""
        return self._work.folder

    def take(self, event: Event) -> None:
        """Adds what another process would go on from."""
        match event:
            case Answered(completion):
                if completion.finish_reason not in ("cancelled", "unanswered"):
                    self._answers[completion.index] = completion
            case Attempted(attempt):
                self._attempts[attempt.index] = attempt
            case Finished():
                self.finished = True

    def lose(self, error: Exception, node: str, is_alive: Callable[[str], bool]) -> None:
        """Counts the loss of its process, unless its whole node was lost, which no job causes.

        Args:
            error: How it was lost.
            node: Id of its node.
            is_alive: Says whether a node is still there. A cluster may find out after seconds that
                it is not, so it is asked about earlier losses again.

        Raises:
            LLMERMError: It was lost too often.
        """
        self._lost_on.append(node)
        losses = sum(map(is_alive, self._lost_on))
        if losses >= MOST_LOSSES:
            raise LLMERMError(
                f"The process of {self.name} was lost {losses} times, perhaps for lack of memory "
                f"({type(error).__name__}); give each job more memory, and run the same command to "
                "resume."
            ) from error


@dataclass(frozen=True)
class _Started:
    """A worker that has started.

    Attributes:
        actor: Its process.
        node: Id of its node.
    """

    actor: Any
    node: str


class Dispatch:
    """Does the jobs of one run.

    Each worker is a process of its own with the CPUs, GPUs and memory of a job, which it keeps
    until no job is left for it.
    """

    def __init__(self, room: Room, sent: bytes, observe: Observer) -> None:
        """Starts the process that reads the data sets for all nodes.

        Args:
            room: The cluster, and what a job takes.
            sent: The method.
            observe: Receives every event.
        """
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        ray = self._ray = room.ray
        self._room = room
        self._observe = observe
        self._of_run: list[Event] = []
        self._starting: dict[Any, Any] = {}
        self._idle: list[_Started] = []
        self._running: dict[Any, tuple[Running, _Started]] = {}
        self._closing: list[Any] = []
        self._most_starting = 0
        self._failed_starts = 0
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        desk = ray.remote(Desk).options(num_cpus=0, scheduling_strategy=here)
        self._desk = desk.remote(str(Path.cwd()))
        ray.get(self._desk.ready.remote())
        # A job is done again from what has arrived of it, which only the driver knows.
        worker = ray.remote(Worker).options(**room.options, max_restarts=0, max_task_retries=0)
        self._new_worker = partial(worker.remote, sent)

    def run(self, work: Sequence[Work]) -> None:
        """Does all jobs.

        Raises:
            LLMERMError: A job cannot be done; the others were stopped.
        """
        waiting = deque(Running(one) for one in work)
        unfinished: UnfinishedError | None = None
        stopped: list[int] = []  # Ray loses a KeyboardInterrupt in its callbacks
        with at_interrupt(lambda *_: stopped.append(1)):
            try:
                while waiting or self._running:
                    if stopped:
                        raise KeyboardInterrupt
                    self._staff(len(waiting))
                    while waiting and self._idle:
                        self._give(self._idle.pop(), waiting.popleft())
                    for one in self._ready():
                        try:
                            again = self._take(one)
                        except UnfinishedError as error:  # what others have in flight is paid for
                            unfinished = unfinished or error
                            again = None
                        if again is not None:
                            waiting.appendleft(again)
                if stopped:  # all is done, but not what comes after this run
                    raise KeyboardInterrupt
                self._let_go()
                if closing := self._closing:
                    self._ray.wait(closing, num_returns=len(closing), timeout=CLOSE_SECONDS)
            finally:
                for actor in self._actors():
                    self._ray.kill(actor)
        if unfinished is not None:
            raise unfinished

    def _actors(self) -> list[Any]:
        started = [*self._idle, *(worker for _, worker in self._running.values())]
        return [self._desk, *self._starting.values(), *(worker.actor for worker in started)]

    def _staff(self, waiting: int) -> None:
        """Starts workers for waiting jobs; releases idle workers if no job waits."""
        room = max(self._room.jobs(), 1)
        there = len(self._starting) + len(self._idle) + len(self._running)
        most = min(room + min(room, MOST_SPARE), waiting + len(self._running))
        for _ in range(there, most):
            actor = self._new_worker()
            self._starting[actor.begin.remote(VERSION)] = actor
        self._most_starting = max(self._most_starting, len(self._starting))
        if not waiting:
            self._let_go()

    def _let_go(self) -> None:
        """Ends the workers that have no job, which frees their CPUs and GPUs."""
        for worker in self._idle:  # Ray ends a process to which nothing refers
            self._closing.append(worker.actor.close.remote())
        self._idle.clear()
        for actor in self._starting.values():
            self._ray.kill(actor)
        self._starting.clear()

    def _ready(self) -> list[Any]:
        """Waits a moment for workers that have started and for events of jobs; returns them."""
        waited = [*self._starting, *self._running]
        ready, _ = self._ray.wait(waited, num_returns=len(waited), timeout=0)
        if not ready:
            ready, _ = self._ray.wait(waited, timeout=WAKE_SECONDS)
        return list(ready)

    def _give(self, worker: _Started, job: Running) -> None:
        work = job.work
        reveal = partial(_revealed, self._desk, work.splits.reveal)
        work = replace(work, splits=replace(work.splits, reveal=reveal))
        do = worker.actor.do.options(_generator_backpressure_num_objects=4)
        self._running[do.remote(work)] = (job, worker)

    def _take(self, one: Any) -> Running | None:  # noqa: ANN401 - of Ray
        """Takes a worker that has started, or the next events of a job.

        Returns:
            The job if it must be done again.

        Raises:
            LLMERMError: It cannot be done.
        """
        if one in self._starting:
            self._begin(one)
            return None
        job, worker = self._running[one]
        errors = self._ray.exceptions
        try:
            batch: Batch = self._ray.get(next(one))
        except StopIteration:
            self._idle.append(self._running.pop(one)[1])
            return None
        except errors.RayTaskError as error:
            self._idle.append(self._running.pop(one)[1])
            raise cause_of(error) from None
        except errors.RayError as error:
            del self._running[one]
            return None if job.finished else self._lost(job, worker, error)
        for key, event in batch:
            self._pass_on(job, key, event)
        return None

    def _begin(self, started: Any) -> None:  # noqa: ANN401 - of Ray
        """Takes a worker that has started.

        Raises:
            LLMERMError: It cannot work, or too many were lost while they started.
        """
        actor = self._starting.pop(started)
        errors = self._ray.exceptions
        try:
            node = self._ray.get(started)
        except errors.RayTaskError as error:
            raise cause_of(error) from None
        except errors.RayError as error:
            if getattr(error, "actor_init_failed", False):
                raise not_loaded(error) from error
            self._failed_starts += 1
            if self._failed_starts > MOST_LOSSES * self._most_starting:
                raise LLMERMError(
                    f"{self._failed_starts} processes of the cluster, one after another, were lost "
                    f"while they started ({type(error).__name__}), perhaps for lack of memory; "
                    "give each job more memory, and run the same command to resume."
                ) from error
            return
        self._failed_starts = 0
        self._idle.append(_Started(actor, node))

    def _pass_on(self, job: Running, key: JobKey | None, event: Event) -> None:
        if isinstance(event, Wrote):
            assert job.folder is not None
            write_part(job.folder, event)
        elif key is not None:
            job.take(event)
            self._observe(key, event)
        elif event not in self._of_run:  # every process opens a session
            self._of_run.append(event)
            self._observe(None, event)

    def _lost(self, job: Running, worker: _Started, error: Exception) -> Running:
        """Returns a job whose process was lost, to be done again.

        Raises:
            LLMERMError: It was lost too often.
        """
        self._ray.kill(worker.actor)  # it may only be out of reach
        job.lose(error, worker.node, self._room.is_alive)
        text = f"The process of {job.name} was lost ({type(error).__name__}); it is done again."
        self._observe(None, Noticed(text))
        return job


def _revealed(desk: Any, reveal: Callable[[], HeldOut]) -> HeldOut:  # noqa: ANN401 - an actor
    """Returns the held-out data, which are read on the driver's machine."""
    import ray

    try:
        held_out: HeldOut = ray.get(desk.call.remote(reveal))
    except ray.exceptions.RayActorError as error:
        raise LLMERMError(
            "The process that reads the data sets on the driver's machine was lost; run the same "
            "command to resume."
        ) from error
    return held_out
