"""From the name of a setting, as the library's errors have it, to the flag that changes it."""

from llm_erm.errors import LLMERMError

_FLAGS = {
    "code_interpreter": "--enable-code-interpreter",
    "context_tokens": "--context-tokens, or --max-model-len for in-context learning",
    "max_tokens": "--max-output-tokens, or --max-new-tokens for in-context learning",
    "timeout_seconds": "--timeout",
}
"""Flags whose names are not the setting's own."""


def flag_of(setting: str) -> str:
    """Returns the flag of a setting."""
    return _FLAGS.get(setting, "--" + setting.replace("_", "-"))


def sentence(error: LLMERMError) -> str:
    """Returns what an error says, with the flag that changes it where there is one."""
    said = str(error)
    if error.setting is None or flag_of(error.setting) in said:
        return said
    said, flag = said.rstrip("."), flag_of(error.setting)
    return f"{said[:-1]}: {flag})." if said.endswith(")") else f"{said} ({flag})."
