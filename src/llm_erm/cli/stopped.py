"""The exit status of a command that was stopped, as shells know it."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from llm_erm.errors import Terminated


def status_of(stopped: KeyboardInterrupt) -> int:
    """Returns 143 if SIGTERM stopped the command, and 130 if Ctrl-C did."""
    number = signal.SIGTERM if isinstance(stopped, Terminated) else signal.SIGINT
    return 128 + number


@contextmanager
def keeping(what: Callable[[], str]) -> Iterator[None]:
    """Has a command that is stopped meanwhile say what is kept.

    Args:
        what: Returns that, as sentences; empty if nothing is. Called when the command is stopped.
    """
    try:
        yield
    except KeyboardInterrupt as stopped:
        stopped.add_note(what())
        raise


def in_words(stopped: KeyboardInterrupt) -> str:
    """Returns that a command was stopped, and what is kept if that is known."""
    return " ".join(["Stopped.", *filter(None, getattr(stopped, "__notes__", ()))])


def still_computing() -> bool:
    """Returns whether a local model has not noticed yet that the command was stopped."""
    runtime = sys.modules.get("llm_erm.llms.runtime")  # not loaded: no model either
    return runtime is not None and bool(runtime.still_computing())
