"""Builds what a run trains: the model, its encoder of inputs, and the engine that runs it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_erm.errors import InputError, MissingExtraError
from llm_erm.runs.files import writing
from llm_erm.tasks.task import Dataset, Kind
from llm_erm.training import architectures, pretrained
from llm_erm.training.encoding import Characters, Encoded, Encoder, Words, encode
from llm_erm.training.settings import TrainingSettings

if TYPE_CHECKING:
    import torch
    from accelerate import Accelerator

    from llm_erm.training.engine import TrainingEngine

PARITIES = "parities"
"""The model that is linear in parities, for coordinate SGD."""

INSTALL = "pip install 'llm-erm[train]'"


@dataclass(frozen=True)
class Built:
    """What a run trains.

    Attributes:
        engine: Trains and evaluates the model.
        encoder: Turns inputs into tokens.
        context_length: Maximum number of tokens per input.
        device: Where everything is.
        accelerator: Connects several processes and reports metrics; None where neither is needed.
        save: Writes the backbone's final weights into a folder.
    """

    engine: "TrainingEngine"
    encoder: Encoder
    context_length: int
    device: "torch.device"
    accelerator: "Accelerator | None"
    save: Callable[[Path], None]

    @property
    def main(self) -> bool:
        """Whether this process is the one of several that writes files."""
        return self.accelerator is None or self.accelerator.is_main_process

    def sizes(self) -> tuple[int, int]:
        """Returns the numbers of all parameters and of those that are trained."""
        parameters = list(self.engine.model.parameters())
        trained = sum(p.numel() for p in parameters if p.requires_grad)
        return sum(p.numel() for p in parameters), trained

    def takes(self, data: Dataset) -> bool:
        """Returns whether every input of a data set fits into the context."""
        return _longest(self.encoder, [data]) <= self.context_length

    def encode(self, data: Dataset) -> Encoded:
        """Returns a data set as the model sees it."""
        return encode(data, self.encoder, self.device, self.context_length)


def check(settings: TrainingSettings, kind: Kind) -> None:
    """Checks, as far as possible without torch and data, that a run can start.

    Raises:
        LLMERMError: The run cannot start; the message says why.
    """
    settings.check()
    if pretrained.is_pretrained(settings.model):
        pretrained.check(settings)
        return
    if (
        settings.lora_rank
        or settings.num_layers_to_finetune != TrainingSettings.num_layers_to_finetune
    ):
        raise InputError(
            f"lora_rank and num_layers_to_finetune are for pretrained models, but "
            f"{settings.model} is trained from scratch; leave them out.",
            setting="lora_rank",
        )
    encoder = Characters(kind, bos_token=settings.BOS_TOKEN, vocab_size=settings.vocab_size)
    if settings.model != PARITIES:
        architectures.shape_of(settings)
        return
    if kind != "binary" or encoder.vocabulary != 3:
        raise InputError(
            f"The model {PARITIES} needs inputs of bits; choose a task with such inputs."
        )
    idle = [name for name in ("n_layer", "n_head", "n_embd") if getattr(settings, name) is not None]
    idle += ["num_models"] * (settings.num_models != 1)
    if idle:
        raise InputError(
            f"{', '.join(idle)} cannot change the model {PARITIES}; leave it out.",
            setting=" or ".join(idle),
        )


def build(
    settings: TrainingSettings, kind: Kind, data: Sequence[Dataset], folder: Path | None
) -> Built:
    """Returns the model with its initial weights, which depend on the seed and on no data.

    Args:
        settings: Settings of training.
        kind: What the inputs are.
        data: All inputs that the model will see, the training inputs first; fresh examples are not
            needed, since they have the same length.
        folder: Where trackers write.

    Raises:
        LLMERMError: The settings, the data and this machine do not fit together.
    """
    require_packages(settings)
    import torch

    from llm_erm.training.engine import TrainingEngine, device_of, speedups_for

    check(settings, kind)
    accelerator = _accelerator(settings, folder)
    if accelerator is None or accelerator.num_processes == 1:
        device = device_of(settings.device)
    else:  # each process has a device of its own
        device = accelerator.device
    if device.type == "cuda":
        torch.cuda.set_device(device.index or 0)
    torch.manual_seed(settings.seed)
    encoder: Encoder
    if pretrained.is_pretrained(settings.model):
        loaded = pretrained.pretrained(settings, device)
        model: Any = loaded.model
        encoder = Words(loaded.tokenizer, settings.BOS_TOKEN)
        save = loaded.save
        context = settings.context_length or _longest(encoder, data)
    else:
        encoder = Characters(kind, bos_token=settings.BOS_TOKEN, vocab_size=settings.vocab_size)
        context = settings.context_length or _longest(encoder, data)
        with device:
            model = _from_scratch(settings, encoder, context, _longest(encoder, data[:1]))

        def save(folder: Path) -> None:
            for i, backbone in enumerate(model.backbones):
                backbone.save_pretrained(folder if i == 0 else folder / str(i))

    processes = 1 if accelerator is None else accelerator.num_processes
    speedups = speedups_for(settings, model, device, processes)
    engine = TrainingEngine(model, settings, device, speedups, accelerator)
    return Built(engine, encoder, context, device, accelerator, save)


@contextmanager
def fitting(settings: TrainingSettings) -> Iterator[None]:
    """Turns a lack of GPU memory into an error that says what to do.

    Raises:
        InputError: The GPU has too little memory.
    """
    from torch import OutOfMemoryError

    try:
        yield
    except OutOfMemoryError as error:
        reason = str(error).split(". ")[0]
        raise InputError(
            f"{settings.model} with batch_size {settings.batch_size} does not fit into the memory "
            f"of the device ({reason}); choose smaller values of batch_size and eval_batch_size, "
            "or a smaller model.",
            setting="batch_size",
        ) from error


def save(built: Built, folder: Path) -> None:
    """Writes the backbone for transformers, and the head beside it.

    Raises:
        InputError: The disk is full or the folder is gone.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            built.save(folder)
            named = built.engine.model.named_parameters()
            head = {n: p.detach().cpu() for n, p in named if not n.startswith("backbones.")}
            save_file(head, folder / "head.safetensors")
    except SafetensorError as error:  # how safetensors reports a full disk
        raise InputError(f"Cannot write to {folder}: {error}; free some space there.") from error


