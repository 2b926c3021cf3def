"""Measures a model on labelled examples."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llm_erm.mistakes import Mistake, mistakes_in
from llm_erm.records import Verdict
from llm_erm.tasks.task import Dataset
from llm_erm.training.build import Built

if TYPE_CHECKING:
    from llm_erm.training.encoding import Encoded


@dataclass(frozen=True)
class Predicted:
    """What a model predicts on a data set.

    Attributes:
        verdict: The verdict on it; NaN predicts nothing.
        logits: A tensor of shape ``(n,)``; label 1 is predicted from 0 up.
    """

    verdict: Verdict
    logits: Any

    def mistakes(self, data: Dataset) -> tuple[Mistake, ...]:
        """Returns the first mistakes on these examples, which it predicted."""
        logits = self.logits.tolist()
        return mistakes_in(data, [None if math.isnan(one) else int(one >= 0) for one in logits])


def measure(built: Built, data: "Encoded") -> tuple[float | None, Predicted]:
    """Returns the mean loss, None if it is not finite, and the predictions on a data set."""
    from torch.nn.functional import binary_cross_entropy_with_logits

    logits = built.engine.predict(data)
    loss = float(binary_cross_entropy_with_logits(logits, data.labels))
    return loss if math.isfinite(loss) else None, _counted(logits, data.labels)


def predict_once(built: Built, data: Dataset | None) -> Predicted | None:
    """Returns the predictions on a data set that is predicted only once."""
    if data is None:
        return None
    encoded = built.encode(data)
    return _counted(built.engine.predict(encoded, once=True), encoded.labels)


def _counted(logits: Any, labels: Any) -> Predicted:  # noqa: ANN401 - tensors
    from llm_erm.training.engine import right_answers

    right = int(right_answers(logits, labels).sum())
    return Predicted(Verdict("ok", right, int(logits.isnan().sum()), len(labels)), logits)
