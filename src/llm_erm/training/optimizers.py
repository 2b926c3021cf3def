"""How weights change: AdamW, its fast form for bf16 on a GPU, and coordinate SGD."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

MAX_NORM = 1.0
"""Gradients are scaled down to this norm, as published."""

_BETAS = (0.9, 0.999)
_EPSILON = 1e-8


def learning_rate(step: int, steps: int, start: float, end: float) -> float:
    """Returns the rate of a step, counted from 0: a cosine from ``start`` that would reach ``end``.

    As torch's CosineAnnealingLR computes it, which the published code uses.
    """
    return end + (start - end) * (1 + math.cos(math.pi * step / steps)) / 2


class MixedAdamW(torch.optim.Optimizer):
    """AdamW for matrices that the model holds in bf16; the master weights stay here in 32 bits.

    Under autocast, a 32-bit matrix is rounded to bf16 before use, and its bf16 gradient is widened
    afterwards. Here the model holds the rounded matrix, which saves both conversions and half the
    memory of the gradient; the sums are the same. The update of a matrix reads and writes each
    number once. Without master weights, updates would be lost at a learning rate of 1e-5.

    Everything runs on the device without synchronization, so that a step can be recorded as a CUDA
    graph. Gradients are clipped by their norm over all parameters.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        matrices: Mapping[nn.Parameter, Tensor],
        *,
        lr: float,
        weight_decay: float,
        compiled: bool,
    ) -> None:
        """Takes the parameters.

        Args:
            params: What to train.
            matrices: Those that ``keep_in_bf16`` rounded, with their master weights.
            lr: Learning rate; ``rate`` changes it.
            weight_decay: Weight decay.
            compiled: Whether to compile the update, which makes it faster and changes no result.
        """
        super().__init__(list(params), {"weight_decay": weight_decay})
        everything = [p for group in self.param_groups for p in group["params"]]
        device = everything[0].device
        self.rate = torch.tensor(lr, device=device)
        self._steps = torch.zeros((), device=device)
        self._matrices = [p for p in everything if p in matrices]
        rest = [p for p in everything if p not in matrices]
        on_gpu = device.type == "cuda"
        self._rest = torch.optim.AdamW(
            rest, lr=self.rate, weight_decay=weight_decay, fused=on_gpu or None, capturable=on_gpu
        )
        for p in self._matrices:
            self.state[p] = {
                "weight": matrices[p],
                "first": torch.zeros_like(p, dtype=torch.float32),
                "second": torch.zeros_like(p, dtype=torch.float32),
            }
        self._update: Callable[..., None] = (
            torch.compile(_update, dynamic=False, fullgraph=True) if compiled else _update
        )

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Clips the gradients and changes the weights that have one."""
        rest = [p for group in self._rest.param_groups for p in group["params"]]
        scale = _clipping(self._matrices + rest)
        torch._foreach_mul_([p.grad for p in rest if p.grad is not None], scale)
        self._rest.step()
        self._steps += 1
        corrections = [1 - beta**self._steps for beta in _BETAS]
        decay = 1 - self.rate * self.param_groups[0]["weight_decay"]
        for p in self._matrices:
            if p.grad is None:
                continue
            state = self.state[p]
            tensors = (state["weight"], p.detach(), state["first"], state["second"], p.grad)
            flat = (tensor.view(-1) for tensor in tensors)
            self._update(*flat, scale, self.rate, decay, *corrections)

    def weights(self) -> dict[nn.Parameter, Tensor]:
        """Returns the master weights of the matrices that the model holds in bf16."""
        return {p: self.state[p]["weight"] for p in self._matrices}

    def state_dict(self) -> dict[str, Any]:
        """Returns everything that a resumed run needs, including the master weights."""
        return {
            "matrices": [self.state[p] for p in self._matrices],
            "steps": self._steps,
            "rest": self._rest.state_dict(),
        }

    @torch.no_grad()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what ``state_dict`` returned, in place."""
        for p, saved in zip(self._matrices, state_dict["matrices"], strict=True):
            for name, tensor in saved.items():
                self.state[p][name].copy_(tensor)
            p.copy_(self.state[p]["weight"])
        self._steps.copy_(state_dict["steps"])
        self._rest.load_state_dict(state_dict["rest"])
        for group in self._rest.param_groups:
            group["lr"] = self.rate


