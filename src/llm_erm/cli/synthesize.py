"""`llm-erm synthesize`: learns programs with a language model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from llm_erm.cli.dry_run import dry_run
from llm_erm.cli.flags import sentence
from llm_erm.cli.log import open_log
from llm_erm.cli.models import Choice, ModelOptions, choose
from llm_erm.cli.observers import Bars
from llm_erm.cli.options import LimitOptions, planned, specs_of
from llm_erm.cli.output import note
from llm_erm.cli.places import check_files
from llm_erm.cli.replay import as_in, missing
from llm_erm.cli.results import cost_line, print_json, result_table, trial_lines
from llm_erm.errors import BudgetSpentError, InputError
from llm_erm.records import Result
from llm_erm.runs.events import Observer
from llm_erm.runs.folder import RunFolder
from llm_erm.runs.run import Plan, opened, run_in
from llm_erm.synthesis.export import export
from llm_erm.synthesis.method import Synthesis
from llm_erm.synthesis.replay import Replay
from llm_erm.synthesis.settings import Settings
from llm_erm.tasks.spec import DataGrid, DataSpec


@dataclass(frozen=True)
class Options(LimitOptions, ModelOptions, DataGrid):
    """Flags of `llm-erm synthesize`."""

    attempts: int | None = None
    """The budget K of candidates per task, fixed beforehand (default: 256 for the embedded model,
    16 for a local model of your own, else 5)."""
    out_dir: Path | None = None
    """Folder for everything this run writes (default: runs/synthesize-<digest of the settings>)."""
    out_jsonl: Path | None = None
    """Also write the attempts as published, one JSON record each, with the test accuracy of all."""
    out_csv: Path | None = None
    """The same as a CSV table."""
    log_file: Path | None = None
    """Where to log what happens, in JSON lines (default: log.jsonl in the run's folder)."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """What to log."""
    dry_run: bool = False
    """Print each prompt; send and write nothing."""
    no_early_stop: bool = False
    """Draw all attempts even when one is exact, to measure how often a model is right: pass@k and
    the chance that one proposal is, with intervals over --num-trials."""
    fresh: bool = False
    """Delete what an earlier run left in the folder instead of continuing it."""
    json: bool = False
    """Print one JSON object per result instead of the table."""


@dataclass(frozen=True)
class _Ended:
    """A run that was not stopped.

    Attributes:
        results: Its results; those of the searches that could go on, where the budget was spent.
        folder: Where it is kept.
        spent: Says that the budget was spent; None where it was enough.
    """

    results: list[Result]
    folder: Path
    spent: BudgetSpentError | None = None


def synthesize(options: Options) -> int:
    """Learn a program for each task: a language model proposes, held-out data decides."""
    if options.dry_run:
        _, method, specs = _asked(options)
        return dry_run(options, specs, method)
    try:
        ended = _run(options)
    except KeyboardInterrupt:
        return 130
    _print(options, ended)
    return 0 if ended.spent is None else 3


def check(options: Options) -> None:
    """Makes sure, as far as possible without a model, that a run can start and has results.

    Raises:
        InputError: It cannot.
    """
    if options.dry_run:
        raise InputError("A dry run has no results; leave out --dry-run.")
    if not _is_replay(options):
        for spec in specs_of(options):
            spec.check()


def results_of(options: Options, observers: Sequence[Observer] = ()) -> list[Result]:
    """Returns the results of the searches that the flags ask for.

    Raises:
        BudgetSpentError: The budget of the model is spent; the other searches are done.
        LLMERMError: A search cannot be done.
        KeyboardInterrupt: The run was stopped.
    """
    ended = _run(options, observers)
    if ended.spent is not None:
        raise ended.spent
    return ended.results


def _is_replay(options: Options) -> bool:
    return options.provider == "replay" or options.replay_from is not None


def _run(options: Options, observers: Sequence[Observer] = ()) -> _Ended:
    """Runs the searches, and says what became of those that were not finished."""
    earlier, method, specs = _asked(options)
    files = {
        "--out-jsonl": options.out_jsonl,
        "--out-csv": options.out_csv,
        "--log-file": options.log_file,
    }
    check_files(files, options.out_dir)
    options.announce()
    plan = planned(method, options, specs, options.out_dir, "synthesize")
    if earlier is not None:
        earlier.check(plan)
    with opened(plan, fresh=options.fresh) as folder:
        assert folder is not None
        try:
            ended = _Ended(_search(options, plan, folder, observers), folder.path)
        except KeyboardInterrupt:
            _say_kept(folder, "Stopped")
            raise
        except BudgetSpentError as error:
            ended = _Ended(list(folder.results.values()), folder.path, error)
        finally:
            if given_up := folder.given_up():
                note(
                    f"Gave up on {given_up} calls in flight because their searches were over or "
                    "the run was stopped; they may be billed."
                )
        if ended.spent is not None:
            _say_kept(folder, f"The budget is spent: {sentence(ended.spent).removesuffix('.')}")
    if earlier is not None and (said := missing(ended.results, method.settings)):
        note(said)
    return ended


def _asked(options: Options) -> tuple[Replay | None, Synthesis, list[DataSpec]]:
    """The run to replay, if there is one, and what to do on which data, which can be done."""
    earlier = None
    if _is_replay(options):
        earlier, method, specs = as_in(options)
    else:
        specs = specs_of(options)
        method = method_of(options, choose(options, dry_run=options.dry_run))
    method.jobs(specs)  # refuses what cannot run before any data are drawn
    return earlier, method, specs


def method_of(options: Options, choice: Choice) -> Synthesis:
    """Returns the method that the flags and the model chosen ask for."""
    return Synthesis(
        llm=choice.llm,
        settings=Settings(
            attempts=choice.attempts if options.attempts is None else options.attempts,
            constraint=choice.constraint,
            max_tokens=choice.max_tokens,
            early_stop=not options.no_early_stop,
            code_tool=options.code_tool == "local",
            limits=options.limits(),
        ),
        judge_all=options.out_jsonl is not None or options.out_csv is not None,
        isolation=options.isolation,
        unsafe_no_isolation=options.unsafe_no_isolation,
    )


def _search(
    options: Options, plan: Plan, folder: RunFolder, observers: Sequence[Observer]
) -> list[Result]:
    """Searches on every data set that has no result yet and returns the results of all."""
    jobs = plan.method.jobs(plan.specs)
    with (
        open_log(folder, options.log_file, options.log_level) as log,
        Bars(len(jobs), "searches") as bars,
    ):
        try:
            return run_in(folder, plan, observers=[log, bars, *observers])
        finally:  # a run that stopped half way as well: what it has is paid for
            if options.out_jsonl is not None or options.out_csv is not None:
                keys = [job.key for job in jobs]
                export(folder, keys, log.isolation, options.out_jsonl, options.out_csv)
                log.exported()


def _say_kept(folder: RunFolder, why: str) -> None:
    note(f"{why}. Finished attempts are kept in {folder.path}; the same command resumes there.")


def _print(options: Options, ended: _Ended) -> None:
    results = ended.results
    if options.json:
        print_json(results)
    elif results:
        result_table(results)
        for line in ("", *trial_lines(results), cost_line(results)):
            print(line)
        print(f"Programs, journal and results: {ended.folder}")
