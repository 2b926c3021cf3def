"""What shapes one training run; the single source of its flags, YAML keys and help."""

import math
from dataclasses import dataclass
from typing import Literal

from llm_erm.errors import InputError

Precision = Literal["bf16", "fp16", "fp32"]
"""What matrices are multiplied in; the weights are kept in 32 bits whatever it is."""


@dataclass(frozen=True)
class Settings:
    """Settings of training; names and defaults are those of the published experiments."""

    model: str = "qwen1.7B"
    """From scratch: qwen1.7B, qwen0.6B, llama3, deepseek, bloom, or parities (for
    coordinate-sgd). Fine-tuned: qwen3_finetune, llama3_finetune, deepseek_finetune,
    smollm2_finetune (the embedded weights), a Hugging Face folder or a GGUF file."""
    vocab_size: int | None = None
    """Size of the vocabulary of a model from scratch; what the inputs need unless given."""
    BOS_TOKEN: int | None = None
    """Token before every input: the first free one from scratch, the tokenizer's own when
    fine-tuning, unless given."""
    context_length: int | None = None
    """Tokens that an input may have; as many as the longest has unless given."""
    n_layer: int | None = None
    """Layers of a model from scratch; those of its shape unless given (bloom: 4)."""
    n_head: int | None = None
    """Attention heads of a model from scratch; those of its shape unless given (bloom: 10)."""
    n_embd: int | None = None
    """Width of a model from scratch; that of its shape unless given (bloom: 500)."""
    num_models: int = 1
    """Models from scratch whose last hidden states are averaged."""
    degree: int = 3
    """Size of the parities that the model `parities` is linear in."""
    num_layers_to_finetune: int | Literal["all"] = 2
    """Top layers that fine-tuning changes, or all for the whole model."""
    lora_rank: int = 0
    """Fine-tune adapters of this rank in those layers rather than their weights; 0 for none."""
    lora_alpha: float = 16.0
    """Scale of the adapters, divided by their rank."""
    optimizer: Literal["adamw", "coordinate-sgd"] = "adamw"
    """AdamW, or SGD that changes one weight a step, drawn at random: what the paper's lower bound
    is about. The latter needs --online."""
    gradient_tolerance: float = 0.0
    """Coordinate SGD rounds gradients to multiples of this, as the answers to statistical queries
    are; 0 for as they are."""
    online: bool = False
    """Train on fresh examples at every step; --train_set_size is then how many an epoch has."""
    batch_size: int = 20
    """Examples a step."""
    n_epochs: int = 200
    """Passes over the training set."""
    lr: float = 1e-5
    """Learning rate at the start."""
    eta_min: float = 1e-6
    """Learning rate at the end of the cosine."""
    weight_decay: float = 1e-5
    """Weight decay of AdamW."""
    precision: Precision = "bf16"
    """What matrices are multiplied in."""
    seed: int = 42
    """Base seed: of the data, the initial weights and the order of examples."""
    eval_every: int = 100
    """Epochs between evaluations; the first is before the first step, the last of the final
    weights."""
    eval_batch_size: int | None = None
    """Examples evaluated at once; 500 unless given. Shapes no result."""
    patience: int | None = None
    """Stop once the training accuracy has been 1.0 for this many epochs in a row."""
    device: str | None = None
    """cuda, cuda:1, mps or cpu; the best there is unless given."""
    engine: Literal["auto", "eager", "compiled"] = "auto"
    """Whether layers are compiled and steps replayed as a CUDA graph; auto does both on CUDA."""
    checkpoint_every: int | None = None
    """Epochs between checkpoints, which the same command goes on from; none unless given."""
    report_to: tuple[Literal["tensorboard", "wandb", "mlflow"], ...] = ()
    """Where accelerate also reports the metrics."""
    save_model: bool = False
    """Keep the final weights, in the folder model/ of the results."""

    def check(self) -> None:
        """Makes sure that the numbers can be meant.

        Raises:
            InputError: One is out of its range, or two exclude each other.
        """
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if isinstance(value, int | float) and not least <= value < math.inf:
                raise InputError(f"--{name} is {value}; give {least} or more.")
        if abs(self.seed) >= 2**63:
            raise InputError(f"--seed is {self.seed}; give one between -2^63 and 2^63.")
        if not 0 <= self.eta_min <= self.lr < math.inf or self.lr == 0:
            raise InputError(
                f"--lr is {self.lr} and --eta_min {self.eta_min}; the first must be above 0 and "
                "the second between 0 and the first."
            )
        if self.optimizer == "coordinate-sgd" and not self.online:
            raise InputError(
                "--optimizer coordinate-sgd draws fresh examples for every step; add --online."
            )
        for name, needs in self._idle().items():
            value = getattr(self, name)
            if value != getattr(Settings, name):
                raise InputError(
                    f"--{name} is {value} and needs {needs}; add that, or leave it out."
                )

    def _idle(self) -> dict[str, str]:
        """Returns the flags that can have no effect, and what would give them one."""
        if self.optimizer == "adamw":
            idle = {"gradient_tolerance": "--optimizer coordinate-sgd"}
        else:
            idle = {"weight_decay": "--optimizer adamw"}
        if self.model != "parities":
            idle["degree"] = "--model parities"
        if self.lora_rank == 0:
            idle["lora_alpha"] = "--lora_rank"
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
