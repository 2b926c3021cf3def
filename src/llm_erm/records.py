"""Records of results: candidates, verdicts, attempts, costs and `Result` itself."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, SerializerFunctionWrapHandler, WrapSerializer

from llm_erm.certificates import Certificate
from llm_erm.counts import check_amounts, check_counts
from llm_erm.errors import InputError
from llm_erm.execution import INVALID, Status
from llm_erm.facts import Facts, IncontextFacts
from llm_erm.llms.llm import Completion
from llm_erm.markup import escaped
from llm_erm.mistakes import DATA_NAMES, MOST, Mistakes
from llm_erm.phrases import percent
from llm_erm.tasks.task import DataKey

VERSION = 2
"""Version of the layout of a `Result`; raised whenever a field changes its meaning."""


@dataclass(frozen=True)
class Candidate:
    """A proposed program, or the reason why there is none.

    Attributes:
        source: Python source that defines the program, or None.
        reason: Why there is no source; None if there is one.
    """

    source: str | None
    reason: str | None = None


@dataclass(frozen=True)
class Verdict:
    """The outcome of a program on one data set.

    Attributes:
        status: ``ok``, or why the program has no predictions.
        correct: Number of correct predictions.
        invalid: Number of inputs without a prediction; they count as wrong.
        total: Number of examples.
        message: Why the program failed, or else its first exception; untrusted text.
        cpu_seconds: CPU time of the execution, which data sets that ran together share.
    """

    status: Status
    correct: int
    invalid: int
    total: int
    message: str | None = None
    cpu_seconds: float = 0.0

    def __post_init__(self) -> None:
        """Refuses counts that no data set can have, such as those of an edited file."""
        if not (self.correct >= 0 and 0 <= self.invalid <= self.total - self.correct):
            raise ValueError(
                f"{self.correct} correct and {self.invalid} invalid of {self.total} are not counts"
            )
        check_counts(total=self.total)
        check_amounts(cpu_seconds=self.cpu_seconds)

    @property
    def accuracy(self) -> float:
        """Fraction of correct predictions, in [0, 1]."""
        return self.correct / self.total

    @property
    def errors(self) -> int:
        """Number of examples that were not predicted correctly."""
        return self.total - self.correct

    @property
    def perfect(self) -> bool:
        """Whether every prediction is correct."""
        return self.status == "ok" and self.correct == self.total


def _check_examples(**verdicts: Verdict | None) -> None:
    """Refuses verdicts on no examples, which have no accuracy."""
    for name, verdict in verdicts.items():
        if verdict is not None and verdict.total == 0:
            raise ValueError(f"the {name} verdict is on no examples")


def accuracy(verdict: Verdict | None) -> float | None:
    """Returns the accuracy of a verdict; None without a verdict or if the program failed."""
    return verdict.accuracy if verdict is not None and verdict.status == "ok" else None


def score(predictions: NDArray[np.uint8], labels: NDArray[np.uint8]) -> tuple[int, int]:
    """Returns the numbers of correct and of invalid predictions; both arrays have shape (n,)."""
    return int(np.sum(predictions == labels)), int(np.sum(predictions == INVALID))


@dataclass(frozen=True)
class Attempt:
    """A candidate with its verdicts on the data used for selection; it holds no test data.

    Attributes:
        index: Index of the attempt, counted from 1.
        candidate: The proposal.
        train: Verdict on the training examples.
        validation: Verdict on the validation examples.
        duplicate_of: Index of the first attempt with the same source, whose verdicts these are.
    """

    index: int
    candidate: Candidate
    train: Verdict
    validation: Verdict
    duplicate_of: int | None = None

    def __post_init__(self) -> None:
        """Refuses indices and verdicts that no attempt has."""
        check_counts(least=1, index=self.index, duplicate_of=self.duplicate_of)
        _check_examples(train=self.train, validation=self.validation)


@dataclass(frozen=True)
class Cost:
    """What all answers of a model cost together.

    Attributes:
        prompt_tokens: Number of prompt tokens.
        completion_tokens: Number of answer tokens.
        tool_calls: Number of tool calls.
        usd: Price in US dollars; None if the price of any answer is unknown.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    tool_calls: int = 0
    usd: float | None = 0.0


def cost_of(completions: Iterable[Completion]) -> Cost:
    """Returns the total usage and cost of completions; the price is None if any is unknown."""
    answers = list(completions)
    prices = [completion.cost_usd for completion in answers]
    known = [price for price in prices if price is not None]
    return Cost(
        prompt_tokens=sum(completion.usage.prompt_tokens for completion in answers),
        completion_tokens=sum(completion.usage.completion_tokens for completion in answers),
        tool_calls=sum(len(completion.tool_calls) for completion in answers),
        usd=sum(known) if len(known) == len(prices) else None,
    )


