"""A classical learner on one task: fitted on training data, chosen on validation data."""

import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_erm.baselines.encode import encode
from llm_erm.baselines.genetic import GeneticProgramming
from llm_erm.baselines.learners import Classifier, Learner
from llm_erm.erm.bounds import certify
from llm_erm.records import Run, Verdict, score
from llm_erm.tasks.task import Dataset, Splits


@dataclass(frozen=True)
class _Fitted:
    """A fitted classifier with what may choose it."""

    classifier: Classifier
    point: dict[str, Any]
    train: Verdict
    validation: Verdict


def learn(name: str, learner: Learner, splits: Splits, confidence: float = 0.95) -> Run:
    """Returns the point of the grid with the lowest validation error, fitted on training data.

    All points are fitted, so the grid's size is the budget K of the certificate. Ties go to the
    lower training error, then to the earlier point. Validation examples are not learned from.

    Args:
        name: What the learner is called.
        learner: The learner and its grid.
        splits: The labelled data. Test examples are read once, after the choice is made.
        confidence: Probability that each bound of the certificate holds with.

    Raises:
        InputError: The inputs are no strings.
    """
    started = time.monotonic()
    width = max(map(len, splits.train.inputs))

    def arrays(data: Dataset) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        return encode(splits.kind, data.inputs, width), np.array(data.labels, dtype=np.uint8)

    train, validation = arrays(splits.train), arrays(splits.validation)
    points = learner.points(len(splits.train))
    fitted = [_fit(learner, point, splits.seed, train, validation) for point in points]
    best = min(fitted, key=lambda one: (one.validation.errors, one.train.errors))
    test = _judge(best.classifier, *arrays(splits.test))
    probe = None if splits.probe is None else _judge(best.classifier, *arrays(splits.probe))
    return Run(
        method=f"baseline:{name}",
        function=splits.fn,
        length=splits.length,
        seed=splits.seed,
        trial=splits.trial,
        model=name,
        settings={"grid": {key: list(values) for key, values in learner.grid.items()}},
        test=test,
        probe=probe,
        length_shift=None,  # a fixed number of columns: other lengths are no inputs at all
        certificate=certify(
            splits,
            test,
            validation=best.validation,
            budget=len(fitted),
            confidence=confidence,
        ),
        seconds=time.monotonic() - started,
        notices=splits.warnings,
        data_sha256=splits.sha256,
        examples=len(splits.train) + len(splits.validation),
        details=_details(name, best, fitted),
    )


def _fit(
    learner: Learner,
    point: dict[str, Any],
    seed: int,
    train: tuple[NDArray[np.float32], NDArray[np.uint8]],
    validation: tuple[NDArray[np.float32], NDArray[np.uint8]],
) -> _Fitted:
    classifier = learner.make(point, seed)
    with warnings.catch_warnings():
        # The published limits on iterations are part of the grid; that one was met is no fault.
        warnings.filterwarnings("ignore", message=".*(reached|failed to converge|maximum iter).*")
        classifier.fit(*train)
    return _Fitted(classifier, point, _judge(classifier, *train), _judge(classifier, *validation))


def _judge(
    classifier: Classifier, inputs: NDArray[np.float32], labels: NDArray[np.uint8]
) -> Verdict:
    predictions = classifier.predict(inputs).astype(np.uint8)
    return Verdict("ok", *score(predictions, labels), len(labels))


def _details(name: str, best: _Fitted, fitted: list[_Fitted]) -> dict[str, Any]:
    circuit = best.classifier
    return {
        "learner": name,
        "parameters": best.point,
        "train_accuracy": best.train.accuracy,
        "validation_accuracy": best.validation.accuracy,
        "grid": [
            {
                "parameters": one.point,
                "train_accuracy": one.train.accuracy,
                "validation_accuracy": one.validation.accuracy,
            }
            for one in fitted
        ],
    } | ({"circuit": circuit.describe()} if isinstance(circuit, GeneticProgramming) else {})
