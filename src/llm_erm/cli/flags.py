"""From the name of a setting, as the library's errors have it, to the flag that changes it."""

from llm_erm.errors import LLMERMError

_FLAGS = {
    "code_interpreter": "--enable-code-interpreter",
    "context_tokens": "--context-tokens, or --max-model-len for in-context learning",
    "max_tokens": "--max-output-tokens, or --max-new-tokens for in-context learning",
    "queries": "--test-size",
    "replay_from": "--from",
    "timeout_seconds": "--timeout",
}
"""Flags whose names are not the setting's own."""


def flag_of(setting: str) -> str:
    """Returns the flag of a setting, or those of several joined by ``or``."""
    names = setting.split(" or ")
    return " or ".join(_FLAGS.get(name, "--" + name.replace("_", "-")) for name in names)


def sentence(error: LLMERMError) -> str:
    """Returns the message of an error, with the flag of the setting to change if there is one."""
    said = str(error)
    if error.setting is None or flag_of(error.setting) in said:
        return said
    stop = "." if said.endswith(".") else ""
    said, flag = said.removesuffix("."), flag_of(error.setting)
    return f"{said[:-1]}: {flag}){stop}" if said.endswith(")") else f"{said} ({flag}){stop}"
