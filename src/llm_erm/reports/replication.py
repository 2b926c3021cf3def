"""Sets what our methods scored beside the published figures; each difference has an interval."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from llm_erm.erm.binomial import binomial_interval
from llm_erm.erm.verify import confirmed, execute
from llm_erm.execution import Evaluator, Limits
from llm_erm.facts import TrainingFacts
from llm_erm.records import Result
from llm_erm.reports.comparison import CONFIDENCE, accuracy_interval
from llm_erm.reports.published import Point, Published
from llm_erm.reports.results import Entry
from llm_erm.rulelists.as_markdown import plain
from llm_erm.tasks.task import Dataset

NOT_RUN = "not run"

ROUNDING = 0.0005
"""Published figures are rounded to a tenth of a percent."""

INTERVALS = (
    "The interval of a difference is that of our accuracy less the published figure: with one "
    "trial, the exact 95% interval of what it learned, from its test examples; with several, that "
    "of the mean over all trials that could be drawn. The published figures have no stated "
    "uncertainty, so no interval accounts for theirs."
)


@dataclass(frozen=True)
class Measured:
    """What one method of ours scored at one point.

    Attributes:
        point: What it is about.
        beside: The published method that it stands beside; empty if none does what it does.
        method: Its name.
        accuracy: Mean test accuracy over the trials.
        low: Lower end of its 95 % interval.
        high: Upper end.
        test_examples: Number of test examples per trial.
        trials: Number of trials.
        remark: How it differs from the published method.
    """

    point: Point
    beside: str
    method: str
    accuracy: float
    low: float
    high: float
    test_examples: int
    trials: int = 1
    remark: str = ""


@dataclass(frozen=True)
class Missing:
    """A method that was not run.

    Attributes:
        points: What it would have been run on.
        beside: The published method that it would stand beside; empty if none does what it does.
        method: What it is called.
        reason: Why it was not run.
    """

    points: frozenset[Point]
    beside: str
    method: str
    reason: str


@dataclass(frozen=True)
class Line:
    """A published figure beside one of ours; either may be missing.

    Attributes:
        point: What both are about.
        beside: The published method; empty if there is none.
        published: Its accuracy, in [0, 1]; None if there is none.
        method: The method of ours.
        ours: What it scored; None if it was not run.
        remark: How it differs, or why it was not run.
    """

    point: Point
    beside: str
    published: float | None
    method: str
    ours: Measured | None
    remark: str

    @property
    def difference(self) -> float | None:
        """Ours less the published accuracy; None if either is missing."""
        if self.published is None or self.ours is None:
            return None
        return self.ours.accuracy - self.published

    @property
    def difference_interval(self) -> tuple[float, float] | None:
        """Its 95 % interval, which takes the published accuracy as it is; None without both."""
        if self.published is None or self.ours is None:
            return None
        return self.ours.low - self.published, self.ours.high - self.published

    @property
    def agrees(self) -> bool | None:
        """Whether no difference is within the interval; None without both."""
        if (interval := self.difference_interval) is None:
            return None
        return interval[0] <= ROUNDING and interval[1] >= -ROUNDING


def beside_published(
    known: Published, measured: Sequence[Measured], missing: Sequence[Missing]
) -> list[Line]:
    """Returns a line for every accuracy of ours, and one for each published figure not run here.

    Published figures at points that are neither measured nor missing have no line.
    """
    points = {one.point for one in measured} | {point for one in missing for point in one.points}
    figures: dict[tuple[Point, str], float] = {}
    for name in known.experiments:
        figures |= known.figures(name)
    lines = []
    for point in sorted(points, key=lambda point: _place(known, point)):
        for beside in (*known.methods, ""):
            figure = figures.get((point, beside))
            lines += [
                Line(point, beside, figure, one.method, one, one.remark)
                for one in measured
                if (one.point, one.beside) == (point, beside)
            ]
            lines += [
                Line(point, beside, figure, one.method, None, f"{NOT_RUN}: {one.reason}")
                for one in missing
                if point in one.points and one.beside == beside and figure is not None
            ]
    return lines


def _place(known: Published, point: Point) -> tuple[int, int, int, int]:
    """Returns where a point is in the order of the published figures."""
    experiments = list(known.experiments)
    tasks = known.experiments[point.experiment].tasks
    task = tasks.index(point.task) if point.task in tasks else len(tasks)
    return experiments.index(point.experiment), task, point.examples, point.tested


def summaries(known: Published, lines: Sequence[Line]) -> list[str]:
    """Returns one sentence per method of ours on how often it agrees with the published one."""
    groups: dict[tuple[str, str, str], list[Line]] = {}
    for line in lines:
        if line.ours is not None and line.agrees is not None:
            key = (line.point.experiment, line.ours.method, line.beside)
            groups.setdefault(key, []).append(line)
    said = []
    for (experiment, method, beside), group in groups.items():
        agreeing = sum(bool(line.agrees) for line in group)
        far = max(group, key=lambda line: abs(line.difference or 0.0))
        at = far.point
        where = f"{at.task} with {at.examples:,} examples at length {at.tested}"
        said.append(
            f"{experiment}: {method} beside {known.methods[beside]}: {agreeing} of {len(group)} "
            f"intervals hold the published figure; the largest difference is "
            f"{points_of(far.difference)} points, on {where}."
        )
    return said


def measured_of(
    entries: Sequence[Entry], experiment: str, examples: int, beside: str, remark: str
) -> list[Measured]:
    """Returns the test accuracies of results at their own length, one per task and method.

    Args:
        entries: The results; those of several trials count together.
        experiment: Name of the experiment.
        examples: Number of labelled examples in their data.
        beside: As in ``Measured``.
        remark: As in ``Measured``.
    """
    groups: dict[tuple[Point, str], list[Entry]] = {}
    for entry in entries:
        task, length = entry.point
        point = Point(experiment, task, length, examples, length)
        groups.setdefault((point, entry.method), []).append(entry)
    return [
        Measured(
            point,
            beside,
            method,
            sum(entry.accuracy for entry in group) / len(group),
            *accuracy_interval(group),
            group[0].test_examples,
            len(group),
            remark,
        )
        for (point, method), group in groups.items()
    ]


def measured_at(
    at: Measured, result: Result, tests: Mapping[int, Dataset], evaluator: Evaluator
) -> list[Measured]:
    """Returns the accuracies of what one result learned on inputs of other lengths.

    A program is run on them; a transformer was, when it was trained. Others have none.

    Args:
        at: The accuracy at the training length.
        result: The result of its first trial.
        tests: Test inputs by length.
        evaluator: Runs programs.
    """
    if isinstance(result.facts, TrainingFacts):
        shares = result.facts.accuracy_at_length
        right = {n: round(shares[n] * len(tests[n])) for n in tests if n in shares}
    elif result.program is not None and tests:
        run = execute(result.program, [*tests.values()], evaluator, Limits())
        right = {n: one.correct for n, one in zip(tests, confirmed(run), strict=True)}
    else:
        return []
    return [_at(at, length, correct, len(tests[length])) for length, correct in right.items()]


def _at(at: Measured, length: int, correct: int, total: int) -> Measured:
    low, high = binomial_interval(correct, total, CONFIDENCE)
    point = replace(at.point, tested=length)
    share = correct / total
    return replace(
        at, point=point, accuracy=share, low=low, high=high, test_examples=total, trials=1
    )


COLUMNS = (
    *("experiment", "task", "length", "examples", "tested at", "published method", "published"),
    *("our method", "ours", "95% interval", "difference", "its 95% interval", "trials"),
    *("test examples", "remark"),
)
"""Headings of the table; see ``cells``."""


def cells(known: Published, line: Line) -> tuple[str, ...]:
    """Returns a line as text, in the order of ``COLUMNS``; accuracies are in percent."""
    point, ours, interval = line.point, line.ours, line.difference_interval
    return (
        point.experiment,
        point.task,
        str(point.length),
        str(point.examples),
        str(point.tested),
        known.methods.get(line.beside, "–"),
        _percent(line.published),
        line.method,
        _percent(None if ours is None else ours.accuracy),
        "–" if ours is None else f"{100 * ours.low:.1f} to {100 * ours.high:.1f}",
        points_of(line.difference),
        "–" if interval is None else f"{points_of(interval[0])} to {points_of(interval[1])}",
        "–" if ours is None else str(ours.trials),
        "–" if ours is None else str(ours.test_examples),
        line.remark,
    )


def points_of(difference: float | None) -> str:
    """Returns a difference in percentage points, with its sign."""
    return "–" if difference is None else f"{100 * difference:+.1f}"


def _percent(accuracy: float | None) -> str:
    return "–" if accuracy is None else f"{100 * accuracy:.1f}"


def record(line: Line) -> dict[str, str | int | float | bool | None]:
    """Returns a line as one flat record; accuracies are in [0, 1]."""
    ours, interval = line.ours, line.difference_interval
    return asdict(line.point) | {
        "published_method": line.beside or None,
        "published": line.published,
        "method": line.method,
        "ours": None if ours is None else ours.accuracy,
        "low": None if ours is None else ours.low,
        "high": None if ours is None else ours.high,
        "difference": line.difference,
        "difference_low": None if interval is None else interval[0],
        "difference_high": None if interval is None else interval[1],
        "agrees": line.agrees,
        "trials": None if ours is None else ours.trials,
        "test_examples": None if ours is None else ours.test_examples,
        "remark": line.remark,
    }


def as_csv(lines: Sequence[Line]) -> str:
    """Returns the records of lines as CSV; no text is a formula for a spreadsheet."""
    text = io.StringIO()
    rows = [{name: _harmless(value) for name, value in record(line).items()} for line in lines]
    writer = csv.DictWriter(text, rows[0] if rows else (), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _harmless(value: object) -> object:
    formula = isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r")
    return f"'{value}" if formula else value


def as_markdown(known: Published, lines: Sequence[Line], sentences: Sequence[str]) -> str:
    """Returns a document with one table per experiment, and what one must know to read them."""
    said = [*sentences, *summaries(known, lines), INTERVALS]
    parts = ["# Published figures and ours", *map(plain, said)]
    for name in dict.fromkeys(line.point.experiment for line in lines):
        rows = [cells(known, line)[1:] for line in lines if line.point.experiment == name]
        texts = [("---",) * len(rows[0]), *(tuple(map(plain, row)) for row in rows)]
        table = "\n".join(f"| {' | '.join(row)} |" for row in [COLUMNS[1:], *texts])
        parts += [f"## {name}", *map(plain, known.experiments[name].notes), table]
    parts += ["## Sources", "\n".join(f"- {plain(source)}" for source in known.sources)]
    return "\n\n".join(parts) + "\n"
