"""Balanced, disjoint, reproducible training, validation and test splits, kept on disk."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from llm_erm.errors import InputError
from llm_erm.tasks import probes
from llm_erm.tasks.drawing import divide, draw_splits
from llm_erm.tasks.files import read_folder, read_test, write_folder
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.task import DataKey, Dataset, HeldOut, Splits, Task, digest


def load(spec: DataSpec, dataset_dir: Path = Path("datasets"), *, fresh: bool = False) -> Splits:
    """Returns the splits of a spec: those on disk if there are any, else drawn and written there.

    Each split is half positive and in random order. No input is in two of them, and none twice in
    one wherever enough exist; else the test split repeats inputs, and ``warnings`` says so. The
    same spec gives the same bytes in any process. Another division of the same number of training
    and validation examples comes from the stored files, which stay as they are.

    Args:
        spec: Which data.
        dataset_dir: The folder of all data sets.
        fresh: Draw and write even if there are files.

    Raises:
        InputError: The length or a size is impossible, stored files are malformed or of other
            sizes, or the folder cannot be written.
    """
    spec.check()
    task, place = spec.task, spec.folder(dataset_dir)
    sizes = (spec.train_size, spec.val_size, spec.test_size)
    stored = None if fresh else read_folder(place, task.kind, spec.length, sizes)
    if stored is None:
        parts = draw_splits(spec)
        write_folder(place, parts, _meta(spec))
        drawn_here, warnings = True, []
    else:
        drawn_here = _drawn_here(spec, place)
        warnings = [*_label_warnings(task, stored, place), *_source_warnings(task, place)]
        parts = (
            stored
            if (len(stored[0]), len(stored[1])) == sizes[:2]
            else (*_divided_again(spec, stored, place), stored[2])
        )
    shared = _shared(parts)
    return Splits(
        key=DataKey(spec.function, spec.length, spec.trial_seed, spec.trial, digest(*parts)),
        kind=task.kind,
        train=parts[0],
        validation=parts[1],
        reveal=partial(_reveal, spec, dataset_dir),
        disjoint=not shared,
        drawn_here=drawn_here,
        warnings=(*warnings, *_warnings(task, parts, shared, place, drawn_here=drawn_here)),
    )


def _reveal(spec: DataSpec, dataset_dir: Path) -> HeldOut:
    """Returns the held-out data of a spec whose splits were loaded before.

    Raises:
        InputError: The test file is gone or malformed.
    """
    task = spec.task
    return HeldOut(
        test=read_test(spec.folder(dataset_dir), task.kind, spec.length),
        contrast=probes.contrast_set(task, spec.length),
        length_generalization=probes.length_generalization_set(task, spec.length),
    )


def _divided_again(
    spec: DataSpec, stored: tuple[Dataset, Dataset, Dataset], place: Path
) -> tuple[Dataset, Dataset]:
    """Returns stored training and validation data divided into the requested sizes."""
    pool = [
        example for data in stored[:2] for example in zip(data.inputs, data.labels, strict=True)
    ]
    positives = sum(y for _, y in pool)
    if 2 * positives != len(pool):
        raise InputError(
            f"train.txt and val.txt in {place} hold {positives} examples of label 1 in "
            f"{len(pool)}, so they cannot be divided into half-positive splits; "
            f"request the stored sizes ({len(stored[0])} training, {len(stored[1])} validation)"
        )
    return divide(pool, spec.train_size, spec.derived_seed)


def _meta(spec: DataSpec) -> dict[str, object]:
    task = spec.task
    own = {} if task.source is None else {"task_file_sha256": _file_digest(task.source)}
    return {
        "fn": task.id,
        "target_name": task.name,
        "length": spec.length,
        "decimal": task.kind == "decimal",
        "derived_seed": spec.derived_seed,
        "base_seed": spec.trial_seed,
        "sizes": {
            "train": spec.train_size,
            "val": spec.val_size,
            "test": spec.test_size,
        },
        **own,
    }


def _file_digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:  # deleted since it was loaded
        return None


def _stored_meta(place: Path) -> dict[str, object]:
    """Returns the folder's metadata, empty if there is none."""
    try:
        found = json.loads((place / "meta.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _drawn_here(spec: DataSpec, place: Path) -> bool:
    """Whether the folder's metadata are what this package writes for these examples."""
    drawn, found = _meta(spec), _stored_meta(place)
    return all(found.get(key) == drawn[key] for key in ("fn", "derived_seed", "base_seed"))


def _source_warnings(task: Task, place: Path) -> list[str]:
    """Returns a warning if the user's file, and perhaps its sampler, has since changed."""
    before = _stored_meta(place).get("task_file_sha256")
    if task.source is None or before in (None, _file_digest(task.source)):
        return []
    return [
        f"{task.source} has changed since the data in {place} were drawn; if sample now draws "
        "different inputs, draw fresh data"
    ]


def _shared(parts: Sequence[Dataset]) -> int:
    """Returns the number of inputs that are in more than one split."""
    counts = Counter([x for data in parts for x in set(data.inputs)])
    return sum(n > 1 for n in counts.values())


def _warnings(
    task: Task, parts: Sequence[Dataset], shared: int, place: Path, *, drawn_here: bool
) -> list[str]:
    """Returns what a reader of results must know about the splits, one sentence per fact."""
    warnings = []
    if not drawn_here:
        warnings.append(
            f"the data in {place} were not drawn by this package, so the examples may not be "
            "independent: no certificate"
        )
    if shared:
        warnings.append(
            f"{shared} inputs are in more than one split of {place}: "
            "test accuracy is too high, and no certificate holds"
        )
    for name, data in zip(("training", "validation", "test"), parts, strict=True):
        distinct = len(set(data.inputs))
        if distinct < len(data):
            warnings.append(
                f"the {name} split of {task.id} in {place} repeats inputs: "
                f"{distinct} of {len(data)} are distinct"
            )
        if 2 * sum(data.labels) != len(data):
            warnings.append(
                f"the {name} split of {task.id} in {place} is not half positive: "
                f"{sum(data.labels)} of {len(data)}"
            )
    return warnings


def _label_warnings(task: Task, stored: Sequence[Dataset], place: Path) -> list[str]:
    """Returns a warning if stored labels differ from the rule's, for rules that are cheap.

    Raises:
        InputError: If labels differ and the rule is the user's own, which must have changed.
    """
    if task.kind == "decimal" and task.source is None:
        return []  # would take thousands of primality tests on each start
    wrong = sum(
        label != true
        for data in stored
        for label, true in zip(data.labels, task.label(data.inputs), strict=True)
    )
    if wrong and task.source:
        raise InputError(
            f"{wrong} labels in {place} differ from what the rule in {task.source} now returns; "
            "draw the data again",
            setting="fresh_data",
        )
    return [f"{wrong} labels in {place} differ from what {task.id} computes"] if wrong else []
