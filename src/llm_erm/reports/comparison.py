"""Compares methods on the same data: accuracy, candidates, time and cost."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from llm_erm.checks import checking
from llm_erm.erm.binomial import binomial_interval, binomial_upper
from llm_erm.erm.trials import mean_over_trials
from llm_erm.errors import InputError
from llm_erm.facts import IncontextFacts
from llm_erm.phrases import counted, listed
from llm_erm.records import Result
from llm_erm.reports.results import Entry, TaskPoint

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Row:
    """One method on one task, over the trials that all compared methods share.

    Attributes:
        point: The task's id and the length of its inputs.
        method: The method's name, with its folder if two runs have the same name.
        entries: One per trial.
        rivals: Number of methods compared on this task.
    """

    point: TaskPoint
    method: str
    entries: tuple[Entry, ...]
    rivals: int

    @property
    def accuracy(self) -> float:
        """Mean test accuracy."""
        return sum(entry.accuracy for entry in self.entries) / len(self.entries)

    @property
    def test_examples(self) -> int:
        """Number of test examples per trial."""
        return self.entries[0].test_examples

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval: for one trial of what it learned, for several of the mean of all."""
        return accuracy_interval(self.entries)

    @property
    def learned_interval(self) -> tuple[float, float]:
        """Interval of the accuracy of what these trials learned, at 1 - δ/R for R methods."""
        return _of_learned(self.entries, 1 - (1 - CONFIDENCE) / self.rivals)

    @property
    def error_at_most(self) -> float | None:
        """Largest test bound of the trials; None if none holds.

        It holds for all results on their data at once if the ledger of the data counted them, else
        for the compared methods.
        """
        certificates = [entry.result.certificate for entry in self.entries]
        bounds = [one.test for one in certificates if one is not None and one.test is not None]
        if len(bounds) < len(self.entries):
            return None
        if self.counted_by_ledger:
            return max(entry.bound_for_all or 0.0 for entry in self.entries)
        share = (1 - CONFIDENCE) / self.rivals
        return max(binomial_upper(bound.errors, bound.examples, share) for bound in bounds)

    @property
    def counted_by_ledger(self) -> bool:
        """Whether the bounds of all trials are known to hold for all results on their data."""
        return all(entry.bound_for_all is not None for entry in self.entries)

    @property
    def contrast_accuracy(self) -> float | None:
        """Mean accuracy on the contrast set; None if the task has none."""
        return _mean(entry.contrast_accuracy for entry in self.entries)

    @property
    def exact(self) -> int:
        """Number of trials with an exact result."""
        return sum(entry.result.exact for entry in self.entries)

    @property
    def exact_interval(self) -> tuple[float, float] | None:
        """95 % interval of the share of trials that are exact; None if that was not examined."""
        if any(isinstance(entry.result.facts, IncontextFacts) for entry in self.entries):
            return None
        return binomial_interval(self.exact, len(self.entries), CONFIDENCE)

    @property
    def other_lengths_accuracy(self) -> float | None:
        """Mean accuracy on inputs of other lengths; None if the task has none."""
        return _mean(entry.other_lengths_accuracy for entry in self.entries)

    @property
    def finished(self) -> bool:
        """Whether the runs of all trials have all their results."""
        return not any(entry.unfinished for entry in self.entries)

    @property
    def candidates(self) -> float | None:
        """Mean number of candidates up to the first exact one; None unless every trial has one."""
        return _mean(entry.candidates for entry in self.entries)

    @property
    def seconds_to_exact(self) -> float | None:
        """Mean seconds up to the first exact candidate; None unless every trial has one."""
        return _mean(entry.seconds_to_exact for entry in self.entries)

    @property
    def seconds(self) -> float:
        """Mean wall time."""
        return sum(entry.result.seconds for entry in self.entries) / len(self.entries)

    @property
    def cost_usd(self) -> float | None:
        """Mean price; None if any price is unknown."""
        return _mean(entry.result.cost.usd for entry in self.entries)


