"""`--dry-run`: shows the prompts and estimates what the calls would cost, without making any."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llm_erm.cli.loading import say_warnings
from llm_erm.cli.output import note, say
from llm_erm.llms.budget import Price
from llm_erm.phrases import counted
from llm_erm.synthesis.learn import prompt_for
from llm_erm.synthesis.method import Synthesis
from llm_erm.tasks.spec import DataGrid, DataSpec
from llm_erm.tasks.splits import load

CHARACTERS_PER_TOKEN = 2.5
"""For prompts that are mostly digits: tokenizers join up to three digits, separators cost one."""


def dry_run(grid: DataGrid, specs: Sequence[DataSpec], method: Synthesis) -> int:
    """Prints each prompt; missing data are drawn into a temporary folder."""
    prompts = []
    settings = method.settings
    with tempfile.TemporaryDirectory() as scratch:
        for spec in specs:
            there = spec.folder(grid.dataset_dir).exists() and not grid.fresh_data
            splits = load(spec, grid.dataset_dir if there else Path(scratch))
            say_warnings(splits)
            prompt = prompt_for(splits, settings)
            note(f"{spec.name}: up to {counted(settings.attempts, 'call')} with this prompt")
            say(prompt)
            prompts.append(prompt)
    note(_estimate(prompts, method))
    return 0


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


def _estimate(prompts: Sequence[str], method: Synthesis) -> str:
    """Returns what all calls could cost."""
    settings, budget = method.settings, method.llm.budget
    price = budget.price if budget is not None else lambda *_: 0.0
    most = estimated(prompts, settings.attempts, settings.max_tokens, price)
    dollars = most.dollars
    cost = "at an unknown price" if dollars is None else f"at most about ${dollars:.2f}"
    more = ", plus any tool calls" if settings.code_tool else ""
    return (
        f"Up to {counted(most.calls, 'call')}: about {most.prompt_tokens:,} prompt "
        f"tokens and at most {most.output_tokens:,} output tokens, {cost}{more}. "
        "A task needs fewer calls if an exact program is found early."
    )
