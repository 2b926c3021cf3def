"""What a search leaves behind: candidates, verdicts, attempts and the run that holds them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_erm.llms.llm import Completion
from llm_erm.sandbox import INVALID, Status


@dataclass(frozen=True)
class Candidate:
    """A proposed program, or the reason there is none.

    Attributes:
        source: Python source that defines the program, or None.
        reason: Why there is no source; None where there is one.
        completion: The answer it came from.
        prompt: The prompt that was answered.
    """

    source: str | None
    reason: str | None
    completion: Completion
    prompt: str


@dataclass(frozen=True)
class Verdict:
    """How a program did on one data set.

    Attributes:
        status: ``ok``, or why the program has no predictions.
        correct: Number of right predictions.
        invalid: Number of inputs without a prediction; they count as wrong.
        total: Number of examples.
        message: Why the program failed, or else its first exception; untrusted text.
        cpu_seconds: CPU time of the execution; data sets that were run together share it.
    """

    status: Status
    correct: int
    invalid: int
    total: int
    message: str | None = None
    cpu_seconds: float = 0.0

    @property
    def accuracy(self) -> float:
        """Fraction of right predictions, in [0, 1]."""
        return self.correct / self.total

    @property
    def errors(self) -> int:
        """Number of examples that were not predicted right."""
        return self.total - self.correct

    @property
    def perfect(self) -> bool:
        """Whether every prediction is right."""
        return self.status == "ok" and self.correct == self.total


def score(predictions: NDArray[np.uint8], labels: NDArray[np.uint8]) -> tuple[int, int]:
    """Returns the numbers of right and of invalid predictions; both arrays have shape (n,)."""
    return int(np.sum(predictions == labels)), int(np.sum(predictions == INVALID))


@dataclass(frozen=True)
class Attempt:
    """A candidate with its verdicts on the data that may shape the choice; it holds no test data.

    Attributes:
        index: Which attempt this is, counted from 1.
        candidate: What was proposed.
        train: Verdict on the training examples.
        validation: Verdict on the validation examples.
        duplicate_of: Index of the first attempt with the same source, whose verdicts these are.
    """

    index: int
    candidate: Candidate
    train: Verdict
    validation: Verdict
    duplicate_of: int | None = None


@dataclass(frozen=True)
class Bound:
    """An upper bound on the true error of what was learned, and what it rests on.

    Attributes:
        error_upper_bound: The error is at most this, in [0, 1], at the certificate's confidence.
        errors: Errors on the examples that it is computed from.
        examples: Number of these examples.
        choices: Among how many it holds at once, fixed beforehand; None where all programs of a
            code share the failure probability by their lengths.
        assumes: When it holds, and for which inputs, in words.
    """

    error_upper_bound: float
    errors: int
    examples: int
    choices: int | None
    assumes: str


@dataclass(frozen=True)
class Certificate:
    """What the evidence guarantees; each bound holds by itself, and is None where it does not.

    Attributes:
        confidence: Probability, over the draw of the examples, that one of the bounds holds.
        validation: From the validation examples, for the best of K candidates.
        test: From the test examples, which chose nothing.
        occam: From training and validation examples without error and a description length.
        paper: The paper's own, from the numbers of candidates and of validation examples alone.
    """

    confidence: float
    validation: Bound | None = None
    test: Bound | None = None
    occam: Bound | None = None
    paper: Bound | None = None

    @property
    def error_upper_bound(self) -> float | None:
        """The validation bound, or the test bound where nothing was chosen by validation.

        Which one is fixed beforehand: the least of several bounds holds less often than each.
        """
        bound = self.validation or self.test
        return None if bound is None else bound.error_upper_bound


@dataclass(frozen=True)
class Run:
    """The result of one method on one task; every method returns this, so their scores compare.

    Attributes:
        method: What learned: ``synthesis``, ``enumeration``, ``incontext``, ``training`` or the
            name of a baseline.
        function: The task's id.
        length: Length of the training inputs.
        seed: Base seed of the data.
        model: ``provider:model``, or what stands in its place.
        settings: Everything that shapes the result, the budget included.
        test: Verdict of what was learned on the test examples.
        probe: Its verdict next to the rule's boundary, where the task has such a set.
        length_shift: Its verdict at other lengths, where the task has such a set.
        certificate: Bounds on its error; None where nothing was selected or none holds.
        seconds: Wall time of the search.
        notices: What a reader must know to trust the figures.
        attempts: All attempts of a search over programs, in order.
        selected: The attempt with the lowest validation error, or None when none ran.
        isolation: Level of the sandbox that ran the programs; None where none were run.
        trial: Which of several data sets drawn alike, counted from 1.
        data_sha256: Digest of the data, ``Splits.sha256``; runs compare where theirs agree.
        examples: Number of labelled examples that it learned and selected from.
        details: What only this method has to tell; JSON values.
    """

    method: str
    function: str
    length: int
    seed: int
    model: str
    settings: Mapping[str, Any]
    test: Verdict | None
    probe: Verdict | None
    length_shift: Verdict | None
    certificate: Certificate | None
    seconds: float
    notices: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    selected: Attempt | None = None
    isolation: str | None = None
    trial: int = 1
    data_sha256: str = ""
    examples: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
