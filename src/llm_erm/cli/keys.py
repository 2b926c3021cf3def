"""Keeps the keys that a command is given out of what it prints and stores."""

import os
import re
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import TextIO, cast

from llm_erm.cli.text import message
from llm_erm.secrets import keep_address, keep_secret, redact

_KEYS = re.compile(r"(API_?KEY|ACCESS_KEY|TOKEN|SECRET|PASSWORD)$", re.IGNORECASE)
_ADDRESSES = re.compile(r"(PROXY|BASE_URL)$", re.IGNORECASE)


def keep_environment(*, sent: bool = False) -> None:
    """Registers the keys, and the passwords of addresses, in the environment variables.

    Those that are sent to a server are registered as such when its client is made.

    Args:
        sent: Whether the model gets them all, as a program does.
    """
    for name, value in os.environ.items():
        if _KEYS.search(name):
            keep_secret(value, sent=sent)
        elif _ADDRESSES.search(name):
            keep_address(value, sent=sent)


class Redacted:
    """A stream of this process without secrets, whoever prints to it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Prints a text without secrets."""
        self._stream.write(redact(text))
        return len(text)

    def writelines(self, lines: Sequence[str]) -> None:
        """Prints texts without secrets."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


class Escaped(Redacted):
    """A stream that also cannot control a terminal, and so has no colours."""

    def write(self, text: str) -> int:
        """Prints a text without secrets and control characters."""
        self._stream.write(message(text))
        return len(text)

    def isatty(self) -> bool:
        """Returns False: what is printed here must not depend on control characters."""
        return False


def guard_streams() -> None:
    """Keeps secrets out of whatever this process prints to stderr, tracebacks included."""
    if not isinstance(sys.stderr, Redacted):
        sys.stderr = cast("TextIO", Redacted(sys.stderr))
    sys.excepthook = _show


def escaped(stream: TextIO) -> TextIO:
    """Returns a stream that prints to another one without secrets and control characters."""
    return cast("TextIO", Escaped(stream))


def _show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Prints a traceback, which may quote a server."""
    import traceback

    traceback.print_exception(kind, error, trace, file=escaped(sys.stderr))
