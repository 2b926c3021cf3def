"""Plans the published experiments: which method runs on which data, and why some do not."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from llm_erm.cli.commands import command, flags_of
from llm_erm.cli.contenders import (
    EMBEDDED_CHARACTERS,
    TRAINED,
    Choice,
    Contender,
    Contenders,
)
from llm_erm.cli.flags import sentence
from llm_erm.cli.placing import ExecutorOptions, Executors
from llm_erm.cli.runs import RunOptions, check
from llm_erm.errors import InputError, LLMERMError
from llm_erm.reports.published import Experiment, Point, Published
from llm_erm.tasks.suite import PUBLISHED, get
from llm_erm.tasks.task import Release

Name = Literal["all", "table1", "scaling", "length"]

QUICK_TASKS = {
    "table1": ("fn_a", "fn_c", "fn_g", "fn_i", "fn_v", "fn_l"),
    "scaling": ("fn_f",),
    "length": ("fn_g", "fn_c", "fn_e"),
}
QUICK_EXAMPLES = 200
QUICK_TESTS = 1000


@dataclass(frozen=True)
class Options(Choice, ExecutorOptions):
    """Flags of `llm-erm replicate`."""

    experiment: Annotated[Name, tyro.conf.Positional] = "all"
    """table1 (13 tasks from 200 examples), scaling (accuracy by number of examples), length
    (accuracy at other lengths), or all."""
    functions: tuple[str, ...] = ()
    """Tasks to run, by id or name (default: all of each experiment)."""
    methods: tuple[str, ...] = ()
    """Methods to run: enumeration svm decision-tree xgboost random-forest genetic-programming
    tabpfn embedded transformer finetuned incontext search no-tools thinking (default: all that can
    run here)."""
    test_size: int | None = None
    """Number of test examples (default: 10000, as published; with --quick 1000)."""
    num_trials: int = 1
    """Number of independently drawn data sets per task; the first uses the base seed itself."""
    seed: int = 42
    """Base seed of the data."""
    dataset_dir: Path = Path("datasets")
    """Folder of the data sets; existing files of the requested sizes are reused."""
    out_dir: Path | None = None
    """Folder for all runs and the tables (default: runs/replicate; with --quick
    runs/replicate-quick)."""
    dry_run: bool = False
    """Print what each part would take, in calls, tokens, dollars and GPU hours, and run nothing."""
    fresh: bool = False
    """Delete what earlier runs left in the folder instead of continuing them."""
    json: bool = False
    """Print one JSON object per line of the table."""
    wide: bool = False
    """On a terminal, show every column of the table."""
    executor: Executors = "local"
    """Where data sets are learned: in this process (classical learners: in a pool of processes), in
    a pool of processes, or on a Ray cluster. A method that cannot run there runs in this process
    and says so."""
    job_gpus: float = 0.0
    """With --executor ray: number of GPUs that a data set of a transformer or of in-context
    learning takes; without any, transformers are as small as on a machine without a GPU."""

    @property
    def folder(self) -> Path:
        """The folder of all runs."""
        return self.out_dir or Path("runs/replicate-quick" if self.quick else "runs/replicate")

    @property
    def tests(self) -> int:
        """Number of test examples."""
        return self.test_size or (QUICK_TESTS if self.quick else 10_000)


@dataclass(frozen=True)
class Data:
    """The data sets of one run.

    Attributes:
        experiment: Name of the experiment.
        tasks: Ids of the tasks.
        length: Length of the training inputs.
        examples: Number of labelled examples.
        release: Whose data they are; None for this package's own, with repeats.
        tested: Other lengths to test at.
        tests: Number of test inputs at each of these.
    """

    experiment: str
    tasks: tuple[str, ...]
    length: int
    examples: int
    release: Release | None
    tested: tuple[int, ...] = ()
    tests: int = 0

    @property
    def label(self) -> str:
        """Names the folder of a run on them."""
        return f"L{self.length}-n{self.examples}" + (f"-{self.release}" if self.release else "")

    @property
    def points(self) -> frozenset[Point]:
        """What is published of them, or could be."""
        return frozenset(
            Point(self.experiment, task, self.length, self.examples, tested)
            for task, tested in product(self.tasks, (self.length, *self.tested))
        )


@dataclass(frozen=True)
class Part:
    """A method on data of one experiment: one run of its command.

    Attributes:
        contender: The method.
        data: The data.
        options: The flags of its command; its folder is one of them.
        folder: That folder.
        reason: Why it is not run; empty if it is.
    """

    contender: Contender
    data: Data
    options: RunOptions
    folder: Path
    reason: str = ""

    @property
    def name(self) -> str:
        """The experiment and the method."""
        return f"{self.data.experiment}: {self.contender.name}"

    @property
    def trials(self) -> int:
        """Number of data sets per task."""
        return self.options.grid().num_trials

    @property
    def seconds(self) -> float:
        """About how many seconds it takes."""
        data = self.data
        trained = self.contender.command == "train"
        factor = data.examples / 200 * data.length / 100 if trained else 1.0
        return self.contender.seconds * len(data.tasks) * self.trials * factor


def has_gpu(options: Options) -> bool:
    """Returns whether there is a GPU, if any of the methods is trained on one.

    On a cluster, jobs have the GPUs that they are given, whatever is here.
    """
    if options.executor == "ray":
        return options.job_gpus > 0
    trained = not options.methods or not TRAINED.isdisjoint(options.methods)
    if not trained or find_spec("torch") is None:
        return False
    import torch  # which takes seconds

    return torch.cuda.is_available()


def plan(options: Options, known: Published, *, gpu: bool) -> list[Part]:
    """Returns the parts of the chosen experiments, in order; those that cannot run say why.

    Args:
        options: The flags.
        known: The published experiments.
        gpu: Whether there is a GPU.

    Raises:
        InputError: A flag is not valid, or nothing is left to run.
    """
    contenders = _chosen(options, Contenders(options, gpu).all)
    wanted = [get(name).id for name in options.functions]
    parts = []
    for name, experiment in known.experiments.items():
        if options.experiment in ("all", name):
            tasks = _tasks(options, name, experiment, wanted)
            figures = known.figures(name)
            for contender, data in product(contenders, _data(name, experiment, tasks, options)):
                compares = contender.beside not in experiment.percent or any(
                    (point, contender.beside) in figures for point in data.points
                )
                if name in contender.experiments and compares:
                    parts += _parts(options, contender, data)
    if not parts:
        raise InputError(
            f"None of the tasks {' '.join(options.functions)} is part of "
            f"{options.experiment}; `llm-erm replicate --dry-run` lists the tasks of each.",
            setting="functions",
        )
    return parts


def _chosen(options: Options, there: Sequence[Contender]) -> Sequence[Contender]:
    """Returns the chosen methods."""
    names = [one.name for one in there]
    if unknown := [name for name in options.methods if name not in names]:
        raise InputError(
            f"There is no method {' '.join(unknown)}; choose from {' '.join(names)}.",
            setting="methods",
        )
    return [one for one in there if one.name in (options.methods or names)]


def _tasks(
    options: Options, name: str, experiment: Experiment, wanted: Sequence[str]
) -> tuple[str, ...]:
    if wanted:
        return tuple(task for task in experiment.tasks if task in wanted)
    return QUICK_TASKS[name] if options.quick else experiment.tasks


def _data(name: str, experiment: Experiment, tasks: Sequence[str], options: Options) -> list[Data]:
    """Returns the data of an experiment; those drawn alike and of equal length together."""
    groups: dict[tuple[int, Release | None], list[str]] = {}
    for task in tasks:
        drawn: Release = "erm" if task in PUBLISHED else "pv"
        key = (experiment.trained_at(task), None if experiment.test_lengths else drawn)
        groups.setdefault(key, []).append(task)
    sizes = [n for n in experiment.examples if not options.quick or n <= QUICK_EXAMPLES]
    return [
        Data(
            name,
            tuple(group),
            length,
            size,
            release,
            tuple(n for n in experiment.test_lengths if n != length),
            options.tests,
        )
        for size in sizes
        for (length, release), group in groups.items()
    ]


def _parts(options: Options, contender: Contender, data: Data) -> list[Part]:
    """Returns the part of a method on data; one of its own for tasks that it cannot learn."""
    taken = tuple(task for task in data.tasks if contender.takes(task))
    parts = [_part(options, contender, replace(data, tasks=taken))] if taken else []
    if others := tuple(task for task in data.tasks if task not in taken):
        assert contender.learner is not None
        part = _part(options, contender, replace(data, tasks=others))
        why = f"it takes {contender.learner.only} only, and some tasks have other inputs"
        # It is never run, and must not be taken for the other part.
        parts.append(replace(part, folder=part.folder / "left-out", reason=why))
    return parts


def _part(options: Options, contender: Contender, data: Data) -> Part:
    folder = options.folder / data.experiment / contender.name / data.label
    flags = _flags(options, contender, data, folder)
    kind = flags_of(command(contender.command))
    part = Part(contender, data, kind(**flags), folder, contender.reason)
    if options.quick and contender.slow and not options.methods:
        return replace(part, reason="--quick leaves it out unless --methods names it")
    if part.reason:
        return part
    most = contender.most_examples
    if most is not None and data.examples > most:
        return replace(part, reason=f"without a GPU, it is trained on {most:,} examples at most")
    return part


def _flags(options: Options, contender: Contender, data: Data, folder: Path) -> dict[str, Any]:
    """Returns all flags of a part's command."""
    shared: dict[str, Any] = {
        "seed": options.seed,
        "dataset_dir": options.dataset_dir,
        "published": data.release,
        "allow_repeats": data.release is None,
        "fresh": options.fresh,
        "num_trials": options.num_trials,
    }
    if contender.command == "train":
        shared |= {
            "target_func": data.tasks,
            "sequence_length": (data.length,),
            "test_sequence_length": data.tested,
            "train_set_size": (data.examples,),
            "test_set_size": options.tests,
            "results_path": folder,
        }
        return shared | dict(contender.settings)
    validation = data.examples // 4 * 2 if contender.validates else 0
    tests = "test_split_size" if contender.command == "incontext" else "test_size"
    shared |= {
        "functions": data.tasks,
        "lengths": (data.length,),
        "train_size": data.examples - validation,
        "val_size": validation,
        tests: options.tests,
        "out_dir": folder,
    }
    if contender.command == "baselines" and len(data.tasks) == 1:
        shared["workers"] = 1  # without a pool of processes, which takes longer to start
    own = dict(contender.settings)
    if "shots" in own:
        fit = EMBEDDED_CHARACTERS // data.length // 2 * 2
        own["shots"] = tuple(min(shots, fit) for shots in own["shots"])
    return shared | own


def checked(part: Part) -> Part:
    """Returns a part with the reason why it cannot run here, if there is one."""
    if part.reason:
        return part
    try:
        check(part.options)
    except LLMERMError as error:
        return replace(part, reason=sentence(error, Options).removesuffix("."))
    return part
