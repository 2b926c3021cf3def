"""`llm-erm incontext`: a language model predicts labels from labelled examples in the prompt."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from llm_erm.cli import output
from llm_erm.cli.engines import EngineOptions, engine_of
from llm_erm.cli.results import LENGTH, TASK, TRIAL
from llm_erm.cli.runs import RunOptions, run_command
from llm_erm.cli.tables import Column
from llm_erm.facts import IncontextFacts
from llm_erm.incontext.export import export
from llm_erm.incontext.method import InContext
from llm_erm.incontext.settings import AnswerMode, InContextSettings
from llm_erm.phrases import counted
from llm_erm.records import Result
from llm_erm.runs.folder import RunFolder
from llm_erm.runs.jobs import Work
from llm_erm.runs.run import Plan
from llm_erm.tasks.spec import DataGrid


@dataclass(frozen=True)
class Options(RunOptions, EngineOptions, DataGrid):
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
    max_new_tokens: Annotated[int, tyro.conf.arg(aliases=("--max-output-tokens",))] = 1024
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
    wide: bool = False
    """On a terminal, show every column of the table."""

    COMMAND = "incontext"
    JOBS = "results"
    KEPT = "Answers"
    HOLDS = "Prompts, answers and results"

    def grid(self) -> DataGrid:
        """Returns the data sets; the queries are taken from their test examples."""
        return replace(self, test_size=self.test_split_size)

    def method(self) -> InContext:
        """Returns the model and the settings that the flags describe."""
        return InContext(
            engine=engine_of(self, self.seed),
            settings=InContextSettings(
                answer=self.answer,
                temperature=self.temperature,
                top_p=self.top_p,
                max_new_tokens=self.max_new_tokens,
                seed=self.seed,
                raw_prompt=self.raw_prompt,
            ),
            shots=self.shots,
            queries=self.test_size,
        )

    def files(self) -> Mapping[str, Path | None]:
        """Returns the published files."""
        return {"--out-jsonl": self.out_jsonl, "--out-csv": self.out_csv}

    def publish(self, folder: RunFolder, run: Plan, results: Sequence[Result]) -> None:
        """Writes the published files."""
        export(folder, run, _of(run), results, self.out_jsonl, self.out_csv)

    def show(self, results: Sequence[Result]) -> Sequence[str]:
        """Prints one row per result."""
        columns = (
            *(TASK, LENGTH, TRIAL, Column("shots", setting=True)),
            *("accuracy", "95% interval", "differs from chance"),
            Column("accuracy of parsed", wide=True),
            "not parsed",
            Column("prompt computed", wide=True),
            Column("queries/s", wide=True),
        )
        output.table(columns, [_row(result) for result in results], wide=self.wide)
        return ()


def incontext(options: Options) -> int:
    """Ask a language model for labels, with labelled examples in the prompt."""
    return _dry_run(options) if options.dry_run else run_command(options)


def _dry_run(options: Options) -> int:
    plan = options.plan()
    method, splits = _of(plan), dict(zip(plan.specs, plan.data, strict=True))
    work = [Work(job, splits[job.spec]) for job in plan.jobs]
    with closing(method.engine):
        for key, questions in method.questions(work).items():
            output.note(f"{key.name}: the first of {counted(len(questions.queries), 'prompt')}")
            output.say(questions.prompt(1))
    return 0


def _of(plan: Plan) -> InContext:
    assert isinstance(plan.method, InContext)
    return plan.method


def _row(result: Result) -> tuple[str, ...]:
    facts, test = result.facts, result.test
    assert isinstance(facts, IncontextFacts)
    assert test is not None
    computed, rate = facts.prompt_tokens_computed, facts.queries_per_second
    return (
        result.data.function,
        str(result.data.length),
        str(result.data.trial),
        str(facts.shots),
        output.percent(test.accuracy),
        output.interval(*facts.accuracy_interval),
        "yes" if facts.differs_from_chance else "unclear",
        output.percent(facts.accuracy_parsed),
        f"{test.invalid} of {test.total}",
        "–" if computed is None else f"{computed / result.cost.prompt_tokens:.1%}",
        "–" if rate is None else f"{rate:.2f}",
    )