def _with_accuracy(verdict: Verdict, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
    accuracy = verdict.accuracy if verdict.status == "ok" and verdict.total else None
    return {**plain(verdict), "accuracy": accuracy}


def _with_bound(certificate: Certificate, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
    return {"error_upper_bound": certificate.error_upper_bound, **plain(certificate)}


def _known(version: int) -> int:
    if version != VERSION:
        raise InputError(
            f"The layout of this result has version {version}, and this llm-erm reads version "
            f"{VERSION}; use the llm-erm that wrote it, or name another folder."
        )
    return version


_Version = Annotated[int, AfterValidator(_known)]
# Derived values that scripts want are written as well, and ignored when a result is read back.
_Verdict = Annotated[Verdict, WrapSerializer(_with_accuracy)]
_Certificate = Annotated[Certificate, WrapSerializer(_with_bound)]


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one method learned from one data set; all methods return this, so results compare.

    Attributes:
        method: ``synthesis``, ``enumeration``, ``incontext``, ``training``, or ``baseline:`` and
            the name of a learner.
        model: ``provider:model``, or the name of the learner or search.
        data: The data set.
        variant: Distinguishes the results of one method on one data set, as in ``shots=20``; empty
            if there is only one.
        examples: Number of labelled examples that it learned and selected from.
        attempts: Number of proposed candidates; 0 if there was no search.
        duplicates: Number of attempts that repeat an earlier program.
        selected_attempt: Index of the attempt with the lowest validation error; None if no program
            ran.
        program: Its source.
        candidates_to_selected: Number of candidates up to and including the selected one; None if
            unknown.
        seconds_to_selected: Wall time up to its verdict; None if unknown.
        train: Verdict on the training examples.
        validation: Verdict on the validation examples, if they were used for selection.
        test: Verdict on the test examples.
        contrast: Verdict on the contrast set, next to the rule's boundary; None if the task has
            none.
        length_generalization: Verdict at other lengths; None if the task has no such set.
        mistakes: The first inputs that were not predicted correctly, by the verdict's name.
        certificate: Bounds on the error; None if nothing was selected or no bound holds.
        isolation: Isolation level of the sandbox that ran the programs; None if no sandbox did.
        cost: Cost of the model's answers.
        seconds: Wall time of the search.
        notices: What one must know to interpret the numbers.
        facts: Facts that are specific to the method.
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
    mistakes: Mistakes = field(default_factory=dict)
    certificate: _Certificate | None = None
    isolation: str | None = None
    cost: Cost = Cost()
    seconds: float
    notices: tuple[str, ...] = ()
    facts: Annotated[Facts, Field(discriminator="method")]
    version: _Version = VERSION

    def __post_init__(self) -> None:
        """Refuses what no method results in, such as a program that was selected by nothing."""
        check_counts(
            examples=self.examples,
            attempts=self.attempts,
            duplicates=self.duplicates,
            selected_attempt=self.selected_attempt,
            candidates_to_selected=self.candidates_to_selected,
        )
        check_amounts(seconds=self.seconds, seconds_to_selected=self.seconds_to_selected)
        _check_examples(
            train=self.train,
            validation=self.validation,
            test=self.test,
            contrast=self.contrast,
            length_generalization=self.length_generalization,
        )
        for name, wrong in self.mistakes.items():
            verdict: Verdict | None = getattr(self, name)
            counted = verdict.errors if verdict is not None and verdict.status == "ok" else 0
            if len(wrong) > min(counted, MOST):
                raise ValueError(f"there are {len(wrong)} {name} mistakes, more than can be")
        if self.program is not None and (self.train is None or self.validation is None):
            raise ValueError("a program has verdicts on the training and the validation examples")

    @property
    def exact(self) -> bool:
        """Whether all test examples, and all examples of a contrast set, are predicted correctly.

        It is False for in-context learning, which sees only a sample of the test data.
        """
        if isinstance(self.facts, IncontextFacts) or self.test is None:
            return False
        return self.test.perfect and (self.contrast is None or self.contrast.perfect)

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """The verdicts that there are, by the data that they are on."""
        named: dict[str, Verdict | None] = {
            words: getattr(self, name) for name, words in DATA_NAMES.items()
        }
        return {name: verdict for name, verdict in named.items() if verdict is not None}

    def _repr_html_(self) -> str:
        """Returns what was learned and what is known of it, as notebooks show it.

        Its classes tell MathJax that no text in it is a formula.
        """
        rows = "".join(
            f'<tr><th scope="row">{name}</th>'
            f"<td>{one.correct:,} of {one.total:,}</td>"
            f"<td>{percent(one.accuracy) if one.status == 'ok' else one.status}</td></tr>"
            for name, one in self.verdicts.items()
        )
        sentences = [*(self.certificate.in_words if self.certificate else ()), *self.notices]
        return (
            '<div class="tex2jax_ignore mathjax_ignore">'
            f"<p><b>{escaped(self.data.name)}</b>, {escaped(self.method)} {escaped(self.model)}</p>"
            + ("" if self.program is None else f"<pre>{escaped(self.program)}</pre>")
            + f"<table>{rows}</table>"
            + f"<ul>{''.join(f'<li>{escaped(one)}</li>' for one in sentences)}</ul></div>"
        )

    def flat(self) -> dict[str, Any]:
        """Returns one row for a data frame: the values that every method has, by short names."""
        verdicts = ("train", "validation", "test", "contrast", "length_generalization")
        return {
            "method": self.method,
            "model": self.model,
            **asdict(self.data),
            "variant": self.variant,
            "examples": self.examples,
            "attempts": self.attempts,
            **{f"{name}_accuracy": accuracy(getattr(self, name)) for name in verdicts},
            "error_upper_bound": self.certificate and self.certificate.error_upper_bound,
            "exact": self.exact,
            "program": self.program,
            "cost_usd": self.cost.usd,
            "seconds": self.seconds,
        }
