"""Inputs as tokens: what a model sees of an example, never truncated, padded on the right."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from llm_erm.errors import InputError
from llm_erm.phrases import counted
from llm_erm.tasks.task import Dataset, Kind

if TYPE_CHECKING:
    import torch

_ALPHABETS: dict[str, str] = {
    "binary": "01",
    "decimal": "0123456789",
    "graph": "0123456789uv",
    "row": "0123456789xc:,.-",
    "text": "".join(map(chr, range(32, 127))) + "\0",  # the last stands for every other character
}


class Encoder(Protocol):
    """Turns inputs into tokens."""

    vocabulary: int
    """Number of distinct tokens."""

    def tokens(self, inputs: Sequence[str]) -> list[list[int]]:
        """Returns the tokens of each input, the one before every input included."""


class Characters:
    """One token per character, for models from scratch."""

    def __init__(
        self, kind: Kind, *, bos_token: int | None = None, vocab_size: int | None = None
    ) -> None:
        """Chooses the tokens.

        Args:
            kind: What the inputs are.
            bos_token: Token before every input; by default the first that no character has.
            vocab_size: Number of tokens that the model knows; by default as many as there are.

        Raises:
            InputError: ``bos_token`` already stands for a character, or the vocabulary is small.
        """
        if kind not in _ALPHABETS:
            raise InputError(
                f"Training needs inputs of characters and got {kind}; "
                "use `llm-erm baselines` for tables."
            )
        characters = _ALPHABETS[kind]
        self.bos = len(characters) if bos_token is None else bos_token
        if self.bos < len(characters):
            raise InputError(
                f"BOS_TOKEN is {self.bos}, but {kind} inputs use the tokens 0 to "
                f"{len(characters) - 1} for their characters; give {len(characters)} or more, or "
                "leave it out.",
                setting="BOS_TOKEN",
            )
        self.vocabulary = self.bos + 1 if vocab_size is None else vocab_size
        if self.vocabulary <= self.bos:
            raise InputError(
                f"vocab_size is {self.vocabulary}, but {kind} inputs and the token {self.bos} "
                f"before them need {self.bos + 1} or more; give that, or leave it out.",
                setting="vocab_size",
            )
        codes = [ord(c) for c in characters]
        self._table = np.full(max(codes) + 2, len(characters) - 1, dtype=np.int64)
        self._table[codes] = np.arange(len(characters))

    def tokens(self, inputs: Sequence[str]) -> list[list[int]]:
        """Returns the tokens of each input, the one before every input included."""
        codes = np.frombuffer("".join(inputs).encode("utf-32-le"), dtype=np.uint32)
        words: list[int] = self._table[np.minimum(codes, len(self._table) - 1)].tolist()
        ends = list(accumulate(map(len, inputs)))
        starts = [0, *ends[:-1]]
        return [[self.bos, *words[i:j]] for i, j in zip(starts, ends, strict=True)]


class Words:
    """The tokens of a pretrained model's own tokenizer, for inputs spaced as published."""

    def __init__(self, tokenizer: Any, bos_token: int | None = None) -> None:  # noqa: ANN401
        """Takes a Hugging Face tokenizer and, if given, a first token in place of its own.

        Raises:
            InputError: The tokenizer has no such token.
        """
        self.vocabulary = len(tokenizer)
        if bos_token is not None and bos_token >= self.vocabulary:
            raise InputError(
                f"BOS_TOKEN is {bos_token}, but the model's vocabulary ends at "
                f"{self.vocabulary - 1}; give a smaller one, or leave it out.",
                setting="BOS_TOKEN",
            )
        self._tokenizer = tokenizer
        self._bos = bos_token

    def tokens(self, inputs: Sequence[str]) -> list[list[int]]:
        """Returns the tokens of each input, the one before every input included."""
        # A space before every character keeps tokenizers from joining digits to numbers.
        texts = [" ".join(x) for x in inputs]
        own: list[list[int]] = self._tokenizer(
            texts, add_special_tokens=self._bos is None, truncation=False, padding=False
        )["input_ids"]
        return own if self._bos is None else [[self._bos, *tokens] for tokens in own]


@dataclass(frozen=True)
class Encoded:
    """A data set as tensors on one device.

    Attributes:
        tokens: Tokens, shape ``(n, width)``; what comes after ``last`` is padding.
        last: Position of each input's last real token, shape ``(n,)``; the logit is read there.
        labels: Labels 0.0 or 1.0, shape ``(n,)``.
    """

    tokens: "torch.Tensor"
    last: "torch.Tensor"
    labels: "torch.Tensor"

    def __len__(self) -> int:
        """Returns the number of examples."""
        return int(self.labels.shape[0])

    def rows(self, chosen: "torch.Tensor") -> "Encoded":
        """Returns the examples at the given indices."""
        return Encoded(self.tokens[chosen], self.last[chosen], self.labels[chosen])


def encode(
    data: Dataset, encoder: Encoder, device: "torch.device", context_length: int | None = None
) -> Encoded:
    """Returns a data set as the model sees it.

    Args:
        data: The examples.
        encoder: Turns inputs into tokens.
        device: Where the tensors go.
        context_length: Maximum number of tokens per input; None for no limit.

    Raises:
        InputError: An input has more tokens than ``context_length``; inputs are never truncated.
    """
    import torch

    lists = encoder.tokens(data.inputs)
    width = max(map(len, lists))
    if context_length is not None and width > context_length:
        raise InputError(
            f"context_length is {context_length}, but an input has {counted(width, 'token')}, and "
            f"inputs are never truncated; give {width} or more, or leave it out.",
            setting="context_length",
        )
    tokens = np.zeros((len(lists), width), dtype=np.int64)
    for row, words in zip(tokens, lists, strict=True):
        row[: len(words)] = words
    last = np.array([len(words) - 1 for words in lists], dtype=np.int64)
    labels = np.array(data.labels, dtype=np.float32)
    return Encoded(*(torch.from_numpy(a).to(device) for a in (tokens, last, labels)))
