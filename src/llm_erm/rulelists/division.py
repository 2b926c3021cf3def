"""Divides rows into those to learn from and those to check on."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import pdtrc

from llm_erm.errors import InputError
from llm_erm.phrases import counted
from llm_erm.rulelists.settings import TableSettings
from llm_erm.tables.columns import Labelled, NumberColumn

UNLIKELY = 1e-3
"""Probability below which so many equal rows are no chance."""

DIGITS = 16
"""Most digits after the decimal point that a column's values are written with."""

MOST_COPIES = 0.05
"""Share of rows that may be copies of others with the same label without spoiling the bounds."""


@dataclass(frozen=True, eq=False)
class Division:
    """Which rows are learned from while the others are checked on.

    Attributes:
        folds: One or more, each of shape ``(n_rows,)``: whether a row is learned from; it is
            checked on if not. No row is checked on twice.
        no_bound: Why the rows bound no error on new rows; empty if they do.
    """

    folds: tuple[NDArray[np.bool_], ...]
    no_bound: str

    @property
    def learning(self) -> NDArray[np.bool_]:
        """The first fold: its rule is the one that is checked."""
        return self.folds[0]


def divide(data: Labelled, settings: TableSettings) -> Division:
    """Returns which rows to learn from.

    The rows are divided at random, so that each is checked on once; with groups, whole groups are.
    With times, there is one fold: the earliest rows are learned from. Rows whose labels were asked
    for are always learned from, and change nothing for the others.

    Raises:
        InputError: A fold would be empty.
    """
    if data.asked is not None:
        drawn = np.flatnonzero(~data.asked)
        division = divide(replace(data.take(drawn), asked=None), settings)
        learning = np.ones((len(division.folds), len(data.labels)), dtype=bool)
        learning[:, drawn] = division.folds
        return Division(tuple(learning), division.no_bound)
    rows = len(data.labels)
    to_check = round(settings.checked * rows)
    if not 1 <= to_check < rows:
        raise InputError(
            f"Checking on {settings.checked:g} of {counted(rows, 'row')} leaves none to "
            f"{'check on' if to_check < 1 else 'learn from'}; give another share, or more rows.",
            setting="checked",
        )
    no_bound = "" if settings.independent else "the rows are not independent draws, as was said"
    random = np.random.RandomState(settings.seed)
    if data.times is not None and data.groups is not None:
        raise InputError(
            "Rows are divided by groups or by time, not by both; leave out one of the two.",
            setting="groups",
        )
    if data.times is not None:
        part = np.ones(rows, dtype=np.intp)
        part[np.argsort(data.times, kind="stable")[rows - to_check :]] = 0
        no_bound = "the rows checked on are later than those learned from, and the next are later"
        return Division((part != 0,), no_bound)
    parts = 1 + max(round((rows - to_check) / to_check), 1)
    ends = to_check + np.linspace(0, rows - to_check, parts)[:-1]
    if data.groups is not None:
        groups = random.permutation(np.unique(data.groups))
        sizes = np.array([(data.groups == group).sum() for group in groups])
        before = sizes.cumsum() - sizes
        part_of = dict(zip(groups, np.searchsorted(ends, before, side="right"), strict=True))
        part = np.array([part_of[group] for group in data.groups])
        if (part == 0).all():
            raise InputError(
                "There are too few groups to learn from some and check on others; without groups, "
                "the rows are divided one by one.",
                setting="groups",
            )
        no_bound = "rows of a group are not independent draws"
    else:
        part = np.empty(rows, dtype=np.intp)
        part[random.permutation(rows)] = np.searchsorted(ends, np.arange(rows), side="right")
    folds = tuple(part != index for index in range(parts) if (part == index).any())
    return Division(folds, no_bound or _copies(data))


def _copies(data: Labelled) -> str:
    """Returns why some rows may be copies of others; empty if no more are equal than by chance.

    By chance, two rows are equal no more often than in the most varied column alone: as often as
    different rows are there, or as its values are if all with as many digits are as likely.
    """
    columns = [
        column.values if isinstance(column, NumberColumn) else column.codes.astype(np.float64)
        for column in data.table.columns
    ]
    if len(columns) < 2:  # equal rows cannot be told from equal values
        return ""
    cells = np.column_stack(columns)
    cells = np.where(np.isnan(cells), np.inf, cells)  # NaN would differ from itself
    distinct, kind, counts = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    kind = kind.reshape(-1)
    pairs = len(cells) * (len(cells) - 1) / 2
    expected = pairs * min(_equality(column) for column in distinct.T)
    if pdtrc(int((counts * (counts - 1) // 2).sum()) - 1, max(expected, 1e-6)) > UNLIKELY:
        return ""
    for first in np.flatnonzero(counts[kind] > 1):
        differing = (kind == kind[first]) & (data.labels != data.labels[first])
        if differing.any():
            one, other = data.row_numbers[first], data.row_numbers[differing.argmax()]
            return (
                f"rows {one:,} and {other:,} have the same cells but different labels, and seem to "
                "be one case"
            )
    copies = len(cells) - len(distinct)
    if copies > MOST_COPIES * len(cells):
        return f"{counted(copies, 'row')} seem to be copies of others"
    return ""


def _equality(column: NDArray[np.float64]) -> float:
    """Returns the chance that two values of different rows are equal."""
    values, counts = np.unique(column[np.isfinite(column)], return_counts=True)
    if len(values) < 2:
        return 1.0
    seen = float((counts * (counts - 1)).sum()) / (len(column) * (len(column) - 1))
    written = (digits for digits in range(DIGITS) if (np.round(values, digits) == values).all())
    step = 10.0 ** -next(written, DIGITS)
    return max(seen, step / (float(np.ptp(values / 2)) * 2 + step))
