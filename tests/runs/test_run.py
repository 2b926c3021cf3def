"""A run skips what is done, goes on from what is half done, and keeps all when it is stopped."""

import asyncio
import json
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import pytest

from fake_method import SPEC, VERDICT
from llm_erm.errors import BudgetSpentError, InputError
from llm_erm.facts import SynthesisFacts
from llm_erm.llms.budget import Budget
from llm_erm.llms.llm import Completion
from llm_erm.records import Attempt, Candidate, Result
from llm_erm.runs.events import Answered, Attempted, Event, Finished, Observe, Prompted, Started
from llm_erm.runs.jobs import Job, Method, Work
from llm_erm.runs.run import Plan, opened, plan, run, run_in
from llm_erm.settings import OPERATIONAL
from run_folders import reseal

STEPS = 3


async def nothing(job: str, step: int) -> None:
    """Goes on at once."""


@dataclass
class Script:
    """What happens in a run of ``Asking``, and what was asked for.

    Attributes:
        at: Awaited when a job's answer to a step has arrived and is not verified yet.
        sessions: What each session was given: its jobs, and what was spent before.
        asked: Which answers were asked for.
        begun: What each job was given.
        closed: Number of sessions that were closed.
    """

    at: Callable[[str, int], Awaitable[None]] = nothing
    sessions: list[tuple[list[str], list[Completion]]] = field(default_factory=list)
    asked: list[tuple[str, int]] = field(default_factory=list)
    begun: list[Work] = field(default_factory=list)
    closed: int = 0


@dataclass(frozen=True)
class Inner:
    """Settings within settings."""

    depth: int = 1
    threads: Annotated[int, OPERATIONAL] = 1


@dataclass(frozen=True, kw_only=True)
class Asking(Method):
    """Asks for three answers per job, whose jobs run at the same time."""

    script: Annotated[Script, OPERATIONAL] = field(default_factory=Script)
    variants: tuple[str, ...] = ("a", "b")
    inner: Inner = Inner()
    calls: Annotated[int, OPERATIONAL] = 1
    judging: Annotated[bool, OPERATIONAL] = False

    @property
    def name(self) -> str:
        return "asking"

    @property
    def budget(self) -> Budget:
        return Budget()

    def jobs(self, specs: Sequence[Any]) -> list[Job]:
        return [Job(spec, variant) for spec in specs for variant in self.variants]

    @contextmanager
    def session(self, work: Sequence[Work], spent: Sequence[Completion]) -> Iterator["AtOnce"]:
        self.script.sessions.append(([one.job.variant for one in work], list(spent)))
        yield AtOnce(self)
        self.script.closed += 1

    def wants(self, result: Result | None) -> bool:
        return result is None or (self.judging and result.facts.test_accuracies is None)


class AtOnce:
    events: tuple[Event, ...] = ()

    def __init__(self, method: Asking) -> None:
        self._method = method
        self._script = method.script

    async def learn(self, work: Work, observe: Observe) -> Result:
        variant = work.job.variant
        self._script.begun.append(work)
        if work.result is not None:
            return replace(work.result, facts=SynthesisFacts((1.0,)))
        observe(Started(STEPS, len(work.attempts)))
        observe(Prompted(f"prompt of {variant}"))
        verified = {attempt.index for attempt in work.attempts}
        for step in range(1, STEPS + 1):
            if step not in work.answers:
                self._script.asked.append((variant, step))
                observe(Answered(Completion(step, f"{variant} {step}", cost_usd=1.0)))
                await self._script.at(variant, step)
            if step not in verified:
                observe(Attempted(Attempt(step, Candidate(f"{step}"), VERDICT, VERDICT)))
        return Result(
            method="asking",
            model="none",
            data=work.splits.key,
            variant=variant,
            examples=work.splits.examples,
            attempts=STEPS,
            seconds=0.0,
            facts=SynthesisFacts(),
        )


