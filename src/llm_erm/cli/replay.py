"""`--provider replay --from FOLDER`: an earlier run again, from its journal alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from llm_erm.cli.models import ModelOptions
from llm_erm.cli.options import LimitOptions
from llm_erm.errors import InputError
from llm_erm.llms.replay import ReplayLLM
from llm_erm.records import Result
from llm_erm.runs.answers import read_answers
from llm_erm.runs.fingerprint import Fingerprint, read_fingerprint
from llm_erm.runs.run import Plan
from llm_erm.sandbox import Isolation, Limits
from llm_erm.serial import RecordError, from_plain
from llm_erm.synthesis.method import Synthesis
from llm_erm.synthesis.settings import Settings
from llm_erm.synthesis.strategies import sample_seed
from llm_erm.tasks.spec import DataGrid, DataSpec

if TYPE_CHECKING:
    from llm_erm.cli.synthesize import Options

_FREE = {field.name for field in fields(LimitOptions)} | {"dataset_dir", "task_file"}
"""Flags that a replay may set anew; what shapes the answers is as it was."""


def missing(results: Sequence[Result], settings: Settings) -> str | None:
    """Says which searches had fewer answers to replay than they were to have, or returns None."""
    short = [
        f"{result.data.function} L={result.data.length} trial {result.data.trial}: "
        f"{result.attempts} of {settings.attempts}"
        for result in results
        if result.attempts < settings.attempts
        and not (settings.early_stop and result.validation and result.validation.perfect)
    ]
    return f"The journal holds fewer answers than asked for: {', '.join(short)}" if short else None


@dataclass(frozen=True)
class Earlier:
    """The run that is replayed.

    Attributes:
        method: Its method, with the answers in its journal for a model.
        specs: Its data.
        sha256: Digests of its data.
    """

    method: Synthesis
    specs: list[DataSpec]
    sha256: Mapping[DataSpec, str]

    def check(self, plan: Plan) -> None:
        """Makes sure that the data are those of the run.

        Raises:
            InputError: They are others.
        """
        other = [
            spec.name
            for spec, splits in zip(plan.specs, plan.data, strict=True)
            if self.sha256[spec] != splits.key.sha256
        ]
        if other:
            raise InputError(
                f"The data of {', '.join(other)} are not those of the run to replay; name its data "
                "with --dataset-dir (and its --task-file), or draw them anew with --fresh-data."
            )


def as_in(options: "Options") -> Earlier:
    """Returns the run to replay.

    Limits, places and outputs that are given hold; all else is as it was.

    Raises:
        InputError: --from is missing or names no run, or a flag is given that shapes answers.
    """
    folder = options.replay_from
    if folder is None or options.provider not in (None, "replay"):
        raise InputError(
            "--provider replay and --from go together, as in --provider replay --from runs/NAME."
        )
    known = read_fingerprint(folder, "replay_from")
    _refuse_given(options)
    try:
        settings = from_plain(Settings, known.settings["settings"])
        name = str(known.settings["llm"]["name"])
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
    records = [
        (replace(one.spec, task_file=options.task_file or one.spec.task_file), one.sha256)
        for one in known.data
    ]
    method = Synthesis(
        llm=ReplayLLM(name, answers, known.settings["llm"]),
        settings=replace(settings, limits=_limits(options, settings.limits)),
        judge_all=options.out_jsonl is not None or options.out_csv is not None,
        isolation=_isolation(options, known),
        unsafe_no_isolation=options.unsafe_no_isolation,
    )
    return Earlier(method, [spec for spec, _ in records], dict(records))


def _refuse_given(options: "Options") -> None:
    shaping = {*DataGrid.__dataclass_fields__, *ModelOptions.__dataclass_fields__}
    shaping |= {"attempts", "no_early_stop"}
    allowed = _FREE | {"provider", "replay_from", "fresh_data"}
    given = [
        f"--{field.name.replace('_', '-')}"
        for field in fields(options)
        if field.name in shaping - allowed and getattr(options, field.name) != field.default
    ]
    if given:
        raise InputError(
            f"A replay has the settings of the run that it replays; leave out {', '.join(given)}."
        )


def _limits(options: "Options", earlier: Limits) -> Limits:
    """Each limit that is given, else the earlier run's."""
    default, given = Limits(), options.limits()
    return Limits(
        **{
            field.name: getattr(
                given if getattr(given, field.name) != getattr(default, field.name) else earlier,
                field.name,
            )
            for field in fields(Limits)
        }
    )


def _isolation(options: "Options", known: Fingerprint) -> Isolation:
    given = options.isolation != LimitOptions.isolation
    return options.isolation if given else known.settings.get("isolation", options.isolation)
