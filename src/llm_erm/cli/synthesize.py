"""`llm-erm synthesize`: learns programs with a language model."""

import asyncio
import json as jsonlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import llm_erm
from llm_erm.cli import output
from llm_erm.cli.dry_run import dry_run
from llm_erm.cli.flags import sentence
from llm_erm.cli.log import open_log
from llm_erm.cli.models import (
    Choice,
    ModelOptions,
    choose,
    file_digest,
    fingerprint,
)
from llm_erm.cli.options import DataOptions, LimitOptions, Problem, grid, problems
from llm_erm.cli.places import check_files, run_folder
from llm_erm.cli.replay import as_in, missing
from llm_erm.cli.result import cost_line, result_table, trial_lines
from llm_erm.cli.search import Search, export, point_of
from llm_erm.errors import BudgetSpentError, InputError
from llm_erm.store import Store
from llm_erm.synthesis.attempt import prompt_for
from llm_erm.synthesis.settings import Settings


@dataclass(frozen=True)
class Options(LimitOptions, ModelOptions, DataOptions):
    """Flags of `llm-erm synthesize`."""

    attempts: int | None = None
    """The budget K of candidates a task, fixed beforehand; 256 for the embedded model, 16 for a
    local model of your own, else 5."""
    out_dir: Path | None = None
    """Folder for everything this run writes; runs/synthesize-<digest of the settings> unless
    given."""
    out_jsonl: Path | None = None
    """Also write the attempts as published, one JSON record each, with the test accuracy of all."""
    out_csv: Path | None = None
    """The same as a CSV table."""
    log_file: Path | None = None
    """Where to log what happens, in JSON lines; log.jsonl in the run's folder unless given."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """What to log."""
    dry_run: bool = False
    """Print each prompt; send and write nothing."""
    no_early_stop: bool = False
    """Draw all attempts even when one is exact, to measure how often a model is right: success@k
    and the chance that one proposal is, with intervals over --num-trials."""
    fresh: bool = False
    """Delete what an earlier run left in the folder instead of continuing it."""
    json: bool = False
    """Print one JSON object a grid point instead of the table."""


_NOT_SHAPING = {
    *("out_dir", "out_jsonl", "out_csv", "log_file", "log_level", "dry_run", "fresh", "json"),
    *("fresh_data", "concurrency", "speculative", "timeout", "retries", "max_output_tokens"),
    *("threads", "max_cost_usd", "max_total_tokens"),
}


def synthesize(options: Options) -> int:
    """Learn a program for each task: a language model proposes, held-out data decides."""
    earlier = None
    if options.provider == "replay" or options.replay_from is not None:
        options, earlier = as_in(options)
    points = grid(options)
    limits = options.limits()
    if options.attempts is not None and options.attempts < 1:
        raise InputError(f"--attempts is {options.attempts}; give 1 or more, or leave it out.")
    choice = earlier.choice if earlier else choose(options, dry_run=options.dry_run)
    settings = Settings(
        attempts=options.attempts or choice.attempts,
        constraint=choice.constraint,
        seed=options.seed,
        max_tokens=choice.max_tokens,
        early_stop=not options.no_early_stop,
        code_tool=options.code_tool == "local",
        limits=limits,
    )
    if options.dry_run:
        return dry_run(options, points, settings, choice)
    if options.val_size < 2:
        raise InputError(
            f"--val-size is {options.val_size}, and validation examples choose the program; give 2 "
            "or more."
        )
    check_files(
        {
            "--out-jsonl": options.out_jsonl,
            "--out-csv": options.out_csv,
            "--log-file": options.log_file,
        },
        options.out_dir,
    )
    data = problems(options, points)
    if earlier is not None:
        earlier.check(data)
    shaping = _shaping(options, choice, settings, data)
    store = Store(run_folder(options.out_dir, "synthesize", shaping), shaping, fresh=options.fresh)
    try:
        results = _run(options, data, choice, settings, store)
    except KeyboardInterrupt:
        _say_kept(store, "Stopped")
        return 130
    except BudgetSpentError as error:
        _print(options, list(store.results.values()), store)
        _say_kept(store, f"The budget is spent: {sentence(error).rstrip('.')}")
        return 3
    finally:
        if given_up := store.given_up():
            over = "their searches being over or the run stopped; they may be billed"
            output.note(f"{given_up} calls were given up in flight, {over}.")
        store.close()
    _print(options, results, store)
    if earlier is not None and (said := missing(results, settings)):
        output.note(said)
    return 0


def _say_kept(store: Store, why: str) -> None:
    output.note(
        f"{why}. Finished attempts are kept in {store.folder}; the same command goes on from there."
    )


def _print(options: Options, results: list[dict[str, Any]], store: Store) -> None:
    if options.json:
        for result in results:
            print(jsonlib.dumps(result))
    elif results:
        result_table(results)
        for line in ("", *trial_lines(results), cost_line(results)):
            print(line)
        print(f"Programs, journal and results: {store.folder}")


def _run(
    options: Options,
    data: list[Problem],
    choice: Choice,
    settings: Settings,
    store: Store,
) -> list[dict[str, Any]]:
    """Searches every grid point that has no result yet and returns the results of all."""
    with (
        open_log(options.log_file or store.folder / "log.jsonl", options.log_level) as log,
        options.sandbox() as sandbox,
    ):
        output.note(f"Programs run in a sandbox with isolation {sandbox.isolation!r}.")
        if choice.budget is not None:
            longest = max(len(prompt_for(one.splits, settings).encode()) for one in data)
            choice.budget.count(store.completions(), longest, settings.max_tokens)
        exporting = options.out_jsonl is not None or options.out_csv is not None
        judging = exporting or not settings.early_stop
        search = Search(choice, sandbox, settings, store, log, judging=judging)
        try:
            return asyncio.run(search.run(data))
        finally:  # a run that stopped half way as well: what it has is paid for
            if exporting:
                points = [point_of(problem.splits) for problem in data]
                export(store, points, sandbox.isolation, options.out_jsonl, options.out_csv)
                log.info("artifacts_written")


def _shaping(
    options: Options, choice: Choice, settings: Settings, data: list[Problem]
) -> dict[str, Any]:
    """Everything that shapes the results, as JSON values."""
    values: dict[str, Any] = {
        field.name: getattr(options, field.name)
        for field in fields(options)
        if field.name not in _NOT_SHAPING
    }
    values |= {
        "version": llm_erm.__version__,
        "model": choice.llm.name,
        "attempts": settings.attempts,
        "constraint": settings.constraint,
        "max_tokens": settings.max_tokens,
        "base_url": choice.base_url,
        "task_file_sha256": file_digest(options.task_file),
        "data_sha256": {problem.name: problem.sha256 for problem in data},
        **fingerprint(options),
    }
    result: dict[str, Any] = jsonlib.loads(jsonlib.dumps(values, default=str))
    return result
