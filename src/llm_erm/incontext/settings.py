"""What shapes the answers of an in-context run; the command line adds its data and its model."""

from dataclasses import dataclass
from typing import Literal

AnswerMode = Literal["generate", "constrained", "score"]
"""How a label comes about: read out of free text, generated as forced JSON, or the more probable
of the two next tokens."""


@dataclass(frozen=True)
class Settings:
    """Settings of an in-context run; the defaults are the published ones.

    Attributes:
        answer: How a label comes about.
        temperature: Of the sampling; ``score`` compares probabilities at temperature 1 instead.
        top_p: Share of the probability that tokens are sampled from.
        max_new_tokens: Limit on generated tokens a query; ``score`` generates one.
        seed: Seed that each query's own seed comes from.
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
        """Tokens that the context must have room for beside the prompt."""
        return 1 if self.answer == "score" else self.max_new_tokens
