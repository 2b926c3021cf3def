"""`llm-erm baselines`: classical learners on the same data as every other method."""

import hashlib
import json as jsonlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import llm_erm
from llm_erm.baselines.learners import LEARNERS, Learner, is_checkpoint, tabpfn
from llm_erm.cli import output
from llm_erm.cli.models import file_digest
from llm_erm.cli.options import DataOptions, Problem, grid, problems
from llm_erm.cli.result import at_most, result_of
from llm_erm.errors import InputError, MissingExtraError
from llm_erm.reports.comparison import accuracy_interval
from llm_erm.store import Point, Store
from llm_erm.tasks.task import Splits

TABPFN = "tabpfn"


@dataclass(frozen=True)
class Options(DataOptions):
    """Flags of `llm-erm baselines`."""

    learners: tuple[str, ...] = ()
    """Which learners: svm random-forest decision-tree gradient-boosting knn logistic-regression mlp
    xgboost genetic-programming tabpfn; all that can run here unless given."""
    tabpfn_weights: Path | None = None
    """File of TabPFN's weights; nothing is downloaded."""
    workers: int | None = None
    """Learners fitted at the same time; one a core unless given."""
    out_dir: Path | None = None
    """Folder for the results; runs/baselines-<digest of the settings> unless given."""
    fresh: bool = False
    """Delete what an earlier run left in the folder instead of continuing it."""
    json: bool = False
    """Print one JSON object a learner and trial instead of the table."""


_NOT_SHAPING = {"workers", "out_dir", "fresh", "json", "fresh_data", "dataset_dir"}


def baselines(options: Options) -> int:
    """Fit classical learners to each task, chosen from a grid by validation data."""
    points = grid(options)
    chosen = _chosen(options)
    if options.workers is not None and options.workers < 1:
        raise InputError(f"--workers is {options.workers}; give 1 or more, or leave it out.")
    if options.val_size < 2:
        raise InputError(
            f"--val-size is {options.val_size}, and validation examples choose the learner's "
            "parameters; give 2 or more."
        )
    data = problems(options, points)
    shaping = _shaping(options, chosen, data)
    digest = hashlib.sha256(jsonlib.dumps(shaping, sort_keys=True).encode()).hexdigest()
    folder = options.out_dir or Path("runs") / f"baselines-{digest[:10]}"
    store = Store(folder, shaping, fresh=options.fresh)
    try:
        results = _run(options, chosen, data, store)
    except KeyboardInterrupt:
        output.note(f"Stopped. What is done is kept in {folder}; the same command goes on.")
        return 130
    finally:
        store.close()
    if options.json:
        for result in results:
            print(jsonlib.dumps(result))
    else:
        _table(results)
        print(f"\nResults: {folder}")
    return 0


def _chosen(options: Options) -> dict[str, Learner]:
    """Returns the learners asked for, or else all that can run here, saying which cannot and why.

    Raises:
        InputError: There is none of that name.
        MissingExtraError: One that was asked for cannot run.
    """
    known = dict(LEARNERS)
    if options.tabpfn_weights is not None:
        if not options.tabpfn_weights.is_file():
            raise InputError(
                f"There is no file {options.tabpfn_weights}; name TabPFN's weights, or leave "
                "--tabpfn-weights out."
            )
        if not is_checkpoint(options.tabpfn_weights):
            raise InputError(
                f"{options.tabpfn_weights} is no file of weights, a .ckpt that torch saved or a "
                ".safetensors; name TabPFN's, under the name it was published with."
            )
        known[TABPFN] = tabpfn(options.tabpfn_weights)
    asked = dict.fromkeys(options.learners or (*LEARNERS, TABPFN))
    chosen = {}
    for name in asked:
        if name not in (*LEARNERS, TABPFN):
            raise InputError(
                f"There is no learner {name!r}; choose among {' '.join((*LEARNERS, TABPFN))}."
            )
        why = (
            known[name].why_not()
            if name in known
            else "its weights are not at hand; name their file with --tabpfn-weights"
        )
        if why is None:
            chosen[name] = known[name]
        elif options.learners:
            raise MissingExtraError(f"{name} cannot run: {why}.")
        else:
            output.note(f"Skipped {name}: {why}.")
    if not chosen:
        raise MissingExtraError("No learner can run here; each line above says what is missing.")
    return chosen


