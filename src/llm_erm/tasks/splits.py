"""Balanced, disjoint, repeatable train, validation and test splits, drawn once and kept on disk."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from llm_erm.errors import InputError
from llm_erm.tasks import probes
from llm_erm.tasks.drawing import Negatives, Request, divided, make
from llm_erm.tasks.files import read_folder, read_test, write_folder
from llm_erm.tasks.task import Dataset, Splits, Task, digest

MAX_EXAMPLES = 2_000_000  # bounds memory: about 1 kB an example at L = 100
MAX_CHARACTERS = 100_000_000  # the same for long inputs


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
    """Returns where the data of these arguments are kept; see ``load_or_make`` for them."""
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
    """Returns the splits of a task: those on disk if there are any, else drawn and written there.

    Each split is half positive and in random order. No input is in two of them, and none twice in
    one wherever enough exist; else the test split repeats inputs, and ``warnings`` says so. The
    same arguments give the same bytes in any process. Another division of the same number of
    training and validation examples comes from the stored files, which stay as they are.

    Args:
        task: What to draw.
        length: Length of the inputs in characters.
        train_size: Training examples; positive and even.
        validation_size: Validation examples; even, 0 for none.
        test_size: Test examples; positive and even.
        seed: The base seed; ``seeds.data_seed`` derives the data set's own from it.
        dataset_dir: The folder of all data sets.
        negatives: How to draw label 0, for the tasks that give the choice.
        published: Draw as the published code did where it differs, repeats among the splits
            included.
        allow_repeats: Repeat inputs across splits, rather than fail, where too few exist.
        fresh: Draw and write even if there are files.
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
        parts = make(task, request)
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
    """Returns splits with the test, probe and length-shift data that were left out of them.

    Args:
        task: What they were drawn for.
        splits: Splits of ``load_or_make`` whose evaluation data were dropped to save memory.
        place: Their folder.

    Raises:
        InputError: If the test file is gone or malformed.
    """
    return replace(
        splits,
        test=read_test(place, task.kind, splits.length),
        probe=probes.probe(task, splits.length),
        length_shift=probes.length_shift(task, splits.length),
    )


def check(task: Task, request: Request) -> None:
    """Makes sure, as far as that needs no drawing, that there can be such splits.

    Raises:
        InputError: The length or a size is impossible.
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
                f"so give an even number, {least} or more"
            )
    examples = sum(sizes.values())
    if examples > MAX_EXAMPLES or examples * request.length > MAX_CHARACTERS:
        raise InputError(
            f"{examples:,} examples of {request.length:,} characters are more than the "
            f"{MAX_EXAMPLES:,} examples or {MAX_CHARACTERS:,} characters that one data set may "
            "hold; ask for smaller splits or shorter inputs"
        )


def _divided_again(
    task: Task, request: Request, stored: tuple[Dataset, Dataset, Dataset], place: Path
) -> tuple[Dataset, Dataset]:
    """Divides stored training and validation data as requested."""
    pool = [
        example for data in stored[:2] for example in zip(data.inputs, data.labels, strict=True)
    ]
    positives = sum(y for _, y in pool)
    if 2 * positives != len(pool):
        raise InputError(
            f"train.txt and val.txt in {place} hold {positives} examples of label 1 in "
            f"{len(pool)}, so that no other division is half positive; "
            f"ask for theirs ({len(stored[0])} and {len(stored[1])})"
        )
    return divided(pool, request.train_size, request.derived_seed(task))


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
    except OSError:  # gone since it was loaded
        return None


def _stored_meta(place: Path) -> dict[str, object]:
    """Returns the folder's description, empty where there is none."""
    try:
        found = json.loads((place / "meta.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _drawn_here(task: Task, request: Request, place: Path) -> bool:
    """Whether the folder's description is one that this package wrote for these examples."""
    drawn, found = _meta(task, request), _stored_meta(place)
    return all(found.get(key) == drawn[key] for key in ("fn", "derived_seed", "base_seed"))


def _source_warnings(task: Task, place: Path) -> list[str]:
    """Says that the user's file has changed since: its sampler may draw other inputs now."""
    before = _stored_meta(place).get("task_file_sha256")
    if task.source is None or before in (None, _file_digest(task.source)):
        return []
    return [
        f"{task.source} has changed since the data in {place} were drawn; if sample draws other "
        "inputs now, draw them anew (--fresh-data)"
    ]


def _shared(parts: Sequence[Dataset]) -> int:
    """Counts the inputs that are in more than one split."""
    counts = Counter([x for data in parts for x in set(data.inputs)])
    return sum(n > 1 for n in counts.values())


def _warnings(
    task: Task, parts: Sequence[Dataset], shared: int, place: Path, *, drawn_here: bool
) -> list[str]:
    """Says what a reader of results must know of the splits."""
    warnings = []
    if not drawn_here:
        warnings.append(
            f"the data in {place} were not drawn here, so nothing shows that the examples are "
            "independent: no certificate"
        )
    if shared:
        warnings.append(
            f"{shared} inputs are in more than one split of {place}: "
            "test accuracy is too high, and no certificate holds"
        )
    for name, data in zip(("training", "validation", "test"), parts, strict=True):
        different = len(set(data.inputs))
        if different < len(data):
            warnings.append(
                f"the {name} split of {task.id} in {place} repeats inputs: "
                f"{different} different ones in {len(data)}"
            )
        if 2 * sum(data.labels) != len(data):
            warnings.append(
                f"the {name} split of {task.id} in {place} is not half positive: "
                f"{sum(data.labels)} of {len(data)}"
            )
    return warnings


def _label_warnings(task: Task, stored: Sequence[Dataset], place: Path) -> list[str]:
    """Compares stored labels with the rule, where that is cheap.

    Raises:
        InputError: If the rule is the user's own: it has changed since the data were drawn.
    """
    if task.kind == "decimal" and task.source is None:
        return []  # thousands of primality tests on each start
    wrong = sum(
        label != true
        for data in stored
        for label, true in zip(data.labels, task.label(data.inputs), strict=True)
    )
    if wrong and task.source:
        raise InputError(
            f"{wrong} labels in {place} are not what the rule in {task.source} gives now; "
            "draw the data anew (--fresh-data)"
        )
    return [f"{wrong} labels in {place} are not what {task.id} computes"] if wrong else []