def _from_scratch(
    settings: TrainingSettings, encoder: Encoder, context_length: int, width: int
) -> Any:  # noqa: ANN401
    if settings.model == PARITIES:
        from llm_erm.training.parities import Parities

        return Parities(width - 1, settings.degree)
    return architectures.from_scratch(settings, encoder.vocabulary, context_length)


def _longest(encoder: Encoder, data: Sequence[Dataset]) -> int:
    return max(len(tokens) for part in data for tokens in encoder.tokens(part.inputs))


def require_packages(settings: TrainingSettings, *more: str) -> None:
    """Checks that the necessary libraries are installed.

    Args:
        settings: What is to be trained.
        more: Further packages that the caller needs.

    Raises:
        MissingExtraError: A library is not installed.
    """
    needed = ["torch", "transformers", *more]
    needed += ["peft"] * (settings.lora_rank > 0) + ["accelerate"] * bool(settings.report_to)
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"Training needs {', '.join(missing)}, which is not installed; run: {INSTALL}"
        )
    missing = [name for name in settings.report_to if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"report_to names {', '.join(missing)}, which is not installed; "
            f"run: pip install {' '.join(missing)}",
            setting="report_to",
        )


def _accelerator(settings: TrainingSettings, folder: Path | None) -> "Accelerator | None":
    """Returns what connects several processes or reports metrics, where either is needed."""
    import torch

    if not settings.report_to and not torch.distributed.is_torchelastic_launched():
        return None
    from accelerate import Accelerator

    return Accelerator(
        cpu=settings.device == "cpu" or not torch.cuda.is_available(),
        log_with=list(settings.report_to) or None,
        project_dir=None if folder is None else str(folder),
    )
