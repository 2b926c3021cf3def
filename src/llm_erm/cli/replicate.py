"""`llm-erm replicate`: runs the published experiments, and compares with the published figures."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from llm_erm.cli import output
from llm_erm.cli.experiments import Options, Part, checked, has_gpu, plan
from llm_erm.cli.flags import sentence
from llm_erm.cli.foretold import BASIS, Foretold, foretell, in_words, together
from llm_erm.cli.models import check_budget
from llm_erm.cli.runs import results_of
from llm_erm.cli.stopped import status_of
from llm_erm.cli.tables import Column
from llm_erm.errors import InputError, LLMERMError, MissingExtraError, UnfinishedError
from llm_erm.phrases import lasting, listed
from llm_erm.reports.published import Published, published
from llm_erm.reports.replication import (
    INTERVALS,
    Line,
    Measured,
    Missing,
    as_csv,
    as_markdown,
    beside_published,
    cells,
    measured_at,
    measured_of,
    record,
    summaries,
)
from llm_erm.reports.results import Entry, entries_in
from llm_erm.runs.files import writing
from llm_erm.sandbox import Sandbox
from llm_erm.tasks import probes
from llm_erm.tasks.suite import get


@dataclass
class Progress:
    """Tells how long the parts that are left may take.

    Attributes:
        left: Estimated seconds of the parts that are left.
        done: Estimated seconds of those that are done.
        took: Seconds that these took.
    """

    left: float
    done: float = 0.0
    took: float = 0.0

    def ended(self, estimated: float, took: float) -> None:
        """Counts a part that has ended."""
        self.left -= estimated
        self.done += estimated
        self.took += took

    @property
    def seconds_left(self) -> float:
        """Seconds that the rest takes, if estimates stay as wrong as they were."""
        return self.left * (self.took / self.done if self.done else 1.0)


@dataclass
class Outcome:
    """What came of the parts.

    Attributes:
        measured: What our methods scored.
        parts: The parts, with the reason why some of them have no results.
        status: The exit status.
        stopped: Whether the user stopped it.
    """

    measured: list[Measured] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    status: int = 0
    stopped: bool = False


def replicate(options: Options) -> int:
    """Run the published experiments, and set the published figures beside ours."""
    _check(options)
    known = published()
    parts = [checked(part) for part in plan(options, known, gpu=has_gpu())]
    if options.dry_run:
        return _dry_run(options, parts)
    if all(part.reason for part in parts):
        why = "; ".join(f"{name}: {reason}" for name, reason in _alike(parts))
        raise MissingExtraError(f"Nothing can be run here. {why}.")
    outcome = _perform(options, parts)
    missing = _missing(outcome.parts)
    lines = beside_published(known, outcome.measured, missing)
    sentences = [*_differs(options, known, parts), *_not_run(outcome.parts)]
    _write(options.folder / "replicate.csv", as_csv(lines))
    _write(options.folder / "replicate.md", as_markdown(known, lines, sentences))
    if options.json:
        for line in lines:
            output.say_json(record(line))
    elif not outcome.stopped:
        _table(known, lines, wide=options.wide)
        rest = [*sentences, *summaries(known, lines), INTERVALS, f"Tables: {options.folder}"]
        output.say_below("\n".join(("", *rest)))
    return outcome.status


def _check(options: Options) -> None:
    """Checks the flags that all parts share.

    Raises:
        InputError: One of them is not valid.
    """
    size = options.test_size
    if size is not None and (size < 2 or size % 2):
        raise InputError(f"--test-size is {size}; give an even number of at least 2, or omit it.")
    if options.num_trials < 1:
        raise InputError(f"--num-trials is {options.num_trials}; give 1 or more, or omit it.")
    check_budget(options.max_cost_usd, None)


def _perform(options: Options, parts: Sequence[Part]) -> Outcome:
    """Runs the parts, one after another; a part that fails does not stop the others."""
    todo = [part for part in parts if not part.reason]
    progress, number, outcome = Progress(sum(part.seconds for part in todo)), 0, Outcome()
    spent = 0.0
    for part in parts:
        if part.reason or outcome.stopped:
            outcome.parts.append(replace(part, reason=part.reason or "the command was stopped"))
            continue
        number += 1
        what = f"{part.name} on {listed(part.data.tasks)}, {part.data.examples:,} examples"
        left = lasting(progress.seconds_left)
        output.note(f"{what} (part {number} of {len(todo)}; some {left} left)")
        started = time.monotonic()
        ended = _run(_within_budget(part, spent), outcome)
        progress.ended(part.seconds, time.monotonic() - started)
        outcome.parts.append(ended)
        found = _entries(ended)
        spent += sum(one.result.cost.usd or 0.0 for one in found) if part.contender.paid else 0.0
        outcome.measured += _measured(options, part, found)
    return outcome


def _within_budget(part: Part, spent: float) -> Part:
    """Returns a part that may cost what is left; it is not run if that is nothing."""
    most = getattr(part.options, "max_cost_usd", None) if part.contender.paid else None
    if most is None:
        return part
    if spent >= most:
        return replace(part, reason=f"--max-cost-usd {most:g} is spent")
    flags: Any = part.options
    return replace(part, options=replace(flags, max_cost_usd=most - spent))


def _run(part: Part, outcome: Outcome) -> Part:
    """Runs a part, and returns it with the reason why it has no results, if it has none."""
    if part.reason:
        return part
    try:
        results_of(part.options)
    except KeyboardInterrupt as stopped:
        outcome.stopped, outcome.status = True, status_of(stopped)
        return replace(part, reason="it was stopped; the same command goes on")
    except UnfinishedError as error:
        outcome.status = outcome.status or 3
        return replace(part, reason=f"unfinished: {_said(error)}")
    except LLMERMError as error:
        if not isinstance(error, MissingExtraError):
            outcome.status = 1
            output.note(f"{part.name} failed: {sentence(error, Options)}")
        return replace(part, reason=_said(error))
    return part


def _said(error: LLMERMError) -> str:
    return sentence(error, Options).removesuffix(".")


def _entries(part: Part) -> list[Entry]:
    """Returns the results of a part, as far as there are any."""
    if not (part.folder / "results.jsonl").exists():
        return []
    try:
        return entries_in([part.folder])
    except InputError as error:  # it was stopped before its first result
        output.note(str(error))
        return []


def _measured(options: Options, part: Part, found: Sequence[Entry]) -> list[Measured]:
    """Returns the accuracies of a part at the length of its training inputs, and at others."""
    contender, data = part.contender, part.data
    own = measured_of(found, data.experiment, data.examples, contender.beside, contender.remark)
    if not data.tested:
        return own
    by_task = {one.point.task: one for one in own}
    elsewhere: list[Measured] = []
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox())
        for entry in found:
            key = entry.result.data
            if key.trial == 1:
                tests = {
                    n: probes.at_length(get(key.function), key.length, n, options.tests, key.seed)
                    for n in data.tested
                }
                at = by_task[key.function]
                elsewhere += measured_at(at, entry.result, tests, sandbox)
    return [*own, *elsewhere]


def _missing(parts: Sequence[Part]) -> list[Missing]:
    return [
        Missing(part.data.points, part.contender.beside, part.contender.name, part.reason)
        for part in parts
        if part.reason
    ]


def _differs(options: Options, known: Published, parts: Sequence[Part]) -> list[str]:
    """Returns what is not as published, besides the methods."""
    said = []
    if options.quick:
        names = list(dict.fromkeys(part.data.experiment for part in parts))
        rest = [f"{name} with {' '.join(dict.fromkeys(_tasks_of(parts, name)))}" for name in names]
        said.append(
            f"This is the quick version: {'; '.join(rest)}; at most 200 examples; "
            f"{options.tests:,} test examples; slow methods left out, and the others with less "
            "time, fewer attempts and fewer steps. Omit --quick for the whole."
        )
    elif options.tests != 10_000:
        said.append(f"There are {options.tests:,} test examples; published were 10,000.")
    return said


def _tasks_of(parts: Sequence[Part], name: str) -> list[str]:
    return [task for part in parts if part.data.experiment == name for task in part.data.tasks]


def _not_run(parts: Sequence[Part]) -> list[str]:
    """Returns one sentence per method and reason on what was not run and would take."""
    groups = _alike([part for part in parts if part.reason])
    said = []
    with tempfile.TemporaryDirectory() as scratch:
        for (name, reason), group in groups.items():
            needs = in_words(together([foretell(part, Path(scratch)) for part in group]))
            said.append(f"Not run: {name}: {reason}. {needs}".rstrip())
    return said


def _alike(parts: Sequence[Part]) -> Mapping[tuple[str, str], list[Part]]:
    groups: dict[tuple[str, str], list[Part]] = {}
    for part in parts:
        groups.setdefault((part.name, part.reason), []).append(part)
    return groups


def _dry_run(options: Options, parts: Sequence[Part]) -> int:
    """Prints what each method takes in each experiment."""
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for (name, reason), group in _alike(parts).items():
            found = together([foretell(part, Path(scratch)) for part in group])
            rows.append((name, _tasks_in(group), reason or "run here", group, found))
    if options.json:
        for name, tasks, state, group, found in rows:
            here = sum(part.seconds for part in group) if state == "run here" else None
            about = {"part": name, "tasks": tasks, "state": state, "cpu_seconds_here": here}
            output.say_json(about | {"published_form": asdict(found)})
        return 0
    columns = (
        *("part", Column("data sets"), "calls", "prompt tokens", "output tokens", "dollars"),
        *("GPU hours", "CPU minutes here", Column("state", text=True)),
    )
    output.table(
        columns,
        [
            (name, str(tasks), *_amounts(found), _here(state, group), state)
            for name, tasks, state, group, found in rows
        ],
        wider=False,
    )
    total = together([found for *_, found in rows])
    output.say_below(f"\nAll together: {in_words(total)} {BASIS}")
    return 0


def _tasks_in(group: Sequence[Part]) -> int:
    return sum(len(part.data.tasks) for part in group)


def _here(state: str, group: Sequence[Part]) -> str:
    return f"{sum(part.seconds for part in group) / 60:.1f}" if state == "run here" else "–"


def _amounts(found: Foretold) -> tuple[str, ...]:
    hours = "–" if found.gpu_hours is None else f"{found.gpu_hours:.1f}"
    if (most := found.calls) is None:
        return ("–", "–", "–", "–", hours)
    dollars = "unknown" if most.dollars is None else f"{most.dollars:.2f}"
    tokens = f"{most.prompt_tokens:,}", f"{most.output_tokens:,}"
    return (f"{most.calls:,}", *tokens, dollars, hours)


def _table(known: Published, lines: Sequence[Line], *, wide: bool) -> None:
    columns = (
        *(Column("experiment", setting=True), "task", Column("length", wide=True, setting=True)),
        *(Column("examples", setting=True), Column("tested at", setting=True)),
        *(Column("published method", text=True), "published", Column("our method", text=True)),
        *("ours", Column("95% interval", wide=True), "difference", "its 95% interval"),
        *(Column("trials", setting=True, usual="1"), Column("test examples", wide=True)),
        Column("remark", wide=True, text=True),
    )
    output.table(columns, [cells(known, line) for line in lines], wide=wide)


def _write(path: Path, text: str) -> None:
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
