"""``meta.json``: describes a data folder, with digests that show whether it was changed."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.task import Dataset, Task


@dataclass(frozen=True)
class Meta:
    """The description of a data folder.

    Attributes:
        fn: The task's id.
        target_name: The task's name.
        length: Length of the inputs.
        decimal: Whether the inputs are decimal numbers.
        derived_seed: The seed with which the data were drawn.
        base_seed: The seed from which that seed was derived.
        sizes: Numbers of training, validation and test examples.
        task_file_sha256: Digest of the user's file that defines the task; None for the suite.
        examples_sha256: Digest of all labelled examples, however they are divided.
        files_sha256: Digests of the three files.
        shared_inputs: Number of inputs that occur in more than one split.
        distinct_tests: Number of distinct test inputs.
        discarded: Numbers of draws that were discarded because they repeated an input, up to the
            last training or validation example and from there on, unless all inputs of a class are
            equally likely; None if a release that did not count them drew the data.
        wrong_labels: Number of labels that contradict the rule, as in some published data.
    """

    fn: str
    target_name: str
    length: int
    decimal: bool
    derived_seed: int
    base_seed: int
    sizes: tuple[int, int, int]
    task_file_sha256: str | None = None
    examples_sha256: str = ""
    files_sha256: tuple[str, ...] = ()
    shared_inputs: int = 0
    distinct_tests: int = 0
    discarded: tuple[int, int] | None = None
    wrong_labels: int = 0

    def measured(
        self,
        parts: Sequence[Dataset],
        sha256: str,
        shared: int,
        discarded: tuple[int, int],
        wrong: int,
    ) -> "Meta":
        """Returns the description with the facts about the examples filled in."""
        return replace(
            self,
            examples_sha256=sha256,
            shared_inputs=shared,
            distinct_tests=len(set(parts[2].inputs)),
            discarded=discarded,
            wrong_labels=wrong,
        )

    def names(self, other: "Meta") -> bool:
        """Returns whether both describe the same examples: task and seeds agree."""
        mine = (self.fn, self.derived_seed, self.base_seed)
        return mine == (other.fn, other.derived_seed, other.base_seed)

    def describes(self, expected: "Meta") -> bool:
        """Returns whether this holds digests of the expected data, from the same task file."""
        same = self.names(expected) and self.task_file_sha256 == expected.task_file_sha256
        sums = [
            (train + validation, test) for train, validation, test in (self.sizes, expected.sizes)
        ]
        return same and bool(self.files_sha256) and sums[0] == sums[1]

    @property
    def text(self) -> str:
        """The description as the text of ``meta.json``."""
        names = ("train", "val", "test")
        values: dict[str, Any] = {
            "fn": self.fn,
            "target_name": self.target_name,
            "length": self.length,
            "decimal": self.decimal,
            "derived_seed": self.derived_seed,
            "base_seed": self.base_seed,
            "sizes": dict(zip(names, self.sizes, strict=True)),
        }
        if self.task_file_sha256 is not None:
            values["task_file_sha256"] = self.task_file_sha256
        values |= {
            "examples_sha256": self.examples_sha256,
            "files_sha256": dict(zip(names, self.files_sha256, strict=True)),
            "shared_inputs": self.shared_inputs,
            "distinct_tests": self.distinct_tests,
        }
        if self.discarded is not None:
            values["discarded_draws"] = dict(zip(("learning", "test"), self.discarded, strict=True))
        if self.wrong_labels:
            values["wrong_labels"] = self.wrong_labels
        return json.dumps(values, indent=2) + "\n"


def meta_of(spec: DataSpec) -> Meta:
    """Returns the description of a data set before it is drawn."""
    task = spec.task
    return Meta(
        fn=task.id,
        target_name=task.name,
        length=spec.length,
        decimal=task.kind == "decimal",
        derived_seed=spec.derived_seed,
        base_seed=spec.trial_seed,
        sizes=(spec.train_size, spec.val_size, spec.test_size),
        task_file_sha256=task_file_digest(task),
    )


def task_file_digest(task: Task) -> str | None:
    """Returns the SHA-256 of the user's file that defines a task, None for the suite."""
    if task.source is None:
        return None
    try:
        return hashlib.sha256(task.source.read_bytes()).hexdigest()
    except OSError:  # deleted since it was loaded
        return None


def read_meta(place: Path) -> Meta | None:
    """Returns the description in a folder; None if there is none in this format.

    Folders of the published code and of earlier releases have no digests.
    """
    names = ("train", "val", "test")
    try:
        found = json.loads((place / "meta.json").read_bytes())
        sizes, files = found["sizes"], found.get("files_sha256", {})
        discarded = found.get("discarded_draws")
        return Meta(
            fn=found["fn"],
            target_name=found["target_name"],
            length=found["length"],
            decimal=found["decimal"],
            derived_seed=found["derived_seed"],
            base_seed=found.get("base_seed", -1),
            sizes=(sizes["train"], sizes["val"], sizes["test"]),
            task_file_sha256=found.get("task_file_sha256"),
            examples_sha256=found.get("examples_sha256", ""),
            files_sha256=tuple(str(files[name]) for name in names) if files else (),
            shared_inputs=int(found.get("shared_inputs", 0)),
            distinct_tests=int(found.get("distinct_tests", 0)),
            discarded=None
            if discarded is None
            else (int(discarded["learning"]), int(discarded["test"])),
            wrong_labels=int(found.get("wrong_labels", 0)),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