@pytest.fixture
def planned(tmp_path: Path) -> Callable[..., Plan]:
    """Makes the plan of a run."""

    def make(at=nothing, *, specs=(SPEC,), folder: str | None = "out", **settings) -> Plan:
        out = None if folder is None else tmp_path / folder
        method = Asking(script=Script(at), **settings)
        return plan(method, specs, out, dataset_dir=tmp_path / "data")

    return make


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def journaled(folder: Path, name: str) -> list[tuple[str, int]]:
    """The variants and indices of the lines of a journal."""
    return [
        (line["job"]["variant"], line[name]["index"]) for line in lines(folder / f"{name}s.jsonl")
    ]


def test_results_come_in_the_order_of_the_jobs_whichever_is_done_first(planned):
    done, order = asyncio.Event(), []

    async def last_first(variant: str, step: int) -> None:
        if variant == "a":
            await done.wait()

    def note(job, event):
        if isinstance(event, Finished):
            order.append(job.variant)
            done.set()

    results = run(planned(last_first), observers=[note])
    assert order == ["b", "a"]
    assert [result.variant for result in results] == ["a", "b"]


def test_what_is_finished_is_not_done_again(planned):
    first, told = planned(), []
    results = run(first)
    again = planned()
    assert run(again, observers=[lambda job, event: told.append(event)]) == results
    assert (again.method.script.sessions, told) == ([], [])
    more = planned(specs=(SPEC,), variants=("a", "b"), judging=True)
    judged = run(more)
    assert [work.result for work in more.method.script.begun] == results
    assert more.method.script.asked == []
    assert [result.facts.test_accuracies for result in judged] == [(1.0,)] * 2
    assert run(planned()) == judged


def stopping(
    variant: str, step: int, error: BaseException
) -> Callable[[str, int], Awaitable[None]]:
    """Raises an error when that answer has arrived; other jobs wait for their first ones."""
    reached = asyncio.Event()

    async def at(job: str, number: int) -> None:
        if (job, number) == (variant, step):
            raise error
        if job != variant:
            await reached.wait()

    return at


def test_a_half_done_job_gets_its_attempts_and_answers_back(planned):
    stopped = planned(stopping("a", 2, InputError("no more")))
    with pytest.raises(InputError, match="no more"):
        run(stopped)
    assert stopped.method.script.closed == 0
    assert sorted(journaled(stopped.folder, "answer")) == [("a", 1), ("a", 2), ("b", 1)]
    assert journaled(stopped.folder, "attempt") == [("a", 1)]
    resumed = planned()
    results = run(resumed)
    script = resumed.method.script
    given = {work.job.variant: work for work in script.begun}
    assert [attempt.index for attempt in given["a"].attempts] == [1]
    assert {index: one.text for index, one in given["a"].answers.items()} == {1: "a 1", 2: "a 2"}
    assert (list(given["b"].attempts), list(given["b"].answers)) == ([], [1])
    assert script.asked == [("a", 3), ("b", 2), ("b", 3)]
    ((jobs, spent),) = script.sessions
    assert (jobs, sum(one.cost_usd for one in spent)) == (["a", "b"], 3.0)
    assert sorted(journaled(resumed.folder, "attempt")) == [
        (variant, step) for variant in "ab" for step in range(1, STEPS + 1)
    ]
    assert [line["prompt"] for line in lines(resumed.folder / "prompts.jsonl")] == [
        *("prompt of a", "prompt of b")
    ]
    assert len(results) == 2


def test_a_call_that_was_given_up_is_spent_and_no_answer(planned):
    first = planned()
    with opened(first) as folder:
        job = first.method.jobs(first.specs)[0].key
        folder(job, Answered(Completion(1, "", finish_reason="cancelled", cost_usd=2.0)))
    resumed = planned()
    run(resumed)
    ((_, spent),) = resumed.method.script.sessions
    assert [one.cost_usd for one in spent] == [2.0]
    assert ("a", 1) in resumed.method.script.asked


