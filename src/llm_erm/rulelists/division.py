"""Divides rows into those to learn from and those to check on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llm_erm.errors import InputError
from llm_erm.phrases import counted
from llm_erm.rulelists.settings import TableSettings
from llm_erm.tables.columns import Labelled, NumberColumn

MOST_EQUAL = 0.1
"""Share of rows with the cells of another up to which that is taken for an exception."""


@dataclass(frozen=True, eq=False)
class Division:
    """Which rows are learned from, and whether the others tell of new rows.

    Attributes:
        learning: Shape ``(n_rows,)``: whether a row is learned from; it is checked on if not.
        no_bound: Why the rows checked on bound no error on new rows; empty if they do.
    """

    learning: NDArray[np.bool_]
    no_bound: str


def divide(data: Labelled, settings: TableSettings) -> Division:
    """Returns which rows to learn from.

    They are drawn at random; with groups, whole groups are; with times, the earliest are taken.

    Raises:
        InputError: One of the two parts would be empty.
    """
    rows = len(data.labels)
    to_check = round(settings.checked * rows)
    if not 1 <= to_check < rows:
        raise InputError(
            f"Checking on {settings.checked:g} of {counted(rows, 'row')} leaves none to "
            f"{'check on' if to_check < 1 else 'learn from'}; give another share, or more rows.",
            setting="checked",
        )
    learning = np.ones(rows, dtype=bool)
    no_bound = "" if settings.independent else "the rows are not independent draws, as was said"
    random = np.random.RandomState(settings.seed)
    if data.times is not None:
        latest = np.argsort(data.times, kind="stable")[rows - to_check :]
        learning[latest] = False
        no_bound = "the rows checked on are later than those learned from, and the next are later"
    elif data.groups is not None:
        groups = random.permutation(np.unique(data.groups))
        sizes = np.array([(data.groups == group).sum() for group in groups])
        taken = groups[: int(np.searchsorted(sizes.cumsum(), to_check)) + 1]
        learning[np.isin(data.groups, taken)] = False
        if not learning.any():
            raise InputError(
                "There are too few groups to learn from some and check on others; without groups, "
                "the rows are divided one by one.",
                setting="groups",
            )
        no_bound = "rows of a group are no independent draws"
    else:
        learning[random.permutation(rows)[:to_check]] = False
        no_bound = no_bound or _contradiction(data, learning)
    return Division(learning, no_bound)


def _contradiction(data: Labelled, learning: NDArray[np.bool_]) -> str:
    """Returns why a row checked on may be a copy of one learned from; empty if none seems to be.

    Where few rows have equal cells, two that do and differ in their labels are more likely to be
    one case that was labelled twice than independent draws.
    """
    cells = np.column_stack(
        [
            np.where(np.isnan(column.values), np.inf, column.values)
            if isinstance(column, NumberColumn)
            else column.codes.astype(np.float64)
            for column in data.table.columns
        ]
        or [np.zeros(len(learning))]
    )
    _, kind, counts = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    kind = kind.reshape(-1)
    if (counts[kind] > 1).mean() > MOST_EQUAL:
        return ""
    for first in np.flatnonzero((counts[kind] > 1) & learning):
        differing = (kind == kind[first]) & ~learning & (data.labels != data.labels[first])
        if differing.any():
            one, other = data.row_numbers[first], data.row_numbers[differing.argmax()]
            return (
                f"row {one:,}, learned from, and row {other:,}, checked on, have the same cells "
                "but different labels, so they may be one case"
            )
    return ""
