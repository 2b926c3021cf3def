"""`sweep` and `replicate` on a Ray cluster: the results of this machine, from one cluster."""

import json
import os
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from timeless import files

pytestmark = pytest.mark.ray

GRID = """
experiment_name: small
results_root: results
command: enumerate
base_args: {lengths: [12], train_size: 20, val_size: 20, test_size: 40, max_programs: 400,
            num_trials: 2}
grid:
  functions: [fn_a, fn_b, fn_g]
"""
TRAININGS = """
experiment_name: small
results_root: results
base_args: {n_layer: 1, n_head: 2, n_embd: 16, n_epochs: 1, train_set_size: 20, test_set_size: 40,
            lr: 1e-4, precision: fp32, device: cpu, batch_size: 20, sequence_length: 12}
grid:
  target_func: [fn_a, fn_g]
"""
ON_CLUSTER = ("--executor", "ray")
OF_MACHINE = ("stderr.log", "logs.log", "config.json")
"""Files that tell times, the order in which jobs ended, or where they ran."""


@pytest.fixture
def sessions(monkeypatch) -> Iterator[Path]:
    """The folder of the clusters that are started; a short name, since it is that of sockets."""
    pytest.importorskip("ray", reason="needs Ray: make test-ray")
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)
        yield Path(folder, "ray")


@pytest.fixture
def run(executable, tmp_path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `llm-erm` in a folder of its own for each name, with a file for a sweep."""

    def start(name: str, *words: str, grid: str = GRID) -> subprocess.CompletedProcess[str]:
        (folder := tmp_path / name).mkdir(exist_ok=True)
        (folder / "grid.yaml").write_text(grid)
        done = subprocess.run([str(executable), *words], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done

    return start


def in_any_order(folder: Path) -> dict[str, list[str]]:
    """The lines of the files of runs, without times; jobs end in any order."""
    return {
        name: sorted(text.splitlines())
        for name, text in files(folder).items()
        if not name.endswith(OF_MACHINE)
    }


def drivers(sessions: Path) -> int:
    """How many drivers connected to the only cluster that was started."""
    (session,) = sessions.glob("session_2*")
    return len([*session.glob("logs/python-core-driver-*")])


@pytest.mark.parametrize("places", [1, 2])
def test_a_sweep_on_a_cluster_has_the_results_of_this_machine(run, tmp_path, sessions, places):
    """One at a time, the jobs use the connection of the sweep; else each process has its own."""
    run("here", "sweep", "grid.yaml")
    assert not sessions.exists()
    done = run("there", "sweep", "grid.yaml", *ON_CLUSTER, "--jobs", str(places), "--json")
    assert drivers(sessions) == (1 if places == 1 else 1 + places)
    assert in_any_order(tmp_path / "there/results") == in_any_order(tmp_path / "here/results")
    assert f"3 jobs in results/small, {places} at a time." in done.stderr
    again = run("there", "sweep", "grid.yaml", "--json")  # where jobs run does not shape results
    for before, after in zip(done.stdout.splitlines(), again.stdout.splitlines(), strict=True):
        assert json.loads(after) == json.loads(before) | {"skipped": True, "seconds": 0.0}


def test_trainings_of_a_sweep_join_a_cluster_by_its_address(run, tmp_path, sessions):
    pytest.importorskip("torch", reason="training needs torch")
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1)
        address = ("--ray-address", cluster.address)
        done = run("there", "sweep", "grid.yaml", *ON_CLUSTER, *address, grid=TRAININGS)
    finally:
        cluster.shutdown()
    assert "2 jobs in results/small, 2 at a time." in done.stderr
    assert drivers(sessions) == 1 + 2
    run("here", "sweep", "grid.yaml", grid=TRAININGS)
    assert in_any_order(tmp_path / "there/results") == in_any_order(tmp_path / "here/results")


def test_a_replication_on_a_cluster_has_the_figures_of_this_machine(run, tmp_path, sessions):
    words = ("replicate", "table1", "--quick", "--functions", "fn_a", "--test-size", "40")
    words += ("--methods", "enumeration", "svm", "--out-dir", "all", "--json")
    done = run("there", *words, *ON_CLUSTER)
    assert drivers(sessions) == 1  # one connection for all parts
    assert done.stdout == run("here", *words).stdout
    there, here = (in_any_order(tmp_path / name / "all/table1") for name in ("there", "here"))
    assert there == here
    assert (tmp_path / "there/all/replicate.csv").read_text() == (
        (tmp_path / "here/all/replicate.csv").read_text()
    )
    assert run("there", *words).stderr.count("Already finished") == 2


@pytest.mark.usefixtures("sessions")
@pytest.mark.parametrize(
    ("how", "places"),
    [(signal.SIGINT, 2), (signal.SIGTERM, 2), (signal.SIGKILL, 2), (signal.SIGTERM, 1)],
)
def test_a_sweep_that_is_stopped_ends_its_cluster_and_resumes(executable, tmp_path, how, places):
    (tmp_path / "grid.yaml").write_text(GRID.replace("num_trials: 2", "num_trials: 30"))
    words = [str(executable), "sweep", "grid.yaml", *ON_CLUSTER, "--jobs", str(places)]
    mark = f"OF_THIS_TEST={uuid.uuid4()}"
    environment = os.environ | dict([mark.split("=")])
    with (tmp_path / "output.txt").open("wb") as output:
        sweep = subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=output, stderr=output)
        while results(tmp_path) < 10:
            assert sweep.poll() is None, (tmp_path / "output.txt").read_text()
            time.sleep(0.01)
        assert len(processes(mark)) > 5
        sweep.send_signal(how)
        status = sweep.wait()
    assert status == (-9 if how == signal.SIGKILL else 128 + how)
    arrived = results(tmp_path)
    assert 10 <= arrived < 90
    while processes(mark):  # those of Ray end by themselves; the test has a time limit
        time.sleep(0.05)
    done = subprocess.run([*words, "--json"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert results(tmp_path) == 90
    found = [one for line in done.stdout.splitlines() for one in json.loads(line)["results"]]
    assert len({json.dumps(one["data"]) for one in found}) == len(found) == 90


def results(folder: Path) -> int:
    """How many results the jobs of a sweep have written."""
    found = folder.glob("results/small/*/results.jsonl")
    return sum(path.read_bytes().count(b"\n") for path in found)


def processes(mark: str) -> list[str]:
    """The processes that have a variable in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_text())
        except OSError:  # it has ended, or is another user's
            continue
    return found
