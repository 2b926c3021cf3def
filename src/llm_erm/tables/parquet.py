"""Reads Parquet files, with pyarrow."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from llm_erm.errors import InputError, MissingExtraError
from llm_erm.tables.chunks import (
    CHUNK_CELLS,
    Cells,
    Chunk,
    Opened,
    as_text,
    repeated_names,
    tidy_names,
)
from llm_erm.tables.files import unreadable
from llm_erm.tables.memory import INSTALL
from llm_erm.tables.notices import Notices, short

MAGIC = b"PAR1"
"""How a Parquet file begins."""


def open_parquet(path: Path, source: BinaryIO) -> Opened:
    """Returns a Parquet file.

    Args:
        path: What messages call it.
        source: The file.

    Raises:
        InputError: It is damaged.
        MissingExtraError: pyarrow is not installed.
    """
    if find_spec("pyarrow") is None:
        raise MissingExtraError(
            f"{path} is a Parquet file; save it as CSV, or install pyarrow with: {INSTALL}"
        )
    import pyarrow
    from pyarrow.parquet import ParquetFile

    # Whatever a damaged file makes pyarrow raise: it has errors of its own, and OSError.
    try:
        file = ParquetFile(source)
        given = list(file.schema_arrow.names)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise _damaged(path, error) from error
    notices = Notices()
    tidy = tidy_names(given, str(path), notices)
    categories = frozenset(
        name
        for name, field in zip(tidy, file.schema_arrow, strict=True)
        if pyarrow.types.is_dictionary(field.type)
    )
    chunks = _chunks(path, file, tidy, source)
    return Opened(
        str(path),
        "columns",
        tidy,
        chunks,
        notices=notices,
        repeated=repeated_names(given),
        categories=categories,
        close=source.close,
    )


def _damaged(path: Path, error: Exception) -> InputError:
    if isinstance(error, OSError) and error.errno is not None:  # the system's, not pyarrow's
        return unreadable(path, error)
    reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return InputError(
        f"Cannot read {path} as Parquet ({short(reason, 200)}); restore the file, or save the "
        "table as CSV."
    )


def _chunks(
    path: Path,
    file: Any,  # noqa: ANN401 - a file of pyarrow
    tidy: tuple[str, ...],
    source: BinaryIO,
) -> Iterator[Chunk]:
    import pyarrow

    size = max(CHUNK_CELLS // max(len(tidy), 1), 1)
    read = 0
    with source:
        try:
            for batch in file.iter_batches(batch_size=size):
                cells = {name: _cells(part) for name, part in zip(tidy, batch.columns, strict=True)}
                yield Chunk(cells, np.arange(read + 1, read + batch.num_rows + 1))
                read += batch.num_rows
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise _damaged(path, error) from error


def _cells(part: Any) -> Cells:  # noqa: ANN401 - an array of pyarrow
    import pyarrow

    kind = part.type
    if pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind):
        numbers = part.cast(pyarrow.float64(), safe=False)
        return np.asarray(numbers.to_numpy(zero_copy_only=False), dtype=np.float64)
    return [as_text(value) for value in part.to_pylist()]
