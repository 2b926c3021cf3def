"""`llm-erm enumerate`: learns programs by length-first search, without a language model."""

import hashlib
import json as jsonlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import llm_erm
from llm_erm.cli import output
from llm_erm.cli.models import file_digest
from llm_erm.cli.options import MOST, DataOptions, LimitOptions, Problem, grid, problems
from llm_erm.cli.result import brief, result_of, result_table, trial_lines
from llm_erm.cli.search import point_of
from llm_erm.enumeration.settings import Order, Settings
from llm_erm.errors import InputError, MissingExtraError
from llm_erm.reports.results import is_exact
from llm_erm.store import Store

if TYPE_CHECKING:
    from llm_erm.enumeration.search import Level
    from llm_erm.enumeration.terms import Term

LONG_SECONDS = 3.0
"""CPU time that loading the search's machine code stays below, unless it is compiled."""


@dataclass(frozen=True)
class Options(LimitOptions, DataOptions):
    """Flags of `llm-erm enumerate`."""

    attempts: int = Settings().attempts
    """The budget K of programs a task that are verified, fixed beforehand: those with the fewest
    training errors, shorter ones first."""
    search: Order = Settings().order
    """How programs come: shortest description first, drawn at random from the same language, or
    cheapest first by weights from a language model's proposals (--prior-from)."""
    prior_from: Path | None = None
    """For --search prior: folder of a run of `llm-erm synthesize --provider local`."""
    max_seconds: float = Settings().max_seconds
    """Wall time a task at most; the best programs so far are then verified."""
    max_memory_mb: int = Settings().max_memory_bytes // 2**20
    """Memory of the searching process at most, in MiB; candidates have --memory-mb of their own."""
    max_programs: int | None = None
    """Programs considered a task at most; no limit unless given."""
    max_bits: float = Settings().max_bits
    """Length of the longest programs, in bits of the language's code."""
    out_dir: Path | None = None
    """Folder for results and programs; runs/enumerate-<digest of the settings> unless given."""
    fresh: bool = False
    """Delete what an earlier run left in the folder instead of keeping its results."""
    json: bool = False
    """Print one JSON object a grid point instead of the table."""


_NOT_SHAPING = {"out_dir", "fresh", "json", "fresh_data"}


def enumerate(options: Options) -> int:
    """Learn a program for each task without a language model, shortest programs first."""
    points = grid(options)
    settings = _settings(options)
    prior = _prior(options)
    _prepare()
    data = problems(options, points)
    shaping = _shaping(options, data)
    digest = hashlib.sha256(jsonlib.dumps(shaping, sort_keys=True).encode()).hexdigest()
    folder = options.out_dir or Path("runs") / f"enumerate-{digest[:10]}"
    store = Store(folder, shaping, fresh=options.fresh)
    try:
        results = _run(options, data, settings, prior, store)
    except KeyboardInterrupt:
        output.note(f"Stopped. Finished searches are kept in {store.folder}.")
        return 130
    finally:
        store.close()
    if options.json:
        for result in results:
            print(jsonlib.dumps(result))
        return 0
    result_table(results)
    for line in ("", *map(search_line, results), *trial_lines(results)):
        print(line)
    print(f"Programs and results: {store.folder}")
    return 0


def search_line(result: Mapping[str, Any]) -> str:
    """Returns what a search took and why it ended, in a line."""
    place = f"{result['function']} L={result['length']}"
    first = result["candidates_to_first_exact"]
    if result["seconds_to_first_exact"] is not None:
        seconds = result["seconds_to_first_exact"]
        what = "exact" if is_exact(result) else "no validation errors, yet not exact,"
        found = f"{what} after {first:,} programs and {seconds:.2f} s, by {result['found_by']}"
    else:
        found = f"nothing exact; stopped by the limit of {result['stopped_by']}"
    bits = "" if result["bits"] is None else f", {result['bits']:g} bits"
    line = (
        f"{place}: {found}{bits}; {result['considered']:,} considered in {result['seconds']:.1f} s"
    )
    tied = [shorten(brief(other["program"]), 60, placeholder=" …") for other in result["tied"]]
    shown = "; ".join(tied[:3]) + (f" and {len(tied) - 3} more" if len(tied) > 3 else "")
    return line + (f". Tied on training and validation data: {shown}" if tied else "")


