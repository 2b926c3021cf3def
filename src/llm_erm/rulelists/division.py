"""Divides rows into those to learn from and those to check on."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from llm_erm.errors import InputError
from llm_erm.phrases import counted
from llm_erm.rulelists.settings import TableSettings
from llm_erm.tables.columns import Labelled


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
    Rows whose labels were asked for are always learned from, and change nothing for the others.

    Raises:
        InputError: One of the two parts would be empty.
    """
    if data.asked is not None:
        drawn = np.flatnonzero(~data.asked)
        division = divide(replace(data.take(drawn), asked=None), settings)
        learning = np.ones(len(data.labels), dtype=bool)
        learning[drawn] = division.learning
        return Division(learning, division.no_bound)
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
    return Division(learning, no_bound)
