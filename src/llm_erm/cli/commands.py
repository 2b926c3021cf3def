"""The commands of `llm-erm`, each in a module of its own that is imported on first use."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, get_type_hints

COMMANDS: dict[str, tuple[str, str]] = {
    "synthesize": (
        "llm_erm.cli.synthesize:synthesize",
        "Learn a program for each task: a language model proposes, held-out data decides.",
    ),
    "incontext": (
        "llm_erm.cli.incontext:incontext",
        "Ask a language model for labels, with labelled examples in the prompt.",
    ),
    "baselines": (
        "llm_erm.cli.baselines:baselines",
        "Fit classical learners to each task; validation data choose their parameters.",
    ),
    "train": (
        "llm_erm.cli.train:train",
        "Train a transformer on each task, from scratch or fine-tuned, and test it.",
    ),
    "sweep": (
        "llm_erm.cli.sweep:sweep",
        "Run every combination of a grid of flags, each in its own folder.",
    ),
    "enumerate": (
        "llm_erm.cli.enumerate:enumerate",
        "Learn a program for each task without a language model, shortest first.",
    ),
    "tasks": (
        "llm_erm.cli.tasks:tasks",
        "List the tasks with the rule, the lengths and the kind of input of each.",
    ),
    "data": (
        "llm_erm.cli.data:data",
        "Write the training, validation and test files of tasks; print their folders.",
    ),
    "verify": (
        "llm_erm.cli.verify:verify",
        "Run a program on labelled examples in the sandbox; count correct answers.",
    ),
    "compare": (
        "llm_erm.cli.compare:compare_runs",
        "Compare methods on the same data: accuracy, candidates, seconds, cost.",
    ),
    "figure": (
        "llm_erm.cli.figure:figure",
        "Plot accuracy against labelled examples, and what theory guarantees.",
    ),
    "bound": (
        "llm_erm.cli.bound:bound",
        "Plan sample sizes: the accuracy that examples guarantee, and how many it takes.",
    ),
    "doctor": (
        "llm_erm.cli.doctor:doctor",
        "Check what works on this machine and how to install what is missing.",
    ),
}
"""The function of each command, and what it does in one line."""

METHODS = ("synthesize", "incontext", "baselines", "train", "enumerate")
"""The commands that run a method, whose flags are ``runs.RunOptions``."""


def command(name: str) -> Callable[..., int]:
    """Returns the function of a command; its only argument holds the flags."""
    module, _, function = COMMANDS[name][0].partition(":")
    found: Callable[..., int] = getattr(import_module(module), function)
    return found


def flags_of(function: Callable[..., int]) -> type[Any]:
    """Returns the dataclass of the flags that the function of a command takes."""
    kind: type[Any] = get_type_hints(function)["options"]
    return kind
