"""Fits a classical learner and selects its parameters by validation or cross-validation."""

import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from statistics import mean

import numpy as np
from numpy.typing import NDArray

from llm_erm.baselines.encode import encoder
from llm_erm.baselines.genetic import GeneticProgramming
from llm_erm.baselines.learners import Estimator, Learner
from llm_erm.erm.bounds import certify
from llm_erm.erm.verify import labels_of
from llm_erm.facts import BaselineFacts, GridScore, Parameter
from llm_erm.mistakes import DataName, Mistake, mistakes_in
from llm_erm.records import Result, Verdict, score
from llm_erm.runs.events import Advanced, Observe, Started, ignore
from llm_erm.tasks.task import Dataset, Splits


@dataclass(frozen=True)
class _Examples:
    """Encoded inputs of shape ``(n, width)`` and labels of shape ``(n,)``."""

    inputs: NDArray[np.float32]
    labels: NDArray[np.uint8]

    def at(self, indices: NDArray[np.intp]) -> "_Examples":
        return _Examples(self.inputs[indices], self.labels[indices])


@dataclass(frozen=True)
class _Selected:
    """The selected classifier, with all points of the grid."""

    classifier: Estimator
    point: Mapping[str, Parameter]
    grid: tuple[GridScore, ...]


def learn(
    name: str,
    learner: Learner,
    splits: Splits,
    *,
    confidence: float = 0.95,
    observe: Observe = ignore,
) -> Result:
    """Returns the result of the point of the grid that is selected.

    All points are fitted to the training data, and the lowest validation error is selected, so the
    size of the grid is the budget K of the certificate. Ties go to the lower training error, then
    to the earlier point. Validation examples are not used for fitting.

    A learner with folds leaves the validation examples unused: the highest mean accuracy in
    stratified cross-validation on the training data is selected, ties go to the earlier point, and
    only test data support a bound.

    Args:
        name: Name of the learner.
        learner: The learner and its grid.
        splits: The labelled data. The held-out data are read once, after the selection.
        confidence: Probability with which each bound of the certificate holds.
        observe: Receives the progress after each point.

    Raises:
        InputError: The inputs are not strings.
    """
    started = time.monotonic()
    encode = encoder(splits.kind, splits.train.inputs)

    def encoded(data: Dataset) -> _Examples:
        return _Examples(encode(data.inputs), labels_of(data))

    seed, train = splits.key.seed, encoded(splits.train)
    if learner.folds is None:
        best = _by_validation(learner, seed, train, encoded(splits.validation), observe)
    else:
        best = _by_folds(learner, seed, train, learner.folds, observe)
    held_out = splits.reveal()
    judged: dict[DataName, Dataset | None] = {
        "train": splits.train,
        "validation": splits.validation if learner.folds is None else None,
        "test": held_out.test,
        "contrast": held_out.contrast,
    }
    verdicts: dict[DataName, Verdict] = {}
    mistakes: dict[DataName, tuple[Mistake, ...]] = {}
    for data_name, data in judged.items():
        if data is not None:
            predictions = _predict(best.classifier, encode(data.inputs))
            verdicts[data_name] = _verdict(predictions, labels_of(data))
            mistakes[data_name] = mistakes_in(data, predictions.tolist())
    return Result(
        method=f"baseline:{name}",
        model=name,
        data=splits.key,
        variant=name,
        examples=splits.examples if learner.folds is None else len(splits.train),
        train=verdicts["train"],
        validation=verdicts.get("validation"),
        test=verdicts["test"],
        contrast=verdicts.get("contrast"),
        length_generalization=None,  # the number of columns is fixed, so other lengths do not fit
        mistakes=mistakes,
        certificate=certify(
            splits,
            verdicts["test"],
            validation=verdicts.get("validation"),
            budget=len(best.grid),
            confidence=confidence,
        ),
        seconds=round(time.monotonic() - started, 3),
        notices=splits.warnings,
        facts=_facts(name, learner, best),
    )


def _by_validation(
    learner: Learner, seed: int, train: _Examples, validation: _Examples, observe: Observe
) -> _Selected:
    points = learner.points(len(train.labels))
    observe(Started(len(points)))
    fitted = []
    for point in points:
        classifier = _fit(learner, point, seed, train)
        verdicts = _judge(classifier, train), _judge(classifier, validation)
        fitted.append((classifier, point, *verdicts))
        observe(Advanced(len(fitted)))
    best = min(fitted, key=lambda one: (one[3].errors, one[2].errors))
    grid = tuple(
        GridScore(point, on_train.accuracy, on_validation.accuracy)
        for _, point, on_train, on_validation in fitted
    )
    return _Selected(*best[:2], grid)


def _by_folds(
    learner: Learner, seed: int, train: _Examples, folds: int, observe: Observe
) -> _Selected:
    from sklearn.model_selection import StratifiedKFold

    divisions = list(StratifiedKFold(folds).split(train.inputs, train.labels))
    points = learner.points(min(len(rest) for rest, _ in divisions))
    observe(Started(len(points)))
    fractions, grid = [], []
    for point in points:
        on_rest, on_fold = [], []
        for rest, fold in divisions:
            classifier = _fit(learner, point, seed, train.at(rest))
            on_rest.append(_fraction(_judge(classifier, train.at(rest))))
            on_fold.append(_fraction(_judge(classifier, train.at(fold))))
        fractions.append(mean(on_fold))
        grid.append(GridScore(point, float(mean(on_rest)), float(fractions[-1])))
        observe(Advanced(len(grid)))
    point = points[fractions.index(max(fractions))]
    classifier = _fit(learner, point, seed, train)
    return _Selected(classifier, point, tuple(grid))


def _fraction(verdict: Verdict) -> Fraction:
    return Fraction(verdict.correct, verdict.total)  # exact, so that ties are ties


def _fit(
    learner: Learner, point: Mapping[str, Parameter], seed: int, train: _Examples
) -> Estimator:
    classifier = learner.make(point, seed)
    with warnings.catch_warnings():
        # The limits on iterations are part of the grid; reaching one is not an error.
        warnings.filterwarnings("ignore", message=".*(reached|failed to converge|maximum iter).*")
        classifier.fit(train.inputs, train.labels)
    return classifier


def _judge(classifier: Estimator, data: _Examples) -> Verdict:
    return _verdict(_predict(classifier, data.inputs), data.labels)


def _predict(classifier: Estimator, inputs: NDArray[np.float32]) -> NDArray[np.uint8]:
    return classifier.predict(inputs).astype(np.uint8)


def _verdict(predictions: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Verdict:
    return Verdict("ok", *score(predictions, labels), len(labels))


def _facts(name: str, learner: Learner, best: _Selected) -> BaselineFacts:
    circuit = best.classifier
    return BaselineFacts(
        learner=name,
        parameters=best.point,
        grid=best.grid,
        circuit=circuit.describe() if isinstance(circuit, GeneticProgramming) else None,
        folds=learner.folds,
    )
