"""Adds to an error message the flag that changes the setting at fault."""

from llm_erm.cli.text import printable
from llm_erm.errors import LLMERMError

_FLAGS = {
    "code_interpreter": "--enable-code-interpreter",
    "context_tokens": "--context-tokens, or --max-model-len for in-context learning",
    "max_tokens": "--max-output-tokens, or --max-new-tokens for in-context learning",
    "queries": "--test-size",
    "replay_from": "--from",
    "timeout_seconds": "--timeout",
}
"""Flags that are not named after their setting."""


def flag_of(setting: str) -> str:
    """Returns the flag of a setting, or the flags of several settings joined by ``or``."""
    names = setting.split(" or ")
    return " or ".join(_FLAGS.get(name, "--" + name.replace("_", "-")) for name in names)


def sentence(error: LLMERMError) -> str:
    """Returns the message of an error, printable and with the flag to change if there is one."""
    message = printable(str(error))
    if error.setting is None or flag_of(error.setting) in message:
        return message
    stop = "." if message.endswith(".") else ""
    text, flag = message.removesuffix("."), flag_of(error.setting)
    return f"{text[:-1]}: {flag}){stop}" if text.endswith(")") else f"{text} ({flag}){stop}"
