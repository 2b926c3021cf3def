"""`--dry-run`: shows the prompts and estimates what the calls would cost, without making any."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from llm_erm.cli.loading import say_warnings
from llm_erm.cli.output import note, say
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


def _estimate(prompts: Sequence[str], method: Synthesis) -> str:
    """Returns what all calls could cost; calls are priced one by one since long ones cost more."""
    settings, budget = method.settings, method.llm.budget
    tokens = [round(len(prompt) / CHARACTERS_PER_TOKEN) for prompt in prompts]
    calls = settings.attempts * len(prompts)
    price = budget.price if budget is not None else lambda *_: 0.0
    prices = [price(count, settings.max_tokens) for count in tokens]
    known = [one for one in prices if one is not None]
    cost = f"at most about ${settings.attempts * sum(known):.2f}"
    more = ", plus any tool calls" if settings.code_tool else ""
    return (
        f"Up to {counted(calls, 'call')}: about {settings.attempts * sum(tokens):,} prompt "
        f"tokens and at most {calls * settings.max_tokens:,} output tokens, "
        f"{cost if len(known) == len(prices) else 'at an unknown price'}{more}. "
        "A task needs fewer calls if an exact program is found early."
    )
