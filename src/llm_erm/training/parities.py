"""A model that is linear in all parities of k bits, with which coordinate SGD can learn one."""

from itertools import combinations
from math import comb

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from llm_erm.errors import InputError
from llm_erm.phrases import counted

MOST = 2_000_000
"""Maximum number of parities in a model: bounds the memory that a batch takes."""


class Parities(nn.Module):
    """The logit Σ w_S χ_S(x) over all sets S of ``degree`` positions; χ_S(x) = ±1 is their parity.

    All weights start at 0. A planted parity is one of the coordinates, and no other gradient tells
    where it is.
    """

    def __init__(self, length: int, degree: int) -> None:
        """Takes the number of bits and the size of the sets.

        Raises:
            InputError: There are no such sets or too many.
        """
        super().__init__()
        if not 1 <= comb(length, degree) <= MOST:
            raise InputError(
                f"degree is {degree}, and {counted(length, 'bit')} have {comb(length, degree):,} "
                f"sets of that size; the model takes 1 to {MOST:,}: give another degree or length.",
                setting="degree",
            )
        self.backbones = nn.ModuleList()
        self._width = 1 + length
        self.weight = nn.Parameter(torch.zeros(comb(length, degree)))
        self._sets: Tensor
        sets = torch.tensor(list(combinations(range(1, length + 1), degree)))
        self.register_buffer("_sets", sets, persistent=False)

    def forward(self, tokens: Tensor, last: Tensor) -> Tensor:
        """Returns logits of shape ``(n,)``; position 0 of the tokens is before the bits.

        Of longer inputs only the first ``length`` bits count; shorter ones are padded with 0s.
        """
        signs = 1.0 - 2.0 * pad(tokens, (0, self._width - tokens.shape[1])).float()
        characters = torch.ones(len(tokens), len(self._sets), device=tokens.device)
        for places in self._sets.T:
            characters = characters * signs[:, places]
        return characters @ self.weight
