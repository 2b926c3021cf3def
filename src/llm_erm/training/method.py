"""Training as a method of a run: one model per data set."""

import gc
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from llm_erm.errors import InputError
from llm_erm.llms.llm import Completion
from llm_erm.records import Result
from llm_erm.runs.events import Event, Observe
from llm_erm.runs.jobs import Job, Method, Work
from llm_erm.tasks import probes
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.stream import stream
from llm_erm.training.build import check, require_packages
from llm_erm.training.checkpoints import drop_checkpoint
from llm_erm.training.settings import Settings


@dataclass(frozen=True)
class TrainingJob(Job):
    """A training, which may keep files of its own.

    Attributes:
        several: Whether the run has other trainings as well.
    """

    several: bool = False

    @property
    def label(self) -> str:
        """The task, the length, the number of examples and, after the first, the trial."""
        spec = self.spec
        trial = f"-trial{spec.trial}" if spec.trial > 1 else ""
        return f"{spec.function}-L{spec.length}-n{_examples(spec)}{trial}"

    def folder(self, base: Path) -> Path:
        """Returns where its files are: in the run's folder, or one inside if there are several."""
        return base / self.label if self.several else base


@dataclass(frozen=True, kw_only=True)
class Training(Method):
    """A transformer trained as a binary classifier on training and validation examples.

    Attributes:
        settings: Settings of training.
        test_lengths: Further lengths to test at; that of the training inputs is skipped.
    """

    settings: Settings
    test_lengths: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """``training``."""
        return "training"

    def jobs(self, specs: Sequence[DataSpec]) -> list[TrainingJob]:
        """Returns one training per data set, checked as far as possible without data.

        Raises:
            LLMERMError: One of them cannot start.
        """
        require_packages(self.settings)
        if self.settings.device is not None:
            from llm_erm.training.engine import device_of

            device_of(self.settings.device)
        for spec in specs:
            task = spec.task
            check(self.settings, task.kind)
            spec.check()
            for length in self._lengths(spec):
                probes.at_length(task, spec.length, length, 2, spec.trial_seed)
        alike = Counter((spec.function, spec.length, spec.trial_seed) for spec in specs)
        jobs = [
            TrainingJob(
                spec,
                f"n={_examples(spec)}"
                if alike[spec.function, spec.length, spec.trial_seed] > 1
                else "",
                several=len(specs) > 1,
            )
            for spec in specs
        ]
        labels = Counter(job.label for job in jobs)
        if (twice := labels.most_common(1)) and twice[0][1] > 1:
            raise InputError(
                f"Two trainings of the run would be called {twice[0][0]}; train on one of the data "
                "sets in a run of its own."
            )
        return jobs

    @contextmanager
    def session(self, work: Sequence[Work], spent: Sequence[Completion]) -> Iterator["Trainings"]:
        """Yields what trains one model after another."""
        trainings = Trainings(self)
        yield trainings
        trainings.drop_checkpoint()

    def _lengths(self, spec: DataSpec) -> list[int]:
        return [length for length in dict.fromkeys(self.test_lengths) if length != spec.length]


class Trainings:
    """The trainings of one run, one after another."""

    events: Sequence[Event] = ()

    def __init__(self, method: Training) -> None:
        self._method = method
        self._trained: Path | None = None

    def learn(self, work: Work, observe: Observe) -> Result:
        """Returns the result of one training."""
        from llm_erm.training.learn import learn

        self.drop_checkpoint()
        method, job = self._method, work.job
        assert isinstance(job, TrainingJob)
        spec = job.spec
        task = spec.task
        folder = None if work.folder is None else job.folder(work.folder)
        try:
            result = learn(
                work.splits,
                method.settings,
                folder=folder,
                lengths={
                    length: probes.at_length(
                        task, spec.length, length, spec.test_size, spec.trial_seed
                    )
                    for length in method._lengths(spec)
                },
                fresh=partial(stream, task, spec.draw, spec.length, spec.trial_seed),
                observe=observe,
            )
        finally:
            _free_gpu()
        self._trained = folder
        return replace(result, variant=job.variant)

    def drop_checkpoint(self) -> None:
        """Deletes the checkpoint of the last training, whose result is kept by now."""
        if self._trained is not None and _is_first_process():
            drop_checkpoint(self._trained)
        self._trained = None


def _examples(spec: DataSpec) -> int:
    """Returns how many examples are trained on."""
    return spec.train_size + spec.val_size


def _is_first_process() -> bool:
    """Returns whether no other process of the same run writes its files."""
    from torch import distributed

    return not (distributed.is_available() and distributed.is_initialized()) or (
        distributed.get_rank() == 0
    )


def _free_gpu() -> None:
    """Frees the memory of a model that is no longer used, before the next one is built."""
    from torch import cuda

    if cuda.is_initialized():
        gc.collect()
        cuda.empty_cache()
