"""What results are made of: candidates, verdicts, attempts, bounds and the one `Result`."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, SerializerFunctionWrapHandler, WrapSerializer

from llm_erm.facts import Facts, IncontextFacts
from llm_erm.llms.llm import Completion
from llm_erm.sandbox import INVALID, Status
from llm_erm.tasks.task import DataKey

VERSION = 2
"""Version of the layout of a `Result`; raised whenever a field changes its meaning."""


@dataclass(frozen=True)
class Candidate:
    """A proposed program, or the reason why there is none.

    Attributes:
        source: Python source that defines the program, or None.
        reason: Why there is no source; None where there is one.
    """

    source: str | None
    reason: str | None = None


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
            code share the failure probability by their description lengths.
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
class Cost:
    """What a model's answers took together.

    Attributes:
        prompt_tokens: Tokens of the prompts.
        completion_tokens: Tokens of the answers.
        tool_calls: Uses of a tool.
        usd: Price in US dollars; None where the price of an answer is unknown.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    tool_calls: int = 0
    usd: float | None = 0.0


def cost_of(completions: Iterable[Completion]) -> Cost:
    """Sums usage and cost; the cost is None if any is unknown."""
    told = list(completions)
    prices = [completion.cost_usd for completion in told]
    known = [price for price in prices if price is not None]
    return Cost(
        prompt_tokens=sum(completion.usage.prompt_tokens for completion in told),
        completion_tokens=sum(completion.usage.completion_tokens for completion in told),
        tool_calls=sum(len(completion.tool_calls) for completion in told),
        usd=sum(known) if len(known) == len(prices) else None,
    )


def _with_accuracy(verdict: Verdict, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
    accuracy = verdict.accuracy if verdict.status == "ok" and verdict.total else None
    return {**plain(verdict), "accuracy": accuracy}


def _with_bound(certificate: Certificate, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
    return {"error_upper_bound": certificate.error_upper_bound, **plain(certificate)}


# What a script wants to read is written beside what it follows from, and ignored when read back.
_Verdict = Annotated[Verdict, WrapSerializer(_with_accuracy)]
_Certificate = Annotated[Certificate, WrapSerializer(_with_bound)]


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one method learned from one data set; every method returns this, so results compare.

    Attributes:
        method: What learned: ``synthesis``, ``enumeration``, ``incontext``, ``training`` or
            ``baseline:`` and the name of a learner.
        model: ``provider:model``, or what stands in its place.
        data: The data set.
        variant: What tells the results of one method on one data set apart, as in ``shots=20``;
            empty where there is one.
        examples: Number of labelled examples that it learned and selected from.
        attempts: Candidates that were proposed; 0 where nothing was searched.
        duplicates: Those with the program of an earlier one.
        selected_attempt: Index of the attempt with the lowest validation error; None where no
            program ran.
        program: Its source.
        candidates_to_selected: Candidates up to the selected one, itself included; None where
            that is not known.
        seconds_to_selected: Wall time up to its verdict; None where that is not known.
        train: Verdict of what was learned on the training examples.
        validation: Verdict on the validation examples, where they chose it.
        test: Verdict on the test examples.
        contrast: Verdict on the contrast set, next to the rule's boundary; None where the task has
            none.
        length_generalization: Verdict at other lengths; None where the task has no such set.
        certificate: Bounds on its error; None where nothing was selected or none holds.
        isolation: Level of the sandbox that ran the programs; None where none were run.
        cost: What the model's answers took.
        seconds: Wall time of the search.
        notices: What a reader must know to trust the figures.
        facts: What only this method has to tell.
        version: Version of this layout.
    """

    method: str
    model: str
    data: DataKey
    variant: str = ""
    examples: int
    attempts: int = 0
    duplicates: int = 0
    selected_attempt: int | None = None
    program: str | None = None
    candidates_to_selected: int | None = None
    seconds_to_selected: float | None = None
    train: _Verdict | None = None
    validation: _Verdict | None = None
    test: _Verdict | None = None
    contrast: _Verdict | None = None
    length_generalization: _Verdict | None = None
    certificate: _Certificate | None = None
    isolation: str | None = None
    cost: Cost = Cost()
    seconds: float
    notices: tuple[str, ...] = ()
    facts: Annotated[Facts, Field(discriminator="method")]
    version: int = VERSION

    @property
    def exact(self) -> bool:
        """Whether all test examples are right, and all of the contrast set where there is one.

        A sample of the test data, which is what in-context learning is asked about, never shows
        that.
        """
        if isinstance(self.facts, IncontextFacts) or self.test is None:
            return False
        return self.test.perfect and (self.contrast is None or self.contrast.perfect)

    @property
    def name(self) -> str:
        """The task, the length, the variant and, after the first, the trial."""
        return " ".join(filter(None, (self.data.name, self.variant)))

    def flat(self) -> dict[str, Any]:
        """Returns one row for a data frame: the figures that every method has, by short names."""
        verdicts = ("train", "validation", "test", "contrast", "length_generalization")
        return {
            "method": self.method,
            "model": self.model,
            **asdict(self.data),
            "variant": self.variant,
            "examples": self.examples,
            "attempts": self.attempts,
            **{f"{name}_accuracy": _accuracy(getattr(self, name)) for name in verdicts},
            "error_upper_bound": self.certificate and self.certificate.error_upper_bound,
            "exact": self.exact,
            "program": self.program,
            "cost_usd": self.cost.usd,
            "seconds": self.seconds,
        }


def _accuracy(verdict: Verdict | None) -> float | None:
    return verdict.accuracy if verdict is not None and verdict.status == "ok" else None
