"""`llm-erm watch`: shows how far a run is that another process is doing."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from llm_erm.cli import output
from llm_erm.cli.results import LENGTH, TRIAL
from llm_erm.cli.tables import Column, screen
from llm_erm.cli.text import folded, message
from llm_erm.errors import InputError
from llm_erm.phrases import counted, lasting
from llm_erm.records import accuracy
from llm_erm.reports.progress import NOTHING_YET, RunState, Search
from llm_erm.reports.watched import Watch

TICK_SECONDS = 1.0
"""How often the folder is read."""

LONG_SECONDS = 60.0
"""Silence that is mentioned: calls may take so long, but so does a run that was killed."""

COLUMNS = (
    Column("run", text=True, setting=True),
    *("task", LENGTH, TRIAL),
    Column("variant", text=True),
    Column("state", wide=True),
    "done",
    Column("unverified", wide=True),
    *("validation", "train"),
    Column("tokens", usual="0"),
    Column("cost", usual="$0.0000"),
    *("seconds", "left", "test"),
)


@dataclass(frozen=True)
class Options:
    """Flags of `llm-erm watch`."""

    run: Annotated[Path, tyro.conf.Positional]
    """Folder of the run, or of several, such as a sweep's."""
    once: bool = False
    """Print the state once and exit, which is also what happens in a pipe."""
    json: bool = False
    """Print the state once, as one JSON object per search."""


def watch(options: Options) -> int:
    """Follow a run that another process is doing, until it ends or Ctrl-C."""
    place = Watch(options.run)
    states = place.states()
    if options.json:
        for state in states:
            for search in state.searches:
                output.say_json(_json(state, search))
        return 0
    live = sys.stdout.isatty() and not options.once and not place.ended(states, time.time())
    if not live:
        output.table(COLUMNS, [_cells(place, *one) for one in _searches(states)], wider=False)
        output.say_below("\n".join(("", *_sentences(place, states, time.time()))))
        return 0
    from llm_erm.cli.progress import Screen

    with Screen() as shown:
        follow(place, shown.show, shown.size, time.sleep)
    return 0


def follow(
    place: Watch,
    show: Callable[[Sequence[str]], None],
    size: Callable[[], tuple[int, int]],
    wait: Callable[[float], None],
) -> None:
    """Shows the state again and again, until all has ended or Ctrl-C comes.

    Args:
        place: What to watch.
        show: Shows lines in place of those before.
        size: Returns the width and the height of the terminal.
        wait: Waits so many seconds.

    Raises:
        InputError: The folder was deleted, or cannot be read.
    """
    seen = False
    try:
        while True:
            states, now = place.states(), time.time()
            if seen and not place.folder.exists():
                raise InputError(
                    f"{place.folder} is gone: it was deleted or moved while it was watched; name "
                    "another run."
                )
            seen = seen or bool(states)
            show(_screen(place, states, now, *size()))
            if place.ended(states, now):
                return
            wait(TICK_SECONDS)
    except KeyboardInterrupt:  # the usual way to end it
        return


def _screen(
    place: Watch, states: Sequence[RunState], now: float, width: int, height: int
) -> list[str]:
    """Returns the lines that fit a terminal: the searches that run, then as many others."""
    below = [
        line
        for sentence in _sentences(place, states, now)
        for line in folded(message(sentence), width, 2).split("\n")
    ]
    rows = _searches(states)
    room = max(1, height - len(below) - 4)
    if len(rows) > room:
        order = {"running": 0, "done": 1, NOTHING_YET: 2}
        kept = sorted(range(len(rows)), key=lambda i: order[rows[i][1].state])[:room]
        below.insert(0, f"{counted(len(rows) - room, 'more search', 'more searches')}.")
        rows = [rows[i] for i in sorted(kept)]
    table = screen(COLUMNS, [_cells(place, *one) for one in rows], width) if rows else []
    return [*table, *([""] if table else []), *below]


def _searches(states: Sequence[RunState]) -> list[tuple[RunState, Search]]:
    return [(state, search) for state in states for search in state.searches]


