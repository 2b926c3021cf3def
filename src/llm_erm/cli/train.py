"""`llm-erm train`: trains transformers on the examples of tasks."""

import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from llm_erm.cli import output
from llm_erm.cli.observers import Bars
from llm_erm.cli.options import planned, specs_of
from llm_erm.cli.results import accuracy, print_json
from llm_erm.errors import InputError
from llm_erm.facts import TrainingFacts
from llm_erm.records import Result
from llm_erm.runs.events import Observer
from llm_erm.runs.folder import RunFolder
from llm_erm.runs.run import Plan, opened, run_in
from llm_erm.tasks.spec import DataGrid, DataSpec
from llm_erm.training.build import require_packages
from llm_erm.training.method import Training, TrainingJob
from llm_erm.training.plots import plot_lengths, plot_sizes
from llm_erm.training.settings import Settings


@dataclass(frozen=True)
class Options(Settings):
    """Flags of `llm-erm train`; it trains one model per task, length and training size."""

    results_path: Annotated[Path | None, tyro.conf.arg(aliases=("--out-dir",))] = None
    """Folder for everything this run writes, with one subfolder per model if there are several
    (default: runs/train-<digest of the settings>)."""
    target_func: tuple[str, ...] = ()
    """Task ids, as `llm-erm tasks` lists them (default: fn_a, or the task of --task-file)."""
    sequence_length: tuple[int, ...] = (50,)
    """Lengths of the training inputs in characters."""
    test_sequence_length: tuple[int, ...] = ()
    """Further lengths to test at; a model's training length is skipped."""
    train_set_size: tuple[int, ...] = (200,)
    """Number of training examples: training and validation examples of the other commands."""
    test_set_size: int = 10_000
    """Number of test examples."""
    dataset_dir: Path = Path("datasets")
    """Folder of the data sets; existing files of the requested sizes are reused."""
    negatives: Literal["near-miss", "random"] = "near-miss"
    """How to draw negative examples of palindromes: one bit off a palindrome, or uniformly."""
    published: bool = False
    """Draw data as the published code did where it differs, to compare with published results."""
    allow_repeats: bool = False
    """Let splits share inputs if too few distinct ones exist."""
    fresh_data: bool = False
    """Draw new data even if files exist, and replace them."""
    task_file: Path | None = None
    """A Python file that defines your own task."""
    fresh: bool = False
    """Delete what an earlier run left in the folder instead of continuing it."""
    json: bool = False
    """Print one JSON object per result instead of the table."""


def train(options: Options) -> int:
    """Train a transformer on each task, from scratch or fine-tuned, and test it."""
    try:
        results, folder = _run(options)
    except KeyboardInterrupt:
        return 130
    if _rank():
        return 0
    if options.json:
        print_json(results)
    else:
        _table(results)
        print(f"\nCurves, logs and results: {folder}")
    return 0


def check(options: Options) -> None:
    """Checks, as far as possible without data, that every training job can start.

    Raises:
        LLMERMError: A job cannot start.
    """
    _prepared(options)


def results_of(options: Options, observers: Sequence[Observer] = ()) -> list[Result]:
    """Trains the models and returns the results without printing them.

    Raises:
        LLMERMError: A training job cannot run.
        KeyboardInterrupt: The run was stopped.
    """
    return _run(options, observers)[0]


def _run(options: Options, observers: Sequence[Observer] = ()) -> tuple[list[Result], Path]:
    """Returns the results, and the folder of the run."""
    grid, specs, method = _prepared(options)
    rank = _rank()
    with _first_process_first(options):  # of several processes the first draws the data
        grid = replace(grid, fresh_data=options.fresh_data and rank == 0)
        plan = planned(method, grid, specs, options.results_path, "train")
    assert plan.folder is not None
    jobs = method.jobs(specs)
    with opened(plan, fresh=options.fresh, writer=rank == 0) as folder:
        assert folder is not None
        _check_weights(options, folder, jobs)
        results = _trained(options, plan, folder, jobs, observers)
    _part_processes(options)
    if rank == 0 and len(options.train_set_size) > 1:
        plot_sizes(results, plan.folder / "sizes.png")
    if rank == 0 and options.test_sequence_length:
        plot_lengths(results, plan.folder / "lengths.png")
    return results, plan.folder


