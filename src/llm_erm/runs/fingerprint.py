"""Identifies a run by what shapes its results: other settings or data make another run."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from llm_erm.advice import advice
from llm_erm.errors import InputError
from llm_erm.runs.checksum import opened_settings, settings_digest
from llm_erm.runs.files import SETTINGS, holds_run, read
from llm_erm.runs.jobs import Method
from llm_erm.runs.shards import Shard
from llm_erm.serial import RecordError, from_json
from llm_erm.settings import plain, shaping
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.task import Splits


@dataclass(frozen=True)
class DataRecord:
    """One data set of a run.

    Attributes:
        spec: How it was drawn.
        sha256: Digest of its labelled examples, however they are divided and ordered.
        learning_sha256: Digest of the training and validation examples as they are divided and
            ordered, which prompts show.
        task_file_sha256: Digest of the user's file that defines the task; None for the suite.
    """

    spec: DataSpec
    sha256: str
    learning_sha256: str
    task_file_sha256: str | None = None


UNKNOWN_TASK_FILE = "FILE"
"""Stands for the path of the file that defines a task, which a run does not keep."""


def _of_a_file(record: object) -> object:
    """Returns a stored data record whose spec, if a file defines its task, names a file."""
    if not isinstance(record, dict) or record.get("task_file_sha256") is None:
        return record
    spec = record.get("spec")
    named = spec | {"task_file": UNKNOWN_TASK_FILE} if isinstance(spec, dict) else spec
    return record | {"spec": named}


@dataclass(frozen=True)
class Fingerprint:
    """The content of ``settings.json``.

    Attributes:
        version: Version of this package.
        method: Name of the method.
        settings: Those of its settings that shape results, as JSON values.
        data: The data sets.
        shard: Which part of a grid the data sets are; None if they are all of it.
        data_hidden: Whether no file held the data while a model was asked.
    """

    version: str
    method: str
    settings: dict[str, Any]
    data: tuple[Annotated[DataRecord, BeforeValidator(_of_a_file)], ...]
    shard: Shard | None = None
    data_hidden: bool = False

    @property
    def text(self) -> str:
        """The fingerprint as a JSON text; ``settings.json`` holds it with its SHA-256."""
        values = shaping(self)
        if self.shard is None:
            del values["shard"]
        if not self.data_hidden:
            del values["data_hidden"]
        return json.dumps(values, indent=2, sort_keys=True) + "\n"

    @property
    def sha256(self) -> str:
        """The SHA-256 of the text."""
        return settings_digest(self.text)

    @property
    def digest(self) -> str:
        """Ten hexadecimal digits that name a run with these settings."""
        return self.sha256[:10]


def fingerprint(
    version: str,
    method: Method,
    specs: Sequence[DataSpec],
    data: Sequence[Splits],
    shard: Shard | None = None,
) -> Fingerprint:
    """Returns the fingerprint of a method on data sets."""
    records = tuple(
        DataRecord(
            spec,
            splits.key.sha256,
            _learning_digest(splits),
            file_digest(spec.task_file),
        )
        for spec, splits in zip(specs, data, strict=True)
    )
    hidden = any(splits.hidden for splits in data)
    return Fingerprint(version, method.name, plain(method), records, shard, hidden)


def _learning_digest(splits: Splits) -> str:
    parts = [[data.inputs, data.labels] for data in (splits.train, splits.validation)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def read_fingerprint(folder: Path, setting: str | None = "out_dir") -> Fingerprint:
    """Returns the fingerprint of the run in a folder.

    Raises:
        InputError: The folder holds no run, or its ``settings.json`` is damaged.
    """
    settings = read_settings(folder, setting)
    try:
        return from_json(Fingerprint, settings)
    except RecordError as error:
        raise InputError(
            f"Another version of llm-erm wrote {folder / SETTINGS} ({error}); name another run.",
            setting=setting,
        ) from None


def read_settings(folder: Path, setting: str | None = "out_dir") -> str:
    """Returns the text of the fingerprint of the run in a folder, which fits its SHA-256.

    Raises:
        InputError: The folder holds no run, or its ``settings.json`` is damaged.
    """
    path = folder / SETTINGS
    if not path.exists() and not holds_run(folder):
        what = "holds no run" if folder.is_dir() else "is not there"
        raise InputError(f"{folder} {what}; name the folder of a run.", setting=setting)
    text = read(path, setting)
    if (settings := opened_settings(text)) is None:
        fault = (
            "was written by llm-erm 0.2.0 or earlier, whose runs have no checksums, so they cannot "
            "be checked; use the version that wrote it, or run it again"
            if is_unsealed(text)
            else "has changed since it was written, so nothing in its folder can be checked; "
            "restore it, run the command of that run again, or name another run"
        )
        raise InputError(f"{path} {fault}.", setting=setting)
    return settings


def is_unsealed(text: str) -> bool:
    """Returns whether a ``settings.json`` is of a version that wrote no checksums."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    names = {f.name for f in fields(Fingerprint)} - {
        "shard",
        "data_hidden",
    }  # which those versions had not
    return isinstance(value, dict) and value.keys() == names


def difference(earlier: str, now: Fingerprint) -> str:
    """Returns a phrase that lists the settings in which an earlier fingerprint differs."""
    try:
        before, after = json.loads(earlier), json.loads(now.text)
        before.pop("sha256", None)
        if before["method"] != after["method"]:  # hardly a setting is the same
            return f"different: method, which was {before['method']}"
        changed = sorted(_changed(before, after))
    except (ValueError, AttributeError, TypeError, KeyError, RecursionError):
        return "settings.json is damaged"
    return "different: " + ", ".join(changed) if changed else "settings.json was edited"


def _changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    names: set[str] = set()
    for key in before.keys() | after.keys():
        one, other = before.get(key), after.get(key)
        if one == other:
            continue
        if isinstance(one, dict) and isinstance(other, dict):
            names |= _changed(one, other)
        elif key == "data" and isinstance(one, list) and isinstance(other, list):
            names |= _changed_data(one, other)
        else:
            names.add(key)
    return names


def _changed_data(before: list[Any], after: list[Any]) -> set[str]:
    if len(before) != len(after):
        return {"data"}
    names = set().union(*(_changed(one, other) for one, other in zip(before, after, strict=True)))
    return {"data" if name in ("sha256", "learning_sha256") else name for name in names}


def file_digest(path: Path | None) -> str | None:
    """Returns the SHA-256 of a file in hex, or None if there is no file."""
    if path is None or not path.is_file():
        return None
    stat = path.stat()
    return _digest(path.absolute(), stat.st_size, stat.st_mtime_ns)


def model_digests(path: Path) -> dict[str, str]:
    """Returns the SHA-256 of a model's file, or of each file in its folder, by name.

    Of a folder, hidden files, documentation (``.md``) and subfolders, which libraries do not load,
    are left out.

    Raises:
        InputError: The folder or a file cannot be read.
    """
    if not path.is_dir():
        digest = file_digest(path)
        return {} if digest is None else {path.name: digest}
    try:
        files = sorted(path.iterdir())
    except OSError as error:
        raise _unreadable(path, error) from error
    digests = {
        file.name: file_digest(file)
        for file in files
        if not file.name.startswith(".") and file.suffix != ".md"
    }
    return {name: digest for name, digest in digests.items() if digest is not None}


@cache
def _digest(path: Path, size: int, changed_ns: int) -> str:
    """Reads a file again only if it has changed: weights may have gigabytes."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(
        f"Cannot read {path}: {error.strerror}; {advice(error, path, 'name another file')}."
    )
