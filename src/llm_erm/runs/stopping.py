"""Has SIGTERM stop a command the way Ctrl-C does."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llm_erm.errors import Terminated


@contextmanager
def stopping_at_sigterm() -> Iterator[None]:
    """Makes SIGTERM stop the process like Ctrl-C; does nothing outside the main thread.

    Raises:
        Terminated: SIGTERM came.
        KeyboardInterrupt: Ctrl-C came.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    terminated = False

    def stop(*_: object) -> None:
        nonlocal terminated
        terminated = True
        try:
            if callable(signal.getsignal(signal.SIGINT)):
                signal.raise_signal(signal.SIGINT)
            else:  # whoever started this ignores Ctrl-C
                raise KeyboardInterrupt
        except KeyboardInterrupt as stopped:
            raise Terminated from stopped

    handlers: dict[signal.Signals, Any] = {signal.SIGTERM: stop}
    if _within_event_loop() and callable(signal.getsignal(signal.SIGINT)):
        # That of asyncio.run cancels the caller, who waits for this run and would not notice.
        handlers[signal.SIGINT] = signal.default_int_handler
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    except KeyboardInterrupt as stopped:
        if terminated and not isinstance(stopped, Terminated):  # it was held back
            told = Terminated()
            for note in getattr(stopped, "__notes__", ()):
                told.add_note(note)
            raise told from stopped
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _within_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
