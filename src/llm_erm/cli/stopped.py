"""The exit status of a command that was stopped, as shells know it."""

import signal
import sys

from llm_erm.errors import Terminated


def status_of(stopped: KeyboardInterrupt) -> int:
    """Returns 143 if SIGTERM stopped the command, and 130 if Ctrl-C did."""
    number = signal.SIGTERM if isinstance(stopped, Terminated) else signal.SIGINT
    return 128 + number


def still_computing() -> bool:
    """Returns whether a local model has not noticed yet that the command was stopped."""
    runtime = sys.modules.get("llm_erm.llms.runtime")  # not loaded: no model either
    return runtime is not None and bool(runtime.still_computing())