def test_an_event_is_on_the_disk_before_observers_are_told(planned):
    made = planned(variants=("a",))

    def check(job, event):
        if isinstance(event, Answered):
            assert journaled(made.folder, "answer")[-1] == ("a", event.completion.index)
            checked.append(event)

    checked: list[Event] = []
    run(made, observers=[check])
    assert len(checked) == STEPS


@pytest.mark.parametrize("error", [InputError("the tracker is gone"), ZeroDivisionError("a bug")])
def test_an_observer_that_raises_stops_the_other_jobs_too(planned, error):
    def refuse(job, event):
        if isinstance(event, Attempted) and job.variant == "a":
            raise error

    async def only_a(variant: str, step: int) -> None:
        if variant == "b":
            await asyncio.Event().wait()

    made = planned(only_a)
    with pytest.raises(type(error), match=str(error)):
        run(made, observers=[refuse])
    assert journaled(made.folder, "attempt") == [("a", 1)]
    assert len(run(planned())) == 2


def test_a_spent_budget_lets_what_is_under_way_end(planned):
    async def at(variant: str, step: int) -> None:
        if (variant, step) == ("a", 2):
            raise BudgetSpentError("no money left")

    spent = planned(at)
    with pytest.raises(BudgetSpentError, match="no money left"):
        run(spent)
    assert [line["variant"] for line in lines(spent.folder / "results.jsonl")] == ["b"]
    resumed = planned()
    assert [result.variant for result in run(resumed)] == ["a", "b"]
    assert resumed.method.script.asked == [("a", 3)]


def in_a_process_alone(planned: Plan) -> list[Result]:
    return run(planned)


def in_a_notebook(planned: Plan) -> list[Result]:
    """Within a loop that was started by hand, as a notebook's kernel does."""

    async def cell() -> list[Result]:
        return run(planned)

    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(cell())
    finally:
        loop.close()


def in_a_coroutine(planned: Plan) -> list[Result]:
    """Within ``asyncio.run``, which takes Ctrl-C for itself."""

    async def main() -> list[Result]:
        return run(planned)

    return asyncio.run(main())


PLACES = pytest.mark.parametrize("running", [in_a_process_alone, in_a_notebook, in_a_coroutine])


@PLACES
def test_a_run_works_within_a_running_event_loop(running, planned):
    made = planned()
    assert [result.variant for result in running(made)] == ["a", "b"]
    assert made.method.script.closed == 1


@PLACES
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_the_jobs_waits_for_their_end_and_keeps_what_is_done(
    running, number, planned
):
    waiting, ended = threading.Event(), []

    async def at(variant: str, step: int) -> None:
        if step == 2:
            if variant == "b":
                waiting.set()
            try:
                while True:  # a signal just before the loop begins to wait does not wake it
                    await asyncio.sleep(0.02)
            finally:
                await asyncio.sleep(0)  # to clean up may take a while
                ended.append(variant)

    def send() -> None:
        waiting.wait()
        os.kill(os.getpid(), number)

    made, sender = planned(at), threading.Thread(target=send)
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    sender.start()
    with pytest.raises(KeyboardInterrupt):
        running(made)
    sender.join()
    assert sorted(ended) == ["a", "b"]
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    assert sorted(journaled(made.folder, "answer")) == [
        (variant, step) for variant in "ab" for step in (1, 2)
    ]
    resumed = planned()
    assert len(running(resumed)) == 2
    assert sorted(resumed.method.script.asked) == [("a", 3), ("b", 3)]


def test_without_a_folder_nothing_is_kept(planned, tmp_path):
    made = planned(folder=None)
    assert len(run(made)) == 2
    assert len(run(planned(folder=None))) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"data"}
    assert made.method.script.begun[0].folder is None


