"""`llm-erm train`: trains a transformer on the tasks' examples."""

import gc
import hashlib
import json as jsonlib
import os
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields, replace
from itertools import product
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal

from llm_erm.cli import output
from llm_erm.cli.options import DataOptions, check_sizes, grid, load_all
from llm_erm.cli.result import result_of
from llm_erm.errors import InputError
from llm_erm.journal import writing
from llm_erm.tasks import probes
from llm_erm.tasks.drawing import Request
from llm_erm.tasks.stream import Fresh, stream
from llm_erm.tasks.task import Splits, Task
from llm_erm.training.artifacts import Artifacts, plot_lines, without_nan
from llm_erm.training.build import check, require_packages
from llm_erm.training.settings import Settings


@dataclass(frozen=True)
class Options(Settings):
    """Flags of `llm-erm train`; with several tasks, lengths or sizes, each is a run of its own."""

    results_path: Path | None = None
    """Folder for everything this run writes, with a folder inside for each run where there are
    several; runs/train-<digest of the settings> unless given."""
    target_func: tuple[str, ...] = ()
    """Task ids, as `llm-erm tasks` lists them; fn_a unless given, or the task of --task-file."""
    sequence_length: tuple[int, ...] = (50,)
    """Lengths of the training inputs in characters."""
    test_sequence_length: tuple[int, ...] = ()
    """Further lengths to test at, those that a run was trained at excepted."""
    train_set_size: tuple[int, ...] = (200,)
    """Training examples: training and validation examples of the shared splits together."""
    test_set_size: int = 10_000
    """Test examples."""
    dataset_dir: Path = Path("datasets")
    """Folder of the data sets; files there with the sizes asked for are used as they are."""
    negatives: Literal["near-miss", "random"] = "near-miss"
    """How palindrome negatives are drawn: one bit from a palindrome, or uniform."""
    published: bool = False
    """Draw as the published code did where it differs, to compare with published figures."""
    allow_repeats: bool = False
    """Let splits share inputs where too few exist."""
    fresh_data: bool = False
    """Draw the data anew in place of the files that are there."""
    task_file: Path | None = None
    """A Python file that defines a task of your own."""
    fresh: bool = False
    """Delete what an earlier run left in the folder instead of continuing it."""
    json: bool = False
    """Print one JSON object a run instead of the table."""


_NOT_SHAPING = (
    *("results_path", "device", "engine", "eval_batch_size", "checkpoint_every", "report_to"),
    *("save_model", "dataset_dir", "fresh_data", "fresh", "json"),
)


@dataclass(frozen=True)
class _Job:
    """One run of a command."""

    task: Task
    length: int
    train_size: int
    options: Options

    @property
    def name(self) -> str:
        return f"{self.task.id}-L{self.length}-n{self.train_size}"

    def data(self, fresh: bool) -> DataOptions:
        shared = {f.name for f in fields(DataOptions)} & {f.name for f in fields(Options)}
        return DataOptions(
            **{name: getattr(self.options, name) for name in shared - {"fresh_data"}},
            functions=(self.task.id,),
            lengths=(self.length,),
            train_size=self.train_size,
            val_size=0,
            test_size=self.options.test_set_size,
            fresh_data=fresh and self.options.fresh_data,
        )

    def config(self) -> dict[str, Any]:
        """Every setting of this run, by its published name where it has one."""
        own = replace(
            self.options,
            target_func=(self.task.id,),
            sequence_length=(self.length,),
            train_set_size=(self.train_size,),
        )
        values = asdict(own) | {
            "target_func": self.task.id,
            "sequence_length": self.length,
            "train_set_size": self.train_size,
        }
        result: dict[str, Any] = jsonlib.loads(jsonlib.dumps(values, default=str))
        return result


def jobs(options: Options) -> list[_Job]:
    """Returns the runs that the options ask for, checked as far as that costs nothing.

    Raises:
        LLMERMError: One of them cannot start.
    """
    functions = options.target_func or (() if options.task_file else ("fn_a",))
    points = grid(
        DataOptions(
            functions=functions, lengths=options.sequence_length, task_file=options.task_file
        )
    )
    found = [
        _Job(task, length, size, options)
        for (task, length), size in product(points, dict.fromkeys(options.train_set_size))
    ]
    require_packages(options, "matplotlib", *["accelerate"] * ("RANK" in os.environ))
    if options.device is not None:
        from llm_erm.training.engine import device_of

        device_of(options.device)
    for job in found:
        check(options, job.task.kind)
        check_sizes(job.data(fresh=False), [(job.task, job.length)])
        for length in options.test_sequence_length:
            if length != job.length:
                probes.at_length(job.task, job.length, length, 2, options.seed)
    return found


