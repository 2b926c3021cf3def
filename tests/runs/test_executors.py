"""Both executors do all jobs, tell of all that happens, stop at errors and leave nothing behind."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from fake_method import SPEC, STEPS, Awaited, Fake, Unlike
from llm_erm.errors import BudgetSpentError, InputError, LLMERMError
from llm_erm.llms.budget import Budget
from llm_erm.llms.llm import Completion
from llm_erm.runs.events import Answered, Attempted, Finished, Isolated, Noticed, Started
from llm_erm.runs.executors import InProcess, Processes
from llm_erm.runs.pool import JobPool
from llm_erm.runs.run import Plan, opened, plan, run

EXECUTORS = pytest.mark.parametrize(
    "executor", [InProcess(), Processes(2)], ids=["in-process", "processes"]
)


class Told:
    """An observer that keeps what it is told."""

    def __init__(self):
        self.events = []

    def __call__(self, job, event):
        self.events.append((job, event))

    def of(self, variant):
        return [event for job, event in self.events if job is not None and job.variant == variant]


@pytest.fixture
def planned(tmp_path):
    """Makes the plan of a run of the fake method, and says where it writes down what it did."""

    def make(*variants, specs=(SPEC,), folder: str | None = "out") -> Plan:
        (tmp_path / "notes").mkdir(exist_ok=True)
        method = Fake(variants=variants, notes=tmp_path / "notes")
        out = None if folder is None else tmp_path / folder
        return plan(method, specs, out, dataset_dir=tmp_path / "data")

    return make


def alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pids: list[str]) -> bool:
    """Whether processes end within seconds."""
    deadline = time.monotonic() + 20
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(map(alive, pids))


@EXECUTORS
def test_results_come_in_the_order_of_the_jobs_and_events_in_that_of_each(executor, planned):
    told, specs = Told(), (SPEC, replace(SPEC, trial=2))
    made = planned("a", "b", "c", specs=specs)
    results = run(made, executor=executor, observers=[told])
    assert [(result.data.trial, result.variant) for result in results] == [
        (trial, variant) for trial in (1, 2) for variant in "abc"
    ]
    assert all(result.test.total == 20 for result in results)
    for job in made.method.jobs(specs):
        events = [event for key, event in told.events if key == job.key]
        assert events[0] == Started(STEPS, 0)
        assert [event.attempt.index for event in events[1:-1]] == list(range(1, STEPS + 1))
        assert [event.attempt.candidate.source for event in events[1:-1]] == [
            f"{job.variant} {index}" for index in range(1, STEPS + 1)
        ]
        assert isinstance(events[-1], Finished)
        assert events[-1].result in results
    assert [event for key, event in told.events if key is None] == [Isolated("none")]


def test_a_process_is_sent_the_answers_of_its_own_jobs_alone(planned, monkeypatch):
    made = planned("a", "b", "c", "d")
    with opened(made) as folder:
        for job in made.jobs:
            for index in range(1, 11):
                folder(job.key, Answered(Completion(index, f"{job.variant}: " + "x" * 10_000)))
    sent, submit = {}, JobPool.submit

    def measured(pool, function, *arguments):
        sent[arguments[-1].job.variant] = pickle.dumps(arguments)
        return submit(pool, function, *arguments)

    monkeypatch.setattr(JobPool, "submit", measured)
    run(made, executor=Processes(2))
    for variant, message in sent.items():
        assert message.count(b"x" * 10_000) == message.count(f"{variant}: ".encode()) == 10
    assert sorted(sent) == ["a", "b", "c", "d"]


@EXECUTORS
def test_every_session_that_was_opened_is_closed_again(executor, planned):
    made = planned("a", "b", "c", folder=None)
    run(made, executor=executor)
    opened = made.method.noted("opened-")
    assert opened == made.method.noted("closed-")
    assert (opened == [str(os.getpid())]) == isinstance(executor, InProcess)


@EXECUTORS
@pytest.mark.parametrize("what", ["error", "refused"])
def test_the_error_of_a_job_is_raised_and_the_same_run_goes_on_from_what_is_done(
    what, executor, planned
):
    made = planned("a", what)
    with pytest.raises((RuntimeError, InputError), match=r"a bug|a wrong setting") as raised:
        run(made, executor=executor)
    assert getattr(raised.value, "setting", None) in (None, "some_setting")
    for name in made.method.noted("began-"):
        (made.method.notes / f"began-{name}").unlink()
    told = Told()
    results = run(made, executor=executor, observers=[told])
    assert [result.variant for result in results] == ["a", what]
    assert what in made.method.noted("began-")
    started, *attempted, _ = told.of(what)
    assert started == Started(STEPS, 1), "the attempt before the error was not made again"
    assert [event.attempt.index for event in attempted] == [2, 3]


def test_the_error_of_a_job_keeps_those_after_it_from_starting(planned):
    made = planned("error", "after")
    with pytest.raises(RuntimeError, match="a bug"):
        run(made)
    assert made.method.noted("began-") == ["error"]


def test_the_error_of_a_job_ends_the_processes_of_those_under_way(planned):
    made = planned("asleep", "refused")
    with pytest.raises(InputError, match="a wrong setting") as raised:
        run(made, executor=Processes(2))
    assert raised.value.setting == "some_setting"
    assert gone(made.method.noted("opened-"))


@EXECUTORS
def test_a_spent_budget_lets_the_other_jobs_end(executor, planned):
    made, told = planned("spent", "a", "b"), Told()
    with pytest.raises(BudgetSpentError, match="no money left"):
        run(made, executor=executor, observers=[told])
    finished = {job.variant for job, event in told.events if isinstance(event, Finished)}
    assert finished == {"a", "b"}
    assert [result.variant for result in run(made, executor=executor)] == ["spent", "a", "b"]


def test_a_killed_process_is_one_sentence_and_the_run_goes_on_from_what_is_done(planned):
    made = planned("killed", "a")
    with pytest.raises(LLMERMError, match="was killed, perhaps for lack of memory"):
        run(made, executor=Processes(2))
    assert gone(made.method.noted("opened-"))
    assert [result.variant for result in run(made, executor=Processes(2))] == ["killed", "a"]


@EXECUTORS
def test_the_error_of_an_observer_stops_the_run_and_is_raised(executor, planned):
    def full(job, event):
        if isinstance(event, Attempted):
            raise InputError("the disk is full")

    made = planned("a", "b")
    with pytest.raises(InputError, match="the disk is full"):
        run(made, executor=executor, observers=[full])
    assert gone([pid for pid in made.method.noted("opened-") if pid != str(os.getpid())])


def test_an_event_that_cannot_be_read_is_an_error_and_no_standstill(planned):
    made = planned("untellable", "asleep")
    with pytest.raises(ValueError, match="no number"):
        run(made, executor=Processes(2))
    assert gone(made.method.noted("opened-"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@EXECUTORS
def test_a_stopped_run_leaves_no_process_behind_and_keeps_what_was_done(executor, number, planned):
    """Stopped when all its jobs are asleep, each after its first attempt."""
    made, asleep = planned("asleep-1", "asleep-2"), []

    def stop(job, event):
        if event == Noticed("asleep"):
            asleep.append(job)
            if len(asleep) == (1 if isinstance(executor, InProcess) else 2):
                os.kill(os.getpid(), number)

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run(made, executor=executor, observers=[stop])
    assert time.monotonic() - began < 60
    assert gone([pid for pid in made.method.noted("opened-") if pid != str(os.getpid())])
    journal = (made.folder / "attempts.jsonl").read_text()
    assert journal.count('"attempt"') == len(asleep)


def test_processes_see_the_devices_and_threads_that_they_are_given(planned):
    told = Told()
    made = planned("environment-1", "environment-2", folder=None)
    run(made, executor=Processes(2, ("7", "9"), threads=3), observers=[told])
    said = [event.text for _, event in told.events if isinstance(event, Noticed)]
    assert sorted(said) == [
        *("CUDA_VISIBLE_DEVICES=7", "CUDA_VISIBLE_DEVICES=9"),
        *("OMP_NUM_THREADS=3", "OMP_NUM_THREADS=3"),
    ]


@EXECUTORS
def test_jobs_of_a_process_share_a_session_and_its_event_loop_until_it_is_freed(
    executor, planned, tmp_path
):
    method = Awaited(variants=("a", "b", "c"), notes=planned().method.notes, model=Unlike())
    count = replace(executor, count=1) if isinstance(executor, Processes) else executor
    results = run(plan(method, [SPEC], dataset_dir=tmp_path / "data"), executor=count)
    assert [result.variant for result in results] == ["a", "b", "c"]
    assert len(method.noted("opened-")) == len(method.noted("closed-")) == 1
    assert method.noted("freed-") == ["after-3-in-1"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": Unlike(threading.Lock())}, r"cannot be sent to other processes \(.*lock.*\)"),
        ({"model": Unlike(lambda: 1)}, r"cannot be sent to other processes \(.*lambda.*\)"),
        ({"model": Unlike(lambda: 1), "budget": Budget()}, "calls a server, which a pool of"),
        ({"budget": Budget(max_tokens=1)}, "has a budget, which processes cannot share"),
        ({"budget": Budget(max_dollars=1)}, "has a budget, which processes cannot share"),
    ],
    ids=["lock", "lambda", "server", "tokens", "dollars"],
)
def test_what_processes_cannot_share_is_refused_before_any_starts(changes, said, planned, tmp_path):
    fields = {"variants": ("a",), "notes": planned().method.notes, "model": Unlike()} | changes
    method, told = Awaited(**fields), Told()
    made = plan(method, [SPEC], dataset_dir=tmp_path / "data")
    with pytest.raises(InputError, match=said + ".*do its jobs in this process"):
        run(made, executor=Processes(2), observers=[told])
    assert told.events == []
    assert method.noted("opened-") == []
    assert len(run(made)) == 1


def test_a_budget_without_limits_is_shared_by_processes(planned, tmp_path):
    method = Awaited(variants=("a",), notes=planned().method.notes, model=Unlike(), budget=Budget())
    assert len(run(plan(method, [SPEC], dataset_dir=tmp_path / "data"), executor=Processes(1))) == 1


SCRIPT = """
import sys
from pathlib import Path
from fake_method import SPEC, Fake
from llm_erm.runs.executors import Processes
from llm_erm.runs.run import plan, run

