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
    "fit": "Learn a rule from a table: readable, proved on its rows, bounded on new ones.",
    "predict": "Apply a rule to the rows of a table: add the class, and the line that gave it.",
    "export": "Write a rule as Python, SQL, a spreadsheet's formula or Markdown.",
    "mcp": "Give a task to a coding agent, which submits programs; held-out data decides.",
    "tasks": "List the tasks with the rule of each, or draw new ones that no model has seen.",
    "data": "Write the training, validation and test files of tasks; print their folders.",
    "verify": "Run a program on labelled examples in the sandbox; count correct answers.",
    "watch": "Follow a run that another process is doing, until it ends.",
    "merge": "Join the parts of a grid that ran apart, with --shard, into one run.",
    "compare": "Compare methods on the same data: accuracy, candidates, seconds, cost.",
    "figure": "Plot accuracy against labelled examples, and what theory guarantees.",
    "replicate": "Run the published experiments; set the published figures beside ours.",
    "benchmark": "Run methods on tasks of known description length; show where each stops.",
    "report": "Write one HTML file that shows what runs and rules learned, and how.",
    "bound": "Plan sample sizes: the accuracy that examples guarantee, and how many it takes.",
    "doctor": "Check what works on this machine and how to install what is missing.",
}
"""The commands, and what each does in one line."""

EXAMPLES = {
    "synthesize": """
  llm-erm synthesize --provider local --functions palindrome --lengths 20
  llm-erm synthesize --provider openai --functions parity_all --max-cost-usd 1""",
    "incontext": """
  llm-erm incontext --functions parity_all --lengths 20 --shots 10 20
  llm-erm incontext --base-url http://localhost:8000/v1 --model NAME""",
    "baselines": """
  llm-erm baselines --functions parity_all palindrome --lengths 20 50
  llm-erm baselines --learners knn svm --functions palindrome --num-trials 5""",
    "train": """
  llm-erm train --functions parity_all --lengths 20 --n-layer 2 --n-head 4 \\
      --n-embd 64 --lr 1e-3 --precision fp32
  llm-erm train --model smollm2_finetune --functions palindrome --lengths 20""",
    "sweep": """
  llm-erm sweep finetuning/sweep_config.yaml""",
    "enumerate": """
  llm-erm enumerate --functions parity_all patternmatch1 --lengths 20 100
  llm-erm enumerate --task-file examples/my_task.py""",
    "fit": """
  llm-erm fit customers.csv --target churned
  llm-erm fit visits.csv --target ill --groups patient --cost yes:no=5
  llm-erm fit customers.csv --target churned --ask --answered answers.csv
  llm-erm fit customers.csv --target churned --model openai:gpt-5""",
    "predict": """
  llm-erm predict rule.json new.csv --out predicted.csv
  llm-erm predict rule.json new.csv --undetermined mark""",
    "export": """
  llm-erm export rule.json --form python --out rule.py
  llm-erm export rule.json --form spreadsheet --columns age plan calls""",
    "mcp": """
  llm-erm mcp --functions palindrome --lengths 20 --attempts 10 --manifest
  llm-erm mcp --functions palindrome --lengths 20 --attempts 10""",
    "tasks": """
  llm-erm tasks
  llm-erm tasks --task-file examples/my_task.py
  llm-erm tasks --draw 20 --bits 12:40 --seed 7""",
    "data": """
  llm-erm data --functions palindrome --lengths 20 --test-size 1000""",
    "verify": """
  llm-erm verify program.py examples.txt""",
    "watch": """
  llm-erm watch runs/synthesize-0123456789
  llm-erm watch runs/sweep --once""",
    "merge": """
  llm-erm merge runs/part-* --out-dir runs/whole""",
    "compare": """
  llm-erm compare runs/*
  llm-erm compare runs/* --lengths 20 --plot compared.pdf --table compared.tex""",
    "figure": """
  llm-erm figure --make enumerate baselines --functions parity_all --lengths 20
  llm-erm figure runs/* --plot figure.pdf""",
    "replicate": """
  llm-erm replicate --quick
  llm-erm replicate table1 --dry-run
  llm-erm replicate length --methods enumeration embedded""",
    "benchmark": """
  llm-erm benchmark --draw 50 --bits 12:32
  llm-erm benchmark --proposer local openai:gpt-5 --dry-run
  llm-erm benchmark --tasks FOLDER --proposer scripted:answers.json""",
    "report": """
  llm-erm report runs/A --open
  llm-erm report runs/* rule.json --out report.html""",
    "bound": """
  llm-erm bound --budget 5 --examples 100
  llm-erm bound --budget 256 --accuracy 0.99""",
    "doctor": """
  llm-erm doctor""",
}
"""What one may ask of each command, as its help shows it."""

METHODS = ("synthesize", "incontext", "baselines", "train", "enumerate")
"""The commands that run a method, whose flags are ``runs.RunOptions``."""


def command(name: str) -> Callable[..., int]:
    """Returns the function of a command; its only argument holds the flags."""
    found: Callable[..., int] = getattr(import_module(f"llm_erm.cli.{name}"), name)
    return found


def described(name: str) -> str:
    """Returns what a command does, with examples."""
    return f"{COMMANDS[name]}\n\nexamples:{EXAMPLES[name]}"


def flags_of(function: Callable[..., int]) -> type[Any]:
    """Returns the dataclass of the flags that the function of a command takes."""
    kind: type[Any] = get_type_hints(function)["options"]
    return kind
