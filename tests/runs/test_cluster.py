"""Runs on a Ray cluster of two nodes write what a local run writes, whatever is lost on the way.

The nodes are on this machine, each with processes of its own.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fake_method import SPEC, TOGETHER, Fake
from llm_erm import (
    DataGrid,
    Enumeration,
    EnumerationSettings,
    Synthesis,
    SynthesisSettings,
    Training,
)
from llm_erm.api import model, run
from llm_erm.errors import InputError, LLMERMError, UnfinishedError
from llm_erm.runs.cluster import RayCluster
from llm_erm.runs.events import Attempted, Event, Finished, Noticed
from llm_erm.runs.jobs import JobKey
from small_training import SMALL
from timeless import files, in_any_order

pytestmark = pytest.mark.ray
QUICK = Enumeration(settings=EnumerationSettings(max_programs=400))
TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """The module; the processes of its clusters load what tests define."""
    module = pytest.importorskip("ray", reason="needs Ray: make test-ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), *sys.path]))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        yield module


@pytest.fixture
def cluster(ray) -> Iterator[Any]:
    """A cluster of a head without CPUs, to which a test adds nodes."""
    from ray.cluster_utils import Cluster

    made = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "include_dashboard": False},
    )
    yield made
    made.shutdown()


def grid(folder: Path, trials: int, **more) -> DataGrid:
    sizes = {"train_size": 20, "val_size": 20, "test_size": 40}
    names = {"functions": ("fn_a", "fn_b"), "lengths": (12, 14)}
    return DataGrid(**{**names, **sizes, **more}, num_trials=trials, dataset_dir=folder)


class Watching:
    """An observer that keeps notices and acts when so many jobs have ended."""

    def __init__(self, after: int = 0, act: Callable[[], object] = lambda: None) -> None:
        self.finished: Counter[JobKey] = Counter()
        self.notices: list[str] = []
        self._after, self._act = after, act

    def __call__(self, job: JobKey | None, event: Event) -> None:
        if isinstance(event, Noticed):
            self.notices.append(event.text)
        if isinstance(event, Finished):
            assert job is not None
            self.finished[job] += 1
            if self.finished.total() == self._after:
                self._act()


def test_a_node_that_is_killed_half_way_loses_nothing(cluster, tmp_path):
    """200 searches on two nodes; one of them is killed after 80."""
    cluster.add_node(num_cpus=1)
    lost = cluster.add_node(num_cpus=1)
    watching = Watching(80, lambda: cluster.remove_node(lost, allow_graceful=False))
    data = grid(tmp_path / "data", 50)
    executor = RayCluster(cluster.address)
    results = run(QUICK, data, tmp_path / "ray", executor=executor, observers=[watching])
    assert len(results) == 200
    assert set(watching.finished.values()) == {1}
    run(QUICK, data, tmp_path / "local")
    assert in_any_order(tmp_path / "ray") == in_any_order(tmp_path / "local")


def test_a_job_of_a_node_that_is_killed_is_done_on_another(cluster, tmp_path):
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    method = Fake(variants=("lost-a", "fine-b"), notes=tmp_path)
    attempts: list[tuple[str, int]] = []
    notices: list[str] = []

    def watch(job, event):
        if isinstance(event, Noticed):
            notices.append(event.text)
        if isinstance(event, Attempted):
            attempts.append((job.variant, event.attempt.index))
            if attempts[-1] == ("lost-a", 1):
                while not method.noted("lost-"):
                    time.sleep(0.01)
                (parent,) = method.noted("lost-")
                (lost,) = [node for node in nodes if raylet(node) == int(parent)]
                cluster.remove_node(lost, allow_graceful=False)

    executor = RayCluster(cluster.address)
    assert len(run(method, [SPEC], tmp_path / "run", executor=executor, observers=[watch])) == 2
    assert sorted(attempts) == [(name, i) for name in ("fine-b", "lost-a") for i in (1, 2, 3)]
    (notice,) = notices
    assert notice.startswith("The process of fn_a L=8 lost-a was lost (")


def raylet(node: Any) -> int:
    (info,) = node.all_processes["raylet"]
    return info.process.pid


def test_each_node_uses_its_own_sandbox_and_reads_no_data_of_its_own(cluster, tmp_path):
    """The data sets are where the driver is; workers of a node have other working folders."""
    cluster.add_node(num_cpus=1)
    (tmp_path / "answers.json").write_text("[\"def f(x):\\n    return x.count('1') % 2\"]")
    method = Synthesis(
        llm=model(f"scripted:{tmp_path / 'answers.json'}"), settings=SynthesisSettings(attempts=1)
    )
    data = grid(Path("data"), 2, functions=("fn_a",))
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        results = run(method, data, tmp_path / "ray", executor=RayCluster(cluster.address))
        run(method, data, tmp_path / "local")
    finally:
        os.chdir(before)
    assert in_any_order(tmp_path / "ray") == in_any_order(tmp_path / "local")
    assert all(one.isolation is not None and one.exact for one in results)


def test_a_model_of_this_machine_proposes_on_each_node(cluster, tmp_path):
    """It is loaded there, and draws the same answers."""
    cluster.add_node(num_cpus=1)
    method = Synthesis.of("local", attempts=2)
    data = grid(tmp_path / "data", 1, functions=("fn_a",), lengths=(12,))
    run(method, data, tmp_path / "ray", executor=RayCluster(cluster.address))
    run(method, data, tmp_path / "local")
    for name in ("answers.jsonl", "attempts.jsonl"):
        assert files(tmp_path / "ray")[name] == files(tmp_path / "local")[name]


def test_trainings_send_their_files(cluster, tmp_path):
    cluster.add_node(num_cpus=1)
    method = Training(settings=replace(SMALL, n_layer=1, save_model=True, checkpoint_every=1))
    data = grid(tmp_path / "data", 1, functions=("fn_a",))
    run(method, data, tmp_path / "ray", executor=RayCluster(cluster.address))
    run(method, data, tmp_path / "local")
    sent, own = files(tmp_path / "ray"), files(tmp_path / "local")
    assert sent.keys() == own.keys()
    names = [name for name in own if not name.endswith(("logs.log", "config.json"))]
    assert {name: sent[name] for name in names} == {name: own[name] for name in names}
    assert sum("model/" in name for name in names) >= 2


def test_a_result_comes_after_its_files(cluster, tmp_path):
    """Or a driver that is lost between them would take the job for done."""
    cluster.add_node(num_cpus=1)
    method = Training(settings=replace(SMALL, n_layer=1, save_model=True))
    seen: list[bool] = []

    def watch(job, event):
        if isinstance(event, Finished):
            seen.append(any((tmp_path / "run").rglob("head.safetensors")))

    data = grid(tmp_path / "data", 1, functions=("fn_a",), lengths=(12,))
    run(method, data, tmp_path / "run", executor=RayCluster(cluster.address), observers=[watch])
    assert seen == [True]


def test_a_connection_to_another_cluster_is_not_used(ray, tmp_path):
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        with pytest.raises(InputError, match="connected to a Ray cluster already, so it cannot"):
            run(QUICK, [SPEC], tmp_path / "run", executor=RayCluster("auto"))
        assert len(run(QUICK, [SPEC], tmp_path / "run", executor=RayCluster())) == 1
        assert ray.is_initialized()
    finally:
        ray.shutdown()


def test_a_cluster_that_ray_start_began_is_joined_by_its_address(ray, executable, tmp_path):
    """With its token, which `ray start` and a driver share through the user's home."""
    with tempfile.TemporaryDirectory(prefix="ray-") as home:
        environment = os.environ | {"HOME": home, "RAY_AUTH_MODE": "token"}
        environment["PYTHONPATH"] = os.pathsep.join(sys.path)
        (Path(home) / ".ray").mkdir()
        (Path(home) / ".ray/auth_token").write_text("a" * 64)
        start = [str(executable.with_name("ray")), "start", "--head", "--port=0", "--block"]
        start += ["--num-cpus=1", "--include-dashboard=false", "--node-ip-address=127.0.0.1"]
        log = tmp_path / "ray.txt"
        with log.open("wb") as output:
            head = subprocess.Popen(start, env=environment, stdout=output, stderr=output)
        try:
            while not (found := re.search(r"--address='([\d.]+:\d+)'", log.read_text())):
                assert head.poll() is None, log.read_text()
                time.sleep(0.1)
            words = ["enumerate", "--functions", "fn_a", "--lengths", "12", "--max-programs", "400"]
            words += ["--train-size", "20", "--val-size", "20", "--test-size", "40"]
            words += ["--executor", "ray", "--ray-address", found[1]]
            done = subprocess.run(
                [str(executable), *words],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
            )
        finally:
            head.terminate()
            head.wait()
    assert (done.returncode, "x.count('1') % 2" in done.stdout) == (0, True), done.stderr
    assert "Token" not in done.stderr