def accuracy_interval(entries: Sequence[Entry]) -> tuple[float, float]:
    """Returns the 95 % interval of a method's test accuracy.

    With one trial, it is that of what this trial learned: the exact binomial interval from the
    examples that the test bound counts. With several, it is that of the mean over all trials that
    could be drawn, of which these are a few.
    """
    estimate = mean_over_trials([entry.accuracy for entry in entries], CONFIDENCE)
    if estimate.low is None or estimate.high is None:
        return binomial_interval(*entries[0].counted, CONFIDENCE)
    return estimate.low, estimate.high


def _of_learned(entries: Sequence[Entry], confidence: float) -> tuple[float, float]:
    """Returns an interval of the mean accuracy of what some trials learned, and of no others.

    If all count equally many examples, the sum of their correct answers is less spread out than a
    binomial (Hoeffding, 1956); else each trial has its share of the failure probability.
    """
    counted = [entry.counted for entry in entries]
    if len({examples for _, examples in counted}) == 1:
        correct = sum(one for one, _ in counted)
        return binomial_interval(correct, sum(examples for _, examples in counted), confidence)
    share = 1 - (1 - confidence) / len(entries)
    ends = [binomial_interval(*one, share) for one in counted]
    return sum(low for low, _ in ends) / len(ends), sum(high for _, high in ends) / len(ends)


@checking
def compare(results: Sequence[Result | Entry]) -> list[Row]:
    """Returns one row per task and method, over the data sets that all methods of a task share.

    Raises:
        InputError: The methods of a task share no data, a method occurs twice on the same data, or
            its results are not trials of one setting.
    """
    entries = [one if isinstance(one, Entry) else Entry(one) for one in results]
    rows = []
    for point in dict.fromkeys(entry.point for entry in entries):
        methods = _by_method([entry for entry in entries if entry.point == point])
        shared = set.intersection(*(set(by_data) for by_data in methods.values()))
        if not shared:
            raise InputError(_different(point, methods))
        if mixed := _mixed(methods):
            raise InputError(
                f"{_not_trials(point, mixed)}; name runs of one setting, or draw the curve of "
                "several sizes with llm-erm figure."
            )
        for method, by_data in methods.items():
            same = tuple(entry for data, entry in by_data.items() if data in shared)
            rows.append(Row(point, method, same, len(methods)))
    return rows


def trials_of_one_setting(entries: Sequence[Entry]) -> tuple[list[Entry], list[str]]:
    """Returns the results that ``compare`` can average, and sentences on those that it cannot.

    Raises:
        InputError: A method occurs twice on the same data.
    """
    kept: list[Entry] = []
    said = []
    for point in dict.fromkeys(entry.point for entry in entries):
        methods = _by_method([entry for entry in entries if entry.point == point])
        mixed = _mixed(methods)
        said += [f"{_not_trials(point, mixed)}; they are left out."] if mixed else []
        for name, by_data in methods.items():
            kept += by_data.values() if name not in mixed else ()
    return kept, said


def _mixed(methods: dict[str, dict[str, Entry]]) -> list[str]:
    """Returns the methods whose results on the data of all are not trials of one setting."""
    shared = set.intersection(*(set(by_data) for by_data in methods.values()))
    found = []
    for name, by_data in methods.items():
        keys = [(one.result.examples, one.result.data) for one in by_data.values()]
        keys = [(size, data) for size, data in keys if data.sha256 in shared]
        sizes, trials = {size for size, _ in keys}, {(data.seed, data.trial) for _, data in keys}
        if len(sizes) > 1 or len(trials) < len(keys):
            found.append(name)
    return found


def _not_trials(point: TaskPoint, methods: Sequence[str]) -> str:
    return (
        f"{point[0]} L={point[1]}: the results of {listed(methods)} are on data of several sizes "
        "or kinds, so they are not trials of one setting and have no mean"
    )


def left_out(results: Sequence[Result | Entry], rows: Sequence[Row]) -> int:
    """Returns how many results are on data that some method of their task has not seen."""
    return len(results) - sum(len(row.entries) for row in rows)


def verdicts(rows: Sequence[Row]) -> list[str]:
    """Returns which methods win, one sentence per task that several methods tried."""
    points = dict.fromkeys(row.point for row in rows)
    groups = {point: [row for row in rows if row.point == point] for point in points}
    return [
        f"{function} L={length}: {_verdict(group)}"
        for (function, length), group in groups.items()
        if len(group) > 1
    ]


