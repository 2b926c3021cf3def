"""`llm-erm incontext`: asks a language model for labels, with labelled examples in the prompt."""

import hashlib
import json as jsonlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import llm_erm
from llm_erm.cli import output
from llm_erm.cli.engines import EngineOptions, budget_of, engine_of, model_digest
from llm_erm.cli.flags import sentence
from llm_erm.cli.models import file_digest
from llm_erm.cli.options import DataOptions, grid, load, trials
from llm_erm.cli.places import check_files, run_folder
from llm_erm.cli.result import result_of
from llm_erm.errors import BudgetSpentError, InputError
from llm_erm.incontext.engine import Engine
from llm_erm.incontext.export import record, write_csv, write_jsonl
from llm_erm.incontext.learn import Query, Questions, learn, pose
from llm_erm.incontext.settings import AnswerMode, Settings
from llm_erm.incontext.store import QueryStore
from llm_erm.journal import writing
from llm_erm.llms.budget import Budget


@dataclass(frozen=True)
class Options(EngineOptions, DataOptions):
    """Flags of `llm-erm incontext`."""

    train_size: int = 200
    """Training examples; all of them go into the prompt unless --shots is given."""
    val_size: int = 0
    """Validation examples; nothing here needs any."""
    test_size: int = 100
    """Queries a task: half of each label, the first of the test split."""
    test_split_size: int = 10_000
    """Test examples of the data set that the queries are taken from."""
    shots: tuple[int, ...] = ()
    """Examples in the prompt; several numbers make a curve."""
    answer: AnswerMode = "generate"
    """generate: the label is read out of free text, as published; constrained: out of JSON that the
    model is held to; score: the more probable of the two labels as the next token."""
    raw_prompt: bool = False
    """Leave out the model's chat template, as published."""
    temperature: float = 0.2
    """Temperature of the sampling."""
    top_p: float = 0.95
    """Share of the probability that tokens are sampled from."""
    max_new_tokens: int = 1024
    """Tokens generated at most a query."""
    out_dir: Path | None = None
    """Folder for everything this run writes; runs/incontext-<digest of the settings> unless
    given."""
    out_jsonl: Path | None = None
    """Also write the queries as published, one JSON record each."""
    out_csv: Path | None = None
    """Also write the accuracies as published, a CSV table of one row a task."""
    dry_run: bool = False
    """Print the first prompt of each task; load and ask no model."""
    fresh: bool = False
    """Delete what an earlier run left in the folder instead of continuing it."""
    json: bool = False
    """Print one JSON object a task instead of the table."""


_NOT_SHAPING = {
    *("out_dir", "out_jsonl", "out_csv", "dry_run", "fresh", "json", "fresh_data", "threads"),
    *("concurrency", "timeout", "retries", "tensor_parallel_size", "enforce_eager"),
    *("max_cost_usd", "max_total_tokens"),
}


def incontext(options: Options) -> int:
    """Ask a language model for labels, with labelled examples in the prompt."""
    points = grid(options)
    settings = _settings(options)
    files = {"--out-jsonl": options.out_jsonl, "--out-csv": options.out_csv}
    check_files(files, options.out_dir)
    budget = budget_of(options)
    engine = engine_of(options, options.seed, budget)
    stored = replace(options, test_size=options.test_split_size)
    try:
        questions = [
            pose(splits, shots, options.test_size, engine, settings)
            for splits in (load(stored, *point) for point in trials(options, points))
            for shots in dict.fromkeys(options.shots or (options.train_size,))
        ]
        if options.dry_run:
            return _dry_run(questions)
        shaping = _shaping(options, engine, questions)
        store = QueryStore(
            run_folder(options.out_dir, "incontext", shaping), shaping, fresh=options.fresh
        )
        try:
            if budget is not None:
                _count(budget, questions, settings, store)
            results = _run(questions, engine, settings, store)
        except BudgetSpentError as error:
            finished = [result for one in questions if (result := store.result(one)) is not None]
            _print(options, finished, store)
            output.note(
                f"The budget is spent: {sentence(error)} Answered queries are kept in "
                f"{store.folder}; the same command goes on from there."
            )
            return 3
        except KeyboardInterrupt:
            output.note(
                f"Stopped. Answered queries are kept in {store.folder}; the same command goes on "
                "from there."
            )
            return 130
        finally:
            store.close()
    finally:
        engine.close()
    _export(options, questions, results, store)
    _print(options, results, store)
    return 0


