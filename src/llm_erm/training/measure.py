"""Measures a model on labelled examples."""

import math
from typing import TYPE_CHECKING, Any

from llm_erm.records import Verdict
from llm_erm.tasks.task import Dataset
from llm_erm.training.build import Built

if TYPE_CHECKING:
    from llm_erm.training.encoding import Encoded


def measure(built: Built, data: "Encoded") -> tuple[float | None, Verdict]:
    """Returns the mean loss, None if it is not finite, and the verdict on a data set."""
    from torch.nn.functional import binary_cross_entropy_with_logits

    logits = built.engine.predict(data)
    loss = float(binary_cross_entropy_with_logits(logits, data.labels))
    return loss if math.isfinite(loss) else None, _counted(logits, data.labels)


def verdict_on(built: Built, data: Dataset | None) -> Verdict | None:
    """Returns the verdict on a data set that is predicted only once."""
    if data is None:
        return None
    encoded = built.encode(data)
    return _counted(built.engine.predict(encoded, once=True), encoded.labels)


def _counted(logits: Any, labels: Any) -> Verdict:  # noqa: ANN401 - tensors
    """Returns the verdict on predictions; NaN predicts nothing."""
    from llm_erm.training.engine import right_answers

    right = int(right_answers(logits, labels).sum())
    return Verdict("ok", right, int(logits.isnan().sum()), len(labels))
