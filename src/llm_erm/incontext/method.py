"""In-context learning as a method that runs can use; its jobs share a loaded model."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache

from llm_erm.checks import Checked
from llm_erm.incontext.engine import Engine
from llm_erm.incontext.learn import learn
from llm_erm.incontext.prompt import check_balance
from llm_erm.incontext.questions import Questions, pose, variant_of
from llm_erm.incontext.settings import InContextSettings
from llm_erm.llms.budget import Budget
from llm_erm.llms.llm import Completion
from llm_erm.records import Result
from llm_erm.runs.events import Event, Noticed, Observe
from llm_erm.runs.jobs import Job, JobKey, Method, Work
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.task import HeldOut


@dataclass(frozen=True, kw_only=True)
class InContext(Checked, Method):
    """A language model labels test inputs, with labelled examples in the prompt.

    Attributes:
        engine: The model that answers.
        settings: Settings of the answers.
        shots: Numbers of examples in the prompt; each makes one job per data set. Empty for all
            training examples.
        queries: Number of test examples to label per job.
    """

    engine: Engine
    settings: InContextSettings = field(default_factory=InContextSettings)
    shots: tuple[int, ...] = ()
    queries: int = 100

    name = "incontext"

    @property
    def budget(self) -> Budget | None:
        """The budget of the model."""
        return self.engine.budget

    def jobs(self, specs: Sequence[DataSpec]) -> list[Job]:
        """Returns one job per data set and number of shots.

        Raises:
            InputError: A setting is out of range.
        """
        self.settings.check()
        check_balance(self.queries, "queries", "queries")
        for shots in self.shots:
            check_balance(shots, "examples per prompt", "shots")
        return [Job(spec, variant_of(shots)) for spec in specs for shots in self._numbers(spec)]

    def shots_of(self, job: Job) -> int:
        """Returns the number of examples in the prompts of a job."""
        return {variant_of(shots): shots for shots in self._numbers(job.spec)}[job.variant]

    def questions(self, work: Sequence[Work]) -> dict[JobKey, Questions]:
        """Returns the questions of each job, without loading the model's weights.

        Raises:
            InputError: There are too few examples, or a prompt is too long for the model.
        """
        # Jobs that differ only in their shots read the same held-out data.
        reveals: dict[DataSpec, Callable[[], HeldOut]] = {}
        posed = {}
        for one in work:
            spec = one.job.spec
            reveal = reveals.setdefault(spec, cache(one.splits.reveal))
            splits, shots = replace(one.splits, reveal=reveal), self.shots_of(one.job)
            asked = pose(splits, shots, self.queries, self.engine, self.settings)
            posed[one.job.key] = replace(asked, splits=one.splits)  # frees the other test data
        return posed

    @contextmanager
    def session(self, work: Sequence[Work], spent: Sequence[Completion]) -> Iterator["Asking"]:
        """Prepares all questions, and then loads the model if any of them is unanswered."""
        with closing(self.engine):
            asking = Asking(self, self.questions(work))
            if (budget := self.budget) is not None:
                longest = max(
                    len(asked.prompt(index).encode())
                    for asked in asking.questions.values()
                    for index in range(1, self.queries + 1)
                )
                budget.begin(spent, longest, self.settings.answer_tokens)
                if calls := sum(self.queries - len(one.answers) for one in work):
                    room = (longest, self.settings.answer_tokens)
                    said = budget.announcement(calls, self.engine.name, self.engine.address, *room)
                    asking.events = (Noticed(said),)
            asking.load_for(work)
            yield asking

    def _numbers(self, spec: DataSpec) -> list[int]:
        return list(dict.fromkeys(self.shots or (spec.train_size,)))


class Asking:
    """The jobs of one run, one after another.

    Attributes:
        questions: The questions of the jobs known so far; for jobs that a pool process receives
            later, they are prepared then.
    """

    events: tuple[Event, ...] = ()

    def __init__(self, method: InContext, questions: dict[JobKey, Questions]) -> None:
        self._method = method
        self._loaded = False
        self.questions = questions

    def load_for(self, work: Sequence[Work]) -> None:
        """Loads the model, unless it is loaded or all questions of these jobs are answered."""
        if not self._loaded and any(len(one.answers) < self._method.queries for one in work):
            self._method.engine.load()
            self._loaded = True

    def learn(self, work: Work, observe: Observe) -> Result:
        """Returns the result of one job."""
        if work.job.key not in self.questions:
            self.questions |= self._method.questions([work])
            self.load_for([work])
        return learn(
            self.questions[work.job.key],
            self._method.engine,
            self._method.settings,
            observe=observe,
            answers=work.answers,
        )
