"""Warnings about data sets that one must know to interpret results, one sentence each."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from llm_erm.errors import InputError
from llm_erm.phrases import counted
from llm_erm.tasks.files import DATA_FILES
from llm_erm.tasks.meta import Meta, task_file_digest
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.task import Dataset, Task

SPLITS = ("training", "validation", "test")


def shared_inputs(parts: Sequence[Dataset]) -> int:
    """Returns the number of inputs that occur in more than one split."""
    counts = Counter([x for data in parts for x in set(data.inputs)])
    return sum(n > 1 for n in counts.values())


def shared_warnings(shared: int, place: Path) -> list[str]:
    """Returns a warning if splits share inputs."""
    if not shared:
        return []
    return [
        f"Found {counted(shared, 'input')} in more than one split of {place}: test accuracy is too "
        "high, and no certificate holds."
    ]


def repeat_warnings(
    spec: DataSpec, parts: Sequence[Dataset], place: Path, *, distinct_tests: int | None = None
) -> list[str]:
    """Returns warnings about splits that repeat inputs or are not half positive.

    Args:
        spec: The data set.
        parts: Training and validation examples, and the test examples if they were read.
        place: Their folder.
        distinct_tests: Number of distinct test inputs, if the test examples were not read.
    """
    warnings = []
    for name, data in zip(SPLITS, parts, strict=False):
        distinct = len(set(data.inputs))
        if distinct < len(data):
            warnings.append(_repeats(spec, name, place, distinct, len(data)))
        if 2 * sum(data.labels) != len(data):
            warnings.append(
                f"The {name} split of {spec.function} in {place} is not half positive: "
                f"{sum(data.labels)} of {len(data)}."
            )
    if distinct_tests is not None and distinct_tests < spec.test_size:
        warnings.append(_repeats(spec, SPLITS[2], place, distinct_tests, spec.test_size))
    return warnings


def _repeats(spec: DataSpec, name: str, place: Path, distinct: int, total: int) -> str:
    return (
        f"The {name} split of {spec.function} in {place} repeats inputs: {distinct} of {total} are "
        "distinct."
    )


def foreign_warnings(meta: Meta | None, digests: Sequence[str], place: Path) -> list[str]:
    """Returns a warning that the data are not, or no longer, as this package drew them."""
    if meta is not None and meta.files_sha256:
        pairs = zip(DATA_FILES, meta.files_sha256, digests, strict=True)
        changed = [name for name, before, now in pairs if before != now]
        if changed:
            return [
                f"{' and '.join(changed)} in {place} changed after the data were drawn, so the "
                "examples may not be independent, and there is no certificate; draw the data again "
                "to get one."
            ]
    return [
        f"The data in {place} are not known to be drawn by this package, so the examples may not "
        "be independent, and there is no certificate."
    ]


def discarded_warnings(spec: DataSpec, discarded: tuple[int, int] | None, place: Path) -> list[str]:
    """Returns a warning if draws were discarded, so that examples are not independent.

    Args:
        spec: The data set.
        discarded: Numbers of discarded draws; see ``Meta``.
        place: Its folder.
    """
    if discarded is None:
        return [
            f"An earlier release drew the data in {place} and did not count the draws that it "
            "discarded as repeats, so there is no certificate; draw the data again to get one."
        ]
    if not any(discarded):
        return []
    which, what = ("examples", "certificate") if discarded[0] else ("test examples", "test bound")
    return [
        f"{sum(discarded):,} draws repeated an input and were discarded while the data in {place} "
        f"were drawn. Not all inputs of {spec.function} are equally likely, so the {which} are not "
        f"independent draws, and there is no {what}."
    ]


def source_warnings(task: Task, meta: Meta | None, place: Path) -> list[str]:
    """Returns a warning if the user's task file has changed since the data were drawn."""
    before = None if meta is None else meta.task_file_sha256
    if task.source is None or before in (None, task_file_digest(task)):
        return []
    return [
        f"{task.source} has changed since the data in {place} were drawn; if sample now draws "
        "different inputs, draw fresh data (--fresh-data)."
    ]


def wrong_labels(task: Task, parts: Sequence[Dataset]) -> int:
    """Returns how many labels differ from the rule's; 0 if no rule is known."""
    if task.label is None:
        return 0
    return sum(
        label != true
        for data in parts
        for label, true in zip(data.labels, task.label(data.inputs), strict=True)
    )


def published_warnings(spec: DataSpec, wrong: int, place: Path) -> list[str]:
    """Returns a warning if labels of a published generator contradict the rule."""
    if not wrong:
        return []
    total = spec.train_size + spec.val_size + spec.test_size
    return [
        f"{wrong} of the {total} labels in {place} cannot come from the rule of {spec.function}: "
        f"the published release {spec.published} draws them so, and there is no certificate."
    ]


def label_warnings(task: Task, stored: Sequence[Dataset], place: Path) -> list[str]:
    """Returns a warning if stored labels differ from the rule's.

    Raises:
        InputError: Labels differ and the rule is the user's own, which must have changed.
    """
    wrong = wrong_labels(task, stored)
    if wrong and task.source:
        raise InputError(
            f"The rule in {task.source} now contradicts {counted(wrong, 'label')} in {place}; "
            "draw the data again.",
            setting="fresh_data",
        )
    return (
        [f"What {task.id} computes differs from {counted(wrong, 'label')} in {place}."]
        if wrong
        else []
    )
