"""The published commands: their flags, environment variables and default paths."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from llm_erm.cli.main import exit_with
from llm_erm.cli.output import note
from llm_erm.cli.parsing import parse
from llm_erm.errors import InputError

Flags = TypeVar("Flags")

_FLAGS = {
    "PROVIDER": "--provider",
    "OPENAI_MODEL": "--model",
    "MAX_OUTPUT_TOKENS": "--max-output-tokens",
    "TEMPERATURE": "--temperature",
    "TOP_P": "--top-p",
    "REASONING_EFFORT": "--reasoning-effort",
    "THINKING_LEVEL": "--reasoning-effort",
    "TEXT_VERBOSITY": "--verbosity",
    "TOOL_CHOICE": "--tool-choice",
    "CONCURRENCY": "--concurrency",
    "PER_CALL_TIMEOUT_S": "--timeout",
    "ATTEMPTS": "--attempts",
    "NUM_TRIALS": "--num-trials",
    "TRAIN_SIZE": "--train-size",
    "VAL_SIZE": "--val-size",
    "TEST_SIZE": "--test-size",
    "GLOBAL_SEED": "--seed",
    "DATASET_DIR": "--dataset-dir",
    "OUT_JSONL": "--out-jsonl",
    "OUT_CSV": "--out-csv",
    "LOG_LEVEL": "--log-level",
}
_DATA = (
    "By default, data are drawn as the paper's release drew them;\n"
    "--published None draws this package's own."
)
_SWITCHES = {"ENABLE_CODE_INTERPRETER": "--enable-code-interpreter", "DRY_RUN": "--dry-run"}


def synthesis(script: str, arguments: Sequence[str] | None = None) -> None:
    """Runs `python program_synthesis/runner.py` and exits.

    This is `llm-erm synthesize --provider openai` with the published defaults: flags that are not
    given are read from the environment variables of the published runner, and data, results and
    the log are kept next to the script, wherever it is called from.
    """
    from llm_erm.cli.synthesize import Options, synthesize

    folder = Path(script).resolve().parent
    default = replace(
        Options(),
        provider="openai",
        published="erm",
        dataset_dir=folder / "datasets",
        out_jsonl=folder / "results_attempts.jsonl",
        out_csv=folder / "results_attempts.csv",
        log_file=folder / "runner.log",
    )
    given = sys.argv[1:] if arguments is None else arguments
    what = "LLM-ERM with the OpenAI Responses API, as published."
    _exit_with(synthesize, lambda: [*_from_environment(), *given], "runner.py", what, default)


def incontext(script: str, arguments: Sequence[str] | None = None) -> None:
    """Runs `python in_context_learning/vllm_incontext.py` and exits.

    This is `llm-erm incontext` with the published defaults: vLLM runs the paper's model, and data
    and results are kept next to the script, wherever it is called from.
    """
    from llm_erm.cli import incontext as in_context

    folder = Path(script).resolve().parent
    default = replace(
        in_context.Options(),
        model="Qwen/Qwen3-30B-A3B-Instruct-2507",
        published="erm",
        dataset_dir=folder / "datasets",
        out_jsonl=folder / "vllm_results_details.jsonl",
        out_csv=folder / "vllm_results_summary.csv",
    )
    what = "In-context learning with vLLM, as published."
    _exit_with(in_context.incontext, lambda: arguments, "vllm_incontext.py", what, default)


_TRAINING: dict[str, Any] = {"train_set_size": 100_000, "batch_size": 1000, "n_epochs": 1000}
"""Defaults of the published script that differ from those of the published experiments."""


def training(script: str, arguments: Sequence[str] | None = None) -> None:
    """Runs `python finetuning/main.py` and exits.

    This is `llm-erm train` with the published script's defaults; data are kept next to the script.
    """
    from llm_erm.cli.train import Options, train

    sizes = _TRAINING | {"train_set_size": (_TRAINING["train_set_size"],)}
    default = replace(Options(), published="erm", dataset_dir=_datasets(script), **sizes)
    what = "Train a transformer as a binary classifier, as published."
    _exit_with(train, lambda: arguments, "main.py", what, default)


def sweeping(script: str, arguments: Sequence[str] | None = None) -> None:
    """Runs `python finetuning/sweep.py` and exits: `llm-erm sweep` with the script's defaults."""
    from llm_erm.cli.sweep import Options, sweep_over

    defaults = _TRAINING | {"published": "erm", "dataset_dir": str(_datasets(script))}
    drawn = "Trainings draw data as the paper's release drew them"
    unless = "(in the file, published: null draws this package's own)."
    what = f"Run every combination of a grid of training runs, as published.\n\n{drawn}\n{unless}"
    options = partial(parse, Options, arguments, "sweep.py", what)

    def sweep() -> int:
        given = options()
        note(f"Data: {drawn}, unless the file sets published (null: this package's own).")
        return sweep_over(given, defaults)

    exit_with(sweep, lambda: Options)


def _exit_with(
    command: Callable[[Flags], int],
    words: Callable[[], Sequence[str] | None],
    prog: str,
    description: str,
    default: Flags,
) -> None:
    """Runs a command with other defaults and exits; says first how it draws its data."""
    kind = type(default)

    def run() -> int:
        options: Any = parse(kind, words(), prog, f"{description}\n\n{_DATA}", default)
        if getattr(options, "replay_from", None) is not None:
            return command(replace(options, published=None))  # the data are those of that run
        note(
            "Data: this package's own."
            if options.published is None
            else f"Data: as the published release {options.published} drew them; --published None "
            "draws this package's own."
        )
        return command(options)

    exit_with(run, lambda: kind)


def _datasets(script: str) -> Path:
    return Path(script).resolve().parent / "datasets"


def _from_environment() -> list[str]:
    """Returns the flags given by environment variables; the command line overrides them."""
    values = [
        word
        for variable, flag in _FLAGS.items()
        if (value := os.environ.get(variable))
        for word in (flag, value)
    ]
    if os.environ.get("ALLOW_TOOLS"):
        values.append("--enable-code-interpreter" if _is_on("ALLOW_TOOLS") else "--no-tools")
    return values + [flag for variable, flag in _SWITCHES.items() if _is_on(variable)]


def _is_on(variable: str) -> bool:
    value = os.environ.get(variable, "")
    if value.lower() in ("1", "true", "yes", "on"):
        return True
    if value.lower() in ("", "0", "false", "no", "off"):
        return False
    raise InputError(f"{variable} is {value!r}; set it to 1 or 0.")
