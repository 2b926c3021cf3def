"""A prompt that a server cut is noticed by its tokens, and a whole one is not suspected."""

import numpy as np
import pytest

from llm_erm.llms.llm import Completion, Usage
from llm_erm.llms.oddities import cut_prompt, only_thoughts
from llm_erm.synthesis.prompt import build_prompt
from llm_erm.tasks.task import Dataset


def prompt(length: int, count: int, share: float = 0.5) -> str:
    """A prompt of random bit strings."""
    bits = np.random.RandomState(0).random_sample((count, length)) < share
    inputs = tuple("".join("01"[bit] for bit in row.astype(int)) for row in bits)
    return build_prompt(Dataset(inputs, (0, 1) * (count // 2)), "binary", length)


def read(tokens: int) -> Completion:
    return Completion(1, "1", Usage(prompt_tokens=tokens))


TOKENS = {
    "GPT-4: three digits each": lambda text: len(text) / 3.0,
    "Claude 2: more digits each": lambda text: len(text) / 3.5,
    "one digit each": len,
}


@pytest.mark.parametrize("tokens", TOKENS.values(), ids=TOKENS.keys())
@pytest.mark.parametrize(("length", "count"), [(20, 20), (100, 100), (50, 200)])
def test_a_whole_prompt_is_not_suspected(tokens, length, count):
    text = prompt(length, count)
    assert cut_prompt(text, read(round(tokens(text)))) is None
    assert cut_prompt(text, read(0)) is None  # some servers report nothing


def test_a_long_run_may_be_a_single_token():
    text = prompt(100, 100, share=0.0)
    assert cut_prompt(text, read(1000)) is None  # of zeros, GPT-3 reads 16 as one token


@pytest.mark.parametrize(("length", "tokens"), [(100, 2050), (100, 2300), (100, 4096), (50, 1200)])
def test_a_cut_prompt_is_noticed(length, tokens):
    said = cut_prompt(prompt(length, 100), read(tokens))
    assert said is not None
    assert f"read {tokens:,} tokens" in said
    assert "OLLAMA_CONTEXT_LENGTH" in said


def test_answers_of_thoughts_are_counted():
    texts = ["<think>\nhm\n</think>", "<think>\nhm\n</think>1", "1", ""]
    assert only_thoughts([Completion(1, text) for text in texts[1:]]) is None
    said = only_thoughts([Completion(1, text) for text in texts])
    assert said is not None
    assert said.startswith("1 of 4 answers has no text besides thoughts")
