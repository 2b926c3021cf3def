"""Pretrained models for fine-tuning: the top layers, the whole model, or adapters."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_erm.errors import InputError
from llm_erm.llms import weights
from llm_erm.training.architectures import SHAPES
from llm_erm.training.settings import TrainingSettings

if TYPE_CHECKING:
    import torch

    from llm_erm.training.classifier import Classifier

HUB = {
    "qwen3_finetune": "Qwen/Qwen3-1.7B",
    "llama3_finetune": "meta-llama/Llama-3.2-1B",
    "deepseek_finetune": "deepseek-ai/deepseek-coder-1.3b-base",
}
"""The published models on the hub, by their published names here."""

EMBEDDED = "smollm2_finetune"
"""The weights of the embedded model, which need no network."""

_FROM_SCRATCH_ONLY = ("vocab_size", "n_layer", "n_head", "n_embd")


@dataclass(frozen=True)
class Pretrained:
    """A model ready to be fine-tuned.

    Attributes:
        model: The classifier; its head is new.
        tokenizer: The model's own.
        save: Writes the model into a folder that transformers or peft reads.
    """

    model: "Classifier"
    tokenizer: Any
    save: Callable[[Path], None]


def is_pretrained(name: str) -> bool:
    """Returns whether the model of that name is fine-tuned rather than trained from scratch.

    The name of a model from scratch means that model, even where a folder has the same name.
    """
    return name in HUB or name == EMBEDDED or local_weights(name) is not None


def local_weights(name: str) -> Path | None:
    """Returns the file or folder of a model that is named by its path, or None."""
    path = Path(name)
    return path if name not in {*SHAPES, *HUB, EMBEDDED} and path.exists() else None


def check(settings: TrainingSettings) -> None:
    """Checks that every setting has an effect.

    Raises:
        InputError: A setting is for models from scratch only.
    """
    given = [name for name in _FROM_SCRATCH_ONLY if getattr(settings, name) is not None]
    if settings.num_models != 1:
        given.append("num_models")
    if given:
        raise InputError(
            f"{', '.join(given)} cannot change the pretrained model {settings.model}; leave it "
            "out, or train from scratch.",
            setting=" or ".join(given),
        )


def pretrained(settings: TrainingSettings, device: "torch.device") -> Pretrained:
    """Returns the model with what is to be trained unfrozen, on the device.

    The head is drawn from torch's current random state. Trained weights are in 32 bits.

    Raises:
        InputError: The model cannot be loaded, is not a causal transformer, or has fewer layers
            than are to be trained.
        MissingExtraError: The embedded weights are not installed.
    """
    from llm_erm.training.classifier import Classifier, layers_of, use_plain_attention

    check(settings)
    backbone, tokenizer = _load(settings, device)
    width = _width(backbone, settings.model)
    layers = layers_of(backbone)
    count = settings.num_layers_to_finetune
    if count != "all" and count > len(layers):
        raise InputError(
            f"num_layers_to_finetune is {count}, but {settings.model} has {len(layers)} layers; "
            f"give {len(layers)} or fewer, or all.",
            setting="num_layers_to_finetune",
        )
    use_plain_attention(backbone)
    for p in backbone.parameters():
        p.requires_grad_(count == "all" and not settings.lora_rank)
    top = range(0 if count == "all" else len(layers) - count, len(layers))
    saved = backbone
    if settings.lora_rank:
        saved = _with_adapters(backbone, settings, top)
    else:
        for i in top:
            for p in layers[i].parameters():
                p.requires_grad_(True)
    model = Classifier([backbone], width).to(device)

    def save(folder: Path) -> None:
        # transformers saves no model that it takes for quantized, such as one from a GGUF file.
        backbone.hf_quantizer = None
        if hasattr(backbone.config, "quantization_config"):
            del backbone.config.quantization_config
        saved.save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    return Pretrained(model, tokenizer, save)


def _load(settings: TrainingSettings, device: "torch.device") -> tuple[Any, Any]:
    """Returns the transformer without its language-model head, and the tokenizer."""
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModel, AutoTokenizer

    source: dict[str, Any]
    path = weights.embedded() if settings.model == EMBEDDED else local_weights(settings.model)
    if path is not None and path.is_file():
        weights.checked(path)
        source = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
    else:
        name = HUB.get(settings.model, settings.model)
        source = {"pretrained_model_name_or_path": name}
    source["trust_remote_code"] = False  # transformers would ask, and wait for an answer
    try:
        backbone = AutoModel.from_pretrained(**source, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(**source)
    except (OSError, ValueError, ImportError, RuntimeError, SafetensorError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"The model {settings.model} cannot be loaded ({reason}); without access to the hub, "
            f"give a Hugging Face folder or a GGUF file, or {EMBEDDED} for the embedded weights.",
            setting="model",
        ) from error
    if tokenizer("0 0")["input_ids"] == tokenizer("0 1")["input_ids"]:
        raise InputError(
            f"The tokenizer of {settings.model} does not distinguish 0 from 1; give a folder that "
            "holds the files of the model's tokenizer.",
            setting="model",
        )
    return backbone.to(device), tokenizer


def _width(backbone: Any, name: str) -> int:  # noqa: ANN401 - a model of transformers
    """Returns the size of the hidden states, none of which may depend on later tokens."""
    import torch

    pair = torch.tensor([[0, 1, 2], [0, 1, 3]], device=backbone.device)
    try:
        with torch.no_grad():
            one, other = backbone(input_ids=pair, use_cache=False).last_hidden_state
    except (TypeError, ValueError, AttributeError):
        one, other = torch.zeros(3, 1), torch.ones(3, 1)
    if not torch.allclose(one[:2], other[:2], rtol=1e-4, atol=1e-5 * float(one.abs().max())):
        raise InputError(
            f"The model {name} is not a causal transformer: what it computes for a token depends "
            "on later ones; give a causal model, such as one that generates text.",
            setting="model",
        )
    return int(one.shape[-1])


def _with_adapters(backbone: Any, settings: TrainingSettings, top: range) -> Any:  # noqa: ANN401
    """Adds adapters to every linear map of the layers at ``top``; only they are trained."""
    from peft import LoraConfig, get_peft_model
    from torch import nn

    from llm_erm.training.classifier import layers_of

    layers = layers_of(backbone)
    whole = {id(module): name for name, module in backbone.named_modules()}
    targets = [
        whole[id(module)]
        for i in top
        for module in layers[i].modules()
        if isinstance(module, nn.Linear)
    ]
    config = LoraConfig(
        r=settings.lora_rank, lora_alpha=settings.lora_alpha, target_modules=targets
    )
    try:
        return get_peft_model(backbone, config)
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"peft cannot add adapters to {settings.model} ({reason}); leave out lora_rank to "
            "train its layers themselves.",
            setting="lora_rank",
        ) from error
