"""A function that is called for pieces of work, each of which does what its name says."""

import os
import signal
import time
from pathlib import Path

from llm_erm.errors import InputError


class Notes:
    """A folder in which calls write down what they did; it notes where it is loaded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __setstate__(self, state: dict[str, Path]) -> None:
        self.__dict__.update(state)
        self.note(f"loaded-{os.getpid()}-{time.monotonic_ns()}")

    def note(self, name: str) -> None:
        (self.folder / name).touch()

    def noted(self, beginning: str) -> list[str]:
        """What is written down with this beginning, without it."""
        return sorted(path.name[len(beginning) :] for path in self.folder.glob(f"{beginning}*"))

    def wait_for(self, beginning: str, count: int = 1) -> list[str]:
        while len(found := self.noted(beginning)) < count:
            time.sleep(0.01)
        return found


def act(notes: Notes, piece: str) -> object:
    what, _, which = piece.partition("-")
    if which == "late":
        notes.wait_for("asleep-")
    match what:
        case "after":
            notes.wait_for(f"ended-{which}")
        case "refused":
            raise InputError("a wrong setting", setting="looks")
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "asleep":
            notes.note(f"asleep-{os.getpid()}")
            time.sleep(600)
        case "once" if not notes.noted("once-"):
            notes.note(f"once-{os.getppid()}")
            time.sleep(600)
        case "environment":
            return os.environ.get(which)
    notes.note(f"ended-{piece}")
    return piece
