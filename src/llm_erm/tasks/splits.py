"""Balanced, disjoint, reproducible training, validation and test splits, kept on disk."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from llm_erm.checks import checking
from llm_erm.errors import InputError
from llm_erm.phrases import counted
from llm_erm.tasks import probes
from llm_erm.tasks.checks import (
    discarded_warnings,
    foreign_warnings,
    label_warnings,
    published_warnings,
    repeat_warnings,
    shared_inputs,
    shared_warnings,
    source_warnings,
    wrong_labels,
)
from llm_erm.tasks.drawing import divide, draw_splits
from llm_erm.tasks.files import (
    file_digests,
    read_folder,
    read_learning,
    read_test,
    remove_files,
    write_folder,
)
from llm_erm.tasks.meta import Meta, meta_of, read_meta
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.task import DataKey, Dataset, HeldOut, Splits, digest

HIDDEN = "Hidden data: drawn by chance, and in no data file until the run has stopped."
"""The notice on data that were hidden."""
HIDDEN_WHILE_ASKED = (
    "Hidden data: drawn by chance, and in no data file while a model was asked; but they were in "
    "files while the run was stopped, and bounds hold only if no model read them then."
)
"""The notice on hidden data of a run that was stopped and goes on."""


@checking
def load(spec: DataSpec, dataset_dir: Path = Path("datasets"), *, fresh: bool = False) -> Splits:
    """Returns the splits of a spec, from disk if they exist; else draws and writes them.

    Each split is half positive and in random order. No input occurs in two splits, or twice in one
    if enough inputs exist; otherwise the test split repeats inputs, and ``warnings`` says so. The
    same spec gives the same bytes in any process. If only the division into training and
    validation examples differs, the stored examples are divided again, and the files stay as they
    are.

    Files that this package wrote and that were not changed are checked by their digests; all other
    files are read completely, and their labels, repeats and shared inputs are checked again.

    Args:
        spec: The data set.
        dataset_dir: The folder of all data sets.
        fresh: Whether to draw and write the data even if files exist.

    Raises:
        InputError: The length or a size is impossible, stored files are malformed or of other
            sizes, or the folder is not writable.
    """
    spec.check()
    if fresh:
        return _draw(spec, dataset_dir)
    known = _as_written(spec, dataset_dir)
    return known or _read(spec, dataset_dir) or _draw(spec, dataset_dir)


@dataclass(frozen=True)
class Hidden:
    """The files of a data set while no file holds it.

    Attributes:
        spec: The data set.
        dataset_dir: The folder of all data sets.
        parts: Training, validation and test data.
        meta: Their description.
    """

    spec: DataSpec
    dataset_dir: Path
    parts: tuple[Dataset, Dataset, Dataset]
    meta: Meta

    def reveal(self) -> HeldOut:
        """Returns the held-out data."""
        return _held_out(self.spec, self.parts[2])

    def write(self) -> None:
        """Writes the files.

        Raises:
            InputError: The folder is not writable.
        """
        _write(self.spec.folder(self.dataset_dir), self.parts, self.meta)

    def remove(self) -> None:
        """Deletes the files, if they exist.

        Raises:
            InputError: The folder is not writable.
        """
        remove_files(self.spec.folder(self.dataset_dir))


def kept(spec: DataSpec, dataset_dir: Path) -> tuple[Splits, Hidden] | None:
    """Returns hidden data that were written, with their files; None if these are not whole."""
    spec.check()
    splits, meta = _as_written(spec, dataset_dir), read_meta(spec.folder(dataset_dir))
    if splits is None or meta is None:
        return None
    parts = (splits.train, splits.validation, splits.reveal().test)
    return _hidden(splits, Hidden(spec, dataset_dir, parts, meta), HIDDEN_WHILE_ASKED)


def hide(spec: DataSpec, dataset_dir: Path) -> tuple[Splits, Hidden]:
    """Returns data that are in memory alone, drawn by chance, and their files to be.

    Neither the spec nor anything that is stored tells how to draw them again.

    Args:
        spec: The data set.
        dataset_dir: The folder that gets the files later.

    Raises:
        InputError: The length or a size is impossible.
    """
    spec.check()
    chance = [secrets.randbits(32) for _ in range(4)]
    parts, discarded = draw_splits(spec, chance)
    splits, meta = _described(spec, dataset_dir, parts, discarded)
    return _hidden(splits, Hidden(spec, dataset_dir, parts, meta))


def _hidden(splits: Splits, files: Hidden, notice: str = HIDDEN) -> tuple[Splits, Hidden]:
    warnings = (*splits.warnings, notice)
    return replace(splits, reveal=files.reveal, hidden=True, warnings=warnings), files


def _draw(spec: DataSpec, dataset_dir: Path) -> Splits:
    """Draws and writes the data."""
    parts, discarded = draw_splits(spec)
    splits, meta = _described(spec, dataset_dir, parts, discarded)
    digests = _write(spec.folder(dataset_dir), parts, meta)
    return replace(splits, reveal=partial(_reveal, spec, dataset_dir, digests[-1]))


def _write(place: Path, parts: tuple[Dataset, Dataset, Dataset], meta: Meta) -> tuple[str, ...]:
    return write_folder(place, parts, lambda files: replace(meta, files_sha256=files).text)


def _described(
    spec: DataSpec,
    dataset_dir: Path,
    parts: tuple[Dataset, Dataset, Dataset],
    discarded: tuple[int, int],
) -> tuple[Splits, Meta]:
    """Returns the splits and the description of data that were drawn and not written yet."""
    place = spec.folder(dataset_dir)
    shared = shared_inputs(parts)
    wrong = wrong_labels(spec.task, parts) if spec.published else 0
    meta = meta_of(spec).measured(parts, digest(*parts), shared, discarded, wrong)
    warnings = [
        *published_warnings(spec, wrong, place),
        *discarded_warnings(spec, discarded, place),
        *shared_warnings(shared, place),
        *repeat_warnings(spec, parts, place),
    ]
    known = None if wrong else discarded
    sha256s = (meta.examples_sha256, "")
    return _splits(spec, dataset_dir, parts, sha256s, warnings, known, shared), meta


def _as_written(spec: DataSpec, dataset_dir: Path) -> Splits | None:
    """Returns the splits of an unchanged folder of this package, without reading the test data."""
    place, meta = spec.folder(dataset_dir), read_meta(spec.folder(dataset_dir))
    if meta is None or not meta.describes(meta_of(spec)):
        return None
    if file_digests(place) != meta.files_sha256:
        return None
    parts = _divided(spec, *read_learning(place, spec.task.kind, spec.length), place)
    discarded = _discarded(spec, meta)
    warnings = [
        *published_warnings(spec, meta.wrong_labels, place),
        *discarded_warnings(spec, discarded, place),
        *shared_warnings(meta.shared_inputs, place),
        *repeat_warnings(spec, parts, place, distinct_tests=meta.distinct_tests),
    ]
    sha256s = (meta.examples_sha256, meta.files_sha256[-1])
    known = None if meta.wrong_labels else discarded
    return _splits(spec, dataset_dir, parts, sha256s, warnings, known, meta.shared_inputs)


def _discarded(spec: DataSpec, meta: Meta) -> tuple[int, int] | None:
    """Returns how many draws were discarded; None if nobody counted them and they matter."""
    return (0, 0) if spec.task.uniform else meta.discarded


def _read(spec: DataSpec, dataset_dir: Path) -> Splits | None:
    """Returns the splits of a folder that anyone may have written; None if there is none."""
    place, task = spec.folder(dataset_dir), spec.task
    sizes = (spec.train_size, spec.val_size, spec.test_size)
    stored = read_folder(place, task.kind, spec.length, sizes)
    digests = file_digests(place)
    if stored is None or digests is None:
        return None
    meta = read_meta(place)
    unchanged = meta is not None and meta.names(meta_of(spec)) and meta.files_sha256 == digests
    wrong = (
        published_warnings(spec, wrong_labels(task, stored), place)
        if spec.published
        else label_warnings(task, stored, place)
    )
    parts = (*_divided(spec, *stored[:2], place), stored[2])
    shared = shared_inputs(parts)
    warnings = [
        *wrong,
        *source_warnings(task, meta, place),
        *([] if unchanged else foreign_warnings(meta, digests, place)),
        *shared_warnings(shared, place),
        *repeat_warnings(spec, parts, place),
    ]
    discarded = _discarded(spec, meta) if meta is not None and unchanged else None
    if unchanged:
        warnings += discarded_warnings(spec, discarded, place)
    if wrong:
        discarded = None
    sha256s = (digest(*parts), digests[-1])
    return _splits(spec, dataset_dir, parts, sha256s, warnings, discarded, shared)


def _splits(
    spec: DataSpec,
    dataset_dir: Path,
    parts: Sequence[Dataset],
    sha256s: tuple[str, str],
    warnings: Sequence[str],
    discarded: tuple[int, int] | None,
    shared: int,
) -> Splits:
    """Returns the splits of a spec.

    Args:
        spec: The data set.
        dataset_dir: The folder of all data sets.
        parts: Training and validation data.
        sha256s: Digests of all examples and of the test file.
        warnings: What the user should know.
        discarded: Discarded draws; None if the examples are not known to be independent.
        shared: Number of inputs that occur in more than one split.
    """
    sha256, test_sha256 = sha256s
    return Splits(
        key=DataKey(spec.function, spec.length, spec.trial_seed, spec.trial, sha256),
        kind=spec.task.kind,
        train=parts[0],
        validation=parts[1],
        reveal=partial(_reveal, spec, dataset_dir, test_sha256),
        independent=discarded is not None and not discarded[0] and not shared,
        test_repeats=0 if discarded is None else discarded[1],
        warnings=tuple(warnings),
        folder=spec.folder(dataset_dir),
    )


def _reveal(spec: DataSpec, dataset_dir: Path, test_sha256: str) -> HeldOut:
    """Returns the held-out data of a spec whose splits were loaded before.

    Raises:
        InputError: The test file is missing or malformed, or has changed since then.
    """
    place, kind = spec.folder(dataset_dir), spec.task.kind
    return _held_out(spec, read_test(place, kind, spec.length, test_sha256))


def _held_out(spec: DataSpec, test: Dataset) -> HeldOut:
    task = spec.task
    return HeldOut(
        test=test,
        contrast=probes.contrast_set(task, spec.length),
        length_generalization=probes.length_generalization_set(task, spec.length),
    )


def _divided(
    spec: DataSpec, train: Dataset, validation: Dataset, place: Path
) -> tuple[Dataset, Dataset]:
    """Returns stored training and validation data divided into the requested sizes."""
    if (len(train), len(validation)) == (spec.train_size, spec.val_size):
        return train, validation
    pool = [
        example
        for data in (train, validation)
        for example in zip(data.inputs, data.labels, strict=True)
    ]
    positives = sum(y for _, y in pool)
    if 2 * positives != len(pool):
        raise InputError(
            f"train.txt and val.txt in {place} hold {counted(positives, 'example')} of label 1 in "
            f"{len(pool)}, so they cannot be divided into half-positive splits; "
            f"request the stored sizes ({len(train)} training, {len(validation)} validation)"
        )
    return divide(pool, spec.train_size, spec.derived_seed)
