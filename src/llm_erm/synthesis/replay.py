"""Repeats an earlier run from its journal alone, without a key, calls or costs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from llm_erm.errors import InputError
from llm_erm.llms.replay import ReplayLLM
from llm_erm.runs.answers import read_answers
from llm_erm.runs.fingerprint import DataRecord, file_digest, read_fingerprint
from llm_erm.runs.run import Plan
from llm_erm.serial import RecordError, from_plain
from llm_erm.settings import plain
from llm_erm.synthesis.settings import SynthesisSettings
from llm_erm.synthesis.strategies import (
    STRATEGIES,
    IndependentSampling,
    MakeStrategy,
    sample_seed,
)
from llm_erm.tasks.spec import DataSpec


@dataclass(frozen=True)
class Replay:
    """A run to replay.

    Attributes:
        llm: Its model's answers.
        settings: Its settings.
        strategy: What decided its prompts.
        prompts: Its prompts by name.
        isolation: How its programs were isolated.
        data: Its data sets, with their digests.
    """

    llm: ReplayLLM
    settings: SynthesisSettings
    strategy: MakeStrategy
    prompts: Mapping[str, str]
    isolation: str
    data: tuple[DataRecord, ...]

    def specs(
        self, task_file: Path | None = None, tables_dir: Path | None = None
    ) -> list[DataSpec]:
        """Returns its data sets.

        Args:
            task_file: The file that defines the task, unless the task belongs to the suite. The
                path stored in the run is not used: its file would be executed.
            tables_dir: The folder of public tables, which is used if the data are drawn again.

        Raises:
            InputError: The task is defined by a file that is missing or differs from the run's.
        """
        for record in self.data:
            wanted = record.task_file_sha256
            if wanted is not None and wanted != file_digest(task_file):
                raise InputError(
                    f"The task {record.spec.function} is defined by a file with the SHA-256 "
                    f"{wanted}; name that file.",
                    setting="task_file",
                )
        return [
            replace(record.spec, task_file=task_file, tables_dir=tables_dir) for record in self.data
        ]

    def check(self, plan: Plan) -> None:
        """Checks that the data of a plan are those of the run.

        Raises:
            InputError: They differ.
        """
        known = {_place(record.spec): record.sha256 for record in self.data}
        other = [
            spec.name
            for spec, splits in zip(plan.specs, plan.data, strict=True)
            if known.get(_place(spec)) != splits.key.sha256
        ]
        if other:
            raise InputError(
                f"The data of {', '.join(other)} differ from those of the run to replay; name the "
                "folder of its data (and its task file), or draw the data again.",
                setting="dataset_dir or task_file or fresh_data",
            )


def _place(spec: DataSpec) -> tuple[str, int, int]:
    return spec.function, spec.length, spec.trial_seed


def read_replay(folder: Path) -> Replay:
    """Returns the run in a folder, ready to be replayed.

    Raises:
        InputError: The folder does not hold a synthesis run, or the run is damaged.
    """
    known = read_fingerprint(folder, "replay_from")
    try:
        settings = from_plain(SynthesisSettings, known.settings["settings"])
        name = str(known.settings["llm"]["name"])
        isolation = str(known.settings["isolation"])
        prompts = from_plain(dict[str, str], known.settings.get("prompts", {}))
        strategy = _strategy(known.settings.get("strategy"))
    except (RecordError, KeyError, TypeError) as error:
        why = f"it has no {error.args[0]}" if isinstance(error, KeyError) else error
        raise InputError(
            f"{folder}/settings.json is not that of a run of `llm-erm synthesize` ({why}); name "
            "another run.",
            setting="replay_from",
        ) from None
    answers = {
        sample_seed(job.function, job.length, job.seed, job.variant): completions
        for job, completions in read_answers(folder).items()
    }
    could_read = name.startswith(("agent:", "command:")) and not known.data_hidden
    llm = ReplayLLM(name, answers, known.settings["llm"], reads_files=could_read)
    return Replay(llm, settings, strategy, prompts, isolation, known.data)


def _strategy(stored: object) -> MakeStrategy:
    """Returns the strategy of a run.

    One of the user's own is unknown here; in its place comes the paper's, under its name. The
    answers are those of the run in any case, but the prompts of later samples are not.
    """
    found = next((one for one in STRATEGIES.values() if plain(one) == stored), None)
    if found is not None or not isinstance(stored, str):
        return found or IndependentSampling
    return type(stored.rpartition(".")[2], (IndependentSampling,), {})