def _run(
    options: Options, chosen: Mapping[str, Learner], data: Sequence[Problem], store: Store
) -> list[dict[str, Any]]:
    """Fits what has no result yet, several learners at a time, and returns all results in order."""
    from joblib import Parallel, delayed

    jobs = [(problem, name) for problem in data for name in chosen]
    left = [job for job in jobs if _point(*job) not in store.results]
    calls = (
        delayed(_fit)(name, chosen[name], splits)
        for problem, names in groupby(left, key=itemgetter(0))
        for splits in [problem.reveal()]
        for _, name in names
    )
    parallel = Parallel(n_jobs=options.workers or -1, return_as="generator_unordered")
    with output.progress() as progress:
        bar = progress.add_task("learners", total=len(jobs), completed=len(jobs) - len(left))
        for result in parallel(calls) if left else ():
            store.add_result(_key(result), result)
            progress.advance(bar)
    return [store.results[_point(*job)] for job in jobs]


def _fit(name: str, learner: Learner, splits: Splits) -> dict[str, Any]:
    """Fits one learner to one data set, in a process of its own."""
    from llm_erm.baselines.learn import learn

    return result_of(learn(name, learner, splits))


def _point(problem: Problem, name: str) -> Point:
    splits = problem.splits
    return Point(splits.fn, splits.length, splits.seed, splits.trial, name)


def _key(result: Mapping[str, Any]) -> Point:
    return Point(*(result[key] for key in ("function", "length", "seed", "trial", "learner")))


def _shaping(
    options: Options, chosen: Mapping[str, Learner], data: Sequence[Problem]
) -> dict[str, Any]:
    """Everything that shapes the results, as JSON values."""
    values: dict[str, Any] = {
        field.name: getattr(options, field.name)
        for field in fields(options)
        if field.name not in _NOT_SHAPING
    }
    values |= {
        "version": llm_erm.__version__,
        "learners": list(chosen),
        "tabpfn_weights_sha256": file_digest(options.tabpfn_weights),
        "task_file_sha256": file_digest(options.task_file),
        "data_sha256": {problem.name: problem.sha256 for problem in data},
    }
    result: dict[str, Any] = jsonlib.loads(jsonlib.dumps(values, default=str))
    return result


def _table(results: Sequence[Mapping[str, Any]]) -> None:
    """Prints one row a task, length and learner: means over trials, with their intervals."""
    groups: dict[tuple[str, int, str], list[Mapping[str, Any]]] = {}
    for result in results:
        key = (result["function"], result["length"], result["learner"])
        groups.setdefault(key, []).append(result)
    columns = ("task", "length", "learner", "validation", "test", "95% interval", "probes")
    output.table(
        (*columns, "error at most, 95% sure", "chosen"),
        [
            (function, str(length), learner, *_cells(group))
            for (function, length, learner), group in groups.items()
        ],
    )


def _cells(group: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    probes = [result["probe_accuracy"] for result in group if result["probe_accuracy"] is not None]
    accuracies = [result["test_accuracy"] or 0.0 for result in group]
    low, high = accuracy_interval(accuracies, group[0]["test_examples"])
    one = len(group) == 1
    trials = "" if one else f", {len(group)} trials"
    return (
        output.percent(sum(result["validation_accuracy"] for result in group) / len(group)),
        output.percent(sum(accuracies) / len(group)),
        f"{output.percent(low)} to {output.percent(high)}{trials}",
        output.percent(sum(probes) / len(probes) if probes else None),
        at_most(group[0]["certificate"]) if one else "one each trial",
        " ".join(f"{key}={value}" for key, value in group[0]["parameters"].items()) if one else "",
    )
