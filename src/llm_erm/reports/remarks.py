"""What one must know to read the rows of a comparison beside each other."""

from collections.abc import Iterable, Sequence

from llm_erm.phrases import listed
from llm_erm.reports.comparison import Row
from llm_erm.reports.results import Entry


def unfinished(entries: Iterable[Entry]) -> list[str]:
    """Returns a sentence for each run that ended before it had all its results."""
    cut = dict.fromkeys(entry.unfinished for entry in entries if entry.unfinished)
    return [f"{one}: it did not finish." for one in cut]


def remarks(rows: Sequence[Row]) -> list[str]:
    """Returns what one must know to read the rows beside each other, in sentences."""
    points = dict.fromkeys(row.point for row in rows)
    groups = [[row for row in rows if row.point == point] for point in points]
    said = [
        line
        for group in groups
        for line in (
            *_fewer(group),
            *_counts(group),
            *_unbounded(group),
            *_lengths(group),
        )
    ]
    said += _looks(rows)
    if any(len(row.entries) > 1 for row in rows):
        said.append(
            "Intervals over several trials are for the mean of all trials that could be drawn, "
            "however much those differ, so they are wide if there are few; 'not clearly' compares "
            "only what these trials learned."
        )
    return said


def _fewer(group: Sequence[Row]) -> Iterable[str]:
    """Yields a sentence for each row with fewer test examples: they cannot show exactness."""
    most = max(row.test_examples for row in group)
    for row in group:
        if row.test_examples < most:
            yield (
                f"{_place(row)}: {row.method} was asked about {row.test_examples:,} of the "
                f"{most:,} test examples, so its interval is wider and nothing shows it exact."
            )


def _looks(rows: Sequence[Row]) -> Iterable[str]:
    """Yields sentences on which results the bounds of the rows are for."""
    bounded = [row for row in rows if row.error_at_most is not None]
    if any(row.counted_by_ledger for row in bounded):
        yield (
            "'Error at most' holds for all results on the same data at once, including those not "
            "compared here. The ledger beside the data counts them, but not those on copies of the "
            "data."
        )
    for row in bounded:
        if not row.counted_by_ledger:
            yield (
                f"{_place(row)}: how many results were judged on the data of {row.method} is not "
                f"known, so its bound holds for the {row.rivals} methods compared here only."
            )


def _counts(group: Sequence[Row]) -> Iterable[str]:
    """Yields a sentence if the bounds count different numbers of examples."""
    methods: dict[int, list[str]] = {}
    for row in group:
        if row.error_at_most is not None:
            fewest = min(entry.counted[1] for entry in row.entries)
            methods.setdefault(fewest, []).append(row.method)
    if len(methods) > 1:
        parts = [f"{n:,} for {listed(methods[n])}" for n in sorted(methods)]
        yield (
            f"{_place(group[0])}: bounds, and intervals of one trial, count different numbers of "
            f"test examples ({'; '.join(parts)}): for programs, only inputs that ran alone count."
        )


def _unbounded(group: Sequence[Row]) -> Iterable[str]:
    """Yields a sentence on rows without a bound, whose intervals are as doubtful."""
    methods = [row.method for row in group if row.error_at_most is None]
    if methods:
        yield (
            f"{_place(group[0])}: no bound holds for {listed(methods)}, whose intervals are right "
            "only if the test examples are independent draws."
        )


def _lengths(group: Sequence[Row]) -> Iterable[str]:
    """Yields a sentence for each row that is exact at this length and not at others."""
    for row in group:
        elsewhere = row.other_lengths_accuracy
        if row.exact == len(row.entries) and elsewhere is not None and elsewhere < 1:
            yield (
                f"{_place(row)}: {row.method} is exact at this length only; at other lengths it is "
                f"right on {int(elsewhere * 1000) / 10:.1f}% of inputs."
            )


def _place(row: Row) -> str:
    return f"{row.point[0]} L={row.point[1]}"
