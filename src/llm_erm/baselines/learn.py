"""Fits a classical learner on training data and selects its parameters on validation data."""

import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llm_erm.baselines.encode import encode
from llm_erm.baselines.genetic import GeneticProgramming
from llm_erm.baselines.learners import Estimator, Learner
from llm_erm.erm.bounds import certify
from llm_erm.erm.verify import labels_of
from llm_erm.facts import BaselineFacts, GridScore, Parameter
from llm_erm.records import Result, Verdict, score
from llm_erm.runs.events import Advanced, Observe, Started, ignore
from llm_erm.tasks.task import Dataset, Splits


@dataclass(frozen=True)
class _Fitted:
    """A fitted classifier with the verdicts used for selection."""

    classifier: Estimator
    point: Mapping[str, Parameter]
    train: Verdict
    validation: Verdict


def learn(
    name: str,
    learner: Learner,
    splits: Splits,
    *,
    confidence: float = 0.95,
    observe: Observe = ignore,
) -> Result:
    """Returns the result of the point of the grid with the lowest validation error.

    All points are fitted on the training data, so the size of the grid is the budget K of the
    certificate. Ties go to the lower training error, then to the earlier point. Validation examples
    are not used for fitting.

    Args:
        name: Name of the learner.
        learner: The learner and its grid.
        splits: The labelled data. The held-out data are read once, after the selection.
        confidence: Probability with which each bound of the certificate holds.
        observe: Receives the progress after each fitted point.

    Raises:
        InputError: The inputs are not strings.
    """
    started = time.monotonic()
    width = max(map(len, splits.train.inputs))

    def arrays(data: Dataset) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        return encode(splits.kind, data.inputs, width), labels_of(data)

    train, validation = arrays(splits.train), arrays(splits.validation)
    points = learner.points(len(splits.train))
    observe(Started(len(points)))
    fitted = []
    for point in points:
        fitted.append(_fit(learner, point, splits.key.seed, train, validation))
        observe(Advanced(len(fitted)))
    best = min(fitted, key=lambda one: (one.validation.errors, one.train.errors))
    held_out = splits.reveal()
    test = _judge(best.classifier, *arrays(held_out.test))
    contrast = held_out.contrast
    return Result(
        method=f"baseline:{name}",
        model=name,
        data=splits.key,
        variant=name,
        examples=splits.examples,
        train=best.train,
        validation=best.validation,
        test=test,
        contrast=None if contrast is None else _judge(best.classifier, *arrays(contrast)),
        length_generalization=None,  # the number of columns is fixed, so other lengths do not fit
        certificate=certify(
            splits,
            test,
            validation=best.validation,
            budget=len(fitted),
            confidence=confidence,
        ),
        seconds=round(time.monotonic() - started, 3),
        notices=splits.warnings,
        facts=_facts(name, best, fitted),
    )


def _fit(
    learner: Learner,
    point: Mapping[str, Parameter],
    seed: int,
    train: tuple[NDArray[np.float32], NDArray[np.uint8]],
    validation: tuple[NDArray[np.float32], NDArray[np.uint8]],
) -> _Fitted:
    classifier = learner.make(point, seed)
    with warnings.catch_warnings():
        # The published limits on iterations are part of the grid; reaching one is not an error.
        warnings.filterwarnings("ignore", message=".*(reached|failed to converge|maximum iter).*")
        classifier.fit(*train)
    return _Fitted(classifier, point, _judge(classifier, *train), _judge(classifier, *validation))


def _judge(
    classifier: Estimator, inputs: NDArray[np.float32], labels: NDArray[np.uint8]
) -> Verdict:
    predictions = classifier.predict(inputs).astype(np.uint8)
    return Verdict("ok", *score(predictions, labels), len(labels))


def _facts(name: str, best: _Fitted, fitted: list[_Fitted]) -> BaselineFacts:
    circuit = best.classifier
    return BaselineFacts(
        learner=name,
        parameters=best.point,
        grid=tuple(
            GridScore(one.point, one.train.accuracy, one.validation.accuracy) for one in fitted
        ),
        circuit=circuit.describe() if isinstance(circuit, GeneticProgramming) else None,
    )
