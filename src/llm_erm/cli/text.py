"""Prints text, safely wherever it comes from."""

import codecs
import io
import os
import sys
from textwrap import fill
from typing import Any, TextIO

from llm_erm.secrets import hide_known, redact

SPELLED = {"≤": "<=", "≥": ">=", "≠": "!=", "→": "->", "–": "-", "−": "-", "·": "|", "…": "..."}
"""How to write what an encoding such as Windows-1252 lacks."""

USUAL_COLUMNS = 80
"""Characters per line of a terminal that does not say how many it has."""


def never_fail(stream: object) -> None:
    """Lets a stream print any text: what its encoding lacks is spelled, or becomes a ``?``."""
    if isinstance(stream, io.TextIOWrapper):
        codecs.register_error("llm_erm.spelled", _spelled)
        stream.reconfigure(errors="llm_erm.spelled")


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


def pour(text: str) -> None:
    """Prints a part of a file to stdout: as it is, in UTF-8; on a terminal, printable."""
    if sys.stdout.isatty():
        sys.stdout.write(printable(text))
    elif isinstance(sys.stdout, io.TextIOWrapper):  # whose encoding may lack some characters
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode("utf-8", errors="backslashreplace"))
    else:
        sys.stdout.write(text)


def say_json(value: object) -> None:
    """Prints a value as one line of JSON to stdout; ASCII, so it cannot control a terminal."""
    from llm_erm.serial import to_json, to_plain

    print(to_json(_without_secrets(to_plain(value))))


def say_below(text: str) -> None:
    """Prints a sentence about a table: below it on a terminal, else to stderr.

    What is piped holds the table alone.
    """
    if sys.stdout.isatty():
        print(wrapped(printable(text), sys.stdout))
    else:
        print(wrapped(printable(text.strip("\n")), sys.stderr), file=sys.stderr)


def note(text: str) -> None:
    """Prints a notice to stderr."""
    print(wrapped(message(text), sys.stderr), file=sys.stderr)


def wrapped(text: str, stream: TextIO) -> str:
    """Returns a text in lines that fit a terminal; as it is for a stream that is none."""
    return folded(text, columns_of(stream), indent=2) if stream.isatty() else text


def folded(text: str, width: int, indent: int = 0) -> str:
    """Returns a text in lines that break at blanks only.

    Args:
        text: The text; its own line ends are kept.
        width: Maximum number of characters per line; longer words keep a line of their own.
        indent: Number of blanks before all lines but the first.
    """
    lines = (
        fill(
            line,
            width,
            subsequent_indent=" " * indent,
            break_long_words=False,
            break_on_hyphens=False,
            replace_whitespace=False,
        )
        for line in text.split("\n")
    )
    return "\n".join(lines)


def columns_of(stream: TextIO) -> int:
    """Returns how many characters a line of a terminal holds, at least 20.

    That is what COLUMNS says, if it is set.
    """
    asked = os.environ.get("COLUMNS", "")
    if asked.isdecimal() and int(asked):
        return max(20, int(asked))
    try:
        return max(20, os.get_terminal_size(stream.fileno()).columns or USUAL_COLUMNS)
    except (OSError, ValueError):  # it only says that it is a terminal
        return USUAL_COLUMNS


def _spelled(error: UnicodeError) -> tuple[str, int]:
    """Returns what stands for characters that an encoding lacks, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(SPELLED.get(character, "?") for character in lacking), error.end


def _without_secrets(value: Any) -> Any:  # noqa: ANN401 - what JSON holds
    if isinstance(value, str):
        return hide_known(value)
    if isinstance(value, dict):
        return {hide_known(key): _without_secrets(part) for key, part in value.items()}
    return [_without_secrets(part) for part in value] if isinstance(value, list) else value