def _settings(options: Options) -> Settings:
    numbers = {
        "--attempts": options.attempts,
        "--max-seconds": options.max_seconds,
        "--max-memory-mb": options.max_memory_mb,
        "--max-programs": 1 if options.max_programs is None else options.max_programs,
        "--max-bits": options.max_bits,
    }
    for flag, value in numbers.items():
        if not 0 < value < (10**12 if flag == "--max-programs" else MOST):
            raise InputError(f"{flag} is {value:g}; give a number above 0 and below {MOST:,}.")
    if options.val_size < 2:
        raise InputError(
            f"--val-size is {options.val_size}, and validation examples choose the program; give 2 "
            "or more."
        )
    return Settings(
        attempts=options.attempts,
        order=options.search,
        max_seconds=options.max_seconds,
        max_memory_bytes=options.max_memory_mb * 2**20,
        max_programs=options.max_programs,
        max_bits=options.max_bits,
        seed=options.seed,
        limits=options.limits(),
    )


def _prior(options: Options) -> "Sequence[Term]":
    """The programs that a model proposed, where they are asked for."""
    if (options.search == "prior") != (options.prior_from is not None):
        raise InputError(
            "--search prior and --prior-from go together: the one needs the proposals in the other."
        )
    if options.prior_from is None:
        return ()
    from llm_erm.enumeration.prior import proposed, terms_of

    sources = proposed(options.prior_from)
    terms = terms_of(sources)
    output.note(f"{len(terms)} of {len(sources)} proposals in {options.prior_from} can be said.")
    return terms


def _prepare() -> None:
    """Loads the compiled search before any clock runs.

    Raises:
        MissingExtraError: numba is not installed.
    """
    started = time.process_time()
    try:
        from llm_erm.enumeration.search import prepare
    except ModuleNotFoundError as error:
        if error.name != "numba":
            raise
        raise MissingExtraError(
            "`llm-erm enumerate` needs numba; install it with: pip install 'llm-erm[enumeration]'"
        ) from None
    prepare()
    seconds = time.process_time() - started
    if seconds > LONG_SECONDS:
        output.note(f"Compiled the search in {seconds:.0f} s; from now on it loads at once.")


def _run(
    options: Options,
    data: Sequence[Problem],
    settings: Settings,
    prior: "Sequence[Term]",
    store: Store,
) -> list[dict[str, Any]]:
    """Searches every grid point that has no result yet and returns the results of all."""
    from llm_erm.enumeration.learn import Watch, learn

    with options.sandbox() as sandbox:
        for problem in data:
            if point_of(problem.splits) not in store.results:
                watch = Watch(on_level=partial(_tell, problem.name))
                run = learn(problem.splits, sandbox, settings, watch, problem.reveal, prior)
                store.finish(run, result_of(run))
    return [store.results[point_of(problem.splits)] for problem in data]


def _tell(name: str, level: "Level") -> None:
    """Notes how many programs there were at one price: the growth that the theory predicts."""
    if level.considered:
        output.note(
            f"{name}: {level.bits:g} bits: {level.considered:,} programs considered, "
            f"{level.kept:,} kept{'' if level.complete else ' (not all)'}, {level.seconds:.2f} s"
        )


def _shaping(options: Options, data: Sequence[Problem]) -> dict[str, Any]:
    """Everything that shapes the results, as JSON values."""
    values: dict[str, Any] = {
        field.name: getattr(options, field.name)
        for field in fields(options)
        if field.name not in _NOT_SHAPING
    }
    prior = None if options.prior_from is None else options.prior_from / "attempts.jsonl"
    values |= {
        "version": llm_erm.__version__,
        "task_file_sha256": file_digest(options.task_file),
        "prior_sha256": file_digest(prior),
        "data_sha256": {problem.name: problem.sha256 for problem in data},
    }
    result: dict[str, Any] = jsonlib.loads(jsonlib.dumps(values, default=str))
    return result
