"""Reads runs and rules into the record of a page."""

import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from llm_erm.errors import InputError
from llm_erm.phrases import bound_percent, counted, interval, percent
from llm_erm.reports.comparison import (
    Row,
    compare,
    left_out,
    trials_of_one_setting,
    verdicts,
)
from llm_erm.reports.page.charts import Chart
from llm_erm.reports.page.curves import chart_of_rule, charts_of
from llm_erm.reports.page.learned import of_result, of_rule
from llm_erm.reports.page.records import Cell, Comparison, Fact, Learned, Page, Run, Tried
from llm_erm.reports.remarks import remarks
from llm_erm.reports.results import Entry, lacking
from llm_erm.rulelists.stored import read_rule
from llm_erm.runs.files import SETTINGS, holds_run
from llm_erm.runs.fingerprint import Fingerprint, read_fingerprint
from llm_erm.runs.jobs import JobKey
from llm_erm.runs.kept import Contents, checked_contents
from llm_erm.version import VERSION

Repeat = Callable[[Fingerprint, Path], str]
"""Returns the command that repeats a run; empty if it is not known."""


@dataclass
class _Gathered:
    """What is gathered from all runs and rules."""

    runs: list[Run] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    learned: list[Learned] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    jobs: list[Fact] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)
    tried: list[Tried] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def read_page(
    places: Sequence[Path], repeat: Repeat, tell: Callable[[], None] = lambda: None
) -> Page:
    """Returns what a page shows of runs and rules.

    Args:
        places: Folders of runs, or with runs in their subfolders, and files of rules.
        repeat: Tells the command that repeats a run.
        tell: Is called when a place has been read.

    Raises:
        InputError: A place holds neither a run nor a rule, or what it holds cannot be believed.
    """
    found = _Gathered()
    seen: set[Path] = set()
    for place in dict.fromkeys(places):
        if place.is_file():
            rule = read_rule(place)
            found.learned.append(of_rule(place, rule))
            found.charts.append(chart_of_rule(rule))
            tell()
            continue
        folders = sorted({path.parent for path in place.rglob(SETTINGS) if holds_run(path.parent)})
        if not folders:
            raise InputError(
                f"{place} holds no run; name the folder of a run, or a file that llm-erm fit wrote."
            )
        for folder in folders:
            if folder.resolve() not in seen:
                seen.add(folder.resolve())
                _read_run(found, folder, repeat)
        tell()
    charts = charts_of(found.entries)
    programs_first = sorted(found.entries, key=lambda entry: entry.result.program is None)
    repeats = {run.folder: run.repeat for run in found.runs}
    found.learned += [of_result(entry, repeats[entry.run]) for entry in programs_first]
    return Page(
        title=_title(found),
        version=VERSION,
        remarks=tuple(found.remarks),
        runs=tuple(found.runs),
        learned=tuple(found.learned),
        comparison=_compared(found.entries),
        charts=(*found.charts, *charts),
        jobs=tuple(found.jobs),
        prompts=tuple(found.prompts),
        tried=tuple(found.tried),
    )


def _title(found: _Gathered) -> str:
    points = dict.fromkeys(entry.point[0] for entry in found.entries)
    rules = [one.title for one in found.learned if one.lines]
    names = [*points, *rules]
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return shown or "nothing learned yet"


def _read_run(found: _Gathered, folder: Path, repeat: Repeat) -> None:
    """Adds the run in a folder.

    Raises:
        InputError: Any of it cannot be believed.
    """
    held = checked_contents(folder)
    known = read_fingerprint(folder, None)
    cut = lacking(folder, len(held.results))
    entries = [Entry(result, str(folder), cut) for result in held.results.values()]
    state = f"not finished: it{cut.removeprefix(str(folder))}" if cut else "finished"
    found.entries += entries
    found.remarks += [f"{cut}: it did not finish."] if cut else []
    found.runs.append(
        Run(
            folder=str(folder),
            method=known.method,
            version=known.version,
            state=state,
            finished=not cut,
            repeat=repeat(known, folder),
            settings=json.dumps(known.settings, indent=2),
        )
    )
    for job in dict.fromkeys([*held.results, *held.kept]):
        _read_job(found, f"{known.method} in {folder}", job, held)


def _read_job(found: _Gathered, run: str, job: JobKey, held: Contents) -> None:
    """Adds the attempts of a job, the answers that were not verified, and the calls given up."""
    kept = held.kept[job]
    said = [(index, kept.answers.get(index)) for index in {*kept.answers, *kept.attempts}]
    said += [(call.index, call) for call in kept.given_up]
    if not said:
        return
    place = len(found.jobs)
    found.jobs.append(Fact(job.name, run))
    starts, before = sorted(kept.prompts), len(found.prompts)
    found.prompts += [kept.prompts[start] for start in starts]
    result = held.results.get(job)
    chosen = None if result is None else result.selected_attempt
    for index, answer in sorted(said, key=lambda one: one[0]):
        earlier = bisect_right(starts, index)
        counts = answer is kept.answers.get(index)
        found.tried.append(
            Tried(
                job=place,
                index=index,
                selected=counts and index == chosen,
                prompt=before + earlier - 1 if earlier else None,
                answer=answer,
                attempt=kept.attempts.get(index) if counts else None,
            )
        )


def _compared(entries: Iterable[Entry]) -> Comparison:
    """Returns methods beside each other; of a task where they cannot be, why."""
    tested = [entry for entry in entries if entry.test_examples]
    rows: list[Row] = []
    said: list[str] = []
    for point in dict.fromkeys(entry.point for entry in tested):
        own = [entry for entry in tested if entry.point == point]
        try:
            own, mixed = trials_of_one_setting(own)
            said += mixed
            found = compare(own)
        except InputError as error:
            said.append(str(error))
            continue
        rows += found
        if rest := left_out(own, found):
            results = counted(rest, "result")
            said.append(
                f"{point[0]} L={point[1]}: left out {results} on data that some method of the task "
                "has not seen."
            )
    methods = tuple(dict.fromkeys(row.method for row in rows))
    cells = {(row.point, row.method): _cell(row) for row in rows}
    return Comparison(
        methods,
        tuple(
            (*point, tuple(cells.get((point, method)) for method in methods))
            for point in dict.fromkeys(row.point for row in rows)
        ),
        (*verdicts(rows), *said, *remarks(rows)),
    )


def _cell(row: Row) -> Cell:
    trials = len(row.entries)
    more = []
    if trials > 1:
        more.append(f"exact in {row.exact} of {counted(trials, 'trial')}")
    if row.error_at_most is not None:
        more.append(f"error at most {bound_percent(row.error_at_most)}")
    if row.contrast_accuracy is not None:
        more.append(f"contrast set {percent(row.contrast_accuracy)}")
    if row.other_lengths_accuracy is not None:
        more.append(f"other lengths {percent(row.other_lengths_accuracy)}")
    if row.candidates is not None:
        more.append(f"{counted(round(row.candidates), 'candidate')} to the first exact")
    more.append(f"{row.seconds:,.2f} s")
    if row.cost_usd:
        more.append(f"${row.cost_usd:.4f}")
    if not row.finished:
        more.append("run not finished")
    return Cell(percent(row.accuracy), interval(*row.interval), tuple(more), row.exact == trials)
