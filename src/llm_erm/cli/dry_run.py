"""`--dry-run`: the prompts, and what the calls for them could take, before any is made."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from llm_erm.cli import output
from llm_erm.cli.models import Choice
from llm_erm.cli.options import DataOptions, folder, load, trials
from llm_erm.synthesis.attempt import prompt_for
from llm_erm.synthesis.settings import Settings
from llm_erm.tasks.task import Task

CHARACTERS_A_TOKEN = 2.5
"""Of prompts that are mostly digits: tokenisers join up to three of them, separators cost one."""


def dry_run(
    options: DataOptions, points: Sequence[tuple[Task, int]], settings: Settings, choice: Choice
) -> int:
    """Prints each prompt; data that is not there yet is drawn into a folder that is not kept."""
    prompts = []
    with tempfile.TemporaryDirectory() as scratch:
        for task, length, trial in trials(options, points):
            there = folder(options, task, length, trial).exists() and not options.fresh_data
            place = options if there else replace(options, dataset_dir=Path(scratch))
            prompt = prompt_for(load(place, task, length, trial), settings)
            output.note(f"{task.id} L={length}: up to {settings.attempts} calls with this prompt")
            print(prompt)
            prompts.append(prompt)
    output.note(_estimate(prompts, settings, choice))
    return 0


def _estimate(prompts: Sequence[str], settings: Settings, choice: Choice) -> str:
    """Says what all calls could take; every call is priced alone, since long prompts cost more."""
    tokens = [round(len(prompt) / CHARACTERS_A_TOKEN) for prompt in prompts]
    calls = settings.attempts * len(prompts)
    price = choice.budget.price if choice.budget is not None else lambda *_: 0.0
    prices = [price(count, settings.max_tokens) for count in tokens]
    known = [one for one in prices if one is not None]
    cost = f"at most about ${settings.attempts * sum(known):.2f}"
    more = "; uses of a tool come on top" if settings.code_tool else ""
    return (
        f"Up to {calls:,} calls: about {settings.attempts * sum(tokens):,} prompt tokens and at "
        f"most {calls * settings.max_tokens:,} output tokens, "
        f"{cost if len(known) == len(prices) else 'at an unknown price'}{more}. "
        "An exact program ends a task's calls early."
    )