def _settings(options: Options) -> Settings:
    if options.max_new_tokens < 1:
        raise InputError(f"--max-new-tokens is {options.max_new_tokens}; give 1 or more.")
    if not 0 <= options.temperature <= 2 or not 0 < options.top_p <= 1:
        raise InputError(
            f"--temperature is {options.temperature} and --top-p {options.top_p}; the one must be "
            "from 0 to 2, the other above 0 and up to 1."
        )
    return Settings(
        answer=options.answer,
        temperature=options.temperature,
        top_p=options.top_p,
        max_new_tokens=options.max_new_tokens,
        seed=options.seed,
        raw_prompt=options.raw_prompt,
    )


def _run(
    questions: Sequence[Questions], engine: Engine, settings: Settings, store: QueryStore
) -> list[dict[str, Any]]:
    """Asks what was not answered yet and returns the results of all; loads no model for nothing."""
    results = []
    loaded = False
    with output.progress() as progress:
        for asked in questions:
            if (result := store.result(asked)) is None:
                if not loaded:
                    engine.load()
                    loaded = True
                done = store.queries(asked)
                bar = progress.add_task(asked.name, total=len(asked.queries), completed=len(done))

                def keep(query: Query, asked: Questions = asked, bar: Any = bar) -> None:  # noqa: ANN401
                    store.append(asked, query)
                    progress.advance(bar)

                result = result_of(learn(asked, engine, settings, keep, done))
                store.finish(asked, result)
                progress.remove_task(bar)
            results.append(result)
    return results


def _count(
    budget: Budget, questions: Sequence[Questions], settings: Settings, store: QueryStore
) -> None:
    """Counts what earlier parts of the run took."""
    for asked in questions:
        answered = [query.answer.completion for query in store.queries(asked)]
        longest = max(len(asked.frame.around(x).encode()) for x in asked.queries.inputs)
        budget.count(answered, longest, settings.answer_tokens)


def _dry_run(questions: Sequence[Questions]) -> int:
    for asked in questions:
        output.note(f"{asked.name}: the first of {len(asked.queries)} prompts")
        print(asked.frame.around(asked.queries.inputs[0]))
    return 0


def _shaping(options: Options, engine: Engine, questions: Sequence[Questions]) -> dict[str, Any]:
    """Everything that shapes the results, as JSON values."""
    values: dict[str, Any] = {
        field.name: getattr(options, field.name)
        for field in fields(options)
        if field.name not in _NOT_SHAPING
    }
    values |= {
        "version": llm_erm.__version__,
        "model": engine.name,
        "model_sha256": model_digest(options),
        "task_file_sha256": file_digest(options.task_file),
        "questions_sha256": {asked.name: _digest(asked) for asked in questions},
    }
    result: dict[str, Any] = jsonlib.loads(jsonlib.dumps(values, default=str))
    return result


def _digest(questions: Questions) -> str:
    """SHA-256 of the prompts and the true labels."""
    parts = [questions.frame.head, questions.frame.tail, questions.queries.inputs]
    text = jsonlib.dumps([*parts, questions.queries.labels])
    return hashlib.sha256(text.encode()).hexdigest()


def _export(
    options: Options,
    questions: Sequence[Questions],
    results: Sequence[dict[str, Any]],
    store: QueryStore,
) -> None:
    if options.out_jsonl is not None:
        with writing(options.out_jsonl, "--out-jsonl"):
            write_jsonl(
                options.out_jsonl,
                (record(asked, query) for asked in questions for query in store.queries(asked)),
            )
    if options.out_csv is not None:
        with writing(options.out_csv, "--out-csv"):
            write_csv(options.out_csv, results)


def _print(options: Options, results: Sequence[dict[str, Any]], store: QueryStore) -> None:
    if options.json:
        for result in results:
            print(jsonlib.dumps(result))
        return
    columns = ("task", "length", "shots", "accuracy", "95% interval", "against chance")
    output.table(
        (*columns, "of parsed", "not parsed", "prompt computed", "queries/s"),
        [_row(result) for result in results],
    )
    print(f"\nPrompts, answers and results: {store.folder}")


def _row(result: dict[str, Any]) -> tuple[str, ...]:
    low, high = result["accuracy_interval"]
    computed, rate = result["prompt_tokens_computed"], result["queries_per_second"]
    return (
        result["function"],
        str(result["length"]),
        str(result["shots"]),
        output.percent(result["test_accuracy"]),
        f"{low:.1%} to {high:.1%}",
        "differs" if result["differs_from_chance"] else "no difference shown",
        output.percent(result["accuracy_parsed"]),
        f"{result['parse_failures']} of {result['queries']}",
        "–" if computed is None else f"{computed / result['prompt_tokens']:.1%}",
        "–" if rate is None else f"{rate:.2f}",
    )
