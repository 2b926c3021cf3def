"""`llm-erm enumerate`: learns programs by length-first search, without a language model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten

from llm_erm.cli.observers import Bars
from llm_erm.cli.options import LimitOptions, check_data, planned, specs_of
from llm_erm.cli.output import note
from llm_erm.cli.results import brief, print_json, result_table, trial_lines
from llm_erm.enumeration.events import LevelDone
from llm_erm.enumeration.method import Enumeration
from llm_erm.enumeration.prior import Prior, read_prior
from llm_erm.enumeration.settings import Order, Settings
from llm_erm.facts import EnumerationFacts
from llm_erm.records import Result
from llm_erm.runs.events import Event, Observer
from llm_erm.runs.jobs import JobKey
from llm_erm.runs.run import Plan, run
from llm_erm.tasks.spec import DataGrid


@dataclass(frozen=True)
class Options(LimitOptions, DataGrid):
    """Flags of `llm-erm enumerate`."""

    attempts: int = Settings().attempts
    """The budget K, fixed beforehand: how many programs to verify per task. They are the ones with
    the fewest training errors, shorter ones first."""
    search: Order = Settings().order
    """Order in which programs are tried: shortest description first, sampled at random from the
    same language, or most probable first under a prior fitted to a language model's proposals
    (--prior-from)."""
    prior_from: Path | None = None
    """For --search prior: folder of an `llm-erm synthesize --provider local` run."""
    max_seconds: float = Settings().max_seconds
    """Maximum wall time per task in seconds; then the best programs so far are verified."""
    max_memory_mb: int = Settings().max_memory_bytes // 2**20
    """Maximum memory of the search process in MiB; --memory-mb limits each candidate."""
    max_programs: int | None = None
    """Maximum number of programs considered per task (default: no limit)."""
    max_bits: float = Settings().max_bits
    """Maximum description length of a program, in bits."""
    out_dir: Path | None = None
    """Folder for everything this run writes (default: runs/enumerate-<digest of the settings>)."""
    fresh: bool = False
    """Delete what an earlier run left in the folder instead of keeping its results."""
    json: bool = False
    """Print one JSON object per result instead of the table."""


def enumerate(options: Options) -> int:
    """Learn a program for each task without a language model, shortest first."""
    plan = _plan(options)
    jobs = plan.jobs
    try:
        with Bars(len(jobs), "searches") as bars:
            results = run(plan, fresh=options.fresh, observers=[bars, say_level])
    except KeyboardInterrupt:
        note(f"Stopped. Finished searches are kept in {plan.folder}.")
        return 130
    if options.json:
        print_json(results)
        return 0
    result_table(results)
    for line in ("", *map(search_line, results), *trial_lines(results)):
        print(line)
    print(f"Programs, journal and results: {plan.folder}")
    return 0


def check(options: Options) -> None:
    """Checks, as far as possible without data, that a run can start.

    Raises:
        LLMERMError: The run cannot start.
    """
    check_data(options)
    method_of(options).jobs(options.specs())


def results_of(options: Options, observers: Sequence[Observer] = ()) -> list[Result]:
    """Runs the searches and returns their results without printing them.

    Raises:
        LLMERMError: The run cannot start.
    """
    return run(_plan(options), fresh=options.fresh, observers=[say_level, *observers])


def _plan(options: Options) -> Plan:
    """Returns the run after checking everything that needs no data."""
    specs, method = specs_of(options), method_of(options)
    method.jobs(specs)
    options.announce()
    return planned(method, options, specs, options.out_dir, "enumerate")


def method_of(options: Options) -> Enumeration:
    """Returns the method that the flags describe."""
    return Enumeration(
        settings=Settings(
            attempts=options.attempts,
            order=options.search,
            max_seconds=options.max_seconds,
            max_memory_bytes=options.max_memory_mb * 2**20,
            max_programs=options.max_programs,
            max_bits=options.max_bits,
            seed=options.seed,
            limits=options.limits(),
        ),
        prior=None if options.prior_from is None else _prior(options.prior_from),
        isolation=options.isolation,
        unsafe_no_isolation=options.unsafe_no_isolation,
    )


def _prior(folder: Path) -> Prior:
    """Reads a model's proposals and prints how many of them the search can use."""
    prior = read_prior(folder)
    counts = f"{len(prior.terms)} of {len(prior.sources)} proposals"
    note(f"{counts} in {folder} can be expressed in the search's language.")
    return prior


def search_line(result: Result) -> str:
    """Returns one line on what a search found, what it took and why it stopped."""
    facts = result.facts
    assert isinstance(facts, EnumerationFacts)
    if result.seconds_to_selected is not None:
        what = "exact" if result.exact else "no validation errors, yet not exact,"
        found = (
            f"{what} after {result.candidates_to_selected:,} programs and "
            f"{result.seconds_to_selected:.2f} s, by {facts.found_by}"
        )
    else:
        found = f"nothing exact; stopped by the limit of {facts.stopped_by}"
    bits = "" if facts.bits is None else f", {facts.bits:g} bits"
    line = (
        f"{result.data.name}: {found}{bits}; {facts.considered:,} considered in "
        f"{result.seconds:.1f} s"
    )
    tied = [shorten(brief(other.program), 60, placeholder=" …") for other in facts.tied]
    shown = "; ".join(tied[:3]) + (f" and {len(tied) - 3} more" if len(tied) > 3 else "")
    return line + (f". Tied on training and validation data: {shown}" if tied else "")


def say_level(job: JobKey | None, event: Event) -> None:
    """Prints how many programs were considered at one length; theory predicts their growth."""
    if job is not None and isinstance(event, LevelDone) and (level := event.count).considered:
        note(
            f"{job.name}: {level.bits:g} bits: {level.considered:,} programs considered, "
            f"{level.kept:,} kept{'' if level.complete else ' (not all)'}, {level.seconds:.2f} s"
        )
