"""Estimates how long training takes on a processor, where large models take months."""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from llm_erm.tasks.spec import DataSpec
from llm_erm.training.architectures import SHAPES, Shape, shape_of
from llm_erm.training.settings import TrainingSettings

if TYPE_CHECKING:
    import torch

_SIDE = 768
"""Rows of the matrices whose product is timed."""

_PER_STEP = 6
"""Operations per weight and token: a multiplication and an addition forward, twice that back."""


def weights_of(settings: TrainingSettings) -> int | None:
    """Returns about how many weights the layers of a model from scratch have; None for others."""
    if settings.model not in SHAPES:
        return None
    return _of_layers(shape_of(settings)) * settings.num_models


def cpu_seconds(settings: TrainingSettings, specs: Iterable[DataSpec]) -> float | None:
    """Returns about how long trainings take on this CPU; None if that is unknown or needs none.

    Args:
        settings: Settings of training.
        specs: The data set of each training.
    """
    import torch

    from llm_erm.training.engine import device_of

    weights = weights_of(settings)
    if weights is None or device_of(settings.device).type != "cpu":
        return None
    passes = sum(
        (one.length + 1)
        * (
            _PER_STEP * settings.n_epochs * (one.train_size + one.val_size)
            + 2 * (2 + settings.n_epochs // settings.eval_every) * one.test_size
        )
        for one in specs
    )
    return weights * passes / _operations_per_second(torch.rand(_SIDE, _SIDE))


def _of_layers(shape: Shape) -> int:
    attention = 2 * shape.width * shape.head_size * (shape.heads + shape.key_heads)
    gates = 2 if shape.family == "bloom" else 3
    return shape.layers * (attention + gates * shape.width * shape.inner)


def _operations_per_second(matrix: "torch.Tensor") -> float:
    """Returns how fast this processor multiplies matrices, at its best of a few times."""
    times = []
    for _ in range(4):
        started = time.perf_counter()
        matrix @ matrix
        times.append(time.perf_counter() - started)
    return float(2 * len(matrix) ** 3 / min(times))
