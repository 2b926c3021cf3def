"""A grid of runs: what its jobs are, and how they are run."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from llm_erm import sweep
from llm_erm.errors import InputError

YAML = """
experiment_name: two
results_root: {root}
base_args: {{lr: 1e-5, online: true, published: false, report_to: [a, b], patience: null}}
grid:
  seed: [1, 2]
  model: [x, y]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sweep.yaml"
    path.write_text(YAML.format(root=tmp_path / "results"))
    return path


def test_every_combination_is_a_job_with_the_flags_as_written(file, tmp_path):
    plan = sweep.read(file, {"train": {"lr": 1.0, "n_epochs": 7}, "other": {"seed": 3}})
    shared = ("--lr", "1e-5", "--n_epochs", "7", "--online", "--report_to", "a", "b")
    found = [(job.index, dict(job.values), job.folder) for job in plan.jobs]
    folder = tmp_path / "results" / "two"
    assert found == [
        (0, {"seed": 1, "model": "x"}, folder / "0"),
        (1, {"seed": 1, "model": "y"}, folder / "1"),
        (2, {"seed": 2, "model": "x"}, folder / "2"),
        (3, {"seed": 2, "model": "y"}, folder / "3"),
    ]
    for job in plan.jobs:
        assert job.arguments[0] == "train"
        values = ("--seed", str(job.values["seed"]), "--model", job.values["model"])
        assert set(job.arguments[1:]) == {*shared, *values}


def test_the_published_file_is_read_as_it_is():
    plan = sweep.read(Path(__file__).parents[1] / "finetuning" / "sweep_config.yaml")
    assert len(plan.jobs) == 20
    assert plan.jobs[0].values == {"sequence_length": 100, "target_func": "fn_g"}
    assert plan.jobs[-1].values == {"sequence_length": 20, "target_func": "fn_c"}
    assert plan.folder == Path("finetuning/results_new/qwen1.7B_binary_tasks_paper_replication")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("grid:", "grids:"), "has the unknown grids"),
        (("base_args: {", "# {"), "has no base_args"),
        (("seed: [1, 2]", "seed: 1"), "seed in grid is 1; give a list of values"),
        (("seed: [1, 2]", "seed: []"), "seed in grid is"),
        (("seed: [1, 2]", "seed: [1"), "is no YAML"),
        (("base_args: {", "base_args: 3 # {"), "base_args must map names to values"),
        (("base_args: {", "base_args: {results-path: x, "), "gives results-path, but every job"),
        (("grid:", "grid:\n  out_dir: [x, y]"), "gives out_dir, but every job"),
    ],
)
def test_a_file_that_is_no_sweep_is_named(file, change, message):
    file.write_text(file.read_text().replace(*change))
    with pytest.raises(InputError, match=rf"sweep\.yaml.*{message}"):
        sweep.read(file)


PROGRAM = """
import json, os, sys, time
folder = sys.argv[sys.argv.index("--results-path") + 1]
time.sleep(0.3)
print("words, then")
print(json.dumps({"place": os.environ["PLACE"]}))
print("a notice", file=sys.stderr)
sys.exit(3 if "2" in sys.argv else 0)
"""


def run(plan, places=("a",)) -> list[sweep.Outcome]:
    seen = []
    program = (sys.executable, "-c", PROGRAM)
    outcomes = sweep.run(plan.jobs, program, [{"PLACE": name} for name in places], seen.append)
    assert sorted(seen, key=lambda outcome: outcome.job.index) == outcomes
    return outcomes


def test_a_failed_job_stops_no_other_and_is_run_again_alone(file):
    plan = sweep.read(file)
    outcomes = run(plan)
    assert [outcome.status for outcome in outcomes] == [0, 0, 3, 3]
    for job in plan.jobs:
        assert (job.folder / "stderr.log").read_text() == "a notice\n"
        assert (job.folder / "stdout.log").read_text().startswith("words, then")
    sweep.check(plan)
    again = run(plan)
    assert [outcome.skipped for outcome in again] == [True, True, False, False]
    assert [dict(*outcome.results) for outcome in again] == [{"place": "a"}] * 4


def test_jobs_run_at_the_same_time_each_in_a_place_of_its_own(file):
    plan = sweep.read(file)
    started = time.monotonic()
    outcomes = run(plan, places=("a", "b", "c", "d"))
    assert {outcome.results[0]["place"] for outcome in outcomes} == {"a", "b", "c", "d"}
    assert time.monotonic() - started < sum(outcome.seconds for outcome in outcomes) * 0.8


def test_outcomes_are_told_as_they_come(file, tmp_path):
    """The first job ends once three outcomes have been told, or after a minute."""
    plan = sweep.read(file)
    told = tmp_path / "told"
    wait = f"""
for _ in range(6000 if folder[-1] == "0" else 0):
    if os.path.exists({str(told)!r}):
        break
    time.sleep(0.01)
"""
    program = (sys.executable, "-c", PROGRAM.replace("time.sleep(0.3)", wait))
    seen = []

    def tell(outcome: sweep.Outcome) -> None:
        seen.append(outcome)
        if len(seen) == 3:
            told.touch()

    sweep.run(plan.jobs, program, [{"PLACE": "a"}, {"PLACE": "b"}], tell)
    assert seen[-1].job.index == 0


def test_a_folder_with_another_job_is_refused(file):
    plan = sweep.read(file)
    run(plan)
    given = file.read_text()
    file.write_text(given.replace("seed: [1, 2]", "seed: [1, 3]"))
    assert run(sweep.read(file))[2].status == 0  # the correction of a job that failed
    file.write_text(given)
    with pytest.raises(InputError, match=r"2 holds another job \(train .*choose another exper"):
        sweep.check(sweep.read(file))


def test_stopping_ends_the_jobs_that_run(file):
    plan = sweep.read(file)
    before = threading.active_count()

    def stop(outcome):
        raise KeyboardInterrupt

    program = (sys.executable, "-c", PROGRAM.replace("0.3", "0 if folder.endswith('0') else 60"))
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        sweep.run(plan.jobs, program, [{"PLACE": "a"}, {"PLACE": "b"}], stop)
    assert time.monotonic() - started < 30
    assert threading.active_count() == before
    assert not any(outcome.skipped for outcome in run(plan)[1:])


@pytest.mark.parametrize("delay", [0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3])
def test_a_signal_at_any_moment_stops_all_jobs(file, delay):
    """Queued ones and those that just start too, and a second signal changes nothing."""
    file.write_text(file.read_text().replace("seed: [1, 2]", f"seed: {[*range(20)]}"))
    plan = sweep.read(file)
    done = threading.Event()

    def signals():
        time.sleep(delay)
        while not done.wait(0.002):
            os.kill(os.getpid(), signal.SIGTERM)

    before = threading.active_count()
    sender = threading.Thread(target=signals)
    # A signal can come before the sweep listens, and after: then it must not end the tests.
    handler = signal.signal(signal.SIGTERM, lambda *_: None)
    sender.start()
    program = (sys.executable, "-S", "-c", "import time; time.sleep(100)")
    started = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            sweep.run(plan.jobs, program, [{"PLACE": "a"}, {"PLACE": "b"}], lambda _: None)
    finally:
        done.set()
        sender.join()
        signal.signal(signal.SIGTERM, handler)
    assert time.monotonic() - started < 60
    assert threading.active_count() == before
    assert not (plan.folder / "39").exists()
