"""Balanced, disjoint, reproducible training, validation and test splits, kept on disk."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from llm_erm.errors import InputError
from llm_erm.tasks import probes
from llm_erm.tasks.drawing import Negatives, Request, divide, draw_splits
from llm_erm.tasks.files import read_folder, read_test, write_folder
from llm_erm.tasks.task import Dataset, Splits, Task, digest

MAX_EXAMPLES = 2_000_000  # bounds the memory: about 1 kB per example at L = 100
MAX_CHARACTERS = 100_000_000  # bounds the memory for long inputs


def folder(
    task: Task,
    *,
    length: int,
    train_size: int,
    validation_size: int,
    test_size: int,
    seed: int,
    dataset_dir: Path,
    negatives: Negatives = "near-miss",
    published: bool = False,
    allow_repeats: bool = False,
) -> Path:
    """Returns the folder that holds the data for these arguments, explained in ``load_or_make``."""
    request = Request(
        length, train_size, validation_size, test_size, seed, negatives, published, allow_repeats
    )
    return _folder(task, request, dataset_dir)


def _folder(task: Task, request: Request, dataset_dir: Path) -> Path:
    name = task.name + request.variant(task)
    return dataset_dir / name / f"L{request.length}" / f"seed{request.derived_seed(task)}"


def load_or_make(
    task: Task,
    *,
    length: int,
    train_size: int,
    validation_size: int,
    test_size: int,
    seed: int,
    dataset_dir: Path,
    negatives: Negatives = "near-miss",
    published: bool = False,
    allow_repeats: bool = False,
    fresh: bool = False,
    evaluation_sets: bool = True,
) -> Splits:
    """Returns the splits of a task, read from disk if they exist, otherwise drawn and written.

    Each split is half positive and in random order. No input is in two splits, and none is twice
    in one split if enough exist; otherwise the test split repeats inputs, and ``warnings`` says so.
    The same arguments give the same bytes in any process. A different division of the same number
    of training and validation examples is made from the stored files, which stay unchanged.

    Args:
        task: What to draw.
        length: Length of the inputs in characters.
        train_size: Number of training examples; positive and even.
        validation_size: Number of validation examples; even, 0 for none.
        test_size: Number of test examples; positive and even.
        seed: The base seed; ``seeds.data_seed`` derives the data set's own seed from it.
        dataset_dir: The folder of all data sets.
        negatives: How to draw label 0, for tasks that offer the choice.
        published: Draw as the published code did where it differs, which includes repeats across
            splits.
        allow_repeats: Repeat inputs across splits, rather than fail, if too few exist.
        fresh: Draw and write the data even if files exist.
        evaluation_sets: Whether to fill in ``probe`` and ``length_shift``.

    Raises:
        InputError: If the length or a size is impossible, stored files are malformed or of other
            sizes, or the folder cannot be written.
    """
    request = Request(
        length, train_size, validation_size, test_size, seed, negatives, published, allow_repeats
    )
    check(task, request)
    place = _folder(task, request, dataset_dir)
    sizes = (train_size, validation_size, test_size)
    stored = None if fresh else read_folder(place, task.kind, length, sizes)
    if stored is None:
        parts = draw_splits(task, request)
        write_folder(place, parts, _meta(task, request))
        drawn_here, warnings = True, []
    else:
        drawn_here = _drawn_here(task, request, place)
        warnings = [*_label_warnings(task, stored, place), *_source_warnings(task, place)]
        parts = (
            stored
            if (len(stored[0]), len(stored[1])) == sizes[:2]
            else (*_divided_again(task, request, stored, place), stored[2])
        )
    shared = _shared(parts)
    return Splits(
        fn=task.id,
        name=task.name,
        kind=task.kind,
        length=length,
        seed=seed,
        train=parts[0],
        validation=parts[1],
        test=parts[2],
        probe=probes.probe(task, length) if evaluation_sets else None,
        length_shift=probes.length_shift(task, length) if evaluation_sets else None,
        disjoint=not shared,
        drawn_here=drawn_here,
        sha256=digest(*parts),
        warnings=(*warnings, *_warnings(task, parts, shared, place, drawn_here=drawn_here)),
    )


def reveal(task: Task, splits: Splits, place: Path) -> Splits:
    """Returns the splits with their test, contrast-set and length-shift data filled in.

    Args:
        task: The task that they were drawn for.
        splits: Splits from ``load_or_make`` whose evaluation data were dropped to save memory.
        place: Their folder.

    Raises:
        InputError: If the test file is missing or malformed.
    """
    return replace(
        splits,
        test=read_test(place, task.kind, splits.length),
        probe=probes.probe(task, splits.length),
        length_shift=probes.length_shift(task, splits.length),
    )


def check(task: Task, request: Request) -> None:
    """Checks, as far as possible without drawing, that such splits can exist.

    Raises:
        InputError: If the length or a size is impossible.
    """
    reason = task.why_not(request.length)
    if reason:
        raise InputError(
            f"{task.id} does not exist at length {request.length}: {reason}; "
            f"its usual lengths are {' '.join(map(str, task.lengths))}"
        )
    sizes = {
        "training": request.train_size,
        "validation": request.validation_size,
        "test": request.test_size,
    }
    for split, size in sizes.items():
        least = 0 if split == "validation" else 2
        if size < least or size % 2:
            fault = f"less than {least}" if size < least else "odd"
            raise InputError(
                f"the {split} size {size} is {fault}; each split is half positive, "
                f"so give an even number of at least {least}"
            )
    examples = sum(sizes.values())
    if examples > MAX_EXAMPLES or examples * request.length > MAX_CHARACTERS:
        raise InputError(
            f"{examples:,} examples of {request.length:,} characters are more than the "
            f"{MAX_EXAMPLES:,} examples or {MAX_CHARACTERS:,} characters allowed per data set; "
            "ask for smaller splits or shorter inputs"
        )


def _divided_again(
    task: Task, request: Request, stored: tuple[Dataset, Dataset, Dataset], place: Path
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
    return divide(pool, request.train_size, request.derived_seed(task))


def _meta(task: Task, request: Request) -> dict[str, object]:
    own = {} if task.source is None else {"task_file_sha256": _file_digest(task.source)}
    return {
        "fn": task.id,
        "target_name": task.name,
        "length": request.length,
        "decimal": task.kind == "decimal",
        "derived_seed": request.derived_seed(task),
        "base_seed": request.seed,
        "sizes": {
            "train": request.train_size,
            "val": request.validation_size,
            "test": request.test_size,
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


def _drawn_here(task: Task, request: Request, place: Path) -> bool:
    """Whether the folder's metadata are what this package writes for these examples."""
    drawn, found = _meta(task, request), _stored_meta(place)
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
