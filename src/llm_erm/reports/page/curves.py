"""The charts of a page: accuracy against length and examples, candidates, training, enumeration."""

from collections.abc import Iterable, Sequence

from llm_erm.errors import InputError
from llm_erm.facts import EnumerationFacts, TrainingFacts
from llm_erm.phrases import counted
from llm_erm.records import Result
from llm_erm.reports.comparison import accuracy_interval
from llm_erm.reports.curves import curves
from llm_erm.reports.page.charts import MOST_MARKS, STYLES, Chart, Line, Point, styled
from llm_erm.reports.results import Entry
from llm_erm.rulelists.evidence import Form, Learned
from llm_erm.tasks.suite import in_words

CHANCE = 0.5


def charts_of(entries: Sequence[Entry]) -> list[Chart]:
    """Returns the charts for which the results have data."""
    styles = styled([entry.method for entry in entries])
    tested = [entry for entry in entries if entry.test_examples]
    results = [entry.result for entry in entries]
    return [
        *_by_length(tested, styles),
        *_by_examples(tested, styles),
        *_by_candidates(entries, styles),
        *_trainings(results),
        *_growth(results),
    ]


def _by_length(entries: Sequence[Entry], styles: dict[str, int]) -> Iterable[Chart]:
    """Yields a chart per task that was met at several lengths."""
    for task in dict.fromkeys(entry.point[0] for entry in entries):
        own = [entry for entry in entries if entry.point[0] == task]
        lines: list[Line] = []
        for method in sorted({entry.method for entry in own}):
            named: dict[str, list[Point]] = {}
            for (name, length), group in _settings([e for e in own if e.method == method]).items():
                named.setdefault(name, []).append(_point(length, group))
                named |= _lengths_of_training(name, group)
            lines += [
                Line(name, _sorted(points), styles[method] + STYLES * place)  # other dashes
                for place, (name, points) in enumerate(sorted(named.items()))
            ]
        if len({point.x for line in lines for point in line.points}) > 1:
            yield Chart(
                f"Accuracy by length: {in_words(task)}",
                "length of the inputs, in characters",
                "test accuracy, 95% interval",
                tuple(lines),
                chance=CHANCE,
            )


def _settings(entries: Sequence[Entry]) -> dict[tuple[str, int], list[Entry]]:
    """Returns the trials of a method by setting and length; by its name alone if it has only one.

    Results on other numbers of examples, or again on the same data, are not further trials.
    """
    sizes = {entry.result.examples for entry in entries}
    seen = [(entry.result.examples, entry.result.data.sha256) for entry in entries]
    found: dict[tuple[str, int], list[Entry]] = {}
    for entry in entries:
        name = entry.method
        if len(sizes) > 1:
            name += f", {counted(entry.result.examples, 'example')}"
        if len({*seen}) < len(seen):
            name += f" in {entry.run}"
        found.setdefault((name, entry.point[1]), []).append(entry)
    return found


def _lengths_of_training(name: str, entries: Sequence[Entry]) -> dict[str, list[Point]]:
    """Returns the accuracies at other lengths that trained models were tested at."""
    found: dict[str, list[Point]] = {}
    for entry in entries:
        facts = entry.result.facts
        if isinstance(facts, TrainingFacts) and facts.accuracy_at_length:
            trial = f", trial {entry.result.data.trial}" if len(entries) > 1 else ""
            points = [Point(*pair) for pair in facts.accuracy_at_length.items()]
            found[f"{name}, trained at length {entry.point[1]}{trial}"] = points
    return found


def _point(x: float, group: Sequence[Entry]) -> Point:
    mean = sum(entry.accuracy for entry in group) / len(group)
    return Point(x, mean, *accuracy_interval(group))


def _sorted(points: Iterable[Point]) -> tuple[Point, ...]:
    return tuple(sorted(points, key=lambda point: point.x))


