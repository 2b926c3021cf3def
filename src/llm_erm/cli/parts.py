"""Runs the parts of `llm-erm replicate` or `benchmark`, and says how long the rest may take."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import astuple, dataclass, field, replace
from typing import Any

from llm_erm.cli import output
from llm_erm.cli.experiments import Data, Part
from llm_erm.cli.flags import sentence
from llm_erm.cli.placing import ExecutorOptions, given_to
from llm_erm.cli.runs import results_of
from llm_erm.cli.stopped import status_of
from llm_erm.errors import InputError, LLMERMError, MissingExtraError, UnfinishedError
from llm_erm.phrases import counted, lasting, listed
from llm_erm.reports.replicated import PartRecord, Replicated
from llm_erm.reports.replication import Measured, measured_at, measured_of, over_trials
from llm_erm.reports.results import Entry, entries_in
from llm_erm.runs.run import results_in
from llm_erm.sandbox import Sandbox
from llm_erm.tasks import probes
from llm_erm.tasks.suite import get
from llm_erm.tasks.task import DataKey, Dataset

STOPPED = "it was stopped; run the same command to continue"
NO_PROGRAM = "none of its programs ran in at least one of its searches"
MOST_NAMED = 20
"""Maximum number of tasks that a notice names."""
NO_ANSWERS = "what it learned, if anything, has no answers at other lengths"


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

    def ended(self, estimated: float, took: float, *, begun: bool) -> None:
        """Counts a part that has ended; one that was begun before tells nothing of the speed."""
        self.left -= estimated
        if not begun:
            self.done += estimated
            self.took += took

    @property
    def seconds_left(self) -> float:
        """Seconds that the rest takes, if estimates stay as wrong as they were."""
        return self.left * (self.took / self.done if self.done else 1.0)


@dataclass(frozen=True)
class Ended:
    """A part that has ended.

    Attributes:
        part: The part, with the reason why it lacks results, if it lacks any.
        measured: What it scored.
        due: Whether a stop left it undone.
    """

    part: Part
    measured: Sequence[Measured] = ()
    due: bool = False

    def record(self, kept: Replicated, sentence: str = "") -> PartRecord:
        """Returns what the folder of the replication keeps of it.

        Args:
            kept: What is kept there.
            sentence: Says that it was not run.
        """
        part, folder = self.part, kept.name(self.part.folder)
        return PartRecord(
            folder=folder,
            terms=kept.terms,
            points=tuple(sorted(part.data.points, key=astuple)),
            beside=part.contender.beside,
            name=part.contender.name,
            measured=tuple(self.measured),
            reason=part.reason,
            sentence=sentence,
            results_sha256=kept.digest(folder),
        )


@dataclass
class Outcome:
    """What came of the parts.

    Attributes:
        ended: The parts in order.
        status: The exit status.
        stopped: Whether the user stopped it.
        dollars: What models cost; infinite after a search that did not finish or failed, whose cost
            is not in its results.
    """

    ended: list[Ended] = field(default_factory=list)
    status: int = 0
    stopped: bool = False
    dollars: float = 0.0

    def stop(self, stopped: KeyboardInterrupt) -> None:
        """Takes note that the user stopped it."""
        self.stopped, self.status = True, status_of(stopped)


def placed(options: ExecutorOptions, parts: Sequence[Part]) -> list[Part]:
    """Returns the parts as they run where the flags say; names those that run here instead.

    Args:
        options: The flags.
        parts: The parts; those with a reason are not run.
    """
    found, here = [], dict[str, dict[str, None]]()
    for part in parts:
        takes_gpus = part.contender.command in ("train", "incontext")
        flags = options if takes_gpus else replace(options, job_gpus=ExecutorOptions.job_gpus)
        moved = replace(part, options=given_to(part.options, flags))
        if moved != part and not part.reason:
            try:
                moved.options.chosen_executor().check(moved.options.method())
            except LLMERMError as error:
                here.setdefault(sentence(error, type(options)), {})[part.contender.name] = None
                moved = part
        found.append(moved)
    for why, names in here.items():
        where = f"In this process, not with --executor {options.executor}"
        output.note(f"{where}: {listed(list(names))}. {why}")
    return found


def perform(
    options: ExecutorOptions,
    parts: Sequence[Part],
    tell: Callable[[Ended], None] = lambda ended: None,
    *,
    measures: bool = True,
) -> Outcome:
    """Runs the parts, one after another; a part that fails does not stop the others.

    Args:
        options: The flags of the command that runs them, which its messages name.
        parts: The parts.
        tell: Called with each part that has ended; not with those that a stop left undone.
        measures: Whether to measure what is set beside published figures.
    """
    todo = [part for part in parts if not part.reason]
    progress, number, outcome = Progress(sum(part.seconds for part in todo)), 0, Outcome()
    for part in parts:
        if part.reason or outcome.stopped:
            reason = part.reason or "the command was stopped"
            outcome.ended.append(Ended(replace(part, reason=reason), due=not part.reason))
            continue
        number += 1
        started, begun = time.monotonic(), _has_results(part)
        try:
            tasks = part.data.tasks
            named = listed(tasks) if len(tasks) <= MOST_NAMED else counted(len(tasks), "task")
            what = f"{part.name} on {named}, {part.data.examples:,} examples"
            left = lasting(progress.seconds_left)
            output.note(f"{what} (part {number} of {len(todo)}; some {left} left)")
            ended = _performed(options, part, outcome, measures=measures)
            if not outcome.stopped:
                tell(ended)
        except KeyboardInterrupt as stopped:  # while neither results nor figures came
            outcome.stop(stopped)
            ended = Ended(replace(part, reason=STOPPED))
        outcome.ended.append(replace(ended, due=outcome.stopped))
        progress.ended(part.seconds, time.monotonic() - started, begun=begun)
    return outcome


def _performed(options: ExecutorOptions, part: Part, outcome: Outcome, *, measures: bool) -> Ended:
    """Runs a part within the budget, and returns what it scored."""
    ended = _run(within_budget(part, outcome.dollars), outcome, type(options))
    found = entries_of(ended)
    if part.contender.paid:
        outcome.dollars += sum(one.result.cost.usd or 0.0 for one in found)
    return _measured(options, ended, found, outcome) if measures else Ended(ended)


def within_budget(part: Part, spent: float) -> Part:
    """Returns a part that may cost what is left; it is not run if that is nothing.

    Args:
        part: The part.
        spent: What earlier parts cost, in dollars.
    """
    most = getattr(part.options, "max_cost_usd", None) if part.contender.paid else None
    if most is None:
        return part
    if spent >= most:
        return replace(part, reason=f"--max-cost-usd {most:g} is, or may be, spent")
    flags: Any = part.options
    return replace(part, options=replace(flags, max_cost_usd=most - spent))


def _run(part: Part, outcome: Outcome, flags: type[ExecutorOptions]) -> Part:
    """Runs a part, and returns it with the reason why it has no results, if it has none."""
    if part.reason:
        return part
    try:
        results_of(part.options)
    except KeyboardInterrupt as stopped:
        outcome.stop(stopped)
        return replace(part, reason=STOPPED)
    except UnfinishedError as error:
        outcome.status = outcome.status or 3
        outcome.dollars = float("inf") if part.contender.paid else outcome.dollars
        return replace(part, reason=f"unfinished: {_said(error, flags)}")
    except LLMERMError as error:
        if part.contender.paid and not isinstance(error, InputError | MissingExtraError):
            outcome.dollars = float("inf")
        if not isinstance(error, MissingExtraError):
            outcome.status = 1
            output.note(f"{part.name} failed: {sentence(error, flags)}")
        return replace(part, reason=_said(error, flags))
    return part


def _said(error: LLMERMError, flags: type[ExecutorOptions]) -> str:
    return sentence(error, flags).removesuffix(".")


def entries_of(part: Part) -> list[Entry]:
    """Returns the results of a part, as far as there are any.

    Without a finished run, its folder may hold that of other settings.
    """
    if not _has_results(part):
        return []
    if not part.reason:
        return entries_in([part.folder], tested=False)
    try:
        held = results_in(part.folder, part.options.plan().fingerprint)
    except LLMERMError:  # whatever is there, it is not known to be of this part
        return []
    return [Entry(result, str(part.folder)) for result in held.values()]


def _has_results(part: Part) -> bool:
    kept = part.folder / "results.jsonl"
    return kept.exists() and kept.stat().st_size > 0


def _measured(
    options: ExecutorOptions, part: Part, found: Sequence[Entry], outcome: Outcome | None = None
) -> Ended:
    """Returns the accuracies of a part at the length of its training inputs, and at others.

    If the user stops it, these are the accuracies measured until then, and the outcome is told.
    """
    contender, data = part.contender, part.data
    tested = [one for one in found if one.test_examples]
    if len(tested) < len(found) and not part.reason:
        part = replace(part, reason=NO_PROGRAM)
    own = measured_of(
        tested,
        data.experiment,
        data.examples,
        beside=contender.beside,
        name=contender.name,
        remark=contender.remark,
    )
    if not data.tested or (outcome is not None and outcome.stopped):
        return Ended(part, own)
    elsewhere: list[Measured] = []
    try:
        for measured in _elsewhere(data, tested, own):
            elsewhere += measured
    except KeyboardInterrupt as stopped:
        if outcome is None:
            raise
        outcome.stop(stopped)
        part = replace(part, reason=part.reason or STOPPED)
    except LLMERMError as error:
        part = replace(part, reason=_said(error, type(options)))
    all_of_them = [*own, *elsewhere]
    if not part.reason and data.points - {one.point for one in all_of_them}:
        part = replace(part, reason=NO_ANSWERS)
    return Ended(part, all_of_them)


def _elsewhere(
    data: Data, found: Sequence[Entry], own: Sequence[Measured]
) -> Iterator[list[Measured]]:
    """Yields the accuracies at other lengths, one task at a time."""
    by_task = {one.point.task: one for one in own}
    with ExitStack() as stack:
        programs = any(entry.result.program is not None for entry in found)
        sandbox = stack.enter_context(Sandbox()) if programs else None
        for task, at in by_task.items():
            results = [one.result for one in found if one.result.data.function == task]
            yield over_trials(
                [measured_at(at, one, _tests(one.data, data), sandbox) for one in results]
            )


def _tests(key: DataKey, data: Data) -> dict[int, Dataset]:
    """Returns the test inputs of other lengths, the same as those of a transformer."""
    task = get(key.function)
    return {n: probes.at_length(task, key.length, n, data.tests, key.seed) for n in data.tested}
