"""Shards: parts of a grid that run apart, each as a run of its own, and are merged afterwards."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from llm_erm.errors import InputError
from llm_erm.phrases import counted
from llm_erm.runs.jobs import Job
from llm_erm.settings import plain
from llm_erm.tasks.spec import DataSpec

MAX_SHARDS = 999_999


@dataclass(frozen=True)
class Shard:
    """One of several equal parts of a grid: every ``count``-th data set, from ``number`` on.

    All jobs on a data set are in the same shard, so that its ledger counts all of them.

    Attributes:
        number: Which part, counted from 1.
        count: Number of parts, at most 999,999.
        grid_sha256: Digest of the whole grid, which tells shards of one run from those of another.
        sizes: Whether data sets of the grid differ in their sizes alone, so that jobs are named
            by the size even if the shard has only one.
    """

    number: int
    count: int
    grid_sha256: str = ""
    sizes: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError for numbers that no shard has."""
        if not 1 <= self.number <= self.count <= MAX_SHARDS:
            raise ValueError(f"there is no shard {self}")

    @classmethod
    def of(cls, text: str, specs: Sequence[DataSpec]) -> Self:
        """Returns the shard that a text such as ``3/16`` names, of a grid of data sets.

        Raises:
            InputError: It names none, or there are fewer data sets than shards.
        """
        found = re.fullmatch(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,5})", text)
        if found is None or int(found[1]) > int(found[2]):
            raise InputError(
                f"The shard is {text!r:.60}; write it as number/total, such as 3/16.",
                setting="shard",
            )
        places = {(spec.function, spec.length, spec.trial_seed) for spec in specs}
        shard = cls(int(found[1]), int(found[2]), grid_digest(specs), len(places) < len(specs))
        if shard.count > len(specs):
            raise InputError(
                f"There are {shard.count:,} shards, but only {counted(len(specs), 'data set')}; "
                "give at most as many shards as data sets.",
                setting="shard",
            )
        return shard

    def __str__(self) -> str:
        """Returns it as it is given: ``3/16``."""
        return f"{self.number}/{self.count}"

    def specs(self, specs: Sequence[DataSpec]) -> list[DataSpec]:
        """Returns its part of the data sets of the grid."""
        return list(specs[self.number - 1 :: self.count])

    def jobs(self, jobs: Sequence[Job], specs: Sequence[DataSpec]) -> list[Job]:
        """Returns its part of the jobs on the data sets of the grid."""
        own = set(self.specs(specs))
        return [job for job in jobs if job.spec in own]


def grid_digest(specs: Sequence[DataSpec]) -> str:
    """Returns the SHA-256 of the data sets of a grid in their order, as hex."""
    return hashlib.sha256(json.dumps([plain(spec) for spec in specs]).encode()).hexdigest()