def _by_examples(entries: Sequence[Entry], styles: dict[str, int]) -> Iterable[Chart]:
    """Yields a chart per task and length that some method learned from several sizes."""
    try:
        found = curves(entries)
    except InputError:  # the comparison says why
        return
    names = {curve.method for each in found.values() for curve in each}
    styles = styles if names <= styles.keys() else styled([*names])  # some name their folders
    for (task, length), each in found.items():
        if all(len(curve.examples) < 2 for curve in each):
            continue
        yield Chart(
            f"Accuracy by labelled examples: {in_words(task)}, length {length}",
            "labelled examples",
            "test accuracy, 95% interval",
            tuple(
                Line(
                    curve.method,
                    tuple(
                        Point(*one)
                        for one in zip(
                            curve.examples, curve.accuracy, curve.low, curve.high, strict=True
                        )
                    ),
                    styles[curve.method],
                )
                for curve in each
            ),
            log_x=True,
            chance=CHANCE,
        )


def _by_candidates(entries: Sequence[Entry], styles: dict[str, int]) -> Iterable[Chart]:
    """Yields the share of searches that were exact within so many candidates."""
    lines = []
    searches = [entry for entry in entries if entry.result.attempts]
    methods = sorted({entry.method for entry in searches})
    met = [{e.point for e in searches if e.method == method} for method in methods]
    shared = set.intersection(*met) if met else set()
    for method in methods:
        own = [e for e in searches if e.method == method and (e.point in shared or not shared)]
        needed = sorted(count for entry in own if (count := entry.candidates))
        if not needed:
            continue
        most = max([*needed, *(entry.considered for entry in own)])
        points = [Point(1, 0.0)] if needed[0] > 1 else []
        for place, count in enumerate(needed):  # a step up where each search succeeds
            points += [Point(count, place / len(own)), Point(count, (place + 1) / len(own))]
        points.append(Point(most, len(needed) / len(own)))
        lines.append(Line(method, tuple(points), styles[method], marks=False))
    if lines:
        yield Chart(
            "Candidates to success"
            if shared
            else "Candidates to success (each method on tasks of its own)",
            "candidates (logarithmic)",
            "exact searches",
            tuple(lines),
            log_x=True,
        )


def _trainings(results: Sequence[Result]) -> Iterable[Chart]:
    """Yields the accuracies of each model in training."""
    for result in results:
        facts = result.facts
        if isinstance(facts, TrainingFacts) and len(facts.curve) > 1:
            marks = len(facts.curve) <= MOST_MARKS
            training = tuple(Point(one.epoch, one.train_accuracy) for one in facts.curve)
            test = tuple(Point(one.epoch, one.test_accuracy) for one in facts.curve)
            yield Chart(
                f"Training of {result.model} on {result.data.name}",
                "epochs",
                "accuracy",
                (Line("training data", training, 0, marks), Line("test data", test, 1, marks)),
                chance=CHANCE,
            )


def _growth(results: Sequence[Result]) -> Iterable[Chart]:
    """Yields how many programs each search without a model considered, in its first trial."""
    lines: list[Line] = []
    for result in results:
        facts = result.facts
        if not isinstance(facts, EnumerationFacts) or result.data.trial > 1:
            continue
        total, points = 0, []
        for level in facts.levels:
            total += level.considered
            if total:
                points.append(Point(level.bits, total))
        if len(points) > 1:
            lines.append(Line(result.data.name, tuple(points), len(lines), marks=False))
    if lines:
        yield Chart(
            "Growth of enumeration",
            "description length, in bits",
            "programs considered",
            tuple(lines),
            log_y=True,
            shares=False,
        )


_FORMS: dict[Form, str] = {
    "list": "lists",
    "m of n": "rules of the form m of n",
    "proposed": "what a language model proposed",
}


def chart_of_rule(learned: Learned) -> Chart:
    """Returns what the errors of the best rules cost, by their number of conditions."""
    lines: list[Line] = []
    for form in dict.fromkeys(size.form for size in learned.sizes):
        sizes = [size for size in learned.sizes if size.form == form]
        name = _FORMS[form]
        seen = tuple(Point(size.conditions, size.cost) for size in sizes)
        unseen = tuple(Point(size.conditions, size.checked_cost) for size in sizes)
        lines += [
            Line(f"{name}, on the rows learned from", seen, len(lines)),
            Line(f"{name}, on rows not learned from", unseen, len(lines) + 1),
        ]
    return Chart(
        f"Errors by size: rule for {learned.schema.target}",
        "conditions",
        "cost of errors" if learned.costs else "errors",
        tuple(lines),
        shares=False,
    )
