"""`--dry-run`: shows the prompts and estimates what the calls would cost, without making any."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from llm_erm.cli.estimate import estimate
from llm_erm.cli.loading import say_warnings
from llm_erm.cli.output import note, say
from llm_erm.phrases import counted
from llm_erm.synthesis.feedback import MOST_BYTES
from llm_erm.synthesis.learn import prompt_for
from llm_erm.synthesis.method import Synthesis
from llm_erm.synthesis.strategies import uses_feedback
from llm_erm.tasks.spec import DataGrid, DataSpec
from llm_erm.tasks.splits import load


def dry_run(grid: DataGrid, specs: Sequence[DataSpec], method: Synthesis) -> int:
    """Prints each prompt; missing data are drawn into a temporary folder."""
    prompts = []
    settings = method.settings
    with tempfile.TemporaryDirectory() as scratch:
        for spec in specs:
            there = spec.folder(grid.dataset_dir).exists() and not grid.fresh_data
            splits = load(spec, grid.dataset_dir if there else Path(scratch))
            say_warnings(splits)
            for job in method.jobs([spec]):
                prompt = prompt_for(splits, method.settings_of(job))
                name = " ".join(filter(None, (spec.name, job.variant)))
                note(f"{name}: up to {counted(settings.attempts, 'call')} with this prompt")
                say(prompt)
                prompts.append(prompt)
    more = ", plus any tool calls" if settings.code_tool else ""
    cost = estimate(prompts, settings.attempts, settings.max_tokens, method.llm)
    note(f"{cost}{more}. A task needs fewer calls if an exact program is found early.")
    if uses_feedback(method.strategy):
        note(f"Later prompts also show earlier programs: up to {MOST_BYTES:,} bytes more each.")
    return 0
