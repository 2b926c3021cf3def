"""Data folders: ``train.txt``, ``val.txt``, ``test.txt`` and ``meta.json``.

Each line holds one example, ``<input> -> <label>``, as in the folders the published code wrote.
"""

import codecs
import hashlib
import re
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from llm_erm.advice import advice
from llm_erm.errors import InputError
from llm_erm.tasks.task import Dataset, Kind

DATA_FILES = ("train.txt", "val.txt", "test.txt")

_ENDINGS = (" -> 0\n", " -> 1\n")


def input_pattern(kind: Kind, length: int) -> str:
    """Returns the regular expression that an input of this kind and length fully matches."""
    match kind:
        case "binary":
            return f"[01]{{{length}}}"
        case "decimal":
            return f"[1-9][0-9]{{{length - 1}}}"
        case "graph":
            return f"(?:u[0-9][0-9]v[0-9][0-9]){{{length // 6}}}"
        case "row":
            value = "(?:-?[0-9]+[.][0-9]{2}|c[0-9]+)"
            return f"(?:x[0-9]+:{value},){{{length - 1}}}x{length - 1}:{value}"
        case "text" | "table":
            return ".+"


def read_dataset(path: Path, pattern: str = ".+", *, redrawable: bool = False) -> Dataset:
    """Returns the labelled examples of a file.

    Lines may end as on any system, and a byte-order mark is not part of the first input.

    Args:
        path: A file of ``<input> -> <label>`` lines.
        pattern: What an input must match.
        redrawable: Whether the user could draw the data again instead of fixing a malformed line.

    Raises:
        InputError: If the file cannot be read, is empty, or has a malformed line or a label other
            than 0 and 1; names the file and the line.
    """
    return _examples(path, _bytes(path), pattern, redrawable=redrawable)


def _examples(path: Path, data: bytes, pattern: str, *, redrawable: bool) -> Dataset:
    data = _plain(data)
    text = _text(path, data)
    if re.fullmatch(f"(?:{pattern} -> [01]\n)+", text):  # as this package writes it
        written = text.replace(_ENDINGS[1], _ENDINGS[0]).split(_ENDINGS[0])[:-1]
        codes = np.frombuffer(data, dtype=np.uint8)
        answers = codes[np.flatnonzero(codes == ord("\n")) - 1] - ord("0")
        return Dataset(tuple(written), tuple(answers.tolist()))
    text = text.removesuffix("\n")
    if not text:
        raise InputError(f"{path} is empty; it needs lines of the form '<input> -> <label>'.")
    form = f"({pattern}) -> ([01])"
    found = re.findall(f"^{form}$", text, re.MULTILINE)
    if len(found) <= text.count("\n"):
        lines = text.split("\n")
        number = next(i for i, line in enumerate(lines) if not re.fullmatch(form, line))
        raise InputError(
            f"{path}, line {number + 1}: {_shortened(lines[number])} is not of the form "
            f"'<input> -> <label>' with label 0 or 1 and an input matching {pattern}; "
            + ("fix that line, or draw the data again" if redrawable else "fix that line"),
            setting="fresh_data" if redrawable else None,
        )
    inputs, labels = zip(*found, strict=True)
    return Dataset(inputs, tuple(map(int, labels)))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"Cannot read {path}: {error.strerror}; {advice(error, path, 'name a data file')}."
        ) from error


def _plain(data: bytes) -> bytes:
    """Returns a file without byte-order marks and with the line ends that we write."""
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if codecs.BOM_UTF8 in data:  # also where files were put together
        data = data.removeprefix(codecs.BOM_UTF8).replace(b"\n" + codecs.BOM_UTF8, b"\n")
    return data