def test_a_job_goes_on_from_what_arrived_before_its_process_was_lost(cluster, tmp_path):
    cluster.add_node(num_cpus=1)
    method = Fake(variants=("killed-a", "fine-b"), notes=tmp_path)
    attempts: list[tuple[str, int]] = []

    def watch(job, event):
        if isinstance(event, Attempted):
            attempts.append((job.variant, event.attempt.index))

    run(method, [SPEC], tmp_path / "run", executor=RayCluster(cluster.address), observers=[watch])
    names = ("fine-b", "killed-a")
    assert sorted(attempts) == [(name, index) for name in names for index in (1, 2, 3)]


@pytest.mark.parametrize(
    ("variant", "error", "message"),
    [
        ("refused-a", InputError, "a wrong setting"),
        ("error-a", RuntimeError, "a bug"),
        ("spent-a", UnfinishedError, "no money left"),
    ],
)
def test_an_error_of_a_job_is_that_of_the_run(cluster, tmp_path, variant, error, message):
    cluster.add_node(num_cpus=1)
    method = Fake(variants=(variant, "fine-b"), notes=tmp_path)
    folder = tmp_path / "run"
    with pytest.raises(error, match=message):
        run(method, [SPEC], folder, executor=RayCluster(cluster.address))
    if error is UnfinishedError:
        assert len((folder / "results.jsonl").read_text().splitlines()) == 1
    assert len(run(method, [SPEC], folder, executor=RayCluster(cluster.address))) == 2


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_driver_that_is_ended_resumes_from_its_folder(cluster, executable, tmp_path, how):
    cluster.add_node(num_cpus=2)
    words = [str(executable), "enumerate", "--functions", "fn_a", "fn_b", "--lengths", "12", "14"]
    words += ["--train-size", "20", "--val-size", "20", "--test-size", "40", "--num-trials", "15"]
    words += ["--max-programs", "400", "--out-dir", "run"]
    words += ["--executor", "ray", "--ray-address", cluster.address]
    results = tmp_path / "run/results.jsonl"
    with (tmp_path / "output.txt").open("wb") as output:
        driver = subprocess.Popen(words, cwd=tmp_path, stdout=output, stderr=output)
        while not (results.exists() and results.read_text().count("\n") >= 10):
            assert driver.poll() is None, (tmp_path / "output.txt").read_text()
            time.sleep(0.01)
        driver.send_signal(how)
        status = driver.wait()
    assert status == {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}[how]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "of the 60 searches were finished before" in done.stderr
    jobs = [json.dumps(json.loads(line)["data"]) for line in results.read_text().splitlines()]
    assert len(jobs) == len(set(jobs)) == 60


