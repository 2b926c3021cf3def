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
    characters = calls = 0
    with tempfile.TemporaryDirectory() as scratch:
        for task, length, trial in trials(options, points):
            there = folder(options, task, length, trial).exists() and not options.fresh_data
            place = options if there else replace(options, dataset_dir=Path(scratch))
            prompt = prompt_for(load(place, task, length, trial), settings)
            output.note(f"{task.id} L={length}: up to {settings.attempts} calls with this prompt")
            print(prompt)
            calls += settings.attempts
            characters += settings.attempts * len(prompt)
    output.note(_estimate(calls, characters, settings, choice))
    return 0


def _estimate(calls: int, characters: int, settings: Settings, choice: Choice) -> str:
    prompt_tokens = round(characters / CHARACTERS_A_TOKEN)
    output_tokens = calls * settings.max_tokens
    price = choice.budget.price(prompt_tokens, output_tokens) if choice.budget else 0.0
    cost = "at an unknown price" if price is None else f"${price:.2f} at most"
    more = "; uses of a tool come on top" if settings.code_tool else ""
    return (
        f"Up to {calls:,} calls: about {prompt_tokens:,} prompt tokens and at most "
        f"{output_tokens:,} output tokens, {cost}{more}. "
        "An exact program ends a task's calls early."
    )
