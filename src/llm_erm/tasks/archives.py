"""Reads tables of the UCI repository: from files in a folder, or from the network."""

import csv
import io
import math
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
from numpy.typing import NDArray

from llm_erm.errors import InputError, MissingExtraError
from llm_erm.phrases import counted, either, listed
from llm_erm.tasks.uci import Form, Source
from llm_erm.tasks.unpacking import MAX_BYTES, in_archive, in_folder, limited

TIMEOUT_SECONDS = 60
"""Time without an answer after which a download is given up."""

MISSING = "?"
"""A category that stands for missing values, however they are written."""

_MISSING = ("", "?", "nan")
_COMMENTS = ("@", "%", "|")
"""What lines without a row begin with in files that do not name their columns."""


@dataclass(frozen=True, eq=False)
class RawColumn:
    """A column as published.

    Attributes:
        values: Its distinct values, sorted.
        codes: Shape ``(n_rows,)``: the position of each row's value among them.
    """

    values: tuple[float, ...] | tuple[str, ...]
    codes: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class RawTable:
    """A table as published, with its rows in an order that depends on their values alone.

    Attributes:
        columns: The columns of the inputs.
        labels: Shape ``(n_rows,)``: 0 or 1.
    """

    columns: tuple[RawColumn, ...]
    labels: NDArray[np.intp]


@lru_cache(maxsize=5)
def read_table(source: Source, folder: Path | None) -> RawTable:
    """Returns a table.

    Args:
        source: Which one.
        folder: The folder of its files, which may be in zip archives there, or one such archive;
            None to fetch the table from OpenML or the UCI repository.

    Raises:
        InputError: The table cannot be read or fetched, or is another than the published one.
        MissingExtraError: scikit-learn, which fetches it, is not installed.
    """
    if folder is None:
        place, texts, labels = _fetched(source)
    else:
        place, texts, labels = _stored(source, folder)
    if len(labels) != source.rows:
        raise _unusable(
            source,
            f"{place} has {counted(len(labels), 'row')} instead of the {source.rows:,} of "
            f"{source.title}",
        )
    columns = []
    for index, (name, column) in enumerate(zip(source.columns, texts, strict=True)):
        values = _numbers if index in source.numeric else _categories
        columns.append(values(source, f"{place}, column {name}", column))
    order = np.lexsort([labels, *(column.codes for column in columns)])
    return RawTable(
        tuple(RawColumn(column.values, column.codes[order]) for column in columns), labels[order]
    )


@dataclass(frozen=True, eq=False)
class _Texts:
    """Part of a table: its distinct texts, and which one each row has."""

    distinct: tuple[str, ...]
    codes: NDArray[np.intp]


def _numbers(source: Source, place: str, column: _Texts) -> RawColumn:
    numbers = []
    for text in column.distinct:
        try:
            numbers.append(float(text))
        except ValueError:
            numbers.append(math.nan)
        if not math.isfinite(numbers[-1]):
            raise _unusable(source, f"{place}: {text!r:.60} is no number")
    values, places = np.unique(np.array(numbers), return_inverse=True)
    return RawColumn(tuple(values.tolist()), places[column.codes])


def _categories(source: Source, place: str, column: _Texts) -> RawColumn:
    names = [MISSING if text.lower() in _MISSING else text for text in column.distinct]
    values = tuple(sorted(set(names)))
    places = np.array([values.index(name) for name in names], dtype=np.intp)
    return RawColumn(values, places[column.codes])


def _unusable(source: Source, what: str) -> InputError:
    """Returns what to say of a table that is not as published."""
    files = either([listed(form.files) for form in source.forms])
    return InputError(
        f"{what}; download {source.address} into a folder, so that it holds {files}, zipped or "
        "not, and name the folder.",
        setting="tables_dir",
    )


_Read = tuple[str, list[_Texts], NDArray[np.intp]]
"""Where a table was read from, the columns of its inputs, and its labels."""


def _stored(source: Source, folder: Path) -> _Read:
    if not folder.exists():
        raise _unusable(source, f"There is no folder {folder}")
    if folder.is_file() and not zipfile.is_zipfile(folder):
        raise _unusable(source, f"{folder} is neither a folder nor a zip archive")
    return _found(source, str(folder), partial(in_folder, folder))


def _found(source: Source, place: str, find: Callable[[str], bytes | None]) -> _Read:
    """Returns a table in the first of its forms whose files are found.

    Args:
        source: Which table.
        place: What messages call the place where they are looked for.
        find: Returns the content of a file of a given name; None if there is none.
    """
    for form in source.forms:
        files = {name: data for name in form.files if (data := find(name)) is not None}
        if len(files) == len(form.files):
            return (listed(form.files), *_columns(source, form, files))
        if files:
            missing = [name for name in form.files if name not in files]
            raise _unusable(source, f"{place} has {listed(list(files))}, but not {listed(missing)}")
    raise _unusable(source, f"The files of {source.title} are not in {place}")