def test_workers_share_gpus_and_keep_theirs(cluster, tmp_path):
    """Four halves of two GPUs; what a process has loaded is on the GPU that it had first."""
    cluster.add_node(num_cpus=4, num_gpus=2)
    method = Fake(variants=tuple(f"together-{i}" for i in range(12)), notes=tmp_path)
    assert len(run(method, [SPEC], executor=RayCluster(cluster.address, gpus=0.5))) == 12
    places = [note.split("-") for note in method.noted("together-")]
    assert len({process for process, _ in places}) == len(places) == TOGETHER
    assert Counter(device for _, device in places) == {"0": 2, "1": 2}


def test_sessions_are_closed_and_workers_ended(cluster, tmp_path):
    """So that nothing holds a GPU for longer than there are jobs for it."""
    cluster.add_node(num_cpus=2)
    method = Fake(variants=("fine-a", "fine-b", "fine-c"), notes=tmp_path)
    run(method, [SPEC], executor=RayCluster(cluster.address))
    assert method.noted("opened-") == method.noted("closed-")
    while any(Path("/proc", process).exists() for process in method.noted("opened-")):
        time.sleep(0.01)


def test_a_node_that_cannot_load_the_package_is_named(cluster, tmp_path):
    (tmp_path / "llm_erm").mkdir()
    (tmp_path / "llm_erm/__init__.py").write_text("raise ImportError('no numpy here')")
    cluster.add_node(num_cpus=1, env_vars={"PYTHONPATH": str(tmp_path)})
    method = Fake(variants=("fine-a",), notes=tmp_path)
    with pytest.raises(LLMERMError, match=r"cannot load llm-erm \(ImportError: no numpy here\)"):
        run(method, [SPEC], executor=RayCluster(cluster.address))


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:http", ":", "ray://head:10001", ""])
def test_an_address_that_is_none_is_named(ray, tmp_path, address):
    with pytest.raises(InputError, match=f"The address {address!r} of the cluster is not HOST:PO"):
        run(QUICK, [SPEC], tmp_path / "run", executor=RayCluster(address))


def test_a_job_that_this_machine_cannot_do_is_refused(ray, tmp_path):
    for takes, words in (({"gpus": 64}, "1 CPU, 64 GPUs"), ({"cpus": 4000}, "4000 CPUs")):
        with pytest.raises(InputError, match=rf"what a job takes \({words}\); let it") as told:
            run(QUICK, [SPEC], tmp_path / "run", executor=RayCluster(**takes))
        assert told.value.setting == f"job_{next(iter(takes))}"


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:99999", "::1"])
def test_a_cluster_that_is_not_there_is_named(ray, tmp_path, address):
    with pytest.raises(InputError, match=f"Cannot connect to Ray at {address!r}.*give HOST:PORT"):
        run(QUICK, [SPEC], tmp_path / "run", executor=RayCluster(address))


def test_jobs_that_no_node_can_do_wait_and_say_so(cluster, tmp_path):
    cluster.add_node(num_cpus=1)
    watching = Watching()

    def add_a_node(job, event):
        watching(job, event)
        if isinstance(event, Noticed):
            cluster.add_node(num_cpus=2)

    executor = RayCluster(cluster.address, cpus=2)
    run(QUICK, [SPEC], tmp_path / "run", executor=executor, observers=[add_a_node])
    (said,) = watching.notices
    assert said.startswith("No node of the cluster has what a job takes (2 CPUs); waiting")
