"""Reads tables that are in memory: data frames, mappings of columns, arrays and lists of rows."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from llm_erm.errors import InputError, MissingExtraError
from llm_erm.phrases import counted
from llm_erm.tables.chunks import (
    CHUNK_CELLS,
    Cells,
    Chunk,
    Opened,
    as_text,
    repeated_names,
    tidy_names,
)
from llm_erm.tables.notices import Notices, short

INSTALL = "pip install 'llm-erm[tables]'"
_PLACE = "the table"
_COLUMNS = (Sequence, np.ndarray)
_FRAMES = ("pandas", "polars", "pyarrow", "modin", "cudf", "narwhals", "duckdb", "ibis", "dask")


def open_memory(source: Any) -> Opened:  # noqa: ANN401 - whatever the caller has
    """Returns a table that is in memory.

    Args:
        source: A data frame (pandas, polars, or others that narwhals knows), a mapping of names to
            columns, an array of shape ``(n_rows, n_columns)``, a list of rows (lists, or mappings
            of names to values). Columns without names are called x0, x1, ...

    Raises:
        InputError: It is none of these, or its columns have different lengths.
        MissingExtraError: It is a data frame, and narwhals is not installed.
    """
    if type(source).__module__.split(".")[0] in _FRAMES:
        return _open_frame(source)
    if isinstance(source, Mapping):
        return _opened(dict(source))
    if isinstance(source, np.ndarray):
        return _opened(_array_columns(source))
    if isinstance(source, Sequence) and not isinstance(source, str | bytes):
        return _opened(_row_columns(source))
    raise InputError(
        f"The table is {_of_type(source)}; give a path, a data frame, a mapping of names to "
        "columns, or an array or a list with one row per example."
    )


def _of_type(value: object) -> str:
    return f"of type {type(value).__name__}"


def _array_columns(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    if array.ndim != 2:
        raise InputError(
            f"The table is an array of shape {array.shape}; give one of two dimensions, with one "
            "row per example."
        )
    if array.dtype.kind not in "iufbOUS":
        raise InputError(
            f"The table is an array of {array.dtype}; give real numbers, booleans or texts."
        )
    return {f"x{index}": array[:, index] for index in range(array.shape[1])}


def _row_columns(rows: Sequence[Any]) -> dict[str, Any]:
    if not rows:
        raise InputError("The table is an empty list; give one row per example.")
    if all(isinstance(row, Mapping) for row in rows):
        keys = dict.fromkeys(key for row in rows for key in row)
        return {key: [row.get(key) for row in rows] for key in keys}
    for number, row in enumerate(rows, 1):
        if isinstance(row, str | bytes) or not isinstance(row, Sequence | np.ndarray):
            raise InputError(
                f"Row {number} of {_PLACE} is {_of_type(row)}; give all rows as lists, or all as "
                "mappings of names to values."
            )
        if len(row) != len(rows[0]):
            raise InputError(
                f"Row {number} of {_PLACE} has {counted(len(row), 'value')}, but row 1 has "
                f"{len(rows[0]):,}; give rows of equal length."
            )
    return {f"x{index}": [row[index] for row in rows] for index in range(len(rows[0]))}


def _opened(columns: Mapping[Any, Any], categories: frozenset[str] = frozenset()) -> Opened:
    """Returns columns that have a length and can be sliced."""
    notices = Notices()
    given = [str(name) for name in columns]
    tidy = tidy_names(given, _PLACE, notices)
    found: dict[str, Any] = {}
    for name, column in zip(tidy, columns.values(), strict=True):
        if callable(to_list := getattr(column, "to_list", None)):  # a series, with an index or not
            column = to_list()
        if isinstance(column, str | bytes) or not isinstance(column, _COLUMNS):
            raise InputError(
                f"Column {short(name)!r} is {_of_type(column)}; give a list or an array."
            )
        if (dimensions := getattr(column, "ndim", 1)) != 1:
            raise InputError(
                f"Column {short(name)!r} has {dimensions} dimensions; give a list or an array of "
                "one dimension."
            )
        found[name] = column
    n_rows = len(found[tidy[0]]) if tidy else 0
    for name, column in found.items():
        if len(column) != n_rows:
            raise InputError(
                f"Column {short(name)!r} has {counted(len(column), 'value')}, but column "
                f"{short(tidy[0])!r} has {n_rows:,}; give columns of equal length."
            )
    chunks = _sliced(found, n_rows)
    return Opened(
        _PLACE,
        "columns",
        tidy,
        chunks,
        notices=notices,
        repeated=repeated_names(given),
        categories=categories,
    )


def _sliced(columns: Mapping[str, Any], n_rows: int) -> Iterator[Chunk]:
    size = max(CHUNK_CELLS // max(len(columns), 1), 1)
    for start in range(0, n_rows, size):
        stop = min(start + size, n_rows)
        cells = {name: as_cells(column[start:stop]) for name, column in columns.items()}
        yield Chunk(cells, np.arange(start + 1, stop + 1))


def as_cells(values: Any) -> Cells:  # noqa: ANN401 - part of a column of any kind
    """Returns values as cells: numbers as they are, all else as texts."""
    if isinstance(values, np.ndarray):
        masked = isinstance(values, np.ma.MaskedArray)  # whose list has None where it is masked
        if values.dtype.kind in "iuf" and not masked:
            return values.astype(np.float64)
        if values.dtype.kind == "M":
            values = np.datetime_as_string(values)
        values = values.tolist()
    return [as_text(value) for value in values]


def _open_frame(source: Any) -> Opened:  # noqa: ANN401 - a data frame of any library
    if find_spec("narwhals") is None:
        raise MissingExtraError(f"Data frames need narwhals; install it with: {INSTALL}")
    import narwhals as nw

    library = type(source).__module__.split(".")[0]
    try:
        frame = nw.from_native(source, eager_only=True)
        given = [str(name) for name in frame.columns]
    except TypeError:
        raise InputError(
            f"The table is {_of_type(source)} of {library}; give a data frame whose rows are in "
            "memory (collect a lazy one first)."
        ) from None
    except nw.exceptions.DuplicateError:
        native = source.column_names if library == "pyarrow" else source.columns
        given = [str(name) for name in native]
    if len(set(given)) < len(given):
        raise InputError(
            f"Several columns of {_PLACE} are called {short(min(repeated_names(given)))!r}; "
            "rename all but one."
        )
    declared = (nw.Categorical, nw.Enum)
    categories = {str(name).strip() for name, kind in frame.schema.items() if kind in declared}
    # Not by name: a name may be a number, which would select a row.
    series = map(_Series, frame.iter_columns())
    columns = dict(zip(given, series, strict=True))
    return _opened(columns, frozenset(categories))


class _Series(Sequence[Any]):
    """A column of a data frame that is read slice by slice, as numbers where it holds numbers."""

    def __init__(self, series: Any) -> None:  # noqa: ANN401 - narwhals
        self._series = series

    def __len__(self) -> int:
        return len(self._series)

    def __getitem__(self, rows: Any) -> Any:  # noqa: ANN401 - an array, or a list
        part = self._series[rows]
        if not part.dtype.is_numeric():
            return part.to_list()
        import narwhals as nw

        return np.asarray(part.cast(nw.Float64).to_numpy(), dtype=np.float64)
