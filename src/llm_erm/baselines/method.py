"""Classical learners as a method that runs can use: one job per data set and learner."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

from llm_erm.baselines.learn import learn
from llm_erm.baselines.learners import Learner, is_checkpoint, learner_named
from llm_erm.erm.select import check_selection
from llm_erm.errors import InputError
from llm_erm.llms.llm import Completion
from llm_erm.records import Result
from llm_erm.runs.events import Event, Observe
from llm_erm.runs.fingerprint import file_digest
from llm_erm.runs.jobs import Job, Method, Work
from llm_erm.settings import OPERATIONAL
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
            f"There is no file {path}; give the path of TabPFN's weights, or omit it.",
            setting="tabpfn_weights",
        )
    if not is_checkpoint(path):
        raise InputError(
            f"{path} does not hold weights (a .ckpt file saved by torch, or .safetensors); name "
            "TabPFN's file under its published name.",
            setting="tabpfn_weights",
        )
    return TabPFNWeights(path, sha256)


@dataclass(frozen=True, kw_only=True)
class Baselines(Method):
    """Classical learners, whose parameters validation data select from a grid.

    Attributes:
        learners: Their names; see ``learners.NAMES``.
        weights: TabPFN's weights, if it is one of the learners.
    """

    learners: tuple[str, ...]
    weights: TabPFNWeights | None = None

    name = "baselines"
    reproducible = True

    def candidates(self, work: Work) -> int:
        """Returns the number of points of the learner's grid."""
        learner = learner_named(work.job.variant, self._weights_path)
        return len(learner.points(len(work.splits.train)))

    def jobs(self, specs: Sequence[DataSpec]) -> list[Job]:
        """Returns one job per data set and learner.

        Raises:
            InputError: No learner is named, one is unknown, or there are too few validation
                examples.
            MissingExtraError: A package or file that a learner needs is missing.
        """
        if not self.learners:
            raise InputError("No learner is named; name one or more.", setting="learners")
        for name in self.learners:
            learner_named(name, self._weights_path)
        check_selection(specs, "the learners' parameters")
        return [Job(spec, name) for spec in specs for name in dict.fromkeys(self.learners)]

    @contextmanager
    def session(
        self, work: Sequence[Work], spent: Sequence[Completion]
    ) -> Iterator["BaselineSession"]:
        """Prepares the learners without loading anything."""
        learners = {name: learner_named(name, self._weights_path) for name in self.learners}
        yield BaselineSession(learners)

    @property
    def _weights_path(self) -> Path | None:
        return None if self.weights is None else self.weights.path


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