def _verdict(group: Sequence[Row]) -> str:
    parts = [_most_accurate(group)]
    exact = [row for row in group if row.exact == len(row.entries)]
    for won, key, form in (
        ("needed the fewest candidates", lambda row: row.candidates, "{:,.0f}"),
        ("was the fastest", lambda row: row.seconds_to_exact, "{:,.2f} s"),
        ("was the cheapest", lambda row: row.cost_usd, "${:.4f}"),
    ):
        if (best := _least(exact, key, form)) is not None:
            (value, row), (following, second) = best
            next_best = f"{second.method}: {form.format(following)}"
            parts.append(f"{row.method} {won} ({form.format(value)}; {next_best})")
    if len(parts) > 1:
        parts[1] = f"among the exact methods, {parts[1]}"
    return "; ".join(parts) + "."


def _most_accurate(group: Sequence[Row]) -> str:
    """Returns which of the learned answers best; one clear claim in twenty tasks may be wrong."""
    ranked = sorted(group, key=lambda row: -row.accuracy)
    best = ranked[0]
    if best.learned_interval[0] <= 0.5:
        return "no method is clearly above 50%"
    equal = [row for row in ranked if row.accuracy == best.accuracy]
    least = best.learned_interval[0]
    close = [row.method for row in ranked[len(equal) :] if row.learned_interval[1] >= least]
    subject, its = ("methods are", "theirs") if len(equal) > 1 else ("method is", "its own")
    names = listed([row.method for row in equal])
    share = int(best.accuracy * 1000 + 1e-9) / 10
    text = f"the most accurate {subject} {names} ({share:.1f}%)"
    if close:
        others, overlap = ("interval", "overlaps") if len(close) == 1 else ("intervals", "overlap")
        text += f", but not clearly: the {others} of {listed(close)} {overlap} with {its}"
    return text


def _least(
    rows: Sequence[Row], key: Callable[[Row], float | None], form: str
) -> tuple[tuple[float, Row], tuple[float, Row]] | None:
    """Returns the least value and the next, each with its row; None if they look the same."""
    known = [(value, row) for row in rows if (value := key(row)) is not None]
    known.sort(key=lambda pair: pair[0])
    if len(known) < 2 or form.format(known[0][0]) == form.format(known[1][0]):
        return None
    return known[0], known[1]


def _by_method(entries: Sequence[Entry]) -> dict[str, dict[str, Entry]]:
    """Returns entries by method and data; the same method gets its folder or size as a suffix.

    Sizes distinguish the points of an in-context learning curve, which use the same data.
    """
    folders: dict[str, set[str]] = {}
    sizes: dict[tuple[str, str, str], set[int]] = {}
    for entry in entries:
        folders.setdefault(entry.method, set()).add(entry.run)
        place = (entry.method, entry.run, entry.result.data.sha256)
        sizes.setdefault(place, set()).add(entry.result.examples)
    methods: dict[str, dict[str, Entry]] = {}
    for entry in entries:
        name, data = entry.method, entry.result.data
        if len(sizes[entry.method, entry.run, data.sha256]) > 1:
            name += f", {counted(entry.result.examples, 'example')}"
        if len(folders[entry.method]) > 1:
            name += f" in {entry.run}"
        by_data = methods.setdefault(name, {})
        if data.sha256 in by_data:
            raise InputError(
                f"{entry.run or 'The list'} holds {entry.method} twice on the same data of "
                f"{data.function} L={data.length}; name the folder of each run separately."
            )
        by_data[data.sha256] = entry
    return methods


def _different(point: TaskPoint, methods: dict[str, dict[str, Entry]]) -> str:
    sizes = sorted({e.result.examples for by_data in methods.values() for e in by_data.values()})
    examples = listed([str(size) for size in sizes])
    return (
        f"{listed(list(methods))} share no data of {point[0]} L={point[1]} ({examples} labelled "
        "examples), and accuracies on different data are not comparable; run them with the same "
        "seed, sizes and other data settings."
    )


def _mean(values: Iterable[float | None]) -> float | None:
    """Returns the mean of the numbers, or None if one is missing."""
    known = list(values)
    present = [value for value in known if value is not None]
    return sum(present) / len(present) if present and len(present) == len(known) else None
