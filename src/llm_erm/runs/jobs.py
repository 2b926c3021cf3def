"""Jobs and methods: a job produces one result, and a method defines how."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from llm_erm.execution import ProgramSandbox
from llm_erm.llms.budget import Budget
from llm_erm.llms.llm import Completion
from llm_erm.records import Attempt, Result
from llm_erm.runs.events import Event, Observe
from llm_erm.settings import plain
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.task import Splits


@dataclass(frozen=True, order=True)
class JobKey:
    """Names a job within a run.

    Attributes:
        function: The task's id.
        length: Length of the training inputs in characters.
        seed: The base seed of its data.
        trial: Index of the data set among independently drawn ones, counted from 1.
        variant: Distinguishes the jobs on one data set, as in ``shots=20``; usually empty.
    """

    function: str
    length: int
    seed: int
    trial: int = 1
    variant: str = ""

    @property
    def name(self) -> str:
        """The task, the length, the variant and, unless it is the first, the trial."""
        trial = f"trial={self.trial}" if self.trial > 1 else ""
        return " ".join(filter(None, (self.function, f"L={self.length}", self.variant, trial)))

    @property
    def file_name(self) -> str:
        """The same as a file name without its extension."""
        variant = f"-{self.variant.replace('=', '')}" if self.variant else ""
        return f"{self.function}-L{self.length}-seed{self.seed}{variant}"


def key_of(result: Result) -> JobKey:
    """Returns the key of the job that a result belongs to."""
    data = result.data
    return JobKey(data.function, data.length, data.seed, data.trial, result.variant)


@dataclass(frozen=True)
class Job:
    """One method on one data set; picklable and small.

    Attributes:
        spec: The data set.
        variant: Distinguishes the jobs on one data set; see ``JobKey``.
    """

    spec: DataSpec
    variant: str = ""

    @property
    def key(self) -> JobKey:
        """Names the job."""
        spec = self.spec
        return JobKey(spec.function, spec.length, spec.trial_seed, spec.trial, self.variant)


@dataclass(frozen=True)
class Work:
    """A job to do, with its data and what an interrupted run left of it.

    Attributes:
        job: The job.
        splits: Its data; the held-out data have not been read yet.
        attempts: Attempts that an interrupted run verified, in order.
        answers: All model answers of an interrupted run, by index, in the order in which they
            arrived.
        result: The job's earlier result, if the method wants to add to it.
        folder: The run's folder, where the job may keep its own files, such as checkpoints; None
            if the run keeps nothing.
        run: SHA-256 of all that shapes the run's results.
    """

    job: Job
    splits: Splits
    attempts: Sequence[Attempt] = ()
    answers: Mapping[int, Completion] = field(default_factory=dict)
    result: Result | None = None
    folder: Path | None = None
    run: str = ""


OpenSandbox = Callable[..., AbstractContextManager[ProgramSandbox]]
"""``open(isolation=…, unsafe_no_isolation=…)`` → where programs run, such as ``Sandbox``."""


class Session(Protocol):
    """Resources that the jobs of a run share, such as a loaded model or a sandbox.

    A session whose ``learn`` is a coroutine may also have a coroutine ``aclose``, which is awaited
    after the last job. One event loop runs all coroutines of a session.
    """

    @property
    def events(self) -> Sequence[Event]:
        """What the user should know about the session, as events of the whole run."""
        ...

    def learn(self, work: Work, observe: Observe) -> Any:  # noqa: ANN401
        """Returns the job's ``Result``, or a coroutine that does.

        With coroutines, the jobs of a session run concurrently, otherwise one after another.

        Args:
            work: The job, and what is already done.
            observe: Receives every event as it happens.

        Raises:
            LLMERMError: Neither this job nor the others can be done.
            UnfinishedError: The job cannot continue; jobs that are running still can.
        """
        ...


class Method(Protocol):
    """A way of learning with all its settings; a frozen dataclass.

    Fields marked ``settings.OPERATIONAL`` do not shape results; all others are part of the run's
    fingerprint.
    """

    @property
    def name(self) -> str:
        """``synthesis``, ``enumeration``, ``incontext``, ``training`` or ``baselines``."""
        ...

    @property
    def budget(self) -> Budget | None:
        """The budget of the calls of all jobs together; None if they cost nothing."""
        return None

    def identity(self, work: "Work") -> Any:  # noqa: ANN401 - JSON values
        """Returns what the candidates depend on besides the examples and chance."""
        return plain(self)

    @property
    def reproducible(self) -> bool:
        """Whether the same identity and data give the same candidates in every run."""
        return False

    def candidates(self, work: "Work") -> int:
        """Returns among how many candidates the validation examples choose; 0 if they do not."""
        return 0

    def jobs(self, specs: Sequence[DataSpec]) -> Sequence[Job]:
        """Returns the jobs on these data sets.

        Raises:
            LLMERMError: The method cannot run, or not on this data.
        """
        ...

    def session(
        self, work: Sequence[Work], spent: Sequence[Completion]
    ) -> AbstractContextManager[Session]:
        """Returns a context with the resources that the jobs share.

        Args:
            work: The work known so far, so that it can be checked before anything is loaded. In a
                process of a pool, that is its first job; others follow.
            spent: Completions that earlier parts of the run got from a model, for the budget.

        Raises:
            LLMERMError: The method cannot run here.
        """
        ...

    def with_sandbox(self, open_sandbox: OpenSandbox) -> "Method":
        """Returns the method with its programs run elsewhere; itself if it runs none."""
        return self

    def wants(self, result: Result | None) -> bool:
        """Returns whether to run a job that has this result, or none yet."""
        return result is None

    def check_folder(self, folder: Path, jobs: Sequence[Job]) -> None:
        """Checks that jobs would not overwrite files in a folder that do not belong to them.

        Raises:
            InputError: They would overwrite such files.
        """
        return

    def clear(self, folder: Path, jobs: Sequence[Job]) -> None:
        """Deletes the extra files that the jobs of an earlier run left in a folder.

        Raises:
            InputError: The folder cannot be written.
        """
        return

    def restore(self, work: Work) -> None:
        """Writes the extra files of a finished job if any of them is missing or has changed.

        Raises:
            InputError: The folder cannot be written.
        """
        return
