"""The settings of one training run; the single source of its flags, YAML keys and help."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from llm_erm.checks import Checked
from llm_erm.errors import InputError
from llm_erm.settings import OPERATIONAL

Precision = Literal["bf16", "fp16", "fp32"]
"""Number format of matrix products; the weights are always kept in 32 bits."""
Tracker = Literal["tensorboard", "wandb", "mlflow"]
"""What accelerate can report metrics to."""


@dataclass(frozen=True)
class TrainingSettings(Checked):
    """Settings of training; names and defaults are those of the published experiments."""

    model: str = "qwen1.7B"
    """From scratch: qwen1.7B, qwen0.6B, llama3, deepseek, bloom, or parities (for
    coordinate-sgd). Fine-tuned: qwen3_finetune, llama3_finetune, deepseek_finetune,
    smollm2_finetune (the embedded weights), a Hugging Face folder or a GGUF file."""
    vocab_size: int | None = None
    """Vocabulary size of a model from scratch (default: what the inputs need)."""
    BOS_TOKEN: int | None = None
    """Token before every input (default: the first free one from scratch, the tokenizer's own when
    fine-tuning)."""
    context_length: int | None = None
    """Maximum number of tokens per input (default: what the longest input needs)."""
    n_layer: int | None = None
    """Layers of a model from scratch (default: those of its published shape; 4 for bloom)."""
    n_head: int | None = None
    """Attention heads of a model from scratch (default: those of its published shape; 10 for
    bloom)."""
    n_embd: int | None = None
    """Width of a model from scratch (default: that of its published shape; 500 for bloom)."""
    num_models: int = 1
    """Number of models from scratch whose last hidden states are averaged."""
    degree: int = 3
    """Size of the parities that the model `parities` is linear in."""
    num_layers_to_finetune: int | Literal["all"] = 2
    """Number of top layers to fine-tune, or all for the whole model."""
    lora_rank: int = 0
    """Fine-tune adapters of this rank in those layers instead of their weights; 0 for none."""
    lora_alpha: float = 16.0
    """Scale of the adapters; it is divided by their rank."""
    optimizer: Literal["adamw", "coordinate-sgd"] = "adamw"
    """AdamW, or SGD that changes one randomly drawn weight per step, the learner of the paper's
    lower bound. The latter needs online training."""
    gradient_tolerance: float = 0.0
    """Coordinate SGD rounds gradients to multiples of this, like the answers to statistical
    queries; 0 for no rounding."""
    online: bool = False
    """Train on fresh examples at every step; an epoch has as many examples as the training set
    would have."""
    batch_size: int = 20
    """Number of examples per step."""
    n_epochs: int = 200
    """Number of passes over the training set."""
    lr: float = 1e-5
    """Learning rate at the start."""
    eta_min: float = 1e-6
    """Learning rate at the end of the cosine."""
    weight_decay: float = 1e-5
    """Weight decay of AdamW."""
    precision: Precision = "bf16"
    """Number format of matrix products."""
    seed: int = 42
    """Base seed of the data, the initial weights and the order of examples."""
    eval_every: int = 100
    """Number of epochs between evaluations; the model is also evaluated before the first step and
    after the last."""
    eval_batch_size: Annotated[int | None, OPERATIONAL] = None
    """Number of examples evaluated at once; does not change results (default: 500)."""
    patience: int | None = None
    """Stop once the training accuracy has been 1.0 for this many epochs in a row (default: do not
    stop early)."""
    device: Annotated[str | None, OPERATIONAL] = None
    """Where to train: cuda, cuda:1, mps or cpu (default: the best available)."""
    engine: Annotated[Literal["auto", "eager", "compiled"], OPERATIONAL] = "auto"
    """Whether layers are compiled and steps replayed as a CUDA graph; auto does both on CUDA."""
    checkpoint_every: Annotated[int | None, OPERATIONAL] = None
    """Number of epochs between checkpoints, from which the same command resumes (default: no
    checkpoints). They are written while training goes on, and the last two are kept. One that comes
    due while another is still being written is left out."""
    report_to: Annotated[tuple[Tracker, ...], OPERATIONAL] = ()
    """Trackers to which accelerate also reports the metrics: tensorboard, wandb, mlflow."""
    save_model: Annotated[bool, OPERATIONAL] = False
    """Keep the final weights, in the subfolder model/ of the results."""

    def check(self) -> None:
        """Checks that every number is in range and has an effect.

        Raises:
            InputError: A number is out of range, or two settings exclude each other.
        """
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if isinstance(value, int | float) and not least <= value < math.inf:
                raise InputError(f"{name} is {value}; give {least} or more.", setting=name)
        if abs(self.seed) >= 2**63:
            raise InputError(
                f"seed is {self.seed}; give a number between -2^63 and 2^63.", setting="seed"
            )
        if not 0 <= self.eta_min <= self.lr < math.inf or self.lr == 0:
            raise InputError(
                f"lr is {self.lr} and eta_min is {self.eta_min}; lr must be above 0, and eta_min "
                "between 0 and lr.",
                setting="lr or eta_min",
            )
        if self.optimizer == "coordinate-sgd" and not self.online:
            raise InputError(
                "The optimizer coordinate-sgd draws fresh examples for every step; also ask for "
                "online training.",
                setting="online",
            )
        for name, needs in self._idle().items():
            value = getattr(self, name)
            if value != getattr(TrainingSettings, name):
                raise InputError(
                    f"{name} is {value}, which has no effect without {needs}; add that, or omit "
                    f"{name}.",
                    setting=name,
                )

    def _idle(self) -> dict[str, str]:
        """Returns the settings that have no effect here, and what they need for one."""
        if self.optimizer == "adamw":
            idle = {"gradient_tolerance": "the optimizer coordinate-sgd"}
        else:
            idle = {"weight_decay": "the optimizer adamw"}
        if self.model != "parities":
            idle["degree"] = "the model parities"
        if self.lora_rank == 0:
            idle["lora_alpha"] = "lora_rank"
        return idle


_LEAST = {
    "vocab_size": 2,
    "BOS_TOKEN": 0,
    "context_length": 2,
    "n_layer": 1,
    "n_head": 1,
    "n_embd": 2,
    "num_models": 1,
    "degree": 1,
    "num_layers_to_finetune": 0,
    "lora_rank": 0,
    "batch_size": 1,
    "n_epochs": 1,
    "lora_alpha": 0,
    "gradient_tolerance": 0,
    "weight_decay": 0,
    "eval_every": 1,
    "eval_batch_size": 1,
    "patience": 1,
    "checkpoint_every": 1,
}
