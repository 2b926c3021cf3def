"""Reads the column to predict: its classes, or why it has none."""

from collections import Counter
from collections.abc import Collection, Sequence
from difflib import get_close_matches

import numpy as np
from numpy.typing import ArrayLike, NDArray

from llm_erm.errors import InputError
from llm_erm.phrases import counted, listed
from llm_erm.tables.cells import PLAIN, numbers_in, read_number
from llm_erm.tables.kinds import in_order
from llm_erm.tables.notices import Notices, names, quoted, short

_MOST_NUMBERS = 20
"""Distinct numbers from which on the target is a number to predict."""
_RARE = 5
"""Rows below which a class is too small to learn or to check."""


def classes_of(
    texts: Sequence[str], target: str, notices: Notices
) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """Returns the classes, as written and sorted, and each row's, as an index into them.

    Args:
        texts: The labels, none of them missing.
        target: The column's name.
        notices: Gets what is odd about them.

    Raises:
        InputError: There is one class only, or the target is a number or a name of each row.
    """
    counts = Counter(texts)
    numbers = {text: read_number(text, PLAIN) for text in counts}
    numeric = numbers_in(counts, "point")[1].values()
    if len(numeric) == len(counts) > _MOST_NUMBERS:
        raise InputError(
            f"The target {short(target)!r} is a number to predict ({len(counts):,} distinct "
            f"values, from {min(numeric):g} to {max(numeric):g}), but rules predict classes; turn "
            "it into a few, such as below and above a limit.",
            setting="target",
        )
    if len(counts) > _MOST_NUMBERS / 2 and len(counts) > len(texts) / 2:
        raise InputError(
            f"The target {short(target)!r} has {len(counts):,} distinct values in "
            f"{len(texts):,} rows ({quoted(counts)}); name a column whose values repeat.",
            setting="target",
        )
    if len(counts) < 2:
        raise InputError(
            f"The target {short(target)!r} is {next(iter(counts))!r:.60} in every row "
            f"({counted(len(texts), 'row')}); add rows of another class, or name another column.",
            setting="target",
        )
    _say_alike(counts, numbers, notices)
    classes = in_order(counts)
    if rare := [name for name in classes if counts[name] < _RARE]:
        shown = names([f"{short(name, 30)} ({counted(counts[name], 'row')})" for name in rare])
        notices.say(
            f"Classes with fewer than {_RARE} rows are kept, but can hardly be learned: {shown}."
        )
    index = {name: code for code, name in enumerate(classes)}
    return classes, np.array([index[text] for text in texts], dtype=np.int32)


def _say_alike(counts: Counter[str], numbers: dict[str, float | None], notices: Notices) -> None:
    """Says which classes differ only in how they are written."""
    alike: dict[float | str, list[str]] = {}
    for name in counts:
        number = numbers[name]
        alike.setdefault(name.casefold() if number is None else number, []).append(name)
    for same in alike.values():
        if len(same) > 1:
            notices.say(
                f"{listed([repr(short(name, 30)) for name in sorted(same)])} are different "
                "classes, since they are written differently."
            )


def no_such_column(
    name: str,
    columns: Collection[str],
    place: str,
    *,
    likely: Collection[str] | None = None,
    setting: str | None = None,
) -> InputError:
    """Returns what to say of a column that a table does not have.

    Args:
        name: The column.
        columns: Those that the table has.
        place: What messages call it.
        likely: Those that may be meant; None for all.
        setting: The setting that names the column.
    """
    shown = names([short(column, 40) for column in columns])
    likely = columns if likely is None else likely
    lower = {column.casefold(): column for column in likely}
    meant = lower.get(name.strip().casefold()) or next(
        iter(get_close_matches(name[:200], [column[:200] for column in likely], 1)), None
    )
    if meant:
        hint = f"did you mean {short(meant)!r}?"
    elif columns and all(read_number(column, PLAIN) is not None for column in columns):
        hint = f"its first line looks like data ({shown}), so add a line of names above."
    else:
        hint = f"its columns are {shown}." if columns else "it has no columns at all."
    return InputError(f"There is no column {short(name)!r} in {place}; {hint}", setting=setting)


def refuse_missing(y: ArrayLike) -> None:
    """Refuses labels some of which are missing: None, NaN, or NA of pandas.

    Raises:
        InputError: Some are missing.
    """
    labels = np.asarray(y, dtype=object)  # as an array of texts, a list would have NaN as a text
    if labels.ndim != 1:
        return
    missing = [row for row, label in enumerate(labels, 1) if _is_missing(label)]
    if missing:
        raise InputError(
            f"Input y contains NaN, None or NA instead of a label in {len(missing):,} of "
            f"{counted(len(labels), 'row')}, first in row {missing[0]:,}; leave these rows out of "
            "X and y, or give them a label."
        )


def _is_missing(label: object) -> bool:
    # Whether NA differs from itself is neither true nor false.
    return label is None or type(label).__name__ == "NAType" or bool(label != label)
