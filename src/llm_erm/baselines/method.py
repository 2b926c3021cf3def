"""Classical learners as a method that runs can use: one job per data set and learner."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from llm_erm.baselines.learn import learn
from llm_erm.baselines.learners import Grids, Learner, is_checkpoint, learner_named
from llm_erm.checks import Checked
from llm_erm.erm.select import check_selection
from llm_erm.errors import InputError
from llm_erm.llms.llm import Completion
from llm_erm.records import Result
from llm_erm.runs.events import Event, Observe
from llm_erm.runs.fingerprint import file_digest
from llm_erm.runs.jobs import Job, Method, Work
from llm_erm.settings import OPERATIONAL, plain
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.task import DataKey, HeldOut, Splits


@dataclass(frozen=True)
class TabPFNWeights:
    """A file of TabPFN's weights.

    Attributes:
        path: Where it is.
        sha256: Its digest.
    """

    path: Annotated[Path, OPERATIONAL]
    sha256: str


def read_weights(path: Path) -> TabPFNWeights:
    """Returns a file of TabPFN's weights with its digest.

    Raises:
        InputError: There is no such file, or it does not hold weights.
    """
    sha256 = file_digest(path)
    if sha256 is None:
        raise InputError(
            f"There is no file {path}; give the file with TabPFN's weights, or omit TabPFN.",
            setting="tabpfn_weights",
        )
    if not is_checkpoint(path):
        raise InputError(
            f"{path} does not hold weights (a .ckpt file saved by torch, or .safetensors); give "
            "TabPFN's file, with the name that it was published under.",
            setting="tabpfn_weights",
        )
    return TabPFNWeights(path, sha256)


@dataclass(frozen=True, kw_only=True)
class Baselines(Checked, Method):
    """Classical learners, whose parameters are selected from a grid.

    Attributes:
        learners: Their names; see ``learners.names``.
        weights: TabPFN's weights, if it is one of the learners.
        grids: ``own`` for this package's grids, or ``published`` for those of the published
            baselines, with their selection; results then have ``-published`` after the learner's
            name. See ``learners.OWN`` and ``learners.PUBLISHED``.
    """

    learners: tuple[str, ...]
    weights: TabPFNWeights | None = None
    grids: Grids = "own"

    name = "baselines"
    reproducible = True

    def identity(self, work: Work) -> list[Any]:
        """Returns what shapes one learner, whichever others a run fits."""
        return [work.job.variant, plain(self.weights) if "tabpfn" in work.job.variant else None]

    def candidates(self, work: Work) -> int:
        """Returns the number of points of the learner's grid; 0 if cross-validation chooses."""
        learner = self._by_variant()[work.job.variant]
        return 0 if learner.folds is not None else len(learner.points(len(work.splits.train)))

    def jobs(self, specs: Sequence[DataSpec]) -> list[Job]:
        """Returns one job per data set and learner that takes its inputs.

        Raises:
            InputError: No learner is named, one is unknown, none takes the inputs, or there are too
                few examples.
            MissingExtraError: A package or file that a learner needs is missing.
        """
        if not self.learners:
            raise InputError("No learner is named; name one or more.", setting="learners")
        learners = self._by_variant()
        left_out = self.left_out(specs)
        jobs = [
            Job(spec, variant)
            for spec in specs
            for variant in learners
            if spec.function not in left_out.get(variant, ())
        ]
        if specs and not jobs:
            raise InputError(
                f"{' and '.join(learners)} takes {next(iter(learners.values())).only} only; name a "
                "task with such inputs or another learner.",
                setting="learners",
            )
        for job in jobs:
            _check_examples(job.spec, learners[job.variant].folds)
        return jobs

    def left_out(self, specs: Sequence[DataSpec]) -> dict[str, list[str]]:
        """Returns the tasks whose inputs a learner does not take, by its name in results."""
        functions = {spec.function: spec.task.kind for spec in specs}
        found = {
            variant: [name for name, kind in functions.items() if not learner.takes(kind)]
            for variant, learner in self._by_variant().items()
        }
        return {variant: tasks for variant, tasks in found.items() if tasks}

    def taken(self, variant: str) -> str:
        """Returns what inputs a learner takes, in words; empty if it takes all strings."""
        return self._by_variant()[variant].only

    @contextmanager
    def session(
        self, work: Sequence[Work], spent: Sequence[Completion]
    ) -> Iterator["BaselineSession"]:
        """Prepares the learners without loading anything."""
        yield BaselineSession(self._by_variant())

    def _by_variant(self) -> dict[str, Learner]:
        """Returns the learners by the names that their results have."""
        weights = None if self.weights is None else self.weights.path
        suffix = "-published" if self.grids == "published" else ""
        return {
            f"{name}{suffix}": learner_named(name, weights, self.grids) for name in self.learners
        }


def _check_examples(spec: DataSpec, folds: int | None) -> None:
    if folds is None:
        check_selection([spec], "the learners' parameters")
    elif spec.train_size < 2 * folds:
        raise InputError(
            f"There are {spec.train_size} training examples, but {folds}-fold cross-validation "
            f"needs {folds} of each class; give {2 * folds} or more.",
            setting="train_size",
        )


class BaselineSession:
    """Fits learners, one after another."""

    events: tuple[Event, ...] = ()

    def __init__(self, learners: Mapping[str, Learner]) -> None:
        self._learners = learners
        self._held_out: dict[DataKey, HeldOut] = {}

    def learn(self, work: Work, observe: Observe) -> Result:
        """Returns the result of one learner on one data set."""
        name, splits = work.job.variant, work.splits
        sealed = replace(splits, reveal=partial(self._reveal, splits))
        return learn(name, self._learners[name], sealed, observe=observe)

    def _reveal(self, splits: Splits) -> HeldOut:
        """Reads held-out data once for all learners of a data set, which run in sequence."""
        if splits.key not in self._held_out:
            self._held_out = {splits.key: splits.reveal()}
        return self._held_out[splits.key]
