"""Settings of in-context learning; its data and its model are apart."""

from dataclasses import dataclass
from typing import Literal

from llm_erm.errors import InputError

AnswerMode = Literal["generate", "constrained", "score"]
"""How a label is obtained: read from free text, generated as JSON that must match a schema, or the
more probable of the two labels as the next token."""


@dataclass(frozen=True)
class Settings:
    """Settings of in-context learning; the defaults are the published ones.

    Attributes:
        answer: How a label is obtained.
        temperature: Sampling temperature; ``score`` compares probabilities at temperature 1
            instead.
        top_p: Share of the probability mass that tokens are sampled from.
        max_new_tokens: Limit on generated tokens per query; ``score`` generates one.
        seed: Seed from which each query's own seed is derived.
        raw_prompt: Whether prompts go to the model as they are, without its chat template.
    """

    answer: AnswerMode = "generate"
    temperature: float = 0.2
    top_p: float = 0.95
    max_new_tokens: int = 1024
    seed: int = 42
    raw_prompt: bool = False

    @property
    def answer_tokens(self) -> int:
        """Tokens that the context must have room for besides the prompt."""
        return 1 if self.answer == "score" else self.max_new_tokens

    def check(self) -> None:
        """Makes sure that every number is in its range.

        Raises:
            InputError: One is not.
        """
        if self.max_new_tokens < 1:
            raise InputError(
                f"The limit on generated tokens is {self.max_new_tokens}; give 1 or more.",
                setting="max_new_tokens",
            )
        if not 0 <= self.temperature <= 2:
            raise InputError(
                f"The temperature is {self.temperature}; give a number from 0 to 2.",
                setting="temperature",
            )
        if not 0 < self.top_p <= 1:
            raise InputError(
                f"The share top_p is {self.top_p}; give a number above 0 and at most 1.",
                setting="top_p",
            )
