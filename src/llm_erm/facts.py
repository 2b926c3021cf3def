"""Facts about a result that are specific to a method: one record type per method."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Parameter = bool | int | float | str | tuple[int, ...] | None
"""A value in the grid of a classical learner."""


PAPERS = "independent"
"""The paper's strategy."""


@dataclass(frozen=True)
class SynthesisFacts:
    """Facts about a search with a language model.

    Attributes:
        test_accuracies: Test accuracy of each attempt, in [0, 1], measured after the selection;
            None for a program that did not run. The whole field is None unless requested.
        exact_attempts: Number of attempts that are correct on all test and contrast examples; None
            unless all attempts of the budget were drawn.
        pass_at: pass@k by k: the probability that at least one of k proposals is exact; None if
            ``exact_attempts`` is None.
        strategy: ``independent``, ``refine``, ``population``, or the name of the user's own.
        budget: The budget K; None in results of earlier versions.
        tokens_to_selected: Prompt and answer tokens of the attempts up to the selected one; None
            if no program was selected.
        usd_to_selected: Their price in US dollars; None also if any of them is unknown.
    """

    test_accuracies: tuple[float | None, ...] | None = None
    exact_attempts: int | None = None
    pass_at: Mapping[int, float] | None = None
    strategy: str = PAPERS
    budget: int | None = None
    tokens_to_selected: int | None = None
    usd_to_selected: float | None = None
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
    """A program with as many training and validation errors as the selected one.

    Attributes:
        program: Its source.
        bits: Its description length.
    """

    program: str
    bits: float


@dataclass(frozen=True)
class EnumerationFacts:
    """Facts about a search without a language model.

    Attributes:
        inputs: Kind of inputs: ``bits``, ``digits``, ``text`` or ``table``.
        solutions: Number of solutions of the linear equations that were considered.
        considered: Number of programs considered, including these solutions.
        kept: Number of programs kept, one per behaviour; None if programs are sampled.
        stopped_by: Why the search ended: ``found``, or the limit that it reached.
        levels: The counts by description length, shortest first.
        found_by: What found the selected program: ``enumeration``, ``elimination`` or ``sampling``;
            None if no program was selected.
        bits: Description length of the selected program; None if no program was selected.
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
    """Facts about in-context learning; a query whose answer has no label counts as wrong.

    Attributes:
        shots: Number of examples in the prompt.
        accuracy_interval: Exact 95 % interval of the accuracy.
        accuracy_parsed: Accuracy on the queries whose answers state a label; None without any.
        accuracy_parsed_interval: Exact 95 % interval of ``accuracy_parsed``.
        differs_from_chance: Whether the correct labels, or the wrong ones, are significantly more
            than half of all queries; those without a label are neither.
        predicted_1: Number of queries that were answered with label 1.
        log_loss: Mean negative log-likelihood of the true labels in nats; None without
            probabilities.
        prompt_tokens_computed: Number of prompt tokens not found in a cache; None if unknown.
        first_seconds: Wall time to the first answer; None without new answers.
        queries_per_second: Rate of the later answers; None with fewer than two new answers.
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
        train_accuracy: Fraction of correct predictions on the training set.
        test_loss: The loss on the test set.
        test_accuracy: The accuracy on the test set.
        seconds: Wall time since training began, including earlier parts of a resumed run.
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
    """Facts about training a transformer; all numbers are those of the final weights.

    Attributes:
        train_size: Number of examples in the training set.
        train_loss: Mean binary cross-entropy on it.
        test_loss: Mean binary cross-entropy on the test set.
        epochs: Number of epochs trained.
        steps: Number of steps taken.
        samples: Number of examples seen, including repetitions.
        parameters: Number of parameters of the model.
        trained_parameters: Number of parameters that training changes.
        context_length: Maximum number of tokens per input.
        vocabulary: Size of the vocabulary.
        device: Where the model was trained.
        curve: The evaluations, in order.
        accuracy_at_length: Test accuracy at other input lengths, if requested.
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
    """Accuracy at one point of a learner's grid.

    Attributes:
        parameters: The point, by the library's parameter names.
        train_accuracy: Accuracy on the training examples; in a cross-validation, the mean on the
            examples of the other folds.
        validation_accuracy: Accuracy on the validation examples; in a cross-validation, the mean on
            the fold left out.
    """

    parameters: Mapping[str, Parameter]
    train_accuracy: float
    validation_accuracy: float


@dataclass(frozen=True)
class BaselineFacts:
    """Facts about a classical learner.

    Attributes:
        learner: Its name.
        parameters: The point of the grid that was selected.
        grid: All points with their accuracies.
        circuit: The gates that genetic programming found, as text; None for other learners.
        folds: Number of folds of the cross-validation on the training examples that selected; None
            if the validation examples selected.
    """

    learner: str
    parameters: Mapping[str, Parameter]
    grid: tuple[GridScore, ...]
    circuit: str | None = None
    folds: int | None = None
    method: Literal["baseline"] = "baseline"


Facts = SynthesisFacts | EnumerationFacts | IncontextFacts | TrainingFacts | BaselineFacts