def _prepared(options: Options) -> tuple[DataGrid, list[DataSpec], Training]:
    """Returns the data and the method that the flags describe.

    Raises:
        LLMERMError: A training job cannot start.
    """
    functions = options.target_func or (() if options.task_file else ("fn_a",))
    grid = DataGrid(
        functions=functions,
        lengths=options.sequence_length,
        val_size=0,
        test_size=options.test_set_size,
        seed=options.seed,
        negatives=options.negatives,
        published=options.published,
        allow_repeats=options.allow_repeats,
        task_file=options.task_file,
        dataset_dir=options.dataset_dir,
    )
    sizes = list(dict.fromkeys(options.train_set_size))
    specs = [replace(spec, train_size=size) for spec in specs_of(grid) for size in sizes]
    method = Training(
        settings=Settings(**{f.name: getattr(options, f.name) for f in fields(Settings)}),
        test_lengths=options.test_sequence_length,
        flags=asdict(options),
    )
    require_packages(options, "matplotlib", *["accelerate"] * ("RANK" in os.environ))
    method.jobs(specs)
    return grid, specs, method


def _trained(
    options: Options,
    plan: Plan,
    folder: RunFolder,
    jobs: Sequence[TrainingJob],
    observers: Sequence[Observer],
) -> list[Result]:
    """Trains the models without a result and returns all results."""
    if not sys.stderr.isatty():
        from transformers.utils import logging

        logging.disable_progress_bar()
    if _rank():  # one process writes and shows
        return run_in(folder, plan)
    try:
        with Bars(len(jobs), "trainings") as bars:
            return run_in(folder, plan, observers=[bars, *observers])
    except KeyboardInterrupt:
        kept = "its last checkpoint" if options.checkpoint_every else "its start"
        output.note(
            "Stopped. Run the same command to resume; it skips finished training jobs and "
            f"continues the interrupted one from {kept}."
        )
        raise


def _check_weights(options: Options, folder: RunFolder, jobs: Sequence[TrainingJob]) -> None:
    """Rejects --save_model if a finished job in the folder did not keep its weights."""
    for job in jobs if options.save_model else ():
        place = job.folder(folder.path)
        if job.key in folder.results and not (place / "model").exists():
            raise InputError(
                f"{place} holds a finished run that did not keep its weights; omit --save_model, "
                "or train again with --fresh."
            )


def _rank() -> int:
    """Returns the number of this process among those that share a run; torchrun sets it."""
    return int(os.environ.get("RANK", "0"))


def _first_process_first(options: Options) -> Any:  # noqa: ANN401 - a context manager
    """Makes the other processes wait until the first one has left the context."""
    if "RANK" not in os.environ:
        return nullcontext()
    # If imported later, its default arguments would keep the process group alive.
    import torch.distributed.nn.functional  # noqa: F401
    from accelerate import PartialState

    return PartialState(cpu=options.device == "cpu").main_process_first()


def _part_processes(options: Options) -> None:
    """Ends the threads that connect the processes; one that is left at exit can abort the exit."""
    if "RANK" in os.environ:
        from accelerate import PartialState

        PartialState(cpu=options.device == "cpu").destroy_process_group()
        gc.collect()  # models hold the process group as well


def _table(results: Sequence[Result]) -> None:
    rows = [(result, result.facts) for result in results if isinstance(result.facts, TrainingFacts)]
    elsewhere = list(dict.fromkeys(n for _, facts in rows for n in facts.accuracy_at_length))
    output.table(
        (
            *("task", "length", "examples", "model", "epochs", "train", "test", "contrast set"),
            *("other lengths", *(f"L = {n}" for n in elsewhere)),
        ),
        [
            (
                result.data.function,
                str(result.data.length),
                str(facts.train_size),
                result.model,
                str(facts.epochs),
                *_percentages(result),
                *(output.percent(facts.accuracy_at_length.get(n)) for n in elsewhere),
            )
            for result, facts in rows
        ],
    )


def _percentages(result: Result) -> Iterator[str]:
    verdicts = (result.train, result.test, result.contrast, result.length_generalization)
    for verdict in verdicts:
        yield output.percent(accuracy(verdict))
