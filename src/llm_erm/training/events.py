"""What happens in a training run, beyond the events that every job has."""

from dataclasses import dataclass

from llm_erm.facts import CurvePoint
from llm_erm.runs.events import Event


@dataclass(frozen=True)
class Prepared(Event):
    """The model is built, and training is about to begin or resume.

    Attributes:
        model: The model as torch prints it.
        trained_parameters: Number of parameters that training changes.
        parameters: Number of all parameters.
        device: Where the model is trained.
        compiled: Whether its layers are compiled.
        mixed: Whether it holds bf16 matrices and the optimizer the master weights.
        graph: Whether a step is replayed as a CUDA graph.
        epoch: Epochs that an interrupted run had done at its last checkpoint.
        curve: The evaluations up to there.
    """

    model: str
    trained_parameters: int
    parameters: int
    device: str
    compiled: bool
    mixed: bool
    graph: bool
    epoch: int = 0
    curve: tuple[CurvePoint, ...] = ()


@dataclass(frozen=True)
class Evaluated(Event):
    """The model was evaluated on the training and test data.

    Attributes:
        point: The evaluation.
    """

    point: CurvePoint
