"""What only one method has to tell of a result: one record per method."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Parameter = bool | int | float | str | tuple[int, ...] | None
"""A value in the grid of a classical learner."""


@dataclass(frozen=True)
class SynthesisFacts:
    """What a search with a language model has to tell.

    Attributes:
        test_accuracies: Test accuracy of each attempt, in [0, 1]; None for one whose program did
            not run. Measured after the choice, and only where it was asked for; else None.
        exact_attempts: Attempts that are right on all test and contrast examples. Measured only
            where all attempts of the budget were drawn; else None.
        pass_at: pass@k by k: the probability that one of k proposals is exact. Empty where
            ``exact_attempts`` is None.
    """

    test_accuracies: tuple[float | None, ...] | None = None
    exact_attempts: int | None = None
    pass_at: Mapping[int, float] | None = None
    method: Literal["synthesis"] = "synthesis"


@dataclass(frozen=True)
class LevelCount:
    """Counts for the programs of one description length.

    Attributes:
        bits: Their description length, including the sign.
        considered: Number of programs considered.
        kept: Number of programs that are not observationally equivalent to an earlier one.
        parts: Number of texts and numbers kept at that length, to build programs from.
        seconds: Wall time since the search started.
        complete: Whether all programs of that length were considered.
    """

    bits: float
    considered: int
    kept: int
    parts: int
    seconds: float
    complete: bool


@dataclass(frozen=True)
class Tied:
    """A program with the errors of the selected one on training and validation data.

    Attributes:
        program: Its source.
        bits: Its description length.
    """

    program: str
    bits: float


@dataclass(frozen=True)
class EnumerationFacts:
    """What a search without a language model has to tell.

    Attributes:
        inputs: What the inputs are: ``bits``, ``digits``, ``text`` or ``table``.
        solutions: Solutions of the linear equations that were considered.
        considered: Programs considered, those included.
        kept: Programs kept, one per behaviour; None where programs are sampled.
        stopped_by: Why the search ended: ``found``, or the limit that it reached.
        levels: The counts by description length, shortest first.
        found_by: What found the selected program: ``enumeration``, ``elimination`` or ``sampling``;
            None where none was selected.
        bits: Description length of the selected program; None where none was selected.
        tied: Other programs with the same training and validation errors.
        cpu_seconds: CPU time of the search.
        peak_memory_bytes: Peak memory of the process.
    """

    inputs: str
    solutions: int
    considered: int
    kept: int | None
    stopped_by: str
    levels: tuple[LevelCount, ...]
    found_by: str | None
    bits: float | None
    tied: tuple[Tied, ...]
    cpu_seconds: float
    peak_memory_bytes: int
    method: Literal["enumeration"] = "enumeration"


@dataclass(frozen=True)
class IncontextFacts:
    """What in-context learning has to tell; a query whose answer has no label counts as wrong.

    Attributes:
        shots: Examples in the prompt.
        accuracy_interval: Exact 95 % interval on the accuracy.
        accuracy_parsed: Accuracy on the queries whose answers state a label; None without any.
        accuracy_parsed_interval: Its exact 95 % interval.
        differs_from_chance: Whether the latter excludes one half.
        predicted_1: Queries that were answered with label 1.
        log_loss: Mean negative log-likelihood of the true labels in nats; None without
            probabilities.
        prompt_tokens_computed: Prompt tokens not found in a cache; None where unknown.
        first_seconds: Wall time to the first answer; None where nothing was asked.
        queries_per_second: Rate of the later answers; None where fewer than two were asked.
    """

    shots: int
    accuracy_interval: tuple[float, float]
    accuracy_parsed: float | None
    accuracy_parsed_interval: tuple[float, float]
    differs_from_chance: bool
    predicted_1: int
    log_loss: float | None
    prompt_tokens_computed: int | None
    first_seconds: float | None
    queries_per_second: float | None
    method: Literal["incontext"] = "incontext"


@dataclass(frozen=True)
class CurvePoint:
    """One evaluation of a model in training; a loss that is not finite is None.

    Attributes:
        epoch: Epochs trained before it.
        step: Steps taken before it.
        train_loss: Mean binary cross-entropy on the training set.
        train_accuracy: Fraction of right predictions on the training set.
        test_loss: The same on the test set.
        test_accuracy: The same on the test set.
        seconds: Wall time since training began, earlier parts of a resumed run included.
    """

    epoch: int
    step: int
    train_loss: float | None
    train_accuracy: float
    test_loss: float | None
    test_accuracy: float
    seconds: float


@dataclass(frozen=True)
class TrainingFacts:
    """What training a transformer has to tell; all figures are those of the final weights.

    Attributes:
        train_size: Examples of the training set.
        train_loss: Mean binary cross-entropy on it.
        test_loss: Mean binary cross-entropy on the test set.
        epochs: Epochs trained.
        steps: Steps taken.
        samples: Examples seen, repetitions included.
        parameters: Parameters of the model.
        trained_parameters: Those that training changes.
        context_length: Tokens that an input may have.
        vocabulary: Size of the vocabulary.
        device: Where the model was trained.
        curve: The evaluations, in order.
        accuracy_at_length: Test accuracy by the length of the inputs, where other lengths were
            asked for.
    """

    train_size: int
    train_loss: float | None
    test_loss: float | None
    epochs: int
    steps: int
    samples: int
    parameters: int
    trained_parameters: int
    context_length: int
    vocabulary: int
    device: str
    curve: tuple[CurvePoint, ...]
    accuracy_at_length: Mapping[int, float]
    method: Literal["training"] = "training"


@dataclass(frozen=True)
class GridScore:
    """How one point of a learner's grid did.

    Attributes:
        parameters: The point, by the library's own names.
        train_accuracy: Accuracy on the training examples.
        validation_accuracy: Accuracy on the validation examples.
    """

    parameters: Mapping[str, Parameter]
    train_accuracy: float
    validation_accuracy: float


@dataclass(frozen=True)
class BaselineFacts:
    """What a classical learner has to tell.

    Attributes:
        learner: Its name.
        parameters: The point of the grid that validation chose.
        grid: All points with their accuracies.
        circuit: The gates that genetic programming found, as text; None for other learners.
    """

    learner: str
    parameters: Mapping[str, Parameter]
    grid: tuple[GridScore, ...]
    circuit: str | None = None
    method: Literal["baseline"] = "baseline"


Facts = SynthesisFacts | EnumerationFacts | IncontextFacts | TrainingFacts | BaselineFacts