def _text(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        number = data[: error.start].count(b"\n") + 1
        wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        raise InputError(
            f"{path}, line {number}: not valid UTF-8{' but UTF-16' if wide else ''}; the file "
            "needs lines of the form '<input> -> <label>' in UTF-8."
        ) from error


def _shortened(line: str) -> str:
    return repr(line) if len(line) <= 60 else repr(line[:57] + "...")


def read_folder(
    folder: Path, kind: Kind, length: int, sizes: tuple[int, int, int]
) -> tuple[Dataset, Dataset, Dataset] | None:
    """Returns the training, validation and test data of a folder, or None if it holds none.

    Args:
        folder: Where the three files are.
        kind: What the inputs are.
        length: Their length in characters.
        sizes: The requested sizes. The folder may divide training and validation data differently,
            provided their total is the same.

    Raises:
        InputError: If only some of the files exist, one is malformed, or their sizes differ from
            those requested.
    """
    paths = [folder / name for name in DATA_FILES]
    try:
        if not folder.exists():  # one that another process writes meanwhile appears as a whole
            return None
        missing = [path.name for path in paths if not path.exists()]
    except OSError as error:
        raise InputError(
            f"Cannot read {folder}: {error.strerror}; "
            f"{advice(error, folder, 'choose another folder')}.",
            setting="dataset_dir",
        ) from error
    if len(missing) == len(paths):
        return None
    if missing:
        raise InputError(
            f"{folder} is incomplete: {' and '.join(missing)} missing; "
            "restore what is missing, or draw the data again.",
            setting="fresh_data",
        )
    train, validation = read_learning(folder, kind, length)
    test = read_dataset(folder / DATA_FILES[2], input_pattern(kind, length), redrawable=True)
    found = (len(train), len(validation), len(test))
    if (found[0] + found[1], found[2]) != (sizes[0] + sizes[1], sizes[2]):
        counts = ", ".join(f"{n} in {path}" for n, path in zip(found, paths, strict=True))
        raise InputError(
            f"The sizes of the stored data differ from those requested ({sizes[0]} training, "
            f"{sizes[1]} validation, {sizes[2]} test): found {counts}; request the stored sizes, "
            "choose another folder, or draw the data again.",
            setting="fresh_data",
        )
    return train, validation, test


def read_learning(folder: Path, kind: Kind, length: int) -> tuple[Dataset, Dataset]:
    """Returns the training and validation data of a folder, as they are divided there.

    Raises:
        InputError: If a file is missing or malformed.
    """
    pattern = input_pattern(kind, length)
    train, validation = folder / DATA_FILES[0], folder / DATA_FILES[1]
    if not _bytes(validation):  # the data were drawn without a validation split
        return read_dataset(train, pattern, redrawable=True), Dataset((), ())
    return (
        read_dataset(train, pattern, redrawable=True),
        read_dataset(validation, pattern, redrawable=True),
    )


def read_test(folder: Path, kind: Kind, length: int, sha256: str) -> Dataset:
    """Returns the test data of a folder.

    Args:
        folder: Where the file is.
        kind: What the inputs are.
        length: Their length in characters.
        sha256: Digest of the file when the other splits were read.

    Raises:
        InputError: If the file is missing, malformed, or has changed since.
    """
    path = folder / DATA_FILES[2]
    data = _bytes(path)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise InputError(f"{path} has changed since this run began; start the run again.")
    return _examples(path, data, input_pattern(kind, length), redrawable=True)


def file_digests(folder: Path) -> tuple[str, ...] | None:
    """Returns the SHA-256 of the three files in hex; None if one cannot be read."""
    try:
        return tuple(
            hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in DATA_FILES
        )
    except OSError:
        return None


def write_folder(
    folder: Path, splits: Sequence[Dataset], describe: Callable[[tuple[str, ...]], str]
) -> tuple[str, ...]:
    """Writes training, validation and test data and their metadata; returns the files' digests.

    The files are written next to the folder and moved into it once complete, so an interrupted
    call never leaves a folder that looks complete. Files that hold the same already, perhaps from
    another process that draws the same data, stay untouched.

    Args:
        folder: Where to write.
        splits: Training, validation and test data.
        describe: Makes the text of ``meta.json`` from the digests of the files.

    Raises:
        InputError: If the folder cannot be written.
    """
    contents = {}
    for name, data in zip(DATA_FILES, splits, strict=True):
        endings = [_ENDINGS[label] for label in data.labels]
        contents[name] = "".join(map(str.__add__, data.inputs, endings)).encode("utf-8")
    digests = tuple(hashlib.sha256(content).hexdigest() for content in contents.values())
    contents = {"meta.json": describe(digests).encode("utf-8")} | contents
    partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    try:
        partial.mkdir(parents=True)
        for name, content in contents.items():
            (partial / name).write_bytes(content)
        _move(partial, folder, contents)
    except OSError as error:
        raise InputError(
            f"Cannot write the data to {folder}: {error.strerror}; "
            f"{advice(error, folder, 'choose another folder')}.",
            setting="dataset_dir",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return digests


def remove_files(folder: Path) -> None:
    """Deletes the data files of a folder and their metadata, if they exist.

    Raises:
        InputError: If the folder cannot be written.
    """
    try:
        for name in (*DATA_FILES, "meta.json"):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"Cannot delete the data in {folder}: {error.strerror}; "
            f"{advice(error, folder, 'choose another folder')}.",
            setting="out_dir",
        ) from error


def _move(partial: Path, folder: Path, contents: Mapping[str, bytes]) -> None:
    """Moves complete files into place: the whole folder, or the files that differ.

    Data files that differ are deleted first, with the others, so that none are left to be mixed.
    """
    if not folder.exists():
        try:
            partial.rename(folder)
            return
        except OSError:
            if not folder.exists():
                raise
    others = [name for name in contents if _content(folder / name) != contents[name]]
    if not set(others).isdisjoint(DATA_FILES):
        for name in DATA_FILES:
            (folder / name).unlink(missing_ok=True)
        others = [name for name in contents if name in others or name in DATA_FILES]
    for name in others:
        (partial / name).replace(folder / name)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
