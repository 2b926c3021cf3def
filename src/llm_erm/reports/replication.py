"""Sets what our methods scored beside the published figures; each difference has an interval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from llm_erm.counts import check_counts
from llm_erm.erm.binomial import binomial_interval
from llm_erm.erm.trials import mean_over_trials
from llm_erm.erm.verify import confirmed, execute
from llm_erm.execution import Evaluator, Limits
from llm_erm.facts import TrainingFacts
from llm_erm.records import Result
from llm_erm.reports.comparison import CONFIDENCE, accuracy_interval
from llm_erm.reports.published import Point, Published
from llm_erm.reports.results import Entry
from llm_erm.tasks.task import Dataset

NOT_RUN = "not run"

ROUNDING = 0.0005
"""Published figures are rounded to a tenth of a percent."""


@dataclass(frozen=True)
class Measured:
    """What one method of ours scored at one point.

    Attributes:
        point: What it is about.
        beside: The published method that it stands beside; empty if none does what it does.
        name: What the replication calls it.
        method: Its name in results, with its model.
        accuracy: Mean test accuracy over the trials.
        low: Lower end of its 95 % interval.
        high: Upper end.
        test_examples: Number of test examples per trial.
        trials: Number of trials.
        remark: How it differs from the published method.
    """

    point: Point
    beside: str
    name: str
    method: str
    accuracy: float
    low: float
    high: float
    test_examples: int
    trials: int = 1
    remark: str = ""

    def __post_init__(self) -> None:
        """Refuses numbers that no method can score, such as those of an edited file."""
        if not (0 <= self.low <= self.high <= 1 and 0 <= self.accuracy <= 1):
            raise ValueError(
                f"{self.accuracy} from {self.low} to {self.high} is no accuracy with its interval"
            )
        check_counts(least=1, test_examples=self.test_examples, trials=self.trials)


@dataclass(frozen=True)
class Missing:
    """A method that was not run.

    Attributes:
        points: What it would have been run on.
        beside: The published method that it would stand beside; empty if none does what it does.
        name: What the replication calls it.
        reason: Why it was not run.
    """

    points: frozenset[Point]
    beside: str
    name: str
    reason: str


@dataclass(frozen=True)
class Line:
    """A published figure beside one of ours; either may be missing.

    Attributes:
        point: What both are about.
        beside: The published method; empty if there is none.
        published: Its accuracy, in [0, 1]; None if there is none.
        name: What the replication calls the method of ours.
        ours: What it scored; None if it was not run.
        remark: How it differs, or why it was not run.
    """

    point: Point
    beside: str
    published: float | None
    name: str
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
                Line(point, beside, figure, one.name, one, one.remark)
                for one in measured
                if (one.point, one.beside) == (point, beside)
            ]
            lines += [
                Line(point, beside, figure, one.name, None, f"{NOT_RUN}: {one.reason}")
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


def measured_of(
    entries: Sequence[Entry],
    experiment: str,
    examples: int,
    *,
    beside: str = "",
    name: str = "",
    remark: str = "",
) -> list[Measured]:
    """Returns the test accuracies of results at their own length, one per task and method.

    Args:
        entries: The results; those of several trials count together.
        experiment: Name of the experiment.
        examples: Number of labelled examples in their data.
        beside: As in ``Measured``.
        name: As in ``Measured``.
        remark: As in ``Measured``.
    """
    groups: dict[tuple[Point, str], list[Entry]] = {}
    for entry in entries:
        task, length = entry.point
        point = Point(experiment, task, length, examples, length)
        groups.setdefault((point, entry.method), []).append(entry)
    found = []
    for (point, method), group in groups.items():
        low, high = accuracy_interval(group)
        mean = sum(entry.accuracy for entry in group) / len(group)
        tests = group[0].test_examples
        found.append(
            Measured(point, beside, name, method, mean, low, high, tests, len(group), remark)
        )
    return found


def measured_at(
    at: Measured, result: Result, tests: Mapping[int, Dataset], evaluator: Evaluator | None
) -> list[Measured]:
    """Returns the accuracies of what one result learned on inputs of other lengths.

    A program is run on them; a transformer was, when it was trained. Others have none, nor has a
    program that does not get through them.

    Args:
        at: The accuracy at the training length.
        result: The result of one trial.
        tests: Test inputs by length.
        evaluator: Runs programs; None if the result has none.
    """
    if isinstance(result.facts, TrainingFacts):
        shares = result.facts.accuracy_at_length
        right = {n: round(shares[n] * len(tests[n])) for n in tests if n in shares}
    elif result.program is not None and evaluator is not None:
        run = execute(result.program, [*tests.values()], evaluator, Limits())
        verdicts = zip(tests, confirmed(run), strict=True)
        right = {n: one.correct for n, one in verdicts if one.status == "ok"}
    else:
        return []
    return [_at(at, length, correct, len(tests[length])) for length, correct in right.items()]


def over_trials(trials: Sequence[Sequence[Measured]]) -> list[Measured]:
    """Returns the means over trials, at the points that all of them have.

    Args:
        trials: What one method scored at several points, for each trial.
    """
    found = []
    for first in trials[0]:
        all_of_them = [one for trial in trials for one in trial if one.point == first.point]
        if len(all_of_them) < len(trials):
            continue
        mean = mean_over_trials([one.accuracy for one in all_of_them], CONFIDENCE)
        if mean.low is not None and mean.high is not None:
            first = replace(first, accuracy=mean.mean, low=mean.low, high=mean.high)
        found.append(replace(first, trials=len(trials)))
    return found


def _at(at: Measured, length: int, correct: int, total: int) -> Measured:
    low, high = binomial_interval(correct, total, CONFIDENCE)
    point = replace(at.point, tested=length)
    share = correct / total
    return replace(
        at, point=point, accuracy=share, low=low, high=high, test_examples=total, trials=1
    )
