"""Settings of an LLM-ERM search, apart from its data and its model."""

from dataclasses import dataclass

from llm_erm.checks import Checked
from llm_erm.execution import Limits
from llm_erm.llms.providers import Constraint


@dataclass(frozen=True)
class SynthesisSettings(Checked):
    """Settings of a search.

    Attributes:
        attempts: The budget K: the maximum number of candidates, fixed beforehand.
        constraint: What the model is asked for, and what its answers must match.
        max_tokens: Maximum number of generated tokens per attempt.
        confidence: Confidence of the certificate.
        early_stop: Whether a program without validation errors ends the search.
        code_tool: Whether the model may run Python on the training examples, in the sandbox.
        prompt: Template of the prompt, as ``prompts`` describes it; None for the usual one.
        named_columns: Whether the prompt names the columns of public tables, which are blind
            otherwise, so that a model cannot recall the table.
        limits: Limits of one execution of a candidate.
    """

    attempts: int
    constraint: Constraint = "none"
    max_tokens: int = 20_000
    confidence: float = 0.95
    early_stop: bool = True
    code_tool: bool = False
    prompt: str | None = None
    named_columns: bool = False
    limits: Limits = Limits()
