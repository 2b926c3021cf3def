"""Which runs a folder holds, how far they are, and whether more are to come."""

from dataclasses import replace
from pathlib import Path

from llm_erm.errors import InputError
from llm_erm.reports.progress import RunState, Watched, last_written
from llm_erm.reports.replicated import FILE as REPLICATION
from llm_erm.reports.replicated import Replication, read_replication
from llm_erm.runs.files import SETTINGS, holds_run

SETTLED_SECONDS = 10.0
"""A folder of several runs may get another one until nothing was written for so long."""


class Watch:
    """A folder that holds a run, or a folder of runs, such as that of a sweep.

    Attributes:
        folder: The folder.
        due: The parts of replications in it that have not ended, the current ones first.
        stopped: How many parts replications in it had to come when they were stopped.
    """

    def __init__(self, folder: Path) -> None:
        """Prepares to read a folder, which need not exist yet."""
        self.folder = folder
        self.due: tuple[Path, ...] = ()
        self.stopped: dict[Path, int] = {}
        self._runs: dict[Path, Watched] = {}
        self._replications: dict[Path, Replication] = {}

    def states(self) -> list[RunState]:
        """Returns how far each run is that has begun.

        Raises:
            InputError: The folder is a file, a file in it cannot be read, or another version wrote
                it.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"{self.folder} is no folder; name the folder of a run.")
        if (self.folder / SETTINGS).exists():
            folders = [self.folder]
        else:
            # First which parts are due, then what they have: a run that ends meanwhile is due.
            told = sorted(path.parent for path in self.folder.rglob(REPLICATION))
            self._replications = {folder: read_replication(folder) for folder in told}
            found = (path.parent for path in self.folder.rglob(SETTINGS))
            folders = sorted(filter(holds_run, found), key=_place)
        told_of = self._replications.items()
        self.due = tuple(
            folder / part for folder, one in told_of for part in one.due if not one.stopped
        )
        self.stopped = {folder: len(one.due) for folder, one in told_of if one.stopped}
        self._runs = {folder: self._runs.get(folder) or Watched(folder) for folder in folders}
        states = [watched.state() for watched in self._runs.values()]
        return [replace(one, lacks=self._lacks(one)) for one in states if one is not None]

    @property
    def begun(self) -> float:
        """When a part of a replication last began or ended, in seconds since 1970; 0 if never."""
        written = (last_written(folder / REPLICATION) for folder in self._replications)
        return max(written, default=0.0)

    def ended(self, states: list[RunState], now: float) -> bool:
        """Returns whether nothing more is to come: all runs ended, and no other one is due."""
        if self.due or not all(state.ended for state in states):
            return False
        if self._replications and all(self._replication(state.folder) for state in states):
            return True
        if not states:
            return False
        alone = states[0].folder == self.folder
        return alone or now - max(state.written for state in states) > SETTLED_SECONDS

    def _replication(self, folder: Path) -> Path | None:
        """Returns the folder of the replication that a run is a part of; None if of none."""
        return next((one for one in self._replications if one in folder.parents), None)

    def _lacks(self, state: RunState) -> str:
        """Returns why a run ended without all its results; empty if it did not."""
        place = self._replication(state.folder)
        if place is None or state.done == len(state.searches):
            return ""
        return self._replications[place].lacks(state.folder.relative_to(place).as_posix())


def _place(folder: Path) -> tuple[float, str]:
    """Returns the place of a run in a list: that of the number it is called by."""
    number = float(folder.name) if folder.name.isdecimal() else float("inf")
    return number, str(folder)
