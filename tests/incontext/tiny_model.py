"""A Hugging Face folder of 400,000 random weights, and an engine that notes each load."""

import os
import time
from pathlib import Path
from typing import Any

from llm_erm.incontext.vllm import VLLMEngine


def write(folder: Path) -> None:
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: index for index, letter in enumerate([*letters, "<eos>"])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>").save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        bos_token_id=None,
        eos_token_id=vocabulary["<eos>"],
    )
    LlamaForCausalLM(config).save_pretrained(folder)


class NotedEngine(VLLMEngine):
    """Leaves a file for each time that it loads its model."""

    def __init__(self, model: Path, notes: Path, **more: Any) -> None:
        super().__init__(str(model), **more)
        self._notes = notes

    def load(self) -> None:
        super().load()
        (self._notes / f"{os.getpid()}-{time.monotonic_ns()}").touch()

    def loads(self) -> list[int]:
        """The process of each load."""
        return [int(path.name.partition("-")[0]) for path in self._notes.iterdir()]
