"""`llm-erm synthesize`: learns programs with a language model."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from llm_erm.cli.dry_run import dry_run
from llm_erm.cli.log import open_log
from llm_erm.cli.model_options import ModelOptions
from llm_erm.cli.models import choose, missing_key
from llm_erm.cli.options import LimitOptions
from llm_erm.cli.output import note
from llm_erm.cli.replay import Replayed, missing, replayed_by
from llm_erm.cli.results import bound_lines, cost_line, result_table, trial_lines
from llm_erm.cli.runs import RunOptions, run_command
from llm_erm.cli.unusable import unusable
from llm_erm.errors import InputError
from llm_erm.phrases import counted
from llm_erm.records import Result
from llm_erm.runs.events import Observer
from llm_erm.runs.folder import RunFolder
from llm_erm.runs.jobs import JobKey
from llm_erm.runs.run import Plan, is_done
from llm_erm.synthesis.export import export
from llm_erm.synthesis.method import Synthesis
from llm_erm.synthesis.settings import SynthesisSettings
from llm_erm.synthesis.strategies import STRATEGIES, StrategyName
from llm_erm.synthesis.templates import read_prompts
from llm_erm.tasks.spec import DataGrid, DataSpec


@dataclass(frozen=True)
class Options(RunOptions, LimitOptions, ModelOptions, DataGrid):
    """Flags of `llm-erm synthesize`."""

    attempts: int | None = None
    """The budget K, fixed beforehand: maximum number of candidates per task (default: 256 for the
    embedded model, 16 for your own local model, else 5)."""
    strategy: StrategyName = "independent"
    """What the model is asked: independent (one prompt, as in the paper), refine (a program is
    answered with training examples that it gets wrong), or population (the prompt shows the best
    earlier programs, by training errors). The bound at K holds for each."""
    prompts: Path | None = None
    """A JSON file with prompts of your own, an object with a text by each name; every prompt has a
    search of its own. Texts show {examples}, and may show {inputs} and {answer}."""
    column_names: Literal["hidden", "shown"] = "hidden"
    """Whether prompts show the names of the columns of public tables (fn_m to fn_q)."""
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
    hide_data: bool = False
    """Keep the data from a model that can read files, such as an agent: draw them by chance, and
    write them, into --out-dir, only when the run has stopped. A run that is killed loses them."""
    dry_run: bool = False
    """Print each prompt without calling a model or writing anything."""
    no_early_stop: bool = False
    """Draw all attempts even after an exact one, to measure how often the model is right: pass@k
    and the probability that one proposal is right, with intervals over --num-trials."""
    fresh: bool = False
    """Delete what an earlier run left in the folder instead of continuing it."""
    json: bool = False
    """Print one JSON object per result instead of the table."""
    wide: bool = False
    """On a terminal, show every column of the table."""

    COMMAND = "synthesize"
    JOBS = "searches"
    KEPT = "Finished attempts"
    HOLDS = "Programs, journal and results"

    @property
    def hides_data(self) -> bool:
        """Whether --hide-data is given.

        Raises:
            InputError: There would be nothing to hide, or no place for the data.
        """
        if self.hide_data and self.replayed is not None:
            raise InputError("A replay asks no model that could read the data; omit --hide-data.")
        if self.hide_data and self.out_dir is None:
            raise InputError(
                "--hide-data draws other data each time, so a run would not find its folder again; "
                "name one with --out-dir."
            )
        return self.hide_data

    def grid(self) -> DataGrid:
        """Returns the flags themselves."""
        return self

    @cached_property
    def replayed(self) -> Replayed | None:
        """The run to replay, if any."""
        named = self.provider or (self.model or "").partition(":")[0]
        asked = named == "replay" or self.replay_from is not None
        return replayed_by(self) if asked else None

    def data_sets(self) -> list[DataSpec]:
        """Returns the data sets, or those of the run to replay."""
        return super().data_sets() if self.replayed is None else self.replayed.specs

    def method(self) -> Synthesis:
        """Returns the search that the flags describe, or the one to replay."""
        if not self.dry_run:
            self.announce()
        if self.replayed is not None:
            return self.replayed.method
        if self.keyless is not None and not self._has_results():
            raise self.keyless
        llm, usual = choose(self)
        return Synthesis(
            llm=llm,
            settings=SynthesisSettings(
                attempts=usual.attempts if self.attempts is None else self.attempts,
                constraint=usual.constraint,
                max_tokens=usual.max_tokens,
                early_stop=not self.no_early_stop,
                code_tool=self.code_tool == "local",
                named_columns=self.column_names == "shown",
                limits=self.limits(),
            ),
            strategy=STRATEGIES[self.strategy],
            prompts={} if self.prompts is None else read_prompts(self.prompts),
            judge_all=self.exports,
            isolation=self.isolation,
            unsafe_no_isolation=self.unsafe_no_isolation,
        )

    @property
    def keyless(self) -> InputError | None:
        """The error of every call, if there will be calls and their key is not set."""
        return None if self.dry_run or self.replayed is not None else missing_key(self)

    def _has_results(self) -> bool:
        """Returns whether there are results that could be those of this run."""
        folders = [self.out_dir] if self.out_dir else Path("runs").glob(f"{self.COMMAND}-*")
        again = self.fresh or self.fresh_data
        return not again and any((folder / "results.jsonl").exists() for folder in folders)

    @property
    def exports(self) -> bool:
        """Whether the published files are written."""
        return self.out_jsonl is not None or self.out_csv is not None

    def files(self) -> Mapping[str, Path | None]:
        """Returns the published files and the log."""
        return {
            "--out-jsonl": self.out_jsonl,
            "--out-csv": self.out_csv,
            "--log-file": self.log_file,
        }

    def plan(self) -> Plan:
        """Returns the run; a replay must have the data of the run that it replays.

        Raises:
            LLMERMError: The run cannot start, or its calls need a key.
        """
        plan = super().plan()
        if self.keyless is not None and not is_done(plan):
            raise self.keyless
        if self.replayed is not None:
            self.replayed.earlier.check(plan)
        return plan

    @contextmanager
    def observers(
        self, folder: RunFolder | None, run: Plan, done: Mapping[JobKey, Result]
    ) -> Iterator[Sequence[Observer]]:
        """Yields the log; at the end, however it comes, writes the published files."""
        assert folder is not None
        keys = [job.key for job in run.jobs]
        with open_log(folder, self.log_file, self.log_level) as log:
            try:
                yield (log,)
            finally:  # also if the run was stopped halfway: its attempts are paid for
                if self.exports:
                    export(folder, keys, log.isolation, self.out_jsonl, self.out_csv)
                    log.exported()
                if given_up := folder.given_up():
                    note(
                        f"Cancelled {counted(given_up, 'call')} in flight because their searches "
                        "were over or the run was stopped; they may still be billed."
                    )

    def publish(self, folder: RunFolder, run: Plan, results: Sequence[Result]) -> None:
        """Says why searches have no program, and which ones a replay had too few answers for."""
        if self.replayed and (message := missing(results, self.replayed.method.settings)):
            note(message)
        if (message := unusable(folder, results)) is not None:
            note(message)

    def show(self, results: Sequence[Result]) -> Sequence[str]:
        """Prints the table of a search; returns what the trials found and all answers cost."""
        result_table(results, wide=self.wide)
        return [*trial_lines(results), *bound_lines(results), cost_line(results)]


def synthesize(options: Options) -> int:
    """Learn a program for each task: a language model proposes, held-out data decides."""
    if options.dry_run:
        return dry_run(options, options.own_data_sets(), options.method())
    return run_command(options)
