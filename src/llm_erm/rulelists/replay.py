"""Takes a model's proposals from the folder of an earlier command, without a key or any call."""

from collections.abc import Callable
from pathlib import Path

from llm_erm.errors import InputError
from llm_erm.llms.replay import ReplayLLM
from llm_erm.rulelists.proposing import METHOD, Asking, Proposing, sample_seed
from llm_erm.runs.fingerprint import read_fingerprint
from llm_erm.runs.kept import checked_contents
from llm_erm.serial import RecordError, from_plain

SETTING = "replay_from"


def replayed_from(folder: Path) -> tuple[Proposing, Callable[[Asking], None]]:
    """Returns the model whose answers are in a folder, and a check that they fit what it is asked.

    The check raises an InputError if the prompts are not those that were answered.

    Raises:
        InputError: The folder holds no answers, or any of them cannot be believed.
    """
    known = read_fingerprint(folder, SETTING)
    if known.method != METHOD:
        raise InputError(
            f"{folder} holds no answers for `llm-erm fit`; name another folder.", setting=SETTING
        )
    contents = checked_contents(folder, SETTING)
    try:
        llm = from_plain(dict[str, object], known.settings["llm"])
        shaping = {name: known.settings[name] for name in ("attempts", "max_tokens", "blind")}
        descriptions = dict(from_plain(list[tuple[str, str]], known.settings["descriptions"]))
    except (RecordError, KeyError) as error:
        raise InputError(
            f"{folder}/settings.json lacks a setting of `llm-erm fit` ({error}); name another "
            "folder.",
            setting=SETTING,
        ) from None
    prompts = {job: set(kept.prompts.values()) for job, kept in contents.kept.items()}

    def check(asking: Asking) -> None:
        for part in asking.parts:
            if part.request.prompt not in prompts.get(part.job, set()):
                raise InputError(
                    f"The answers in {folder} are to other prompts: the rows, or settings that "
                    "shape what the model is shown, differ; name another folder, or repeat that "
                    "command.",
                    setting=SETTING,
                )

    answers = {sample_seed(job): list(kept.answers.values()) for job, kept in contents.kept.items()}
    return Proposing(
        llm=ReplayLLM(str(llm["name"]), answers, llm), descriptions=descriptions, **shaping
    ), check
