"""A job is one result to be made; a method says how."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from llm_erm.llms.budget import Budget
from llm_erm.llms.llm import Completion
from llm_erm.records import Attempt, Result
from llm_erm.runs.events import Event, Observe
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.task import Splits


@dataclass(frozen=True, order=True)
class JobKey:
    """Names a job within a run.

    Attributes:
        function: The task's id.
        length: Length of the training inputs in characters.
        seed: The base seed of its data.
        trial: Which of several data sets drawn alike, counted from 1.
        variant: What tells the jobs of one data set apart, as in ``shots=20``; mostly empty.
    """

    function: str
    length: int
    seed: int
    trial: int = 1
    variant: str = ""

    @property
    def name(self) -> str:
        """The task, the length, the variant and, after the first, the trial."""
        trial = f"trial={self.trial}" if self.trial > 1 else ""
        return " ".join(filter(None, (self.function, f"L={self.length}", self.variant, trial)))

    @property
    def file_name(self) -> str:
        """The same as the name of a file or folder, without its ending."""
        variant = f"-{self.variant.replace('=', '')}" if self.variant else ""
        return f"{self.function}-L{self.length}-seed{self.seed}{variant}"


def key_of(result: Result) -> JobKey:
    """Returns the job that a result is of."""
    data = result.data
    return JobKey(data.function, data.length, data.seed, data.trial, result.variant)


@dataclass(frozen=True)
class Job:
    """One method on one data set; picklable and small.

    Attributes:
        spec: The data set.
        variant: What tells the jobs of one data set apart; see ``JobKey``.
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
    """A job that is to be done, with what there is for it.

    Attributes:
        job: The job.
        splits: Its data; what is held out is not read yet.
        attempts: What an interrupted run verified, in order.
        answers: All answers of a model that an interrupted run got, by index, in the order in
            which they came.
        result: What the job gave before, where the method wants more of it.
        folder: The run's folder, where the job may keep files of its own, such as checkpoints; None
            where the run keeps nothing.
    """

    job: Job
    splits: Splits
    attempts: Sequence[Attempt] = ()
    answers: Mapping[int, Completion] = field(default_factory=dict)
    result: Result | None = None
    folder: Path | None = None


class Session(Protocol):
    """What the jobs of a run share while it lasts: a loaded model, a sandbox.

    A session whose ``learn`` is a coroutine may have a coroutine ``aclose``, too: it is awaited
    after the last job. One event loop runs all coroutines of a session.
    """

    @property
    def events(self) -> Sequence[Event]:
        """What a reader should know of it, as events of the whole run."""
        ...

    def learn(self, work: Work, observe: Observe) -> Any:  # noqa: ANN401
        """Returns the job's ``Result``, or a coroutine that does.

        Jobs of a session with coroutines run at the same time, the others one after another.

        Args:
            work: What to do, and what is already done of it.
            observe: Told of every event as it happens.

        Raises:
            LLMERMError: The job cannot be done, nor can the others.
            BudgetSpentError: The job cannot go on; those under way still can.
        """
        ...


class Method(Protocol):
    """A way of learning with all its settings; a frozen dataclass.

    Fields marked ``settings.OPERATIONAL`` shape no result; all others are the run's fingerprint.
    """

    @property
    def name(self) -> str:
        """``synthesis``, ``enumeration``, ``incontext``, ``training`` or ``baselines``."""
        ...

    @property
    def budget(self) -> Budget | None:
        """What the calls of all jobs may cost together; None where they cost nothing."""
        return None

    def jobs(self, specs: Sequence[DataSpec]) -> Sequence[Job]:
        """Returns the jobs on these data sets.

        Raises:
            LLMERMError: The method cannot run, or not on this data.
        """
        ...

    def session(
        self, work: Sequence[Work], spent: Sequence[Completion]
    ) -> AbstractContextManager[Session]:
        """Returns what the jobs share, for the time that they run.

        Args:
            work: What is known to be done in the session, to be checked before anything is loaded;
                in a process of a pool that is its first job, and others follow.
            spent: What earlier parts of the run got from a model, for the budget.

        Raises:
            LLMERMError: The method cannot run here.
        """
        ...

    def wants(self, result: Result | None) -> bool:
        """Returns whether a job with this result, or with none yet, is to be run."""
        return result is None
