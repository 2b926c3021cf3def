"""A grid of runs: what its jobs are, and how they are done."""

import json
import os
import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from llm_erm.errors import InputError
from llm_erm.runs import apart, journal
from llm_erm.runs.sweep import check_folders, read_sweep, run_sweep
from sweep_jobs import do, sentence

YAML = """
experiment_name: two
results_root: {root}
base_args: {{lr: 1e-5, online: true, published: false, report_to: [a, b], patience: null, x: []}}
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
    plan = read_sweep(file, {"train": {"lr": 1.0, "n_epochs": 7}, "other": {"seed": 3}})
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
    plan = read_sweep(Path(__file__).parents[2] / "finetuning" / "sweep_config.yaml")
    assert len(plan.jobs) == 20
    assert plan.jobs[0].values == {"sequence_length": 100, "target_func": "fn_g"}
    assert plan.jobs[-1].values == {"sequence_length": 20, "target_func": "fn_c"}
    assert plan.folder == Path("finetuning/results_new/qwen1.7B_binary_tasks_paper_replication")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("grid:", "grids:"), "has the unknown key grids"),
        (("base_args: {", "# {"), "has no base_args"),
        (("seed: [1, 2]", "seed: 1"), "seed in grid is 1; give a list of values"),
        (("seed: [1, 2]", "seed: []"), "seed in grid is"),
        (("seed: [1, 2]", "seed: [1"), "is not valid YAML"),
        (("base_args: {", "base_args: 3 # {"), "base_args must map names to values"),
        (("base_args: {", "base_args: {results-path: x, "), "sets results-path, but every job"),
        (("grid:", "grid:\n  out_dir: [x, y]"), "sets out_dir, but every job"),
        (("{lr: 1e-5", "{shard: 1/2"), "sets shard, but every job of a sweep runs whole; omit it"),
        (
            ("grid:", "grid:\n  executor: [ray]"),
            "sets executor, .* give --executor to `llm-erm swe",
        ),
        (("{lr: 1e-5", "{ray-address: a"), "sets ray-address, .* give --ray-address to"),
        (
            ("{lr: 1e-5", "{job_gpus: 1"),
            "sets job_gpus, .* give --job-gpus to `llm-erm sweep` itse",
        ),
    ],
)
def test_a_file_that_is_no_sweep_is_named(file, change, message):
    file.write_text(file.read_text().replace(*change))
    with pytest.raises(InputError, match=rf"sweep\.yaml.*{message}"):
        read_sweep(file)


def run(plan, names=(), places=1, devices=None, tell=lambda outcome: None, **waiting):
    """Runs a sweep whose jobs are called after ``names``; the others are good."""
    names = [*names, *["good"] * len(plan.jobs)]
    calls = [
        partial(do, job.folder, name, **{k: v[job.index] for k, v in waiting.items()})
        for job, name in zip(plan.jobs, names, strict=False)
    ]
    seen = []
    outcomes = run_sweep(
        plan.jobs,
        calls,
        devices or [None] * places,
        lambda outcome: (seen.append(outcome), tell(outcome)),
        sentence,
    )
    assert sorted(seen, key=lambda outcome: outcome.job.index) == outcomes
    return outcomes


@pytest.mark.parametrize("places", [1, 2])
def test_a_failed_job_stops_no_other_and_is_run_again_alone(file, places):
    plan = read_sweep(file)
    outcomes = run(plan, ["says", "refused", "bug", "spent"], places)
    assert [outcome.status for outcome in outcomes] == [0, 2, 1, 3]
    logs = [(job.folder / "stderr.log").read_text() for job in plan.jobs]
    assert logs[0] == "a notice\n" + "from a library in C\n" * (places == 2)
    assert logs[1] == "a notice\nllm-erm: In flags: The sentence.\n"
    assert logs[2].startswith("a notice\nTraceback")
    assert logs[2].endswith("ZeroDivisionError: a bug\n")
    assert logs[3] == "a notice\nllm-erm: In flags: Spent.\n"
    record = json.loads((plan.jobs[1].folder / "job.json").read_text())
    assert record["status"] == 2
    assert record["values"] == {"seed": 1, "model": "y"}
    assert record["arguments"] == list(plan.jobs[1].arguments)
    check_folders(plan)
    again = run(plan, places=places)
    assert [outcome.skipped for outcome in again] == [True, False, False, False]
    assert again[0].results == outcomes[0].results
    assert [len(outcome.results) for outcome in again] == [1] * 4


@pytest.mark.parametrize("places", [1, 2])
def test_what_a_finished_job_has_is_asked_of_its_command(file, places):
    """Which alone knows whether data, task files and settings are those of its results."""
    plan = read_sweep(file)
    first = run(plan, places=places)
    (plan.jobs[1].folder / "results.jsonl").unlink()
    again = run(plan, ["good", "good", "refused"], places=places)
    assert [outcome.status for outcome in again] == [0, 0, 2, 0]
    assert [outcome.skipped for outcome in again] == [True, False, False, True]
    assert again[0].results == first[0].results
    assert len(again[1].results) == 1
    assert [outcome.seconds for outcome in again][::3] == [0, 0]
    record = json.loads((plan.jobs[2].folder / "job.json").read_text())
    assert record["status"] == 2


@pytest.mark.parametrize(
    "damage",
    [
        '{"argu',
        "[]",
        "",
        "\xff",
        '{"status": 0, "arguments": [1]}',
        '{"arguments": 3}',
        "[" * 9999,
    ],
)
def test_a_job_whose_record_is_damaged_counts_as_not_done(file, damage):
    plan = read_sweep(file)
    run(plan)
    path = plan.jobs[0].folder / "job.json"
    whole = path.read_text()
    path.write_bytes(damage.encode("latin-1"))
    check_folders(plan)
    assert [outcome.skipped for outcome in run(plan)] == [False, True, True, True]
    assert path.read_text() == whole


def test_a_record_is_replaced_as_a_whole(file):
    """A kill in the middle leaves the earlier one."""
    plan = read_sweep(file)
    run(plan, ["refused"])
    path = plan.jobs[0].folder / "job.json"
    before, other = path.read_text(), path.with_name("other name")
    os.link(path, other)
    run(plan)
    assert other.read_text() == before != path.read_text()


def test_one_at_a_time_is_done_in_this_process_and_leaves_its_streams(file, capsys):
    outcomes = run(read_sweep(file))
    assert {outcome.results[0].model.split()[0] for outcome in outcomes} == {str(os.getpid())}
    sys.stderr.write("still here\n")
    assert capsys.readouterr().err == "still here\n"


def test_what_a_library_kept_as_stderr_goes_to_the_log_of_each_job(file, capsys):
    plan = read_sweep(file)
    kept = []

    def call(name):
        kept.append(sys.stderr)
        kept[0].write(f"{name}\n")
        kept[0].flush()
        return []

    calls = [partial(call, job.index) for job in plan.jobs]
    run_sweep(plan.jobs, calls, [None], lambda outcome: None)
    assert [(job.folder / "stderr.log").read_text() for job in plan.jobs] == [
        f"{job.index}\n" for job in plan.jobs
    ]
    kept[0].write("after all\n")
    assert capsys.readouterr().err == "after all\n"


def test_jobs_run_at_the_same_time_each_process_with_a_device_of_its_own(file, tmp_path):
    """Each of the first two jobs waits for the other."""
    plan = read_sweep(file)
    others = [plan.jobs[index].folder / "started" for index in (1, 0)]
    outcomes = run(plan, devices=["3", "GPU-7"], wait_for=[*others, None, None])
    pids, devices = zip(*(outcome.results[0].model.split() for outcome in outcomes), strict=True)
    assert len(set(pids)) == 2
    assert set(devices[:2]) == {"3", "GPU-7"}
    assert str(os.getpid()) not in pids
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_a_crash_fails_its_job_alone_and_the_others_go_on(file):
    plan = read_sweep(file)
    outcomes = run(plan, ["exit", "good", "exit", "good"], places=2)
    assert [outcome.status for outcome in outcomes] == [1, 0, 1, 0]
    said = (plan.jobs[0].folder / "stderr.log").read_text()
    assert said == "a notice\nllm-erm: the job's process was killed, perhaps for lack of memory.\n"


def test_outcomes_are_told_as_they_come(file, tmp_path):
    """The first job ends once three outcomes have been told, or after a minute."""
    told, seen = tmp_path / "told", []

    def tell(outcome) -> None:
        seen.append(outcome.job.index)
        if len(seen) == 3:
            told.touch()

    run(read_sweep(file), places=2, tell=tell, wait_for=[told, None, None, None])
    assert seen[-1] == 0


def test_a_folder_with_another_job_is_refused(file):
    plan = read_sweep(file)
    run(plan, ["good", "good", "refused"])
    given = file.read_text()
    file.write_text(given.replace("seed: [1, 2]", "seed: [1, 3]"))
    assert run(read_sweep(file))[2].status == 0  # the correction of a job that failed
    file.write_text(given)
    with pytest.raises(InputError, match=r"2 holds another job \(train .*choose another exper"):
        check_folders(read_sweep(file))


@pytest.mark.parametrize("places", [1, 2])
def test_stopping_ends_the_jobs_that_run(file, places):
    plan = read_sweep(file)
    before = threading.active_count()

    def stop(outcome):
        raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run(plan, places=places, tell=stop, seconds=[0, 60, 60, 60])
    assert time.monotonic() - started < 50
    assert threading.active_count() == before
    assert [outcome.skipped for outcome in run(plan)] == [True, False, False, False]


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("delay", [0.0, 0.001, 0.01, 0.1, 0.5, 2.0])
def test_a_signal_at_any_moment_stops_all_jobs(file, delay, sign, monkeypatch):
    """Queued ones and those that just start too, and a second signal changes nothing."""
    monkeypatch.setattr(apart, "GRACE_SECONDS", 1.0)
    file.write_text(file.read_text().replace("seed: [1, 2]", f"seed: {[*range(20)]}"))
    plan = read_sweep(file)
    done = threading.Event()

    def signals():
        while not plan.jobs[0].folder.exists() and not done.wait(0.001):
            pass
        time.sleep(delay)
        while not done.wait(0.002):
            os.kill(os.getpid(), sign)

    before = threading.active_count()
    sender = threading.Thread(target=signals)
    # A signal can come before the sweep listens, and after: then it must not end the tests.
    handler = signal.signal(sign, lambda *_: None)
    sender.start()
    started = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            run(plan, places=2, seconds=[100] * 40)
    finally:
        done.set()
        sender.join()
        signal.signal(sign, handler)
    assert time.monotonic() - started < 60
    assert threading.active_count() == before
    assert not (plan.folder / "39").exists()


def test_a_folder_that_cannot_be_written_is_named(file, tmp_path):
    (tmp_path / "results").write_text("mine")
    with pytest.raises(InputError, match="Cannot write to .*two"):
        run(read_sweep(file), places=2)


def test_a_sweep_waits_for_an_earlier_one_that_is_ending_and_fails_no_job(file, monkeypatch):
    plan = read_sweep(file)
    held = journal.lock(plan.folder)
    threading.Timer(0.3, held.close).start()
    assert [outcome.status for outcome in run(plan)] == [0] * 4
    held = journal.lock(plan.folder)
    monkeypatch.setattr(journal, "LOCK_SECONDS", 0.1)
    with pytest.raises(InputError, match="Another process is writing to .*two; wait for it"):
        run(plan)
    held.close()
    assert [outcome.skipped for outcome in run(plan)] == [True] * 4
