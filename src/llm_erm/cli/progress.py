"""Shows on stderr how far a command is: bars on a terminal, elsewhere a line every half minute."""

import sys
import threading
import time
from collections.abc import Sequence
from math import floor
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from llm_erm.cli.text import columns_of, note, printable

LINE_SECONDS = 30.0
"""Time between two lines where there are no bars."""

QUICK_SECONDS = 0.5
"""What ends within this time has no bar."""

SPEED_SECONDS = 3600.0
"""The time left follows from the speed of this last while, in which a step should end."""


class Screen:
    """Lines on stdout, a terminal, that take the place of those before."""

    def __init__(self) -> None:
        """Prepares the lines on the current stdout."""
        self._console = Console(file=sys.stdout, highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="crop")

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, lines: Sequence[str]) -> None:
        """Shows lines, printable."""
        text = Text("\n".join(map(printable, lines)), no_wrap=True, overflow="crop")
        self._live.update(text, refresh=True)

    def size(self) -> tuple[int, int]:
        """Returns the width and the height of the terminal."""
        return columns_of(sys.stdout), self._console.height


class Bars:
    """Progress bars, or lines about them; a bar with a limit may end before it is full."""

    def __init__(self) -> None:
        """Prepares bars on the current stderr."""
        console = Console(file=sys.stderr)
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            _Done(),
            TimeElapsedColumn(),
            _Left(),
            console=console,
            disable=not console.is_interactive,
            transient=True,
            speed_estimate_period=SPEED_SECONDS,
        )
        self._ended = threading.Event()
        self._shower = threading.Thread(target=self._show, daemon=True)

    def __enter__(self) -> Self:
        self._shower.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._shower.join()
        if self._bars.live.is_started:
            self._bars.stop()

    def add(
        self,
        what: str,
        total: int | None,
        done: int = 0,
        *,
        seconds: float | None = None,
        shown: bool = True,
        percent: bool = False,
        may_end_before: bool = False,
    ) -> TaskID:
        """Returns a new bar.

        Args:
            what: What it is about.
            total: Number of steps; None if unknown.
            done: Number of steps done before.
            seconds: The most that it takes.
            shown: Whether to show it.
            percent: Whether to show percentages in place of numbers of steps.
            may_end_before: Whether the total is only the most that there may be.
        """
        latest = None if seconds is None else time.monotonic() + seconds
        return self._bars.add_task(
            printable(what),
            total=total,
            completed=done,
            visible=shown,
            percent=percent,
            before=done,
            most=may_end_before,
            expected=None,
            latest=latest,
        )

    def advance(self, bar: TaskID) -> None:
        """Counts a step."""
        self._bars.advance(bar)

    def set(self, bar: TaskID, done: float) -> None:
        """Says how many steps are done, the last one perhaps in part."""
        self._bars.update(bar, completed=done)

    def expect(self, bar: TaskID, seconds: float) -> None:
        """Says about how many seconds are left, instead of what the speed so far suggests."""
        self._bars.update(bar, expected=time.monotonic() + seconds)

    def remove(self, bar: TaskID) -> None:
        """Removes a bar."""
        self._bars.remove_task(bar)

    def _show(self) -> None:
        if not self._bars.disable:
            if not self._ended.wait(QUICK_SECONDS):
                self._bars.start()
            return
        while not self._ended.wait(LINE_SECONDS):
            if line := "; ".join(_said(bar) for bar in self._bars.tasks if bar.visible):
                note(f"{line}.")


def _said(bar: Task) -> str:
    """Returns how far a bar is, and how much time is left if that is known."""
    total = "" if bar.total is None else f" of {bar.total:,.0f}"
    steps = "" if not (total or bar.completed) else f"{floor(bar.completed):,}{total} done "
    if bar.fields["percent"]:
        steps = f"{_percent(bar)} done "
    left = f", {said}" if (said := _left(bar)) else ""
    return f"{bar.description}: {steps}after {_clock(bar.elapsed or 0)}{left}"


class _Done(ProgressColumn):
    """How many steps are done, or what percentage of them."""

    def render(self, task: Task) -> Text:
        """Returns the text of one bar."""
        if task.fields["percent"]:
            return Text(_percent(task))
        if task.total is None and not task.completed:
            return Text("")
        total = "?" if task.total is None else f"{task.total:.0f}"
        return Text(f"{floor(task.completed):{len(total)}}/{total}", style="progress.download")


class _Left(ProgressColumn):
    """How much time is left."""

    def render(self, task: Task) -> Text:
        """Returns the text of one bar."""
        return Text(_left(task))


def _left(bar: Task) -> str:
    """Returns how much time is left, by the speed so far or the limit; empty if that is unknown."""
    now = time.monotonic()
    if (expected := bar.fields["expected"]) is not None:
        return f"{_clock(max(0.0, expected - now))} left"
    left = bar.time_remaining
    done = bar.completed - bar.fields["before"]
    if left is None and bar.remaining is not None and done > 0:  # only one step so far
        left = (bar.elapsed or 0.0) * bar.remaining / done
    if left is not None:
        return f"{'at most ' * bar.fields['most']}{_clock(left)} left"
    if (latest := bar.fields["latest"]) is None:
        return ""
    return f"at most {_clock(max(0.0, latest - now))} left"


def _percent(bar: Task) -> str:
    return f"{bar.percentage:.0f}%"


def _clock(seconds: float) -> str:
    """Returns a time as minutes and seconds, or hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
