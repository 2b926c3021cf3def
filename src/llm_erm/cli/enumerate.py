"""`llm-erm enumerate`: learns programs by length-first search, without a language model."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten

import tyro

from llm_erm.cli.compiling import load_compiled
from llm_erm.cli.output import note
from llm_erm.cli.results import bound_lines, result_table, trial_lines
from llm_erm.cli.runs import RunOptions, run_command
from llm_erm.enumeration.events import LevelDone
from llm_erm.enumeration.method import Enumeration, prepare
from llm_erm.enumeration.prior import Prior, read_prior
from llm_erm.enumeration.settings import EnumerationSettings, Order
from llm_erm.facts import EnumerationFacts
from llm_erm.phrases import counted
from llm_erm.records import Result
from llm_erm.reports.results import exactness
from llm_erm.runs.events import Event, Observer
from llm_erm.runs.folder import RunFolder
from llm_erm.runs.jobs import JobKey
from llm_erm.runs.run import Plan
from llm_erm.source import one_line
from llm_erm.tasks.spec import DataGrid

_LIMITS = {
    "seconds": "--max-seconds",
    "memory": "--max-memory-mb",
    "programs": "--max-programs",
    "bits": "--max-bits",
    "attempts": "--attempts",
}
"""The flag of each limit."""
QUICK_SECONDS = 3.0
"""CPU time that loading the machine code stays below, unless it is compiled."""


@dataclass(frozen=True)
class Options(RunOptions, DataGrid):
    """Flags of `llm-erm enumerate`."""

    attempts: int = EnumerationSettings().attempts
    """The budget K, fixed beforehand: how many programs to verify per task. They are those without
    training errors, shortest first, and then those with few for their length."""
    search: Order = EnumerationSettings().order
    """Order in which programs are tried: shortest description first, sampled at random from the
    same language, or most probable first under a prior fitted to a language model's proposals
    (--prior-from)."""
    prior_from: Path | None = None
    """For --search prior: folder of an `llm-erm synthesize --provider local` run."""
    max_seconds: float = EnumerationSettings().max_seconds
    """Maximum wall time per task in seconds; then the best programs so far are verified."""
    max_memory_mb: int = EnumerationSettings().max_memory_bytes // 2**20
    """Maximum memory of the search process in MiB."""
    max_programs: int | None = None
    """Maximum number of programs considered per task (default: no limit)."""
    max_bits: float = EnumerationSettings().max_bits
    """Maximum description length of a program, in bits."""
    out_dir: Path | None = None
    """Folder for everything this run writes (default: runs/enumerate-<digest of the settings>)."""
    fresh: bool = False
    """Delete what an earlier run left in the folder instead of keeping its results."""
    json: bool = False
    """Print one JSON object per result instead of the table."""
    wide: bool = False
    """On a terminal, show every column of the table."""
    quiet: tyro.conf.Suppress[bool] = False
    """Do not print how many programs of each length were considered."""

    COMMAND = "enumerate"
    JOBS = "searches"
    KEPT = "Finished searches"
    HOLDS = "Programs, journal and results"

    def grid(self) -> DataGrid:
        """Returns the flags themselves."""
        return self

    def method(self) -> Enumeration:
        """Returns the search that the flags describe."""
        return Enumeration(
            settings=EnumerationSettings(
                attempts=self.attempts,
                order=self.search,
                max_seconds=self.max_seconds,
                max_memory_bytes=self.max_memory_mb * 2**20,
                max_programs=self.max_programs,
                max_bits=self.max_bits,
                seed=self.seed,
            ),
            prior=None if self.prior_from is None else _prior(self.prior_from),
        )

    @contextmanager
    def observers(
        self, folder: RunFolder | None, run: Plan, done: Mapping[JobKey, Result]
    ) -> Iterator[Sequence[Observer]]:
        """Says if the search must be compiled; yields the observer that prints the levels."""
        if any(job.key not in done for job in run.jobs):
            load_compiled(prepare, QUICK_SECONDS)
        yield () if self.quiet else (say_level,)

    def show(self, results: Sequence[Result]) -> Sequence[str]:
        """Prints the table of a search; returns what each search and all trials found."""
        result_table(results, wide=self.wide)
        return [*map(search_line, results), *trial_lines(results), *bound_lines(results)]


def enumerate(options: Options) -> int:
    """Learn a program for each task without a language model, shortest first."""
    return run_command(options)


def _prior(folder: Path) -> Prior:
    """Reads a model's proposals and prints how many of them the search can use."""
    prior = read_prior(folder)
    counts = f"{len(prior.terms)} of {counted(len(prior.sources), 'proposal')}"
    note(f"{counts} in {folder} can be expressed in the search's language.")
    return prior


def search_line(result: Result) -> str:
    """Returns one line on what a search found, what it took and why it stopped."""
    facts = result.facts
    assert isinstance(facts, EnumerationFacts)
    if result.seconds_to_selected is not None:
        what = exactness(result) if result.exact else "no validation errors, but not exact"
        found = (
            f"{what}; found by {facts.found_by} after "
            f"{counted(result.candidates_to_selected or 0, 'program')} and "
            f"{result.seconds_to_selected:.2f} s"
        )
    else:
        more = f" ({_LIMITS[facts.stopped_by]})" if facts.stopped_by in _LIMITS else ""
        found = f"nothing exact; the search reached its limit of {facts.stopped_by}{more}"
    bits = "" if facts.bits is None else f"; {facts.bits:g} bits"
    line = (
        f"{result.data.name}: {found}{bits}. {counted(facts.considered, 'program')} considered in "
        f"{result.seconds:.1f} s"
    )
    tied = [shorten(one_line(other.program), 60, placeholder=" …") for other in facts.tied]
    shown = "; ".join(tied[:3]) + (f" and {len(tied) - 3} more" if len(tied) > 3 else "")
    return line + (f". Tied on training and validation data: {shown}" if tied else "")


def say_level(job: JobKey | None, event: Event) -> None:
    """Prints how many programs were considered at one length; theory predicts their growth."""
    if job is not None and isinstance(event, LevelDone) and (level := event.count).considered:
        note(
            f"{job.name}: {level.bits:g} bits: "
            f"{counted(level.considered, 'program')} considered, "
            f"{level.kept:,} kept{'' if level.complete else ' (not all)'}, {level.seconds:.2f} s"
        )