def keep_in_bf16(model: nn.Module) -> dict[nn.Parameter, Tensor]:
    """Rounds the trainable matrices of all linear layers except the head to bf16.

    Returns:
        The new parameters with their master weights, for ``MixedAdamW``.
    """
    matrices = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and module.weight.requires_grad and name != "head":
            weight = module.weight.detach()
            module.weight = nn.Parameter(weight.to(torch.bfloat16))
            matrices[module.weight] = weight
    return matrices


class CoordinateSGD(torch.optim.Optimizer):
    """SGD that changes one number per step, drawn uniformly from those of all parameters.

    With fresh examples at every step, this is the online mini-batch coordinate SGD that the lower
    bound of arXiv 2510.14331 is about: a step answers one statistical query.
    """

    def __init__(
        self, params: Iterable[nn.Parameter], *, lr: float, seed: int, tolerance: float = 0.0
    ) -> None:
        """Takes the parameters.

        Args:
            params: What to train.
            lr: Learning rate.
            seed: Determines the coordinates.
            tolerance: Gradients are rounded to multiples of it; 0 for no rounding.
        """
        super().__init__(list(params), {"lr": lr})
        self._tolerance = tolerance
        self._random = torch.Generator().manual_seed(seed)
        sizes = torch.tensor([p.numel() for group in self.param_groups for p in group["params"]])
        self._ends = sizes.cumsum(0)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Moves one number against its gradient."""
        parameters = [p for group in self.param_groups for p in group["params"]]
        place = int(torch.randint(int(self._ends[-1]), (1,), generator=self._random))
        which = int(torch.searchsorted(self._ends, place, right=True))
        p = parameters[which]
        if p.grad is not None:
            at = place - int(self._ends[which]) + p.numel()
            gradient = p.grad.reshape(-1)[at]
            if self._tolerance:
                gradient = (gradient / self._tolerance).round() * self._tolerance
            p.view(-1)[at] -= self.param_groups[0]["lr"] * gradient

    def state_dict(self) -> dict[str, Any]:
        """Returns the state, including that of the random generator."""
        return super().state_dict() | {"random": self._random.get_state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what ``state_dict`` returned."""
        rest = dict(state_dict)
        self._random.set_state(rest.pop("random"))
        super().load_state_dict(rest)


def _clipping(parameters: Sequence[nn.Parameter]) -> Tensor:
    """Returns the factor that clips gradients, as in ``clip_grad_norm_``, in 32 bits."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    norms = torch._foreach_norm(gradients, 2, dtype=torch.float32)
    total: Tensor = torch.linalg.vector_norm(torch.stack(list(norms)))
    return (MAX_NORM / (total + 1e-6)).clamp(max=1.0)


def _update(
    weight: Tensor,
    rounded: Tensor,
    first: Tensor,
    second: Tensor,
    gradient: Tensor,
    scale: Tensor,
    rate: Tensor,
    decay: Tensor,
    correction1: Tensor,
    correction2: Tensor,
) -> None:
    """Does one step of AdamW on one matrix as torch does (arXiv 1711.05101, algorithm 2)."""
    wide = gradient.float() * scale
    first.lerp_(wide, 1 - _BETAS[0])
    second.mul_(_BETAS[1]).addcmul_(wide, wide, value=1 - _BETAS[1])
    denominator = (second / correction2).sqrt() + _EPSILON
    weight.mul_(decay).sub_(rate / correction1 * first / denominator)
    rounded.copy_(weight)
