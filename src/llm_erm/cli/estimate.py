"""Says what the calls to a model would cost, for `--dry-run`."""

from collections.abc import Sequence

from llm_erm.llms.llm import LLM
from llm_erm.phrases import counted

CHARACTERS_PER_TOKEN = 2.5
"""For prompts that are mostly digits: tokenizers join up to three digits, separators cost one."""


def estimate(prompts: Sequence[str], attempts: int, max_tokens: int, llm: LLM) -> str:
    """Returns what all calls could cost; calls are priced one by one since long ones cost more.

    Args:
        prompts: The prompts.
        attempts: Number of calls per prompt.
        max_tokens: Maximum number of generated tokens per call.
        llm: The model.
    """
    tokens = [round(len(prompt) / CHARACTERS_PER_TOKEN) for prompt in prompts]
    calls = attempts * len(prompts)
    price = llm.budget.price if llm.budget is not None else lambda *_: 0.0
    prices = [price(count, max_tokens) for count in tokens]
    known = [one for one in prices if one is not None]
    cost = f"at most about ${attempts * sum(known):.2f}"
    return (
        f"Up to {counted(calls, 'call')}: about {attempts * sum(tokens):,} prompt "
        f"tokens and at most {calls * max_tokens:,} output tokens, "
        f"{cost if len(known) == len(prices) else 'at an unknown price'}"
    )
