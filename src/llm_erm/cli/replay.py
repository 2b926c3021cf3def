"""`--provider replay --from FOLDER`: an earlier run again, from its journal alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from llm_erm.cli.models import Choice, ModelOptions
from llm_erm.cli.options import DataOptions, LimitOptions, Problem
from llm_erm.errors import InputError
from llm_erm.llms.replay import ReplayLLM
from llm_erm.store import read_answers
from llm_erm.synthesis.attempt import sample_seed
from llm_erm.synthesis.settings import Settings

AnyOptions = TypeVar("AnyOptions", bound=ModelOptions)

_FREE = {field.name for field in fields(LimitOptions)} | {"dataset_dir", "task_file"}
"""Flags that a replay may set anew; what shapes the answers is as it was."""


def missing(results: Sequence[Mapping[str, Any]], settings: Settings) -> str | None:
    """Says which searches had fewer answers to replay than they were to have, or returns None."""
    short = [
        f"{result['function']} L={result['length']} trial {result['trial']}: "
        f"{result['attempts']} of {settings.attempts}"
        for result in results
        if result["attempts"] < settings.attempts
        and not (settings.early_stop and result["validation_accuracy"] == 1.0)
    ]
    return f"The journal holds fewer answers than asked for: {', '.join(short)}" if short else None


@dataclass(frozen=True)
class Earlier:
    """The run that is replayed.

    Attributes:
        choice: Its model, as its journal has it, and the settings that it ran with.
        data_sha256: Digests of its data.
    """

    choice: Choice
    data_sha256: Mapping[str, str]

    def check(self, data: Sequence[Problem]) -> None:
        """Makes sure that the data are those of the run.

        Raises:
            InputError: They are others.
        """
        other = [p.name for p in data if self.data_sha256.get(p.name) != p.sha256]
        if other:
            raise InputError(
                f"The data of {', '.join(other)} are not those of the run to replay; name its data "
                "with --dataset-dir (and its --task-file), or draw them anew with --fresh-data."
            )


def as_in(options: AnyOptions) -> tuple[AnyOptions, Earlier]:
    """Returns the options of the run to replay, and that run.

    Limits, places and outputs that are given hold; all else is as it was.

    Raises:
        InputError: --from is missing or names no run, or a flag is given that shapes answers.
    """
    if options.replay_from is None or options.provider not in (None, "replay"):
        raise InputError(
            "--provider replay and --from go together, as in --provider replay --from runs/NAME."
        )
    settings, answers = read_answers(options.replay_from)
    _refuse_given(options)
    try:
        taken = {
            field.name: _of_flag(field.name, settings[field.name])
            for field in fields(options)
            if field.name in settings
            and field.name not in ModelOptions.__dataclass_fields__
            and not (field.name in _FREE and getattr(options, field.name) != field.default)
        }
        llm = ReplayLLM(
            settings["model"],
            {
                sample_seed(point.function, point.length, point.seed): completions
                for point, completions in answers.items()
            },
        )
        choice = Choice(llm, settings["attempts"], settings["max_tokens"], settings["constraint"])
        earlier = Earlier(choice, settings["data_sha256"])
    except KeyError as error:
        raise InputError(
            f"{options.replay_from}/settings.json lacks {error}; name another run."
        ) from None
    return replace(options, **taken, provider="replay", code_tool=settings["code_tool"]), earlier


def _refuse_given(options: ModelOptions) -> None:
    shaping = {*DataOptions.__dataclass_fields__, *ModelOptions.__dataclass_fields__}
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


def _of_flag(name: str, value: Any) -> Any:  # noqa: ANN401 - a value of any flag
    """A value of settings.json in the type that the flag has."""
    if name in ("dataset_dir", "task_file") and value is not None:
        return Path(value)
    return tuple(value) if isinstance(value, list) else value
