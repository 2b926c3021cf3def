"""The commands of `llm-erm`, each a function in a module of its name, imported on first use."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, get_type_hints

COMMANDS = {
    "synthesize": (
        "Learn a program for each task: a language model proposes, held-out data decides."
    ),
    "incontext": "Ask a language model for labels, with labelled examples in the prompt.",
    "baselines": "Fit classical learners to each task and choose their parameters.",
    "train": "Train a transformer on each task, from scratch or fine-tuned, and test it.",
    "sweep": "Run every combination of a grid of flags, each in its own folder.",
    "enumerate": "Learn a program for each task without a language model, shortest first.",
    "tasks": "List the tasks with the rule, the lengths and the kind of input of each.",
    "data": "Write the training, validation and test files of tasks; print their folders.",
    "verify": "Run a program on labelled examples in the sandbox; count correct answers.",
    "compare": "Compare methods on the same data: accuracy, candidates, seconds, cost.",
    "figure": "Plot accuracy against labelled examples, and what theory guarantees.",
    "bound": "Plan sample sizes: the accuracy that examples guarantee, and how many it takes.",
    "doctor": "Check what works on this machine and how to install what is missing.",
}
"""The commands, and what each does in one line."""

METHODS = ("synthesize", "incontext", "baselines", "train", "enumerate")
"""The commands that run a method, whose flags are ``runs.RunOptions``."""


def command(name: str) -> Callable[..., int]:
    """Returns the function of a command; its only argument holds the flags."""
    found: Callable[..., int] = getattr(import_module(f"llm_erm.cli.{name}"), name)
    return found


def flags_of(function: Callable[..., int]) -> type[Any]:
    """Returns the dataclass of the flags that the function of a command takes."""
    kind: type[Any] = get_type_hints(function)["options"]
    return kind
