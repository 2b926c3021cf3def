"""`llm-erm baselines`: classical learners on the same data as every other method."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llm_erm.baselines.learners import NAMES, learner_named
from llm_erm.baselines.method import Baselines, read_weights
from llm_erm.cli import output
from llm_erm.cli.flags import sentence
from llm_erm.cli.observers import Bars
from llm_erm.cli.options import check_data, planned, specs_of
from llm_erm.cli.results import accuracy, at_most, print_json
from llm_erm.cores import usable_cores
from llm_erm.errors import InputError, MissingExtraError
from llm_erm.facts import BaselineFacts
from llm_erm.records import Result
from llm_erm.reports.comparison import accuracy_interval
from llm_erm.runs.events import Observer
from llm_erm.runs.executors import Executor, InProcess, Processes
from llm_erm.runs.run import Plan, run
from llm_erm.tasks.spec import DataGrid


@dataclass(frozen=True)
class Options(DataGrid):
    """Flags of `llm-erm baselines`."""

    learners: tuple[str, ...] = ()
    """Learners to fit: svm random-forest decision-tree gradient-boosting knn logistic-regression
    mlp xgboost genetic-programming tabpfn (default: all that can run here)."""
    tabpfn_weights: Path | None = None
    """File that holds TabPFN's weights; nothing is downloaded."""
    workers: int | None = None
    """Number of learners to fit at the same time (default: one per core)."""
    out_dir: Path | None = None
    """Folder for the results (default: runs/baselines-<digest of the settings>)."""
    fresh: bool = False
    """Delete what an earlier run left in the folder instead of continuing it."""
    json: bool = False
    """Print one JSON object per learner and trial instead of the table."""


def baselines(options: Options) -> int:
    """Fit classical learners to each task; validation data choose their parameters."""
    executor, plan = _executor(options.workers), _plan(options)
    jobs = plan.jobs
    try:
        with Bars(len(jobs), "learners") as bars:
            results = run(plan, fresh=options.fresh, executor=executor, observers=[bars])
    except KeyboardInterrupt:
        output.note(
            f"Stopped. Finished results are kept in {plan.folder}; run the same command to resume."
        )
        return 130
    if options.json:
        print_json(results)
    else:
        _table(results)
        print(f"\nResults: {plan.folder}")
    return 0


def check(options: Options) -> None:
    """Checks, as far as possible without data, that a run can start.

    Raises:
        LLMERMError: The run cannot start.
    """
    check_data(options)
    _executor(options.workers)
    method_of(options).jobs(options.specs())


def results_of(options: Options, observers: Sequence[Observer] = ()) -> list[Result]:
    """Runs the learners and returns their results without printing them.

    Raises:
        LLMERMError: The run cannot start.
    """
    executor, plan = _executor(options.workers), _plan(options)
    return run(plan, fresh=options.fresh, executor=executor, observers=observers)


def _plan(options: Options) -> Plan:
    """Returns the run after checking everything that needs no data."""
    specs, method = specs_of(options), method_of(options)
    method.jobs(specs)
    return planned(method, options, specs, options.out_dir, "baselines")


def method_of(options: Options) -> Baselines:
    """Returns the method that the flags describe; by default, with every learner that can run.

    Raises:
        InputError: The weights file is missing or does not hold weights.
        MissingExtraError: No learner can run; notices say what is missing.
    """
    weights = None if options.tabpfn_weights is None else read_weights(options.tabpfn_weights)
    if options.learners:
        return Baselines(learners=tuple(dict.fromkeys(options.learners)), weights=weights)
    learners = tuple(name for name in NAMES if _can_run(name, options.tabpfn_weights))
    if not learners:
        raise MissingExtraError("No learner can run here; each line above says what is missing.")
    return Baselines(learners=learners, weights=weights)


def _can_run(name: str, weights: Path | None) -> bool:
    """Returns whether a learner can run here; if not, prints why."""
    try:
        learner_named(name, weights)
    except MissingExtraError as error:
        output.note(f"Skipped: {sentence(error)}")
        return False
    return True


def _executor(workers: int | None) -> Executor:
    """Returns the executor; all its workers together use as many threads as there are cores."""
    cores = usable_cores()
    count = cores if workers is None else workers
    if count < 1:
        raise InputError(
            f"The number of workers is {count}; give 1 or more, or leave it out.",
            setting="workers",
        )
    return InProcess() if count == 1 else Processes(count, threads=max(1, cores // count))


def _table(results: Sequence[Result]) -> None:
    """Prints one row per task, length and learner, with means and intervals over trials."""
    groups: dict[tuple[str, int, str], list[Result]] = {}
    for result in results:
        data = result.data
        groups.setdefault((data.function, data.length, result.variant), []).append(result)
    columns = ("task", "length", "learner", "validation", "test", "95% interval", "contrast set")
    output.table(
        (*columns, "error at most, 95% sure", "chosen"),
        [
            (function, str(length), learner, *_cells(group))
            for (function, length, learner), group in groups.items()
        ],
    )


def _cells(group: Sequence[Result]) -> tuple[str, ...]:
    validation = [accuracy(result.validation) or 0.0 for result in group]
    test = [accuracy(result.test) or 0.0 for result in group]
    contrast = [result.contrast.accuracy for result in group if result.contrast is not None]
    first = group[0]
    low, high = accuracy_interval(test, first.test.total if first.test else 0)
    one = len(group) == 1
    trials = "" if one else f", {len(group)} trials"
    return (
        output.percent(_mean(validation)),
        output.percent(_mean(test)),
        f"{output.percent(low)} to {output.percent(high)}{trials}",
        output.percent(_mean(contrast) if contrast else None),
        at_most(first.certificate) if one else "one per trial",
        _parameters(first) if one else "",
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _parameters(result: Result) -> str:
    assert isinstance(result.facts, BaselineFacts)
    return " ".join(f"{key}={value}" for key, value in result.facts.parameters.items())