def _columns(
    source: Source, form: Form, files: dict[str, bytes]
) -> tuple[list[_Texts], NDArray[np.intp]]:
    """Returns the columns of the inputs, and the labels."""
    wanted = (*source.columns, form.target)
    indices: list[dict[str, int]] = [{} for _ in wanted]
    codes: list[list[int]] = [[] for _ in wanted]
    for name, data in files.items():
        for row in _rows(source, form, name, data):
            for index, code, text in zip(indices, codes, row, strict=True):
                code.append(index.setdefault(text, len(index)))
    read = [
        _Texts(tuple(index), np.array(code, dtype=np.intp))
        for index, code in zip(indices, codes, strict=True)
    ]
    return read[:-1], _labels(source, form, listed(form.files), read[-1])


def _labels(source: Source, form: Form, place: str, column: _Texts) -> NDArray[np.intp]:
    labels = []
    for text in column.distinct:
        label = form.labels.get(text.removesuffix(".0"))
        if label is None:
            known = either(list(form.labels))
            raise _unusable(
                source, f"{place}, column {form.target}: {text!r:.60} is no label, such as {known}"
            )
        labels.append(label)
    return np.array(labels, dtype=np.intp)[column.codes]


def _rows(source: Source, form: Form, name: str, data: bytes) -> Iterator[list[str]]:
    """Yields the values of the inputs and the target, row by row."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unusable(source, f"{name} is no text in UTF-8") from error
    reader = csv.reader(
        io.StringIO(text, newline=None), delimiter=form.delimiter, skipinitialspace=True
    )
    names: Sequence[str] = form.names
    places: list[int] | None = _places(source, form, name, names) if names else None
    try:
        for row in reader:
            if not row or (form.names and row[0].startswith(_COMMENTS)):
                continue
            if places is None:
                names = [cell.strip() for cell in row]
                places = _places(source, form, name, names)
                continue
            if len(row) != len(names):
                raise _unusable(
                    source,
                    f"{name}, line {reader.line_num}: {counted(len(row), 'value')} instead of "
                    f"{len(names)}",
                )
            yield [row[place].strip() for place in places]
    except csv.Error as error:
        raise _unusable(source, f"{name}, line {reader.line_num}: {error}") from error
    if not text.strip():
        raise _unusable(source, f"{name} is empty")


def _places(source: Source, form: Form, name: str, names: Sequence[str]) -> list[int]:
    """Returns where the columns of the inputs and the target are in a row."""
    wanted = (*source.columns, form.target)
    if lacking := [column for column in wanted if column not in names]:
        shown = listed([*lacking[:5], *([f"{len(lacking) - 5} others"] if lacking[5:] else [])])
        noun = "column" if len(lacking) == 1 else "columns"
        raise _unusable(source, f"{name} lacks the {noun} {shown}")
    return [names.index(column) for column in wanted]


def _fetched(source: Source) -> _Read:
    try:
        return _downloaded(source) if source.openml is None else _from_openml(source, source.openml)
    except (OSError, HTTPException, ValueError) as error:
        said = str(error).removeprefix("<urlopen error ").removesuffix(">")
        reason = " ".join(said.split()).rstrip(".") or type(error).__name__
        raise _unusable(source, f"Cannot fetch {source.title}: {reason}") from error


def _downloaded(source: Source) -> _Read:
    with urlopen(source.address, timeout=TIMEOUT_SECONDS) as sent:  # noqa: S310 - always https
        data = limited(sent.read(MAX_BYTES + 1), source.address)

    def find(name: str) -> bytes | None:
        if source.address.endswith(".zip"):
            return in_archive(io.BytesIO(data), name, source.address)
        return data if source.address.endswith(f"/{name}") else None

    return _found(source, source.address, find)


def _from_openml(source: Source, number: int) -> _Read:
    try:
        from sklearn.datasets import fetch_openml
    except ImportError as error:
        raise MissingExtraError(
            f"Fetching {source.title} needs scikit-learn; install it with: "
            "pip install 'llm-erm[tables]'"
        ) from error
    place, form = f"OpenML's data set {number}", source.forms[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it tries again; what it returns is checked below
        # By this parser, since the others need pandas.
        found = fetch_openml(data_id=number, as_frame=False, parser="liac-arff")
    _places(source, form, place, (*found.feature_names, form.target))
    columns = [
        _as_texts(found.data[:, found.feature_names.index(name)], found.categories.get(name))
        for name in source.columns
    ]
    labels = _as_texts(np.asarray(found.target, dtype=object), None)
    return place, columns, _labels(source, form, place, labels)


def _as_texts(cells: NDArray[Any], categories: Sequence[str] | None) -> _Texts:
    """Returns a column of OpenML, in which categories are given by their positions."""
    texts = [
        categories[int(cell)] if categories is not None and cell == cell else str(cell)
        for cell in cells.tolist()
    ]
    index: dict[str, int] = {}
    codes = [index.setdefault(text.strip(), len(index)) for text in texts]
    return _Texts(tuple(index), np.array(codes, dtype=np.intp))