def train(options: Options) -> int:
    """Train a transformer on each task, from scratch or fine-tuned, and test it."""
    found = jobs(options)
    base = options.results_path or _default_folder(found)
    rank = int(os.environ.get("RANK", "0"))  # torchrun's: several processes share one run
    with _one_after_another(options):  # of several processes the first draws the data
        data = [load_all(job.data(rank == 0), [(job.task, job.length)])[0] for job in found]
    rows = []
    for job, splits in zip(found, data, strict=True):
        folder = base / job.name if len(found) > 1 else base
        config = job.config() | {"data_sha256": splits.sha256}
        try:
            with Artifacts(
                folder, config, ignoring=_NOT_SHAPING, fresh=options.fresh, writer=rank == 0
            ) as artifacts:
                if artifacts.result and options.save_model and not (folder / "model").exists():
                    raise InputError(
                        f"{folder} holds a finished run that kept no weights; leave out "
                        "--save_model, or train again with --fresh."
                    )
                rows.append(artifacts.result or _run(job, splits, artifacts, rank))
        except KeyboardInterrupt:
            kept = "from its last checkpoint" if options.checkpoint_every else "from the start"
            output.note(f"Stopped. The same command goes on with {job.name} {kept}.")
            return 130
    _part_processes(options)
    if rank:
        return 0
    with writing(base, "--results-path"):
        _plots(rows, options, base)
    if options.json:
        for row in rows:
            print(jsonlib.dumps(row))
    else:
        _table(rows)
        print(f"\nCurves, logs and results: {base}")
    return 0


def _run(job: _Job, splits: Splits, artifacts: Artifacts, rank: int) -> dict[str, Any]:
    """Trains one model and returns its summary."""
    from llm_erm.training.learn import learn

    options = job.options
    if not sys.stderr.isatty():
        from transformers.utils import logging

        logging.disable_progress_bar()
    lengths = {
        length: probes.at_length(job.task, job.length, length, options.test_set_size, options.seed)
        for length in dict.fromkeys(options.test_sequence_length)
        if length != job.length
    }
    with output.progress() as progress:
        bar = progress.add_task(job.name, total=options.n_epochs)
        run = learn(
            splits,
            Settings(**{f.name: getattr(options, f.name) for f in fields(Settings)}),
            artifacts,
            lengths=lengths,
            fresh=_fresh(job, splits) if options.online else None,
            on_epoch=lambda epoch: progress.update(bar, completed=epoch),
        )
    named = {
        "train_accuracy": run.details["train_accuracy"],
        "folder": str(artifacts.folder),
    }
    result: dict[str, Any] = without_nan(result_of(run) | named)
    if rank == 0:
        for notice in run.notices[len(splits.warnings) :]:
            output.note(f"Note: {notice}")
        artifacts.finish(result, run.details["curve"], f"{job.name}, {options.model}")
    return result


def _fresh(job: _Job, splits: Splits) -> Fresh:
    data = job.data(fresh=False)
    request = Request(
        job.length,
        *(job.train_size, 0, data.test_size, data.seed),
        *(data.negatives, data.published, data.allow_repeats),
    )
    return stream(
        job.task, request.draw(job.task), job.length, data.seed, without=splits.test.inputs
    )


def _one_after_another(options: Options) -> Any:  # noqa: ANN401 - a context manager
    """Lets the first of several processes do something before the others."""
    if "RANK" not in os.environ:
        return nullcontext()
    # Imported later, its default arguments would hold on to the group of processes.
    import torch.distributed.nn.functional  # noqa: F401
    from accelerate import PartialState

    return PartialState(cpu=options.device == "cpu").main_process_first()


def _part_processes(options: Options) -> None:
    """Ends the threads between several processes, which can abort an exit that they outlive."""
    if "RANK" in os.environ:
        from accelerate import PartialState

        PartialState(cpu=options.device == "cpu").destroy_process_group()
        gc.collect()  # models hold the group as well


def _plots(rows: list[dict[str, Any]], options: Options, folder: Path) -> None:
    """Draws accuracy against training examples and lengths, where several were asked for."""
    sizes: dict[str, list[tuple[float, float]]] = {}
    lengths: dict[str, list[tuple[float, float]]] = {}
    for row in sorted(rows, key=itemgetter("train_size")):
        name = f"{row['function']}, L = {row['length']}"
        sizes.setdefault(name, []).append((row["train_size"], row["test_accuracy"]))
        found = {row["length"]: row["test_accuracy"]}
        found |= {int(n): accuracy for n, accuracy in row["accuracy_at_length"].items()}
        lengths[f"{name}, {row['train_size']} examples"] = sorted(found.items())
    if len(options.train_set_size) > 1:
        place = folder / "sizes.png"
        plot_lines(sizes, "training examples", options.model, place, logarithmic=True)
    if options.test_sequence_length:
        plot_lines(lengths, "length of test inputs", options.model, folder / "lengths.png")


def _default_folder(found: list[_Job]) -> Path:
    shaping = [
        {name: value for name, value in job.config().items() if name not in _NOT_SHAPING}
        for job in found
    ]
    digest = hashlib.sha256(jsonlib.dumps(shaping, sort_keys=True).encode()).hexdigest()
    return Path("runs") / f"train-{digest[:10]}"


def _table(rows: list[dict[str, Any]]) -> None:
    elsewhere = list(dict.fromkeys(n for row in rows for n in row["accuracy_at_length"]))
    output.table(
        (
            *("task", "length", "examples", "model", "epochs", "train", "test", "probes"),
            *("other lengths", *(f"L = {n}" for n in elsewhere)),
        ),
        [
            (
                row["function"],
                str(row["length"]),
                str(row["train_size"]),
                row["model"],
                str(row["epochs"]),
                *_percentages(row, elsewhere),
            )
            for row in rows
        ],
    )


def _percentages(row: dict[str, Any], elsewhere: list[str]) -> Iterator[str]:
    for name in ("train", "test", "probe", "length_shift"):
        yield output.percent(row[f"{name}_accuracy"])
    for length in elsewhere:
        yield output.percent(row["accuracy_at_length"].get(length))
