"""`llm-erm baselines`: classical learners on the same data as every other method."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llm_erm.baselines.learners import Grids, learner_named, names
from llm_erm.baselines.method import Baselines, read_weights
from llm_erm.cli import output
from llm_erm.cli.flags import sentence
from llm_erm.cli.placing import Executors
from llm_erm.cli.results import BOUNDS, LENGTH, SURE, TASK, at_most
from llm_erm.cli.runs import RunOptions, run_command
from llm_erm.cli.tables import Column
from llm_erm.errors import MissingExtraError
from llm_erm.facts import BaselineFacts
from llm_erm.records import Result, accuracy
from llm_erm.reports.comparison import accuracy_interval
from llm_erm.reports.results import Entry
from llm_erm.tasks.spec import DataGrid


@dataclass(frozen=True)
class Options(RunOptions, DataGrid):
    """Flags of `llm-erm baselines`."""

    learners: tuple[str, ...] = ()
    """Learners to fit: svm random-forest decision-tree gradient-boosting knn logistic-regression
    mlp xgboost genetic-programming tabpfn (default: all that can run here)."""
    grids: Grids = "own"
    """Grids of parameters: own, from which the validation data choose, or those of the published
    baselines (svm random-forest decision-tree xgboost genetic-programming tabpfn), from which
    5-fold cross-validation on the training data chooses; for genetic-programming, on bit strings
    only, the validation data. Results then have -published after the learner's name."""
    tabpfn_weights: Path | None = None
    """File that holds TabPFN's weights; nothing is downloaded."""
    executor: Executors = "processes"
    """Where jobs run: in this process, in a pool of processes, or on a Ray cluster."""
    out_dir: Path | None = None
    """Folder for the results (default: runs/baselines-<digest of the settings>)."""
    fresh: bool = False
    """Delete what an earlier run left in the folder instead of continuing it."""
    json: bool = False
    """Print one JSON object per learner and trial instead of the table."""
    wide: bool = False
    """On a terminal, show every column of the table."""

    COMMAND = "baselines"
    JOBS = "learners"
    KEPT = "Finished results"
    HOLDS = "Results"

    def grid(self) -> DataGrid:
        """Returns the flags themselves."""
        return self

    def method(self) -> Baselines:
        """Returns the learners that are named; by default, all that can run.

        Raises:
            InputError: A task or learner is unknown, or the weights file is missing or holds none.
            MissingExtraError: A learner that is named cannot run, or none; notices say what is
                missing.
        """
        weights = None if self.tabpfn_weights is None else read_weights(self.tabpfn_weights)
        learners = tuple(dict.fromkeys(self.learners)) or tuple(
            name for name in names(self.grids) if _can_run(name, self.tabpfn_weights, self.grids)
        )
        if not learners:
            raise MissingExtraError(
                "No learner can run here; each line above says what is missing."
            )
        method = Baselines(learners=learners, weights=weights, grids=self.grids)
        for learner, tasks in method.left_out(self.specs()).items():
            output.note(
                f"Skipped: {learner} on {', '.join(tasks)}, since it takes "
                f"{method.taken(learner)} only."
            )
        return method

    def show(self, results: Sequence[Result]) -> Sequence[str]:
        """Prints one row per task, length and learner, with means and intervals over trials."""
        groups: dict[tuple[str, int, str], list[Result]] = {}
        for result in results:
            data = result.data
            groups.setdefault((data.function, data.length, result.variant), []).append(result)
        columns = (
            *(TASK, LENGTH, "learner"),
            Column("trials", setting=True, usual="1"),
            Column("validation", wide=True),
            *("test", "95% interval"),
            Column("contrast set", wide=True),
            *BOUNDS,
            Column("chosen", wide=True, text=True),
        )
        output.table(
            columns,
            [
                (function, str(length), learner, *_cells(group))
                for (function, length, learner), group in groups.items()
            ],
            wide=self.wide,
        )
        if all(result.certificate is None for result in results):
            return ()
        if len(results) == 1:
            return [SURE]
        return [
            f"{SURE} Each bound holds on its own; `llm-erm compare` prints those that hold for all "
            "results on the same data at once."
        ]


def baselines(options: Options) -> int:
    """Fit classical learners to each task and choose their parameters."""
    return run_command(options)


def _can_run(name: str, weights: Path | None, grids: Grids) -> bool:
    """Returns whether a learner can run here; if not, prints why."""
    try:
        learner_named(name, weights, grids)
    except MissingExtraError as error:
        output.note(f"Skipped: {sentence(error, Options)}")
        return False
    return True


def _cells(group: Sequence[Result]) -> tuple[str, ...]:
    validation = [_validation_accuracy(result) for result in group]
    test = [accuracy(result.test) or 0.0 for result in group]
    contrast = [result.contrast.accuracy for result in group if result.contrast is not None]
    first = group[0]
    interval = output.interval(*accuracy_interval([Entry(result) for result in group]))
    one = len(group) == 1
    return (
        str(len(group)),
        output.percent(_mean(validation)) + _selected_by(first),
        output.percent(_mean(test)),
        interval,
        output.percent(_mean(contrast) if contrast else None),
        *(at_most(first.certificate) if one else ("one per trial", "–")),
        _parameters(first) if one else "–",
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _validation_accuracy(result: Result) -> float:
    """Returns the accuracy that selected the learner's parameters."""
    facts = _facts(result)
    if facts.folds is None:
        return accuracy(result.validation) or 0.0
    return next(one.validation_accuracy for one in facts.grid if one.parameters == facts.parameters)


def _selected_by(result: Result) -> str:
    folds = _facts(result).folds
    return "" if folds is None else f" in {folds} folds"


def _parameters(result: Result) -> str:
    return " ".join(f"{key}={value}" for key, value in _facts(result).parameters.items())


def _facts(result: Result) -> BaselineFacts:
    assert isinstance(result.facts, BaselineFacts)
    return result.facts
