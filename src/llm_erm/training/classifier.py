"""The model that is trained: a causal transformer, and one logit read at the last real token."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

CAUSAL = "llm_erm_causal"
"""Name of ``causal_attention`` among the attention functions of transformers."""

_PLAIN = ("llama", "qwen2", "qwen3")  # families whose attention is purely causal


class Classifier(nn.Module):
    """The logit of label 1: linear in the mean of the backbones' last hidden states.

    Inputs are padded on the right and attention is causal, so nothing before the last real token
    sees the padding, and no mask is needed.
    """

    def __init__(self, backbones: Sequence[nn.Module], width: int) -> None:
        """Takes causal transformers of transformers and the width of their hidden states."""
        super().__init__()
        self.backbones = nn.ModuleList(backbones)
        self.head = nn.Linear(width, 1)

    def forward(self, tokens: Tensor, last: Tensor) -> Tensor:
        """Returns logits of shape ``(n,)``; see ``Encoded`` for the arguments."""
        rows = torch.arange(tokens.shape[0], device=tokens.device)
        hidden = [
            backbone(input_ids=tokens, use_cache=False).last_hidden_state[rows, last]
            for backbone in self.backbones
        ]
        logits: Tensor = self.head(sum(hidden[1:], start=hidden[0]) / len(hidden))
        return logits.squeeze(-1)


def layers_of(backbone: nn.Module) -> nn.ModuleList:
    """Returns the transformer layers of a backbone, lowest first."""
    lists = [module for module in backbone.modules() if isinstance(module, nn.ModuleList)]
    return max(lists, key=len)


def use_plain_attention(backbone: Any) -> bool:  # noqa: ANN401 - a model of transformers
    """Makes a model use ``causal_attention`` where its own attention does the same.

    transformers builds a mask whenever a CUDA graph is recorded (5.17 does, 5.23 does not), and a
    mask rules out the fast kernels; for a custom attention function it builds none.

    Returns:
        Whether it now does.
    """
    from transformers import AttentionInterface

    config = backbone.config
    sliding = set(getattr(config, "layer_types", None) or ()) - {"full_attention"}
    if config.model_type not in _PLAIN or sliding:
        return False
    AttentionInterface.register(CAUSAL, causal_attention)
    config._attn_implementation = CAUSAL
    return True


def causal_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **_: object,
) -> tuple[Tensor, None]:
    """Returns attention to all earlier positions; the signature is the one transformers calls.

    ``query`` has shape ``(n, heads, width, head_size)``, ``key`` and ``value`` may have fewer
    heads; the result has shape ``(n, width, heads, head_size)``.
    """
    assert attention_mask is None
    output = scaled_dot_product_attention(
        query,
        key,
        value,
        dropout_p=dropout,
        is_causal=True,
        scale=scaling,
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return output.transpose(1, 2).contiguous(), None
