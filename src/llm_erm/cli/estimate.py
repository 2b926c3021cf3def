"""Says what the calls to a model would cost, for `--dry-run`."""

from collections.abc import Sequence
from dataclasses import dataclass

from llm_erm.llms.budget import Price
from llm_erm.llms.command import CommandLLM
from llm_erm.llms.llm import LLM
from llm_erm.phrases import counted

CHARACTERS_PER_TOKEN = 2.5
"""For prompts that are mostly digits: tokenizers join up to three digits, separators cost one."""


@dataclass(frozen=True)
class Estimate:
    """What the calls to a model take, at most.

    Attributes:
        calls: Number of calls.
        prompt_tokens: About how many tokens all prompts have together.
        output_tokens: Number of output tokens, at most.
        dollars: Their price; None if it is unknown.
    """

    calls: int
    prompt_tokens: int
    output_tokens: int
    dollars: float | None


def estimated(prompts: Sequence[str], attempts: int, max_tokens: int, price: Price) -> Estimate:
    """Returns what calls take; each is priced by itself since long ones cost more.

    Args:
        prompts: The different prompts.
        attempts: Number of calls with each.
        max_tokens: Output tokens of a call, at most.
        price: Returns the price of a call.
    """
    tokens = [round(len(prompt) / CHARACTERS_PER_TOKEN) for prompt in prompts]
    prices = [price(count, max_tokens) for count in tokens]
    known = [one for one in prices if one is not None]
    calls = attempts * len(prompts)
    return Estimate(
        calls,
        attempts * sum(tokens),
        calls * max_tokens,
        attempts * sum(known) if len(known) == len(prices) else None,
    )


def estimate(prompts: Sequence[str], attempts: int, max_tokens: int, llm: LLM) -> str:
    """Returns in words what all calls could cost, without a full stop.

    Args:
        prompts: The different prompts.
        attempts: Number of calls with each.
        max_tokens: Output tokens of a call, at most.
        llm: The model.
    """
    price = llm.budget.price if llm.budget is not None else lambda *_: 0.0
    most = estimated(prompts, attempts, max_tokens, price)
    dollars = most.dollars
    outputs = (
        "" if isinstance(llm, CommandLLM) else f" and at most {most.output_tokens:,} output tokens"
    )
    cost = "at an unknown price" if dollars is None else f"at most about ${dollars:.2f}"
    return (
        f"Up to {counted(most.calls, 'call')}: about {most.prompt_tokens:,} prompt "
        f"tokens{outputs}, {cost}"
    )
