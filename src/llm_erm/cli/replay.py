"""`--provider replay --from FOLDER`: repeats an earlier run from its journal alone."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from llm_erm.cli.model_options import ModelOptions
from llm_erm.cli.options import LimitOptions
from llm_erm.errors import InputError
from llm_erm.execution import Limits
from llm_erm.records import Result
from llm_erm.synthesis.method import Synthesis
from llm_erm.synthesis.replay import Replay, read_replay
from llm_erm.synthesis.settings import SynthesisSettings
from llm_erm.tasks.spec import DataGrid, DataSpec

if TYPE_CHECKING:
    from llm_erm.cli.synthesize import Options

_FREE = {field.name for field in fields(LimitOptions)} | {"dataset_dir", "task_file", "tables_dir"}
"""Flags that a replay may change; those that shape the answers are fixed."""


def missing(results: Sequence[Result], settings: SynthesisSettings) -> str | None:
    """Returns a sentence on searches with fewer answers than their budget, or None."""
    short = [
        f"{result.data.function} L={result.data.length} trial {result.data.trial}: "
        f"{result.attempts} of {settings.attempts}"
        for result in results
        if result.attempts < settings.attempts
        and not (settings.early_stop and result.validation and result.validation.perfect)
    ]
    return f"The journal holds fewer answers than the budget: {', '.join(short)}" if short else None


@dataclass(frozen=True)
class Replayed:
    """A run to replay, with the method and the data sets that repeat it."""

    earlier: Replay
    method: Synthesis
    specs: list[DataSpec]


def replayed_by(options: "Options") -> Replayed:
    """Returns the run that the flags replay.

    Given limits, folders and output files replace those of the earlier run; all else stays.

    Raises:
        InputError: --from is missing or does not name a run, or a flag would change the answers.
    """
    folder = options.replay_from
    if folder is None or options.provider not in (None, "replay"):
        raise InputError(
            "Use --provider replay and --from together, as in --provider replay --from runs/NAME."
        )
    earlier = read_replay(folder)
    _refuse_given(options)
    given = options.isolation != LimitOptions.isolation
    settings = replace(earlier.settings, limits=_limits(options, earlier.settings.limits))
    method = Synthesis(
        llm=earlier.llm,
        settings=settings,
        strategy=earlier.strategy,
        prompts=earlier.prompts,
        judge_all=options.exports,
        isolation="wasm" if not given and earlier.isolation == "wasm" else options.isolation,
        unsafe_no_isolation=options.unsafe_no_isolation,
    )
    return Replayed(earlier, method, earlier.specs(options.task_file, options.tables_dir))


def _refuse_given(options: "Options") -> None:
    shaping = {*DataGrid.__dataclass_fields__, *ModelOptions.__dataclass_fields__}
    shaping |= {"attempts", "no_early_stop", "strategy", "prompts", "column_names"}
    allowed = _FREE | {"provider", "replay_from", "fresh_data"}
    given = [
        f"--{field.name.replace('_', '-')}"
        for field in fields(options)
        if field.name in shaping - allowed and getattr(options, field.name) != field.default
    ]
    if given:
        raise InputError(
            f"A replay uses the settings of the run that it replays; omit {', '.join(given)}."
        )


def _limits(options: "Options", earlier: Limits) -> Limits:
    """Returns each limit that is given, else that of the earlier run."""
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
