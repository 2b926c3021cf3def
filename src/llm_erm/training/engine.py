"""Training steps and predictions on one device: eager, or compiled and replayed as a CUDA graph."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from llm_erm.errors import InputError
from llm_erm.training.classifier import CAUSAL, Classifier, layers_of
from llm_erm.training.encoding import Encoded
from llm_erm.training.optimizers import MAX_NORM, CoordinateSGD, MixedAdamW, keep_in_bf16
from llm_erm.training.settings import TrainingSettings

if TYPE_CHECKING:
    from accelerate import Accelerator

EVAL_BATCH = 500
"""Default number of examples evaluated at once: 25,500 tokens at L = 50 keep a large GPU busy."""

_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
_WARM_UP = 3  # steps before a CUDA graph is recorded, so that kernels are compiled and selected


def device_of(name: str | None) -> torch.device:
    """Returns the device of that name, or the best available.

    Raises:
        InputError: The device is not available.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name is None:
        return torch.device(next((kind for kind, is_there in there.items() if is_there), "cpu"))
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    count = {"cuda": torch.cuda.device_count(), "mps": int(there["mps"]), "cpu": 1}
    if device is None or (device.index or 0) >= count.get(device.type, 0):
        raise InputError(
            f"The device {name} is not available; choose from "
            f"{', '.join(kind for kind, n in count.items() if n)}, or leave it out.",
            setting="device",
        )
    return device


@dataclass(frozen=True)
class Speedups:
    """Which speed-ups are in use.

    Attributes:
        compiled: Whether layers are compiled, once for all of them.
        mixed: Whether the model holds bf16 matrices and the optimizer the master weights.
        graph: Whether a whole step is recorded and replayed as a CUDA graph.
    """

    compiled: bool
    mixed: bool
    graph: bool


def speedups_for(
    settings: TrainingSettings, model: Classifier, device: torch.device, processes: int
) -> Speedups:
    """Returns the speed-ups that the settings, the model and the machine allow."""
    compiled = settings.engine == "compiled" or (
        settings.engine == "auto" and device.type == "cuda"
    )
    plain = settings.optimizer == "adamw" and settings.lora_rank == 0 and processes == 1
    mixed = compiled and plain and settings.precision == "bf16"
    maskless = all(
        getattr(getattr(backbone, "config", None), "_attn_implementation", None) == CAUSAL
        for backbone in model.backbones
    )
    return Speedups(compiled, mixed, graph=mixed and maskless and device.type == "cuda")


