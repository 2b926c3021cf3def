"""`--provider replay --from FOLDER`: an earlier run again, from its journal alone."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING

from llm_erm.cli.models import ModelOptions
from llm_erm.cli.options import LimitOptions
from llm_erm.errors import InputError
from llm_erm.records import Result
from llm_erm.sandbox import Limits
from llm_erm.synthesis.method import Synthesis
from llm_erm.synthesis.replay import Replay, read_replay
from llm_erm.synthesis.settings import Settings
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


def as_in(options: "Options") -> tuple[Replay, Synthesis, list[DataSpec]]:
    """Returns the run to replay, how to do it again, and on which data.

    Limits, places and outputs that are given hold; all else is as it was.

    Raises:
        InputError: --from is missing or names no run, or a flag is given that shapes answers.
    """
    folder = options.replay_from
    if folder is None or options.provider not in (None, "replay"):
        raise InputError(
            "--provider replay and --from go together, as in --provider replay --from runs/NAME."
        )
    earlier = read_replay(folder)
    _refuse_given(options)
    given = options.isolation != LimitOptions.isolation
    settings = replace(earlier.settings, limits=_limits(options, earlier.settings.limits))
    method = Synthesis(
        llm=earlier.llm,
        settings=settings,
        judge_all=options.out_jsonl is not None or options.out_csv is not None,
        isolation="wasm" if not given and earlier.isolation == "wasm" else options.isolation,
        unsafe_no_isolation=options.unsafe_no_isolation,
    )
    specs = [replace(spec, task_file=options.task_file or spec.task_file) for spec in earlier.specs]
    return earlier, method, specs


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