if __name__ == "__main__":
    notes = Path(sys.argv[1])
    variants = [f"{sys.argv[2]}-{number}" for number in (1, 2)]
    made = plan(Fake(variants=tuple(variants), notes=notes), [SPEC], dataset_dir=notes)
    print("ready", flush=True)
    run(made, executor=Processes(2))
"""


@pytest.fixture
def script(tmp_path, request):
    """A process, with a group of its own, that runs two jobs in a pool."""
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, str(path), str(tmp_path), getattr(request, "param", "asleep")],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout.readline() == "ready\n"
        yield process
        if process.poll() is None:
            process.kill()


def in_group(group: int) -> list[str]:
    """The processes of a group that are alive."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(stat.parent.name)
    return found


def pids_asleep(folder: Path, count: int) -> list[str]:
    deadline = time.monotonic() + 60
    while len(found := list(folder.glob("asleep-*"))) < count and time.monotonic() < deadline:
        time.sleep(0.05)
    return [path.name.removeprefix("asleep-") for path in found]


@pytest.mark.parametrize("asleep", [0, 2], ids=["while processes start", "while they work"])
def test_ctrl_c_at_a_terminal_ends_all_processes_and_only_the_parent_speaks(
    asleep, script, tmp_path
):
    """A terminal sends it to the whole group."""
    if asleep:
        assert len(pids_asleep(tmp_path, asleep)) == asleep
    else:
        while len(in_group(script.pid)) < 3:
            time.sleep(0.01)
    os.killpg(script.pid, signal.SIGINT)
    _, said = script.communicate(timeout=60)
    assert script.returncode == -signal.SIGINT
    assert said.count("Traceback") == said.count("KeyboardInterrupt") == 1
    assert gone(in_group(script.pid))


@pytest.mark.parametrize("script", ["asleep", "computing"], indirect=True)
def test_processes_end_when_their_parent_is_killed(script, tmp_path):
    """At once, and also while a library computes that lets no other thread run."""
    pids = pids_asleep(tmp_path, 2)
    assert len(pids) == 2
    script.kill()
    script.wait()
    assert gone(pids)