class TrainingEngine:
    """Trains and evaluates one model."""

    def __init__(
        self,
        model: Classifier,
        settings: TrainingSettings,
        device: torch.device,
        speedups: Speedups,
        accelerator: "Accelerator | None" = None,
    ) -> None:
        """Takes a model on the device, creates its optimizer and compiles its layers.

        Args:
            model: What to train.
            settings: Settings of training.
            device: Where the model is.
            speedups: Which speed-ups to use.
            accelerator: Connects several processes; None for one.
        """
        self.model = model
        self.speedups = speedups
        self.correct = torch.zeros((), device=device)
        self._device = device
        self._type = _TYPES[settings.precision]
        self._batch = settings.eval_batch_size or EVAL_BATCH
        self._accelerator = accelerator
        self.optimizer = _optimizer(model, settings, speedups)
        # Scaling keeps small fp16 gradients from becoming 0; other types have the range of fp32.
        self.scaler = torch.amp.GradScaler(device.type, enabled=settings.precision == "fp16")
        if speedups.compiled:
            torch._dynamo.reset()  # the shapes of other runs count towards a limit
            for backbone in model.backbones:
                for layer in layers_of(backbone):
                    layer.compile(dynamic=False)
        self._trained: nn.Module = model
        if accelerator is not None and accelerator.num_processes > 1:
            self._trained = accelerator.prepare_model(model, device_placement=False)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._static: tuple[Encoded, Tensor] | None = None
        self._warm = 0
        self._shape: torch.Size | None = None  # of the batches that the graph is for
        model.train()  # pretrained models come ready to predict

    def step(self, batch: Encoded, rate: float) -> Tensor:
        """Updates the weights once and returns the loss, still on the device.

        Adds the right answers before the update to ``correct``.
        """
        if isinstance(self.optimizer, MixedAdamW):
            self.optimizer.rate.fill_(rate)
        else:
            for group in self.optimizer.param_groups:
                group["lr"] = rate
        if not self.speedups.graph:
            return self._step(batch)
        self._shape = self._shape or batch.tokens.shape
        if batch.tokens.shape != self._shape:
            return self._step(batch)  # the last batch of an epoch may be smaller
        return self._graphed(batch)

    def _graphed(self, batch: Encoded) -> Tensor:
        """Replays the recorded step on another batch; the first few are run without recording."""
        if self._warm < _WARM_UP:
            self._warm += 1
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                loss = self._step(batch)
            torch.cuda.current_stream().wait_stream(side)
            return loss
        if self._graph is None or self._static is None:
            static = Encoded(batch.tokens.clone(), batch.last.clone(), batch.labels.clone())
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                loss = self._step(static)
            self._static = static, loss
        static, loss = self._static
        static.tokens.copy_(batch.tokens)
        static.last.copy_(batch.last)
        static.labels.copy_(batch.labels)
        self._graph.replay()
        return loss

    def _step(self, batch: Encoded) -> Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        mine, share = self._part(batch)
        with self._autocast():
            logits = self._trained(mine.tokens, mine.last).float()
        loss = binary_cross_entropy_with_logits(logits, mine.labels) * share
        self.scaler.scale(loss).backward()
        self.correct += right_answers(logits, mine.labels).sum() * (share > 0)
        if isinstance(self.optimizer, torch.optim.AdamW):  # the others do this themselves
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), MAX_NORM)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss.detach()

    def _part(self, batch: Encoded) -> tuple[Encoded, float]:
        """Returns this process's part of a batch, and the weight of its loss in the mean.

        Where there are fewer examples than processes, some have the weight 0.
        """
        if self._accelerator is None or self._accelerator.num_processes == 1:
            return batch, 1.0
        count, index = self._accelerator.num_processes, self._accelerator.process_index
        mine = torch.arange(index, len(batch), count, device=self._device)
        if len(mine) == 0:
            return batch.rows(mine.new_zeros(1)), 0.0
        return batch.rows(mine), len(mine) * count / len(batch)

    @torch.no_grad()
    def predict(self, data: Encoded, *, once: bool = False) -> Tensor:
        """Returns the logits of a data set, shape ``(n,)``, in 32 bits.

        Args:
            data: The examples.
            once: Whether it is predicted only once, so that compiling for its shape would not pay.
        """
        size, count, index = self._batch, 1, 0
        if self._accelerator is not None:
            count, index = self._accelerator.num_processes, self._accelerator.process_index
        places = torch.arange(len(data), device=self._device)
        if self.speedups.compiled and not once:  # whole batches only: one shape to compile
            places = _padded(places, size * count)
        mine = _padded(places, count)[index::count]
        stance = "force_eager" if once else "default"
        self.model.eval()
        with self._autocast(), torch.compiler.set_stance(stance):
            parts = [data.rows(rows) for rows in mine.split(size)]
            logits = torch.cat([self.model(part.tokens, part.last) for part in parts]).float()
        self.model.train()
        if self._accelerator is not None and count > 1:
            together: Tensor = self._accelerator.gather(logits)  # process after process
            logits = together.view(count, -1).T.reshape(-1)
        return logits[: len(data)]

    def correct_in_all(self) -> float:
        """Returns how many answers of all processes' steps were right, and resets the count."""
        correct = self.correct.clone()
        self.correct.zero_()
        if self._accelerator is not None and self._accelerator.num_processes > 1:
            correct = self._accelerator.reduce(correct, "sum")
        return float(correct)

    def weights(self) -> dict[str, Tensor]:
        """Returns the trained 32-bit weights by name, except the optimizer's master weights."""
        held = self.optimizer.weights() if isinstance(self.optimizer, MixedAdamW) else {}
        return {
            name: p.detach()
            for name, p in self.model.named_parameters()
            if p.requires_grad and p not in held
        }

    @torch.no_grad()
    def load(self, state: dict[str, Any]) -> None:
        """Takes over what ``state`` returned."""
        for name, tensor in self.weights().items():
            tensor.copy_(state["weights"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])

    def state(self) -> dict[str, Any]:
        """Returns everything about the weights that a resumed run needs."""
        return {
            "weights": self.weights(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    @torch.no_grad()
    def widen(self) -> None:
        """Puts the master weights back into the model, which cannot be trained any further."""
        if not isinstance(self.optimizer, MixedAdamW):
            return
        weights = self.optimizer.weights()
        for module in self.model.modules():
            held = module.weight if isinstance(module, nn.Linear) else None
            if isinstance(held, nn.Parameter) and held in weights:
                module.weight = nn.Parameter(weights[held])

    def _autocast(self) -> torch.autocast:
        return torch.autocast(
            self._device.type, dtype=self._type, enabled=self._type != torch.float32
        )


def right_answers(logits: Tensor, labels: Tensor) -> Tensor:
    """Returns which logits have the right sign; NaN has none."""
    return ((logits >= 0) == (labels > 0.5)) & ~logits.isnan()


def _padded(places: Tensor, multiple: int) -> Tensor:
    """Returns the indices, padded with zeros to a multiple."""
    return torch.cat([places, places.new_zeros(-len(places) % multiple)])


def _optimizer(
    model: Classifier, settings: TrainingSettings, speedups: Speedups
) -> torch.optim.Optimizer:
    if speedups.mixed:
        matrices = keep_in_bf16(model)
        parameters = [p for p in model.parameters() if p.requires_grad]
        return MixedAdamW(
            parameters,
            matrices,
            lr=settings.lr,
            weight_decay=settings.weight_decay,
            compiled=parameters[0].is_cuda,
        )
    parameters = [p for p in model.parameters() if p.requires_grad]
    if settings.optimizer == "coordinate-sgd":
        return CoordinateSGD(
            parameters,
            lr=settings.lr,
            seed=settings.seed,
            tolerance=settings.gradient_tolerance,
        )
    return torch.optim.AdamW(
        parameters,
        lr=settings.lr,
        weight_decay=settings.weight_decay,
        fused=parameters[0].device.type in ("cuda", "cpu"),
    )
