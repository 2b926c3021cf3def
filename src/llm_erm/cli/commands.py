"""The commands of `llm-erm`, each in a module that is loaded when the command is called."""

from collections.abc import Callable
from importlib import import_module

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
        "Fit classical learners to each task, chosen from a grid by validation data.",
    ),
    "train": (
        "llm_erm.cli.train:train",
        "Train a transformer on each task, from scratch or fine-tuned, and test it.",
    ),
    "sweep": (
        "llm_erm.cli.sweep:sweep",
        "Run every combination of a grid of flags, each in a folder of its own.",
    ),
    "enumerate": (
        "llm_erm.cli.enumerate:enumerate",
        "Learn a program for each task without a language model, shortest programs first.",
    ),
    "tasks": (
        "llm_erm.cli.tasks:tasks",
        "List the tasks: what each computes, its lengths and its kind of input.",
    ),
    "data": (
        "llm_erm.cli.data:data",
        "Write the training, validation and test files of tasks, and print where they are.",
    ),
    "verify": (
        "llm_erm.cli.verify:verify",
        "Run a program on labelled examples, in the sandbox, and count what it gets right.",
    ),
    "compare": (
        "llm_erm.cli.compare:compare_runs",
        "Set methods side by side on the same data: accuracy, candidates, seconds, cost.",
    ),
    "figure": (
        "llm_erm.cli.figure:figure",
        "Draw accuracy against labelled examples: each method, and the guarantee of theory.",
    ),
    "bound": (
        "llm_erm.cli.bound:bound",
        "Plan sample sizes: the error that examples rule out, the examples that an error takes.",
    ),
    "doctor": (
        "llm_erm.cli.doctor:doctor",
        "Say what this machine can do, and how to get what is missing.",
    ),
}
"""Where each command is, and what it does in one line."""


def command(name: str) -> Callable[..., int]:
    """Returns the function of a command, whose one argument holds its flags."""
    module, _, function = COMMANDS[name][0].partition(":")
    found: Callable[..., int] = getattr(import_module(module), function)
    return found
