"""Adds to an error message the flag that changes the setting at fault."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from llm_erm.cli.text import message as without_secrets
from llm_erm.errors import LLMERMError

_OPTIONS = {
    "code_interpreter": ("enable_code_interpreter",),
    "context_tokens": ("context_tokens", "max_model_len"),
    "functions": ("functions", "target_func"),
    "lengths": ("lengths", "sequence_length"),
    "max_tokens": ("max_output_tokens", "max_new_tokens"),
    "out_dir": ("out_dir", "results_path"),
    "queries": ("test_size",),
    "test_size": ("test_split_size", "test_size", "test_set_size"),
    "timeout_seconds": ("timeout",),
    "train_size": ("train_size", "train_set_size"),
}
"""The options that hold a setting, where one may have another name; a command has one of them."""

_SPELLED = {
    "replay_from": "--from",
    "sequence_length": "--lengths",
    "target_func": "--functions",
}
"""The flags of options that have another name; published names work as well."""


def flag_of(setting: str, kind: type[Any], words: Sequence[str] = ()) -> str:
    """Returns the flag of a setting, or the flags of several settings joined by ``or``.

    Args:
        setting: The setting, or several joined by ``or``.
        kind: The options of the command; settings that they do not hold are left out.
        words: The command line. If it gives some of the flags, the others are not to blame; but
            ``--fresh`` is the remedy, not the fault.
    """
    there = {field.name for field in fields(kind)}
    names = [
        next((option for option in _OPTIONS.get(name, (name,)) if option in there), None)
        for name in setting.split(" or ")
    ]
    flags = [_SPELLED.get(name, "--" + name.replace("_", "-")) for name in names if name]
    given = {word.partition("=")[0].replace("_", "-") for word in words}
    given |= {"--fresh"} if given & set(flags) else set()
    return " or ".join([flag for flag in flags if flag in given] or flags)


def sentence(error: LLMERMError, kind: type[Any], words: Sequence[str] = ()) -> str:
    """Returns the message of an error, printable and with the flag to change if there is one.

    Args:
        error: The error.
        kind: The options of the command that failed.
        words: Its command line.
    """
    message = without_secrets(str(error))
    flag = "" if error.setting is None else flag_of(error.setting, kind, words)
    if flag in message:
        return message
    stop = "." if message.endswith(".") else ""
    text = message.removesuffix(".")
    return f"{text[:-1]}: {flag}){stop}" if text.endswith(")") else f"{text} ({flag}){stop}"
