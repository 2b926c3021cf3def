"""`llm-erm synthesize`: learns programs with a language model."""

import asyncio
import hashlib
import json as jsonlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rich.progress import TaskID

import llm_erm
from llm_erm.cli import output
from llm_erm.cli.models import Choice, ModelOptions, choose, file_digest, fingerprint
from llm_erm.cli.options import DataOptions, LimitOptions, grid, load
from llm_erm.cli.result import result_of, result_table
from llm_erm.errors import InputError
from llm_erm.records import Attempt
from llm_erm.sandbox import Sandbox
from llm_erm.store import Point, Store
from llm_erm.synthesis.learn import learn
from llm_erm.synthesis.settings import Settings
from llm_erm.tasks.task import Splits


@dataclass(frozen=True)
class Options(LimitOptions, ModelOptions, DataOptions):
    """Flags of `llm-erm synthesize`."""

    attempts: int | None = None
    """The budget K of candidates a task, fixed beforehand; 256 for the embedded model, 16 for a
    local model of your own, else 5."""
    max_tokens: int | None = None
    """Tokens generated at most an attempt."""
    out_dir: Path | None = None
    """Folder for everything this run writes; runs/synthesize-<digest of the settings> unless
    given."""
    fresh: bool = False
    """Delete what an earlier run left in the folder instead of continuing it."""
    json: bool = False
    """Print one JSON object a grid point instead of the table."""


_NOT_SHAPING = {"out_dir", "fresh", "json", "fresh_data"}


def synthesize(options: Options) -> int:
    """Learn a program for each task: a language model proposes, held-out data decides."""
    points = grid(options)
    limits = options.limits()
    if options.attempts is not None and options.attempts < 1:
        raise InputError(f"--attempts is {options.attempts}; give 1 or more, or leave it out.")
    choice = choose(options)
    shaping = _shaping(options, choice)
    store = Store(_folder(options, shaping), shaping, fresh=options.fresh)
    try:
        settings = Settings(
            attempts=options.attempts or choice.attempts,
            constraint=choice.constraint,
            seed=options.seed,
            max_tokens=options.max_tokens or choice.max_tokens,
            limits=limits,
        )
        data = [load(options, task, length) for task, length in points]
        with Sandbox() as sandbox:
            results = asyncio.run(_search(data, choice, sandbox, settings, store))
    except KeyboardInterrupt:
        output.note(
            f"Stopped. Finished attempts are kept in {store.folder}; the same command goes on "
            "from there."
        )
        return 130
    finally:
        store.close()
    if options.json:
        for result in results:
            print(jsonlib.dumps(result))
    else:
        result_table(results)
        print(f"\nPrograms, journal and results: {store.folder}")
    return 0


async def _search(
    data: list[Splits], choice: Choice, sandbox: Sandbox, settings: Settings, store: Store
) -> list[dict[str, Any]]:
    """Runs the searches that have no result yet; returns the results of all, in order."""
    results = []
    try:
        with output.progress() as progress:
            for splits in data:
                point = (splits.fn, splits.length, splits.seed)
                if point not in store.results:
                    done = store.attempts(point)
                    bar = progress.add_task(
                        f"{splits.fn} L={splits.length}",
                        total=settings.attempts,
                        completed=len(done),
                    )

                    def keep(attempt: Attempt, point: Point = point, bar: TaskID = bar) -> None:
                        store.append(point, attempt)
                        progress.advance(bar)

                    run = await learn(splits, choice.llm, sandbox, settings, keep, done)
                    store.finish(run, result_of(run))
                    progress.remove_task(bar)
                results.append(store.results[point])
    finally:
        await choice.llm.aclose()
    return results


def _shaping(options: Options, choice: Choice) -> dict[str, Any]:
    """Everything that shapes the results, as JSON values."""
    values: dict[str, Any] = {
        field.name: getattr(options, field.name)
        for field in fields(options)
        if field.name not in _NOT_SHAPING
    }
    values |= {
        "version": llm_erm.__version__,
        "model": choice.llm.name,
        "attempts": options.attempts or choice.attempts,
        "constraint": choice.constraint,
        "max_tokens": options.max_tokens or choice.max_tokens,
        "task_file_sha256": file_digest(options.task_file),
        **fingerprint(options),
    }
    result: dict[str, Any] = jsonlib.loads(jsonlib.dumps(values, default=str))
    return result


def _folder(options: Options, shaping: dict[str, Any]) -> Path:
    digest = hashlib.sha256(jsonlib.dumps(shaping, sort_keys=True).encode()).hexdigest()
    return options.out_dir or Path("runs") / f"synthesize-{digest[:10]}"
