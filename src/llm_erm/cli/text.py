"""Prints text, safely wherever it comes from."""

import sys
from typing import Any

from llm_erm.secrets import hide_known, redact


def printable(text: str) -> str:
    """Returns a text with a mark for each secret, and each character that nobody would see.

    Secrets are those that a server was told. The characters are control characters, which could
    control the terminal, except line ends and tabs; those that change the direction of text; and
    other separators, invisible and broken characters.
    """
    return "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}"
        for c in hide_known(text)
    )


def message(text: str) -> str:
    """Returns a printable text without anything that looks like a secret; for no program."""
    return printable(redact(text))


def say(text: str) -> None:
    """Prints a part of a result, which may be a program, to stdout."""
    print(printable(text))


def say_json(value: object) -> None:
    """Prints a value as one line of JSON to stdout; ASCII, so it cannot control a terminal."""
    from llm_erm.serial import to_json, to_plain

    print(to_json(_without_secrets(to_plain(value))))


def note(text: str) -> None:
    """Prints a notice to stderr."""
    print(message(text), file=sys.stderr)


def _without_secrets(value: Any) -> Any:  # noqa: ANN401 - what JSON holds
    if isinstance(value, str):
        return hide_known(value)
    if isinstance(value, dict):
        return {hide_known(key): _without_secrets(part) for key, part in value.items()}
    return [_without_secrets(part) for part in value] if isinstance(value, list) else value
