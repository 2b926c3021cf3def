"""Sets aside the columns that no rule should use, and warns of those that give the target away."""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_erm.tables.cells import date_text
from llm_erm.tables.columns import CategoryColumn, Column, NumberColumn
from llm_erm.tables.kinds import looks_like_dates
from llm_erm.tables.notices import Notices, short

_ENOUGH = 10
"""Rows from which on it means something that all values differ, or that two columns agree."""
_FREE_TEXT = 0.9
"""Share of distinct values from which on a column of texts has nothing to group rows by."""
_ID_NAME = re.compile(r"(?i:(?:.*[^a-z])?(?:id|uuid|guid))|.*[a-z](?:Id|ID)")


def useless(column: Column) -> str | None:
    """Returns why no condition on a column can tell rows apart; None if one can."""
    present, distinct = _distinct(column)
    if not len(present):
        return "set aside, since every value is missing"
    if distinct == 1 and len(present) == _length(column):
        return "set aside, since every value is the same"
    return None


def identifies(column: Column, n_read: int) -> str | None:
    """Returns why a column only says which row it is; None if it says more.

    Args:
        column: The column.
        n_read: Number of rows of the source, of which the column may have a sample.
    """
    present, distinct = _distinct(column)
    if len(present) < _ENOUGH:
        return None
    if isinstance(column, CategoryColumn):
        if distinct <= _FREE_TEXT * len(present):
            return None
        if looks_like_dates([column.levels[code] for code in present]):
            return "set aside, since dates are not written as YYYY-MM-DD"
        return "set aside, since nearly every row has a different text"
    if distinct < len(present) or not column.integral or column.dates:
        return None
    if float(np.ptp(present)) < n_read or _ID_NAME.fullmatch(column.name):
        return "set aside, since the values only number the rows"
    return None


def _length(column: Column) -> int:
    return len(column.values if isinstance(column, NumberColumn) else column.codes)


def _distinct(column: Column) -> tuple[NDArray[Any], int]:
    """Returns the present values, and how many distinct ones there are."""
    if isinstance(column, NumberColumn):
        present: NDArray[Any] = column.values[~np.isnan(column.values)]
    else:
        present = column.codes[column.codes >= 0]
    return present, len(np.unique(present))


def warn_of_disguise(
    column: Column, labels: NDArray[np.int32], classes: tuple[str, ...], notices: Notices
) -> None:
    """Says so if a column's values, or where it has none, tell the label of every row."""
    if len(labels) < _ENOUGH:
        return
    cells = column.values if isinstance(column, NumberColumn) else column.codes
    missing = np.isnan(cells) if isinstance(column, NumberColumn) else cells < 0
    values, codes = np.unique(np.where(missing, np.inf, cells), return_inverse=True)
    advice = "leave it out if it is known only after the target"
    name = short(column.name)
    if len(values) == len(classes):
        pairs = np.unique(np.stack([codes, labels]), axis=1)
        if pairs.shape[1] == len(classes):
            same = ", ".join(
                f"{_shown(column, values[code])} means {short(classes[label], 20)}"
                for code, label in pairs[:, :4].T
            )
            notices.say(f"Column {name} gives the target away in every row ({same}); {advice}.")
            return
    for label, what in enumerate(classes):
        for state, rows in (("is missing", missing), ("has a value", ~missing)):
            if (rows == (labels == label)).all():
                notices.say(
                    f"Column {name} {state} exactly where the target is {short(what, 30)}; "
                    f"{advice}."
                )
                return


def _shown(column: Column, value: float) -> str:
    """Returns a value of a column, or the code of one, as it is written; infinite if missing."""
    if np.isinf(value):
        return "missing"
    if isinstance(column, CategoryColumn):
        return short(column.levels[int(value)], 20)
    return date_text(value) if column.dates else f"{value:.15g}"
