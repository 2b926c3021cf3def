"""Training as a method that runs can use: one model per data set."""

import gc
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from llm_erm.checks import Checked
from llm_erm.errors import InputError
from llm_erm.llms.llm import Completion
from llm_erm.records import Result
from llm_erm.runs.events import Event, Finished, Observe, ignore
from llm_erm.runs.fingerprint import model_digests
from llm_erm.runs.jobs import Job, Method, Work
from llm_erm.settings import OPERATIONAL, shaping
from llm_erm.tasks import probes
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.stream import stream
from llm_erm.tasks.suite import in_words
from llm_erm.training.build import check, require_packages
from llm_erm.training.checkpoints import drop_checkpoint
from llm_erm.training.export import Artifacts, check_place, clear
from llm_erm.training.pretrained import local_weights
from llm_erm.training.settings import TrainingSettings


@dataclass(frozen=True)
class TrainingJob(Job):
    """A training job, which may keep its own files.

    Attributes:
        several: Whether the run has several training jobs.
    """

    several: bool = False

    @property
    def label(self) -> str:
        """The task, the length, the number of examples and, unless it is the first, the trial."""
        spec = self.spec
        trial = f"-trial{spec.trial}" if spec.trial > 1 else ""
        return f"{spec.function}-L{spec.length}-n{_examples(spec)}{trial}"

    def folder(self, base: Path) -> Path:
        """Returns the folder of its files: the run's folder, or a subfolder if several jobs run."""
        return base / self.label if self.several else base


def training_jobs(specs: Sequence[DataSpec]) -> list[TrainingJob]:
    """Returns one job per data set; those that differ in the examples only are variants."""
    alike = Counter((spec.function, spec.length, spec.trial_seed) for spec in specs)
    return [
        TrainingJob(
            spec,
            f"n={_examples(spec)}"
            if alike[spec.function, spec.length, spec.trial_seed] > 1
            else "",
            several=len(specs) > 1,
        )
        for spec in specs
    ]


@dataclass(frozen=True, kw_only=True)
class Training(Checked, Method):
    """A transformer trained as a binary classifier on training and validation examples.

    Attributes:
        settings: Settings of training.
        test_lengths: Further lengths to test at; the training length is skipped.
        flags: Further entries of config.json, such as the flags of the command.
    """

    settings: TrainingSettings
    test_lengths: tuple[int, ...] = ()
    flags: Annotated[Mapping[str, Any], OPERATIONAL] = field(default_factory=dict)

    name = "training"
    reproducible = True

    @property
    def described(self) -> dict[str, Any]:
        """What shapes the results: the settings, and the weights of a model named by its path."""
        path = local_weights(self.settings.model)
        return shaping(self) | ({} if path is None else {"weights": model_digests(path)})

    def jobs(self, specs: Sequence[DataSpec]) -> list[TrainingJob]:
        """Returns one job per data set, checked as far as possible without data.

        Raises:
            LLMERMError: A job cannot start.
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
        jobs = training_jobs(specs)
        labels = Counter(job.label for job in jobs)
        if (twice := labels.most_common(1)) and twice[0][1] > 1:
            raise InputError(
                f"Two models of the run would be called {twice[0][0]}; train on one of the data "
                "sets in a separate run."
            )
        return jobs

    @contextmanager
    def session(self, work: Sequence[Work], spent: Sequence[Completion]) -> Iterator["Trainings"]:
        """Yields a session that trains one model after another."""
        if any(one.folder is not None for one in work):
            require_packages(self.settings, "matplotlib")
        trainings = Trainings(self)
        yield trainings
        trainings.drop_checkpoint()

    def check_folder(self, folder: Path, jobs: Sequence[Job]) -> None:
        """Checks that no job would overwrite the files of a model."""
        for job in jobs:
            assert isinstance(job, TrainingJob)
            check_place(job.folder(folder))

    def clear(self, folder: Path, jobs: Sequence[Job]) -> None:
        """Deletes the published files and the weights of earlier jobs."""
        for job in jobs:
            assert isinstance(job, TrainingJob)
            clear(job.folder(folder))

    def restore(self, work: Work) -> None:
        """Writes the published files of a finished job if any is missing or has changed."""
        assert work.result is not None
        require_packages(self.settings, "matplotlib")
        with self.artifacts(work) as artifacts:
            artifacts.restore(work.result)

    def artifacts(self, work: Work) -> Artifacts:
        """Returns the observer that writes the published files of a job."""
        job = work.job
        assert isinstance(job, TrainingJob)
        assert work.folder is not None
        spec = job.spec
        task = in_words(spec.function, spec.task)
        trial = f", trial {spec.trial}" if spec.trial > 1 else ""
        title = f"{task}\nlength {spec.length}, {_examples(spec)} examples{trial}"
        return Artifacts(job.folder(work.folder), title, self._config(work))

    def _config(self, work: Work) -> dict[str, Any]:
        """Returns every setting of a training, by its published name where it has one."""
        spec = work.job.spec
        values = dict(self.flags) | asdict(self.settings)
        values.pop("num_trials", None)  # it is one of them
        if spec.trial > 1:
            values["trial"] = spec.trial
        values |= {
            "target_func": spec.function,
            "sequence_length": spec.length,
            "test_sequence_length": self.test_lengths,
            "train_set_size": _examples(spec),
            "test_set_size": spec.test_size,
            "negatives": spec.negatives,
            "published": spec.published,
            "allow_repeats": spec.allow_repeats,
            "task_file": spec.task_file,
            "data_sha256": work.splits.key.sha256,
        }
        plain: dict[str, Any] = json.loads(json.dumps(values, default=str))
        return plain

    def _lengths(self, spec: DataSpec) -> list[int]:
        return [length for length in dict.fromkeys(self.test_lengths) if length != spec.length]


class Trainings:
    """The training jobs of one run, one after another."""

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
        with self._published(work) as publish:

            def tell(event: Event) -> None:
                publish(event)
                observe(event)

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
                    observe=tell,
                    job=f"{work.run} {job.label}",
                )
            finally:
                _free_gpu()
            publish(Finished(result))
        self._trained = folder
        return replace(result, variant=job.variant)

    @contextmanager
    def _published(self, work: Work) -> Iterator[Observe]:
        """Yields an observer that also writes the published files, if this process writes any."""
        if work.folder is None or not _is_first_process():
            yield ignore
            return
        with self._method.artifacts(work) as artifacts:
            yield artifacts

    def drop_checkpoint(self) -> None:
        """Deletes the checkpoint of the last job, whose result is stored by now."""
        if self._trained is not None and _is_first_process():
            drop_checkpoint(self._trained)
        self._trained = None


def _examples(spec: DataSpec) -> int:
    """Returns the number of examples to train on."""
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