def test_fresh_begins_anew(planned):
    run(planned())
    again = planned()
    run(again, fresh=True)
    assert len(again.method.script.asked) == 2 * STEPS
    assert len(lines(again.folder / "results.jsonl")) == 2


def test_a_run_in_an_open_folder_goes_on_there(planned):
    made = planned()
    with opened(made) as folder:
        results = run_in(folder, made)
        assert list(folder.results.values()) == results
        with pytest.raises(InputError, match="Another process is writing"), opened(planned()):
            pass
    assert run(planned()) == results


def test_what_shapes_results_names_the_folder_and_nothing_else_does(planned, tmp_path):
    method = Asking()

    def digest(changed: Method = method, spec=SPEC) -> str:
        made = plan(changed, [spec], name="asking", dataset_dir=tmp_path / "data")
        assert made.folder == Path("runs") / f"asking-{made.fingerprint.digest}"
        return made.fingerprint.digest

    same = digest()
    assert digest(replace(method, calls=9, judging=True)) == same
    assert digest(replace(method, inner=Inner(threads=9))) == same
    others = [
        digest(replace(method, variants=("a",))),
        digest(replace(method, inner=Inner(depth=2))),
        digest(spec=replace(SPEC, seed=7)),
        digest(spec=replace(SPEC, test_size=10)),
        digest(spec=replace(SPEC, trial=2)),
    ]
    assert len({same, *others}) == 6
    settings = json.loads(planned().fingerprint.text)["settings"]
    assert settings == {"variants": ["a", "b"], "inner": {"depth": 1}}


def test_other_settings_are_refused_in_the_folder_of_a_run_and_operational_ones_are_not(planned):
    run(planned())
    assert len(run(planned(calls=9, inner=Inner(threads=2)))) == 2
    with pytest.raises(InputError, match=r"other settings \(different: depth\)"):
        run(planned(inner=Inner(depth=2)))
    with pytest.raises(InputError, match=r"other settings \(different: variants\)"):
        run(planned(variants=("a",)))


def test_changed_data_are_other_data(planned, tmp_path):
    run(planned())
    (path,) = tmp_path.glob("data/**/test.txt")
    flipped = [f"{line[:-1]}{1 - int(line[-1])}\n" for line in path.read_text().splitlines()]
    path.write_text("".join(flipped))
    with pytest.raises(InputError, match=r"other settings \(different: data\)"):
        run(planned())


@pytest.mark.parametrize(
    "change",
    [{}, {"test_size": 10}, {"train_size": 20}, {"allow_repeats": True}],
    ids=["the same", "test size", "training size", "drawn differently"],
)
def test_data_sets_whose_results_would_replace_one_another_are_refused(change, planned, tmp_path):
    with pytest.raises(
        InputError, match=r"2 of the data sets are called fn_a L=8 a: .* one by one"
    ):
        planned(specs=(SPEC, replace(SPEC, **change)))
    assert list(tmp_path.iterdir()) == [], "nothing was drawn"


def test_data_sets_that_differ_in_what_names_them_are_one_run(planned):
    others = [replace(SPEC, length=10), replace(SPEC, seed=7), replace(SPEC, trial=2)]
    assert len(run(planned(specs=(SPEC, *others)))) == 8


@pytest.mark.parametrize("judging", [False, True])
def test_a_result_of_other_data_in_the_folder_is_refused(judging, planned, tmp_path):
    """Whether or not the run would go on from it; its settings say nothing about the file."""
    run(planned())
    path = tmp_path / "out/results.jsonl"
    last = lines(path)[-1]["sha256"]
    reseal(path, lambda line: line["sha256"] == last and line["data"].update(sha256="0" * 64))
    changed = planned(judging=judging)
    with pytest.raises(InputError, match="result of fn_a L=8 b in the folder is of other data"):
        run(changed)
    assert changed.method.script.sessions == []
    assert len(run(changed, fresh=True)) == 2
