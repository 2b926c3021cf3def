"""Says what takes so long when a search is compiled on its first use."""

import threading
import time
from collections.abc import Callable

from llm_erm.cli.text import note


def load_compiled(prepare: Callable[[], None], quick_seconds: float) -> None:
    """Loads the machine code of a search; says so if it has to be compiled.

    Args:
        prepare: Loads it, compiling it if it is not cached.
        quick_seconds: CPU time that loading stays below, unless it is compiled.
    """
    started, cpu, ended = time.monotonic(), time.process_time(), threading.Event()

    def speak() -> None:
        while not ended.wait(0.2):
            if time.process_time() - cpu > quick_seconds:
                note(
                    "Compiling the search for this machine, once: that takes some 20 to 60 seconds."
                )
                return

    speaker = threading.Thread(target=speak, daemon=True)
    speaker.start()
    try:
        prepare()
    finally:
        ended.set()
        speaker.join()
    if time.process_time() - cpu > quick_seconds:
        note(f"Compiled it in {time.monotonic() - started:.0f} s; later runs load it.")
