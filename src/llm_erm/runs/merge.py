"""Merges the shards of a grid into the folder that one run of the whole grid would have written."""

import shutil
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from llm_erm.errors import InputError
from llm_erm.records import Result
from llm_erm.runs.events import Finished
from llm_erm.runs.files import refuse_links, writing
from llm_erm.runs.fingerprint import DataRecord, Fingerprint, difference, read_fingerprint
from llm_erm.runs.folder import WRITTEN, RunFolder
from llm_erm.runs.jobs import JobKey
from llm_erm.runs.kept import KINDS, AnswerLine, AttemptLine, Line, checked_contents
from llm_erm.runs.shards import Shard

_PUBLISHED = ("*-L*-n*", "config.json", "logs.log", "metrics.*", "curves.png", "model")
"""Files and folders that a training writes beside its journals; checkpoints are left behind."""


@dataclass
class _Part:
    """What the folder of a shard holds.

    Attributes:
        path: The folder.
        known: Its settings and data.
        shard: Which part of the grid it is.
        lines: The prompts, answers and attempts of each job, each with its checksum.
        results: The results.
    """

    path: Path
    known: Fingerprint
    shard: Shard
    lines: defaultdict[JobKey, list[tuple[Line, str]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    results: dict[JobKey, Result] = field(default_factory=dict)

    def jobs_on(self, record: DataRecord) -> list[JobKey]:
        """Returns the jobs on a data set that are still here, in the order of their results."""
        spec = record.spec
        data = (spec.function, spec.length, spec.trial_seed, spec.trial)
        return [
            job
            for job in dict.fromkeys([*self.results, *self.lines])
            if (job.function, job.length, job.seed, job.trial) == data
        ]


def merge(shards: Sequence[Path], folder: Path) -> list[Result]:
    """Returns the results of a grid whose shards ran apart, and writes them as one run.

    The folder is there when all of it is written. A run of the whole grid with the same settings
    continues it, if jobs of a shard had not finished.

    Args:
        shards: The folders of all shards, in any order.
        folder: The folder to write, which must not exist or be empty.

    Raises:
        InputError: A shard is missing, given twice, damaged, of another grid or with other
            settings, or the folder cannot be written.
    """
    parts = _parts(shards)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            f"{folder} exists already; name a folder that does not exist.", setting="out_dir"
        )
    draft = folder.with_name(f"{folder.name}.merging")
    whole = Fingerprint(
        parts[0].known.version, parts[0].known.method, parts[0].known.settings, _data(parts)
    )
    with closing(RunFolder(draft, whole, (), fresh=True)) as written:
        for place, record in enumerate(whole.data):
            part = parts[place % len(parts)]
            for job in part.jobs_on(record):
                _move_job(part, job, written)
        for part in parts:
            if left := [*part.results, *part.lines]:
                raise InputError(f"{part.path} holds a job on none of its data: {left[0].name}.")
            _copy_published(part.path, draft)
    with writing(folder):
        draft.replace(folder)
    return list(written.results.values())


def _parts(folders: Sequence[Path]) -> list[_Part]:
    """Returns the shards in their order, after checking that they are all of one grid."""
    if not folders:
        raise InputError("No shards given; name the folders of all shards of a grid.")
    parts: dict[int, _Part] = {}
    for path in folders:
        known = read_fingerprint(path, None)
        shard = known.shard
        if shard is None:
            raise InputError(
                f"{path} is no shard: its run had no --shard; name the folders of shards only."
            )
        part = _Part(path, known, shard)
        first = next(iter(parts.values()), part)
        _check_alike(first, part)
        if (twice := parts.get(shard.number)) is not None:
            raise InputError(
                f"{path} and {twice.path} are both shard {shard}; name each shard once."
            )
        parts[shard.number] = part
    count = next(iter(parts.values())).shard.count
    if missing := [f"{number}/{count}" for number in range(1, count + 1) if number not in parts]:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if missing[5:] else "")
        raise InputError(f"Of {count} shards, {shown} is missing; name the folders of all shards.")
    for part in parts.values():
        _read(part)
    return [parts[number] for number in sorted(parts)]


def _check_alike(first: _Part, part: _Part) -> None:
    """Refuses a shard of another grid or with other settings."""
    one = replace(first.known, data=(), shard=None)
    other = replace(part.known, data=(), shard=None)
    if one != other:
        raise InputError(
            f"{part.path} has other settings than {first.path} ({difference(one.text, other)}), so "
            "they are no parts of one run."
        )
    if (first.shard.count, first.shard.grid_sha256) != (part.shard.count, part.shard.grid_sha256):
        raise InputError(
            f"{part.path} is shard {part.shard} of another grid than that of {first.path}, shard "
            f"{first.shard}: their commands must differ in --shard alone."
        )
    files = {record.spec.function: record.task_file_sha256 for record in first.known.data}
    for record in part.known.data:
        if files.get(record.spec.function, record.task_file_sha256) != record.task_file_sha256:
            raise InputError(
                f"{part.path} and {first.path} are of different versions of the file that defines "
                f"{record.spec.function}; run one of them again."
            )


def _data(parts: Sequence[_Part]) -> tuple[DataRecord, ...]:
    """Returns the data sets of the whole grid, in its order."""
    own = [part.known.data for part in parts]
    number = sum(map(len, own))
    for place, part in enumerate(parts):
        if len(part.known.data) != len(range(place, number, len(parts))):
            raise InputError(
                f"{part.path} does not hold the data sets of shard {part.shard}; run it again."
            )
    return tuple(own[place % len(own)][place // len(own)] for place in range(number))


def _read(part: _Part) -> None:
    """Reads the journals of a shard, all of whose lines must fit their checksums."""
    held = checked_contents(part.path)
    part.results = held.results
    for name, kind in KINDS.items():
        for line, checksum in held.files[name].records(kind, None):
            part.lines[line.job].append((line, checksum))


def _move_job(part: _Part, job: JobKey, written: RunFolder) -> None:
    """Writes what a shard holds of a job, with the checksums of the run of the whole grid."""
    checksums: dict[str | None, str] = {}
    for line, checksum in part.lines.pop(job, []):
        if isinstance(line, AttemptLine) and line.answer_sha256 is not None:
            line = replace(line, answer_sha256=checksums.get(line.answer_sha256))
        here = written.adopt(line)
        if isinstance(line, AnswerLine):
            checksums[checksum] = here
    if (result := part.results.pop(job, None)) is not None:
        written(job, Finished(result))


def _copy_published(shard: Path, draft: Path) -> None:
    """Copies what trainings publish beside their journals."""
    refuse_links(shard, WRITTEN)
    for path in (path for pattern in _PUBLISHED for path in shard.glob(pattern)):
        with writing(draft):
            if path.is_dir():
                shutil.copytree(
                    path, draft / path.name, ignore=shutil.ignore_patterns("checkpoint.*")
                )
            else:
                shutil.copyfile(path, draft / path.name)
