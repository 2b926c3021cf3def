"""Repeats an earlier run from its journal alone, without a key, calls or costs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from llm_erm.errors import InputError
from llm_erm.llms.replay import ReplayLLM
from llm_erm.runs.answers import read_answers
from llm_erm.runs.fingerprint import read_fingerprint
from llm_erm.runs.run import Plan
from llm_erm.serial import RecordError, from_plain
from llm_erm.synthesis.settings import Settings
from llm_erm.synthesis.strategies import sample_seed
from llm_erm.tasks.spec import DataSpec


@dataclass(frozen=True)
class Replay:
    """A run to replay.

    Attributes:
        llm: Its model's answers.
        settings: Its settings.
        isolation: How its programs were isolated.
        sha256: The digests of its data sets, by how they were drawn.
    """

    llm: ReplayLLM
    settings: Settings
    isolation: str
    sha256: Mapping[DataSpec, str]

    @property
    def specs(self) -> list[DataSpec]:
        """Its data sets."""
        return list(self.sha256)

    def check(self, plan: Plan) -> None:
        """Checks that the data of a plan are those of the run.

        Raises:
            InputError: They differ.
        """
        known = {_place(spec): digest for spec, digest in self.sha256.items()}
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
    return spec.function, spec.length, spec.trial


def read_replay(folder: Path) -> Replay:
    """Returns the run in a folder, ready to be replayed.

    Raises:
        InputError: The folder does not hold a synthesis run, or the run is damaged.
    """
    known = read_fingerprint(folder, "replay_from")
    try:
        settings = from_plain(Settings, known.settings["settings"])
        name = str(known.settings["llm"]["name"])
        isolation = str(known.settings["isolation"])
    except (RecordError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder}/settings.json is not that of a run of `llm-erm synthesize` ({error}); name "
            "another run.",
            setting="replay_from",
        ) from None
    answers = {
        sample_seed(job.function, job.length, job.seed): completions
        for job, completions in read_answers(folder).items()
    }
    llm = ReplayLLM(name, answers, known.settings["llm"])
    return Replay(llm, settings, isolation, {one.spec: one.sha256 for one in known.data})
