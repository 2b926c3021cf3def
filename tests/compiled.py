"""The machine code of a search, compiled once a machine however many processes test at once."""

import fcntl
from pathlib import Path


def prepare_alone(lock: Path) -> None:
    """Loads the machine code, or compiles it while whoever holds the lock's file waits."""
    from llm_erm.enumeration.search import prepare

    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        prepare()
