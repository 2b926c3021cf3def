"""`llm-erm incontext`: a language model predicts labels from labelled examples in the prompt."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from llm_erm.cli import output
from llm_erm.cli.engines import EngineOptions, budget_of, engine_of
from llm_erm.cli.flags import sentence
from llm_erm.cli.observers import Bars
from llm_erm.cli.options import check_data, planned, specs_of
from llm_erm.cli.places import check_files
from llm_erm.cli.results import print_json
from llm_erm.errors import BudgetSpentError
from llm_erm.facts import IncontextFacts
from llm_erm.incontext.export import export
from llm_erm.incontext.method import InContext
from llm_erm.incontext.settings import AnswerMode, Settings
from llm_erm.records import Result
from llm_erm.runs.events import Observer
from llm_erm.runs.folder import RunFolder
from llm_erm.runs.jobs import JobKey, Work
from llm_erm.runs.run import Plan, opened, run_in
from llm_erm.tasks.spec import DataGrid


@dataclass(frozen=True)
class Options(EngineOptions, DataGrid):
    """Flags of `llm-erm incontext`."""

    train_size: int = 200
    """Number of training examples; the prompt contains all of them unless --shots is given."""
    val_size: int = 0
    """Number of validation examples; in-context learning needs none."""
    test_size: int = 100
    """Number of queries per task, half of each label: the first test examples of each."""
    test_split_size: int = 10_000
    """Number of test examples in the data set from which the queries are taken."""
    shots: tuple[int, ...] = ()
    """Number of examples in the prompt; give several numbers for a learning curve (default: all
    training examples)."""
    answer: AnswerMode = "generate"
    """How to obtain a label. generate: from free text, as published; constrained: from JSON that
    the model is forced to generate; score: compare the probabilities of both labels as the next
    token."""
    raw_prompt: bool = False
    """Do not use the model's chat template, as published."""
    temperature: float = 0.2
    """Sampling temperature."""
    top_p: float = 0.95
    """Sample from the most probable tokens that make up this share of the probability."""
    max_new_tokens: int = 1024
    """Maximum number of generated tokens per query."""
    out_dir: Path | None = None
    """Folder for everything this run writes (default: runs/incontext-<digest of the settings>)."""
    out_jsonl: Path | None = None
    """Also write the queries in the published format, one JSON record each."""
    out_csv: Path | None = None
    """Also write the accuracies in the published format, a CSV table with one row per result."""
    dry_run: bool = False
    """Print the first prompt of each job without loading or calling a model."""
    fresh: bool = False
    """Delete what an earlier run left in the folder instead of continuing it."""
    json: bool = False
    """Print one JSON object per result instead of the table."""


def incontext(options: Options) -> int:
    """Ask a language model for labels, with labelled examples in the prompt."""
    method = _method(options)
    plan = _plan(options, method)
    if options.dry_run:
        return _dry_run(plan, method)
    with opened(plan, fresh=options.fresh) as folder:
        assert folder is not None
        try:
            results = _run(plan, folder)
        except KeyboardInterrupt:
            _say_kept(folder, "Stopped")
            return 130
        except BudgetSpentError as error:
            done = [folder.results[key] for key in _keys(plan) if key in folder.results]
            _finish(options, plan, method, folder, done)
            _say_kept(folder, f"The budget is spent: {sentence(error).removesuffix('.')}")
            return 3
        _finish(options, plan, method, folder, results)
    return 0


def check(options: Options) -> None:
    """Checks, as far as possible without a model, that a run can start and has results.

    Raises:
        LLMERMError: The run cannot start.
    """
    grid = _grid(options)
    check_data(grid, dry_run=options.dry_run)
    with closing((method := _method(options)).engine):
        method.jobs(grid.specs())


def results_of(options: Options, observers: Sequence[Observer] = ()) -> list[Result]:
    """Runs the queries and returns the results without printing them.

    Raises:
        BudgetSpentError: The model's budget is spent.
        LLMERMError: The run cannot start.
    """
    method = _method(options)
    plan = _plan(options, method)
    with opened(plan, fresh=options.fresh) as folder:
        assert folder is not None
        results = _run(plan, folder, observers)
        export(folder, plan, method, results, options.out_jsonl, options.out_csv)
    return results


def _method(options: Options) -> InContext:
    return InContext(
        engine=engine_of(options, options.seed, budget_of(options)),
        settings=Settings(
            answer=options.answer,
            temperature=options.temperature,
            top_p=options.top_p,
            max_new_tokens=options.max_new_tokens,
            seed=options.seed,
            raw_prompt=options.raw_prompt,
        ),
        shots=options.shots,
        queries=options.test_size,
    )


def _grid(options: Options) -> DataGrid:
    """Returns the data sets; the queries are taken from their test examples."""
    return replace(options, test_size=options.test_split_size)


def _plan(options: Options, method: InContext) -> Plan:
    """Returns the run after checking everything that needs no model."""
    grid = _grid(options)
    specs = specs_of(grid)
    check_files({"--out-jsonl": options.out_jsonl, "--out-csv": options.out_csv}, options.out_dir)
    method.jobs(specs)  # rejects what cannot run before any data are drawn
    return planned(method, grid, specs, options.out_dir, "incontext")


def _run(plan: Plan, folder: RunFolder, observers: Sequence[Observer] = ()) -> list[Result]:
    with Bars(len(_keys(plan)), "results") as bars:
        return run_in(folder, plan, observers=[*observers, bars])


def _keys(plan: Plan) -> list[JobKey]:
    return [job.key for job in plan.jobs]


def _dry_run(plan: Plan, method: InContext) -> int:
    splits = dict(zip(plan.specs, plan.data, strict=True))
    work = [Work(job, splits[job.spec]) for job in method.jobs(plan.specs)]
    with closing(method.engine):
        for key, questions in method.questions(work).items():
            output.note(f"{key.name}: the first of {len(questions.queries)} prompts")
            print(questions.prompt(1))
    return 0


def _finish(
    options: Options,
    plan: Plan,
    method: InContext,
    folder: RunFolder,
    results: Sequence[Result],
) -> None:
    """Writes the published files and prints the results."""
    export(folder, plan, method, results, options.out_jsonl, options.out_csv)
    if options.json:
        print_json(results)
        return
    columns = ("task", "length", "shots", "accuracy", "95% interval", "against chance")
    output.table(
        (*columns, "of parsed", "not parsed", "prompt computed", "queries/s"),
        [_row(result) for result in results],
    )
    print(f"\nPrompts, answers and results: {folder.path}")


def _row(result: Result) -> tuple[str, ...]:
    facts, test = result.facts, result.test
    assert isinstance(facts, IncontextFacts)
    assert test is not None
    low, high = facts.accuracy_interval
    computed, rate = facts.prompt_tokens_computed, facts.queries_per_second
    return (
        result.data.function,
        str(result.data.length),
        str(facts.shots),
        output.percent(test.accuracy),
        f"{low:.1%} to {high:.1%}",
        "differs" if facts.differs_from_chance else "no difference shown",
        output.percent(facts.accuracy_parsed),
        f"{test.invalid} of {test.total}",
        "–" if computed is None else f"{computed / result.cost.prompt_tokens:.1%}",
        "–" if rate is None else f"{rate:.2f}",
    )


def _say_kept(folder: RunFolder, why: str) -> None:
    output.note(f"{why}. Answers are kept in {folder.path}; run the same command to resume.")
