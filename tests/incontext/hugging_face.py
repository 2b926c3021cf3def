"""Writes the embedded GGUF weights as a Hugging Face folder, which vLLM can load."""

import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from llm_erm.llms import weights


def write(folder: Path) -> None:
    gguf = weights.embedded()
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16
    )
    # What says that the weights came quantised keeps them from being saved as they are now.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(folder)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
