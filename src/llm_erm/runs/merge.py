"""Merges the shards of a grid into the folder that one run of the whole grid would have written."""

import os
import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory

from llm_erm.errors import InputError
from llm_erm.phrases import listed
from llm_erm.records import Result
from llm_erm.runs.events import Finished
from llm_erm.runs.files import is_special, refuse_links, writing
from llm_erm.runs.fingerprint import DataRecord, Fingerprint, difference, read_fingerprint
from llm_erm.runs.folder import WRITTEN, RunFolder
from llm_erm.runs.jobs import JobKey
from llm_erm.runs.journal import Journal
from llm_erm.runs.kept import KINDS, AnswerLine, AttemptLine, Line, checked_contents
from llm_erm.runs.shards import Shard, grid_digest
from llm_erm.runs.stopping import stopping_at_sigterm
from llm_erm.tasks.spec import DataSpec

_PUBLISHED = ("config.json", "logs.log", "metrics.*", "curves.png", "model")
"""What the only training of a run writes beside its journals; several have a folder each."""


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
            # Trainings may differ in the number of examples alone.
            and (job not in self.results or self.results[job].data.sha256 == record.sha256)
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
    if folder.exists() and (
        not folder.is_dir() or any(folder.iterdir()) or folder.samefile(Path.cwd())
    ):
        raise InputError(
            f"{folder} exists already; name a folder that does not exist.", setting="out_dir"
        )
    whole = replace(parts[0].known, data=_data(parts), shard=None)
    for part in parts:
        _read(part)
    with stopping_at_sigterm(), _draft(folder.resolve()) as draft:
        with closing(RunFolder(draft, whole, ())) as written:
            for place, record in enumerate(whole.data):
                part = parts[place % len(parts)]
                for job in part.jobs_on(record):
                    _move_job(part, job, written)
            for part in parts:
                if left := [*part.results, *part.lines]:
                    raise InputError(
                        f"{part.path} holds a job on none of its data: {left[0].name}."
                    )
                if whole.method == "training":
                    _copy_published(part, draft, only=len(whole.data) == 1)
        with writing(folder):
            draft.replace(folder.resolve())
    return list(written.results.values())


@contextmanager
def _draft(folder: Path) -> Iterator[Path]:
    """Yields where to write a folder before it takes its place; nothing else is left of it."""
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        own = TemporaryDirectory(
            prefix=f".{folder.name}-", dir=folder.parent, ignore_cleanup_errors=True
        )
    with own:  # which nobody else may enter; the folder in it has the usual permissions
        yield Path(own.name) / folder.name


def _parts(folders: Sequence[Path]) -> list[_Part]:
    """Returns the shards in their order, after checking that they are all of one grid."""
    if not folders:
        raise InputError("No shards given; name the folders of all shards of a grid.")
    parts: dict[int, _Part] = {}
    for path in folders:
        refuse_links(path, WRITTEN)
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
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5:,} more" if missing[5:] else "")
        raise InputError(
            f"Missing: shard{'s' if missing[1:] else ''} {shown}; name the folders of all shards."
        )
    _check_task_files(list(parts.values()))
    return [parts[number] for number in sorted(parts)]


def _check_alike(first: _Part, part: _Part) -> None:
    """Refuses a shard of another grid or with other settings."""
    one = replace(first.known, data=(), shard=None)
    other = replace(part.known, data=(), shard=None)
    if one != other:
        raise InputError(
            f"{part.path} has other settings than {first.path} ({difference(one.text, other)}), so "
            "they are not parts of the same run."
        )
    if (first.shard.count, first.shard.grid_sha256) != (part.shard.count, part.shard.grid_sha256):
        raise InputError(
            f"{part.path} is shard {part.shard} of another grid than that of {first.path}, shard "
            f"{first.shard}: their commands must differ in --shard alone."
        )


def _check_task_files(parts: Sequence[_Part]) -> None:
    """Refuses shards for which a file defined a task in different ways."""
    files: dict[str, tuple[_Part, str | None]] = {}
    for part in parts:
        for record in part.known.data:
            name = record.spec.function
            first, digest = files.setdefault(name, (part, record.task_file_sha256))
            if digest != record.task_file_sha256:
                raise InputError(
                    f"{part.path} and {first.path} are of different versions of the file that "
                    f"defines {name}; run one of them again."
                )


def _data(parts: Sequence[_Part]) -> tuple[DataRecord, ...]:
    """Returns the data sets of the whole grid, in its order."""
    rows = zip_longest(*(part.known.data for part in parts))
    data = tuple(record for row in rows for record in row if record is not None)
    if grid_digest([record.spec for record in data]) != parts[0].shard.grid_sha256:
        raise InputError(
            f"{listed([str(part.path) for part in parts][:5])} do not hold the data sets of their "
            "grid, so the settings.json of a shard was edited; run that shard again."
        )
    return data


def _read(part: _Part) -> None:
    """Reads the journals of a shard, all of whose lines must fit their checksums."""
    if _is_running(part.path):
        raise InputError(f"{part.path} is still running; merge the shards when all have ended.")
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


def _is_running(folder: Path) -> bool:
    """Returns whether a process is writing to a folder, as far as this user can tell."""
    path = folder / ".lock"
    if not path.is_file() or not os.access(path, os.W_OK):
        return False
    with closing(Journal(path)) as held:
        return not held.lock()


def _copy_published(part: _Part, draft: Path, *, only: bool) -> None:
    """Copies what trainings publish beside their journals, except checkpoints.

    Args:
        part: The shard.
        draft: Where to copy it.
        only: Whether the run has one training, which publishes in the folder of the run.
    """
    names = {_place(record.spec) for record in part.known.data}
    for path in part.path.iterdir():
        if not (any(map(path.match, _PUBLISHED)) if only else path.name in names):
            continue
        if special := next((one for one in (path, *path.rglob("*")) if is_special(one)), None):
            raise InputError(
                f"{special} is neither a file nor a folder, so it is not part of a run; delete it."
            )
        with writing(draft):
            if path.is_dir():
                shutil.copytree(
                    path, draft / path.name, ignore=shutil.ignore_patterns("checkpoint.*")
                )
            else:
                shutil.copyfile(path, draft / path.name)


def _place(spec: DataSpec) -> str:
    """Returns the name of the folder of a training, one of several."""
    trial = f"-trial{spec.trial}" if spec.trial > 1 else ""
    return f"{spec.function}-L{spec.length}-n{spec.train_size + spec.val_size}{trial}"
