"""What shapes one LLM-ERM search; the command line adds what shapes its data and its model."""

from dataclasses import dataclass
from typing import Literal

from llm_erm.sandbox import Limits

Constraint = Literal["grammar", "schema", "none"]
"""What the model's answer must match: an expression of the small grammar, JSON, or nothing."""


@dataclass(frozen=True)
class Settings:
    """Settings of a search.

    Attributes:
        attempts: The budget K: candidates drawn at most, fixed beforehand.
        constraint: What the model's answers must match.
        seed: Seed of the series of samples.
        max_tokens: Limit on generated tokens an attempt.
        confidence: Confidence of the certificate.
        early_stop: Whether a program without validation errors ends the search.
        code_tool: Whether the model may run Python on the training examples, in the sandbox.
        limits: What one execution of a candidate may use.
    """

    attempts: int
    constraint: Constraint = "none"
    seed: int = 0
    max_tokens: int = 20_000
    confidence: float = 0.95
    early_stop: bool = True
    code_tool: bool = False
    limits: Limits = Limits()
