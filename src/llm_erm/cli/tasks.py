"""`llm-erm tasks`: lists the tasks."""

from dataclasses import dataclass
from pathlib import Path

from llm_erm.cli import output
from llm_erm.cli.tables import Column
from llm_erm.tasks.suite import TASKS
from llm_erm.tasks.task import Task
from llm_erm.tasks.task_file import load_task_file


@dataclass(frozen=True)
class Options:
    """Flags of `llm-erm tasks`."""

    task_file: Path | None = None
    """A Python file that defines a task of your own."""
    json: bool = False
    """Print one JSON object per task."""
    wide: bool = False
    """On a terminal, show every column of the table."""


def tasks(options: Options) -> int:
    """List the tasks with the rule, the lengths and the kind of input of each."""
    listed = list(TASKS.values())
    if options.task_file is not None:
        listed.append(load_task_file(options.task_file))
    if options.json:
        for task in listed:
            row = {
                "function": task.id,
                "name": task.name,
                "kind": task.kind,
                "lengths": list(task.lengths),
                "computes": _rule(task),
            }
            output.say_json(row)
        return 0
    columns = (
        *("task", "name"),
        Column("input", wide=True),
        Column("lengths", wide=True),
        Column("label 1 when", text=True),
    )
    rows = [
        (task.id, task.name, task.kind, " ".join(map(str, task.lengths)), _rule(task))
        for task in listed
    ]
    output.table(columns, rows, wide=options.wide)
    return 0


def _rule(task: Task) -> str:
    """Returns when the label is 1; of a file that does not say it, where it stands."""
    return task.computes or f"rule(x) in {task.source} is 1"
