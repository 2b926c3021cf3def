"""Settings of in-context learning, apart from its data and its model."""

from dataclasses import dataclass
from typing import Literal

from llm_erm.checks import Checked
from llm_erm.errors import InputError

AnswerMode = Literal["generate", "constrained", "score"]
"""How to obtain a label: read it from free text, generate JSON that must match a schema, or compare
the probabilities of both labels as the next token."""


@dataclass(frozen=True)
class InContextSettings(Checked):
    """Settings of in-context learning; the defaults are the published ones.

    Attributes:
        answer: How to obtain a label.
        temperature: Sampling temperature; ``score`` compares probabilities at temperature 1
            instead.
        top_p: Share of the probability mass from which tokens are sampled.
        max_new_tokens: Maximum number of generated tokens per query; ``score`` generates one.
        seed: Seed from which each query's own seed is derived.
        raw_prompt: Whether to send prompts without the model's chat template.
    """

    answer: AnswerMode = "generate"
    temperature: float = 0.2
    top_p: float = 0.95
    max_new_tokens: int = 1024
    seed: int = 42
    raw_prompt: bool = False

    @property
    def answer_tokens(self) -> int:
        """Number of tokens for which the context must have room besides the prompt."""
        return 1 if self.answer == "score" else self.max_new_tokens

    def check(self) -> None:
        """Checks that every number is in range.

        Raises:
            InputError: A number is out of range.
        """
        if self.max_new_tokens < 1:
            raise InputError(
                f"The maximum number of generated tokens is {self.max_new_tokens}; give 1 or more.",
                setting="max_new_tokens",
            )
        if not 0 <= self.temperature <= 2:
            raise InputError(
                f"The temperature is {self.temperature}; give a number from 0 to 2.",
                setting="temperature",
            )
        if not 0 < self.top_p <= 1:
            raise InputError(
                f"top_p is {self.top_p}; give a number above 0 and at most 1.",
                setting="top_p",
            )
