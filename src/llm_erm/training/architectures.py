"""Models from scratch, in the published shapes or any other size; no hub and no network."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from llm_erm.errors import InputError
from llm_erm.training.settings import TrainingSettings

if TYPE_CHECKING:
    from llm_erm.training.classifier import Classifier


@dataclass(frozen=True)
class Shape:
    """Sizes of a transformer.

    Attributes:
        family: ``model_type`` in transformers.
        layers: Number of layers.
        width: Size of the hidden states.
        heads: Attention heads.
        key_heads: Heads of keys and values.
        head_size: Size of a head.
        inner: Width inside the feed-forward layers.
        epsilon: Epsilon of the normalization.
        positions: Maximum number of tokens of the published model; longer inputs raise it.
        rope: Parameters of the rotary embedding, as transformers takes them.
    """

    family: str
    layers: int
    width: int
    heads: int
    key_heads: int
    head_size: int
    inner: int
    epsilon: float
    positions: int
    rope: dict[str, Any]


SHAPES = {  # from the config.json of Qwen3-1.7B, Qwen3-0.6B, Llama-3.2-1B, deepseek-coder-1.3b-base
    "qwen1.7B": Shape("qwen3", 28, 2048, 16, 8, 128, 6144, 1e-6, 40960, {"rope_theta": 1e6}),
    "qwen0.6B": Shape("qwen3", 28, 1024, 16, 8, 128, 3072, 1e-6, 40960, {"rope_theta": 1e6}),
    "llama3": Shape(
        *("llama", 16, 2048, 32, 8, 64, 8192, 1e-5, 131072),
        {
            "rope_type": "llama3",
            "rope_theta": 5e5,
            "factor": 32.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
        },
    ),
    "deepseek": Shape(
        *("llama", 24, 2048, 16, 16, 128, 5504, 1e-6, 16384),
        {"rope_type": "linear", "rope_theta": 1e5, "factor": 4.0},
    ),
    "bloom": Shape("bloom", 4, 500, 10, 10, 50, 2000, 1e-5, 0, {}),
}
"""The published models from scratch; bloom in the size of the published defaults."""


def shape_of(settings: TrainingSettings) -> Shape:
    """Returns the shape that the settings ask for.

    Raises:
        InputError: There is no such model, or its width is not a multiple of its heads.
    """
    if settings.model not in SHAPES:
        raise InputError(
            f"There is no model {settings.model!r}; choose from {', '.join(SHAPES)} to train from "
            "scratch, or fine-tune one that the help of `llm-erm train` lists, a Hugging Face "
            "folder or a GGUF file on this machine.",
            setting="model",
        )
    shape = SHAPES[settings.model]
    if settings.n_layer is not None:
        shape = replace(shape, layers=settings.n_layer)
    if settings.n_head is None and settings.n_embd is None:
        return shape
    heads = settings.n_head or shape.heads
    width = settings.n_embd or shape.width
    if width % heads or (shape.rope and width // heads % 2):
        even = "an even multiple" if shape.rope else "a multiple"
        also = "also " if settings.n_embd is None else ""
        raise InputError(
            f"{settings.model} would have a width of {width} (n_embd) and {heads} heads (n_head); "
            f"the width must be {even} of the number of heads: {also}give a width such as "
            f"{64 * heads}.",
            setting="n_embd",
        )
    sharing = shape.heads // shape.key_heads  # query heads per key head, where that divides
    return replace(
        shape,
        width=width,
        heads=heads,
        key_heads=heads // sharing if heads % sharing == 0 else heads,
        head_size=width // heads,
        inner=round(width * shape.inner / shape.width),
    )


def name_of(settings: TrainingSettings, weights: int) -> str:
    """Returns what to call a model: as its published shape, or by the size that it has instead."""
    sizes = (settings.n_layer, settings.n_head, settings.n_embd)
    if settings.model not in SHAPES or (sizes == (None,) * 3 and settings.num_models == 1):
        return settings.model
    return f"{SHAPES[settings.model].family}-{rounded(weights)}"


def rounded(weights: int) -> str:
    """Returns a number of weights as models are called by it, such as ``99K`` or ``1.4B``."""
    for unit, letter in ((10**9, "B"), (10**6, "M"), (10**3, "K")):
        if weights >= unit:
            count = weights / unit
            return f"{count:.1f}{letter}" if count < 10 else f"{count:.0f}{letter}"
    return str(weights)


def from_scratch(settings: TrainingSettings, vocabulary: int, positions: int) -> "Classifier":
    """Returns a model with initial weights drawn from torch's current random state and device.

    Args:
        settings: Which model.
        vocabulary: Number of distinct tokens.
        positions: Maximum number of tokens per input.

    Raises:
        InputError: There is no such model or size.
    """
    import torch
    from transformers import AutoModel

    from llm_erm.training.classifier import Classifier, use_plain_attention

    shape = shape_of(settings)
    backbones = [
        AutoModel.from_config(_config(shape, vocabulary, positions), dtype=torch.float32)
        for _ in range(settings.num_models)
    ]
    for backbone in backbones:
        use_plain_attention(backbone)
    return Classifier(backbones, shape.width)


def _config(shape: Shape, vocabulary: int, positions: int) -> Any:  # noqa: ANN401 - of transformers
    """Returns the configuration that transformers builds the model from."""
    from transformers import BloomConfig, LlamaConfig, Qwen3Config

    # Special tokens of the family's own tokenizer lie outside such a small vocabulary.
    common = {"vocab_size": vocabulary, "use_cache": False, "bos_token_id": None}
    common |= {"eos_token_id": None, "pad_token_id": None}
    if shape.family == "bloom":
        return BloomConfig(
            n_layer=shape.layers,
            n_head=shape.heads,
            hidden_size=shape.width,
            layer_norm_epsilon=shape.epsilon,
            **common,
        )
    family = Qwen3Config if shape.family == "qwen3" else LlamaConfig
    return family(
        num_hidden_layers=shape.layers,
        hidden_size=shape.width,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_heads,
        head_dim=shape.head_size,
        intermediate_size=shape.inner,
        rms_norm_eps=shape.epsilon,
        max_position_embeddings=max(positions, shape.positions),
        rope_parameters={"rope_type": "default"} | shape.rope,
        **common,
    )
