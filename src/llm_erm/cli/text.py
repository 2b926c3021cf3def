"""Prints text, safely wherever it comes from."""

import sys

from llm_erm.secrets import redact


def printable(text: str) -> str:
    """Returns a text without secrets, and with a mark for each character that nobody would see.

    These are control characters, which could control the terminal, except line ends and tabs; those
    that change the direction of text; and other separators, invisible and broken characters.
    """
    return "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in redact(text)
    )


def say(text: str) -> None:
    """Prints a text for people, or a line of JSON, which stays as it is, to stdout."""
    print(printable(text))


def note(text: str) -> None:
    """Prints a notice to stderr."""
    print(printable(text), file=sys.stderr)
