"""`llm-erm tasks`: lists the tasks, or draws new ones."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from llm_erm.cli import output
from llm_erm.cli.progress import Bars
from llm_erm.cli.tables import Column
from llm_erm.errors import InputError
from llm_erm.tasks.suite import TASKS
from llm_erm.tasks.task import Task
from llm_erm.tasks.task_file import load_task_file

if TYPE_CHECKING:
    from llm_erm.enumeration.drawn import Drawing, DrawnTask

BITS, SEED, LENGTH, OUT_DIR = "12:40", 42, 20, Path("drawn-tasks")
"""What is drawn, and where it goes, unless flags say otherwise."""

QUICK_SECONDS = 3.0
"""CPU time that loading the machine code stays below, unless it is compiled."""


@dataclass(frozen=True)
class Options:
    """Flags of `llm-erm tasks`."""

    task_file: Path | None = None
    """A Python file that defines a task of your own."""
    draw: int | None = None
    """Draw this many random programs as tasks, and write a task file for each."""
    bits: str | None = None
    """With --draw: description lengths of the programs, over which the tasks are spread evenly: the
    lowest, a colon and the highest (default: 12:40)."""
    seed: int | None = None
    """With --draw: seed of the programs (default: 42)."""
    length: int | None = None
    """With --draw: length of the inputs in characters (default: 20)."""
    out_dir: Path | None = None
    """With --draw: folder for the task files (default: drawn-tasks)."""
    json: bool = False
    """Print one JSON object per task."""
    wide: bool = False
    """On a terminal, show every column of the table."""


def tasks(options: Options) -> int:
    """List the tasks with the rule of each, or draw new ones that no model has seen."""
    if options.draw is not None:
        return _draw(options, options.draw)
    for name in ("bits", "seed", "length", "out_dir"):
        if getattr(options, name) is not None:
            raise InputError(
                "That is for drawing tasks; also give --draw and how many.", setting=name
            )
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


def draw(count: int, bits: str | None, seed: int, length: int | None) -> "Drawing":
    """Returns random programs as tasks; shows bars, and prints which are missing.

    Args:
        count: Number of tasks.
        bits: The lowest description length, a colon and the highest; None for the default.
        seed: Seed of the programs.
        length: Length of the inputs in characters; None for the default.

    Raises:
        InputError: An argument is not valid, or no task exists of any of these lengths.
        MissingExtraError: A package that the enumeration needs is not installed.
    """
    from llm_erm.cli.compiling import load_compiled
    from llm_erm.enumeration.drawing import draw_tasks
    from llm_erm.enumeration.method import check_packages, prepare

    low, high = range_of(bits or BITS)
    check_packages()
    load_compiled(prepare, QUICK_SECONDS)
    with Bars() as bars:
        bar = {
            "length": bars.add("description lengths", high, may_end_before=True),
            "task": bars.add("tasks", count),
        }
        drawing = draw_tasks(
            count,
            (low, high),
            seed,
            LENGTH if length is None else length,
            observe=lambda step: bars.advance(bar[step]),
        )
    for sentence in drawing.missing:
        output.note(sentence)
    return drawing


def _draw(options: Options, count: int) -> int:
    """Draws tasks, writes their files and prints a table of them."""
    if options.task_file is not None:
        raise InputError(
            "Tasks are drawn or read from a file; omit one of the two.", setting="draw or task_file"
        )
    seed = SEED if options.seed is None else options.seed
    drawing = draw(count, options.bits, seed, options.length)
    written = zip(drawing.tasks, drawing.write(options.out_dir or OUT_DIR), strict=True)
    drawn = sorted(written, key=lambda one: (one[0].bits, one[0].number))
    if options.json:
        for task, path in drawn:
            output.say_json(_drawn_row(task, path))
        return 0
    columns = ("task", "bits", Column("label 1", wide=True), Column("label 1 when", text=True))
    rows = [
        (task.name, f"{task.bits:g}", output.percent(task.share), task.expression)
        for task, _ in drawn
    ]
    output.table(columns, rows, wide=options.wide)
    output.say_below(
        f"\nThe files are in {options.out_dir or OUT_DIR}; try `llm-erm enumerate --task-file "
        f"{drawn[0][1]}`."
    )
    return 0


def _drawn_row(task: "DrawnTask", path: Path) -> dict[str, object]:
    return {
        "function": task.name,
        "file": str(path),
        "kind": "binary",
        "lengths": [task.length],
        "computes": task.expression,
        "bits": task.bits,
        "checked_bits": task.checked_bits,
        "share_of_label_1": task.share,
    }


def range_of(text: str) -> tuple[int, int]:
    """Returns the lowest and the highest description length of ``LOW:HIGH``.

    Raises:
        InputError: The text is something else.
    """
    low, _, high = text.partition(":")
    if not (low.isdecimal() and (high or low).isdecimal()) or text.endswith(":"):
        raise InputError(
            f"The description lengths are {text!r}; give whole numbers of bits, the lowest, a "
            f"colon and the highest, such as {BITS}.",
            setting="bits",
        )
    return int(low), int(high or low)


def _rule(task: Task) -> str:
    """Returns when the label is 1; of a file that does not say it, where it stands."""
    return task.computes or f"rule(x) in {task.source} is 1"
