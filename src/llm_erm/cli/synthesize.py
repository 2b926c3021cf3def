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
from llm_erm.cli.options import LimitOptions, check_data, planned, specs_of
from llm_erm.cli.output import note
from llm_erm.cli.places import check_files
from llm_erm.cli.replay import missing, replay_of
from llm_erm.cli.results import cost_line, print_json, result_table, trial_lines
from llm_erm.errors import BudgetSpentError, InputError
from llm_erm.records import Result
from llm_erm.runs.events import Observer
from llm_erm.runs.folder import RunFolder
from llm_erm.runs.run import Plan, is_done, opened, run_in
from llm_erm.synthesis.export import export
from llm_erm.synthesis.method import Synthesis
from llm_erm.synthesis.replay import Replay
from llm_erm.synthesis.settings import Settings
from llm_erm.tasks.spec import DataGrid, DataSpec


@dataclass(frozen=True)
class Options(LimitOptions, ModelOptions, DataGrid):
    """Flags of `llm-erm synthesize`."""

    attempts: int | None = None
    """The budget K, fixed beforehand: maximum number of candidates per task (default: 256 for the
    embedded model, 16 for your own local model, else 5)."""
    out_dir: Path | None = None
    """Folder for everything this run writes (default: runs/synthesize-<digest of the settings>)."""
    out_jsonl: Path | None = None
    """Also write the attempts in the published format, one JSON record each, with the test accuracy
    of every attempt."""
    out_csv: Path | None = None
    """Also write the attempts in the published format as a CSV table."""
    log_file: Path | None = None
    """File for the log, in JSON lines (default: log.jsonl in the run's folder)."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Lowest level to log."""
    dry_run: bool = False
    """Print each prompt without calling a model or writing anything."""
    no_early_stop: bool = False
    """Draw all attempts even after an exact one, to measure how often the model is right: pass@k
    and the probability that one proposal is right, with intervals over --num-trials."""
    fresh: bool = False
    """Delete what an earlier run left in the folder instead of continuing it."""
    json: bool = False
    """Print one JSON object per result instead of the table."""


@dataclass(frozen=True)
class _Ended:
    """A run that was not interrupted.

    Attributes:
        results: Its results; if the budget was spent, those of the searches that could finish.
        folder: Where it is kept.
        spent: The error if the budget was spent, else None.
    """

    results: list[Result]
    folder: Path
    spent: BudgetSpentError | None = None


def synthesize(options: Options) -> int:
    """Learn a program for each task: a language model proposes, held-out data decides."""
    if options.dry_run:
        _, method, specs, _ = _search_of(options)
        return dry_run(options, specs, method)
    try:
        ended = _run(options)
    except KeyboardInterrupt:
        return 130
    _print(options, ended)
    return 0 if ended.spent is None else 3


def check(options: Options) -> None:
    """Checks, as far as possible without a model, that a run can start and has results.

    Raises:
        InputError: The run cannot start.
    """
    if not _is_replay(options):
        check_data(options, dry_run=options.dry_run)
    elif options.dry_run:
        raise InputError("A dry run has no results; omit --dry-run.")


def results_of(options: Options, observers: Sequence[Observer] = ()) -> list[Result]:
    """Runs the searches and returns their results without printing them.

    Raises:
        BudgetSpentError: The model's budget is spent; the other searches are done.
        LLMERMError: A search cannot run.
        KeyboardInterrupt: The run was stopped.
    """
    ended = _run(options, observers)
    if ended.spent is not None:
        raise ended.spent
    return ended.results


def _is_replay(options: Options) -> bool:
    return options.provider == "replay" or options.replay_from is not None


def _run(options: Options, observers: Sequence[Observer] = ()) -> _Ended:
    """Runs the searches, and prints what happened to those that did not finish."""
    earlier, method, specs, keyless = _search_of(options)
    if keyless is not None and not _maybe_done(options):
        raise keyless
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
    if keyless is not None and not is_done(plan):
        raise keyless
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
                    f"Cancelled {given_up} calls in flight because their searches were over or the "
                    "run was stopped; they may still be billed."
                )
        if ended.spent is not None:
            _say_kept(folder, f"The budget is spent: {sentence(ended.spent).removesuffix('.')}")
    if earlier is not None and (message := missing(ended.results, method.settings)):
        note(message)
    return ended


def _search_of(
    options: Options,
) -> tuple[Replay | None, Synthesis, list[DataSpec], InputError | None]:
    """Returns the run to replay, if any, the method, the data sets, and whether a key is missing.

    Raises:
        LLMERMError: The search cannot run.
    """
    earlier = keyless = None
    if _is_replay(options):
        earlier, method, specs = replay_of(options)
    else:
        specs = specs_of(options)
        choice = choose(options)
        method, keyless = method_of(options, choice), choice.keyless
    method.jobs(specs)  # rejects what cannot run before any data are drawn
    return earlier, method, specs, keyless


def _maybe_done(options: Options) -> bool:
    """Returns whether there are results that could be those of this run, before data are drawn."""
    folders = [options.out_dir] if options.out_dir else Path("runs").glob("synthesize-*")
    return not options.fresh and any((folder / "results.jsonl").exists() for folder in folders)


def method_of(options: Options, choice: Choice) -> Synthesis:
    """Returns the method that the flags and the chosen model describe."""
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
    """Searches every data set without a result and returns all results."""
    jobs = plan.jobs
    for job in jobs:
        folder.check_answers(job.key)
    with (
        open_log(folder, options.log_file, options.log_level) as log,
        Bars(len(jobs), "searches") as bars,
    ):
        try:
            return run_in(folder, plan, observers=[log, bars, *observers])
        finally:  # also if the run was stopped halfway: its attempts are paid for
            if options.out_jsonl is not None or options.out_csv is not None:
                keys = [job.key for job in jobs]
                export(folder, keys, log.isolation, options.out_jsonl, options.out_csv)
                log.exported()


def _say_kept(folder: RunFolder, why: str) -> None:
    note(f"{why}. Finished attempts are kept in {folder.path}; run the same command to resume.")


def _print(options: Options, ended: _Ended) -> None:
    results = ended.results
    if options.json:
        print_json(results)
    elif results:
        result_table(results)
        for line in ("", *trial_lines(results), cost_line(results)):
            print(line)
        print(f"Programs, journal and results: {ended.folder}")