def _cells(place: Watch, state: RunState, search: Search) -> tuple[str, ...]:
    key, result = search.key, search.result
    total = "" if search.total is None else f" of {search.total:,}"
    steps = f"{search.steps:,}{total}" if search.steps or total else "–"
    return (
        str(state.folder.relative_to(place.folder)) if state.folder != place.folder else "–",
        key.function,
        str(key.length),
        str(key.trial),
        key.variant or "–",
        search.state,
        steps,
        str(search.unverified),
        output.percent(search.best_validation),
        output.percent(search.train_accuracy),
        f"{search.prompt_tokens + search.completion_tokens:,}",
        "–" if search.usd is None else f"${search.usd:.4f}",
        f"{search.seconds:,.1f}" if search.seconds else "–",
        "–" if search.seconds_left is None else lasting(search.seconds_left),
        "–" if result is None else output.percent(accuracy(result.test)),
    )


def _sentences(place: Watch, states: Sequence[RunState], now: float) -> list[str]:
    """Returns what is to say of the runs: how far they are, and what may be wrong."""
    if not (states or place.due or place.stopped):
        holds = "holds no run yet" if place.folder.exists() else "does not exist yet"
        return [f"Waiting: {place.folder} {holds}."]
    lines = [_progress(place, states, now)] if states else []
    if place.due:
        names = [str(one.relative_to(place.folder)) for one in place.due]
        also = f"; {counted(len(names) - 1, 'more part')} to come" if len(names) > 1 else ""
        lines.append(f"Current part of the replication: {names[0]}{also}.")
    lines += [
        f"The replication in {folder} was stopped with {counted(left, 'part')} to come; run the "
        "same command to continue."
        for folder, left in place.stopped.items()
    ]
    for state in states:
        if state.status:
            log = state.folder / "stderr.log"
            lines.append(f"{state.folder} failed with exit status {state.status}; see {log}.")
        if state.lacks:
            lines.append(f"{state.folder} ended without all results: {state.lacks}.")
        if state.damaged:
            fit = (
                "does not fit its checksum" if state.damaged == 1 else "do not fit their checksums"
            )
            lines.append(
                f"{counted(state.damaged, 'line')} of {state.folder} {fit}; the run does that part "
                "again when it is resumed."
            )
    going = [state.written for state in states if not state.ended]
    going += [place.begun, *(state.written for state in states)] if place.due else []
    if going and (silent := now - max(going)) > LONG_SECONDS:
        lines.append(
            f"Nothing has been written for {lasting(silent)}: something takes long, or the run was "
            "stopped or killed. The same command resumes it."
        )
    return lines


def _progress(place: Watch, states: Sequence[RunState], now: float) -> str:
    done, total = sum(s.done for s in states), sum(len(s.searches) for s in states)
    methods = ", ".join(dict.fromkeys(state.method for state in states))
    parts = [f"{done:,} of {counted(total, 'result')}"]
    searches = [search for _, search in _searches(states)]
    if tokens := sum(one.prompt_tokens + one.completion_tokens for one in searches):
        prices = [one.usd for one in searches]
        known = [price for price in prices if price is not None]
        dollars = f"${sum(known):.4f}" if len(known) == len(prices) else "at unknown cost"
        parts.append(f"{counted(tokens, 'token')}, {dollars}")
    going = [state for state in states if not state.ended]
    if going:
        silent = max(0.0, now - max(state.written for state in going))
        parts.append(f"last written {lasting(silent)} ago")
        left = [state.seconds_left for state in going]
        more = len(place.due) > 1  # of parts to come nothing is known
        if (
            not more
            and None not in left
            and (most := max(filter(None, left), default=0.0) - silent) > 0
        ):
            parts.append(f"at most about {lasting(most)} left")
    return f"{place.folder} ({methods}): {'; '.join(parts)}."


def _json(state: RunState, search: Search) -> dict[str, Any]:
    key, result = search.key, search.result
    return {
        "run": str(state.folder),
        "method": state.method,
        "function": key.function,
        "length": key.length,
        "trial": key.trial,
        "variant": key.variant,
        "state": search.state,
        search.counts: search.steps,
        "most": search.total,
        "unverified": search.unverified,
        "best_validation_accuracy": search.best_validation,
        "train_accuracy": search.train_accuracy,
        "prompt_tokens": search.prompt_tokens,
        "completion_tokens": search.completion_tokens,
        "cost_usd": search.usd,
        "seconds": round(search.seconds, 3),
        "seconds_left": search.seconds_left,
        "test_accuracy": result and accuracy(result.test),
        "last_written": state.written,
    }
