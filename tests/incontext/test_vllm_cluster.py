"""vLLM on a Ray cluster: one replica per worker, which nothing outlives.

`make test-vllm` runs this in an environment of its own; elsewhere it is skipped.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from incontext.tiny_model import NotedEngine, write
from llm_erm import DataGrid
from llm_erm.api import run
from llm_erm.incontext.method import InContext
from llm_erm.incontext.settings import InContextSettings
from llm_erm.runs.cluster import RayCluster
from llm_erm.runs.events import Answered, Finished, Noticed
from timeless import in_any_order

psutil = pytest.importorskip("psutil", reason="vLLM brings psutil: make test-vllm")
TESTS = Path(__file__).parents[1]
SIZES = {"train_size": 20, "val_size": 20, "test_size": 40}
SHOTS = (4, 8)

pytestmark = [
    pytest.mark.ray,
    pytest.mark.vllm,
    pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed: make test-vllm"),
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: make test-vllm"),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    write(folder)
    return folder


@pytest.fixture
def cluster(monkeypatch) -> Iterator[Any]:
    """A cluster of one node with two CPUs."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), *sys.path]))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    yield made
    made.shutdown()


def started_by(cluster: Any) -> list[Any]:
    """The workers of a cluster, and the processes that they started."""
    (info,) = cluster.head_node.all_processes["raylet"]
    found: list[Any] = []
    for one in psutil.Process(info.process.pid).children():
        with suppress(psutil.Error):  # it ends meanwhile
            if one.name().startswith("ray::Worker"):
                found += [one, *one.children(recursive=True)]
    return found


def vllm_in(processes: list[Any]) -> bool:
    return any("VLLM" in one.name() for one in processes)


def wait_until_ended(processes: list[Any]) -> None:
    """Returns when none of them runs; a zombie waits for whoever has adopted it."""
    for one in processes:
        with suppress(psutil.NoSuchProcess):
            while one.is_running() and one.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.1)


def answers(folder: Path) -> tuple[dict[str, str], dict[str, float]]:
    """The text and the probability of each answer."""
    lines = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
    named = {f"{line['job']} {line['answer']['index']}": line["answer"] for line in lines}
    assert len(named) == len(lines)
    texts = {name: answer["text"] for name, answer in named.items()}
    return texts, {name: answer["probability"] for name, answer in named.items()}


def others(folder: Path) -> dict[str, list[str]]:
    """The lines of the other files; answers and results say how much a cache held."""
    found = in_any_order(folder)
    del found["answers.jsonl"], found["results.jsonl"]
    return found


def test_replicas_answer_as_one_does_and_a_lost_one_is_replaced(cluster, model, tmp_path):
    """One of two workers is killed with its first answer."""
    (tmp_path / "notes").mkdir()
    engine = NotedEngine(model, tmp_path / "notes", enforce_eager=True)
    settings = InContextSettings(answer="score")
    method = InContext(engine=engine, settings=settings, shots=SHOTS, queries=40)
    data = DataGrid(
        functions=("fn_a", "fn_b"),
        lengths=(12,),
        num_trials=3,
        dataset_dir=tmp_path / "data",
        **SIZES,
    )
    started: list[Any] = []
    notices: list[str] = []
    killed: list[int] = []

    def watch(job, event):
        if isinstance(event, Noticed):
            notices.append(event.text)
        if isinstance(event, Answered) and not killed:
            started.extend(started_by(cluster))
            assert vllm_in(started)
            killed.extend(engine.loads()[:1])
            os.kill(killed[0], signal.SIGKILL)
        if isinstance(event, Finished):
            started.extend(started_by(cluster))

    executor = RayCluster(cluster.address)
    results = run(method, data, tmp_path / "ray", executor=executor, observers=[watch])
    assert len(results) == 12
    assert any("was lost" in notice for notice in notices)
    loads = engine.loads()
    assert 2 <= len(loads) <= 3  # the second worker may have done all before a third one is there
    assert len(set(loads)) == len(loads)
    wait_until_ended(started)
    run(method, data, tmp_path / "local")
    assert others(tmp_path / "ray") == others(tmp_path / "local")
    texts, probabilities = answers(tmp_path / "ray")
    assert answers(tmp_path / "local") == (texts, pytest.approx(probabilities, abs=1e-5))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_driver_that_is_ended_leaves_no_replica(cluster, model, executable, tmp_path, how):
    words = [str(executable), "incontext", "--model", str(model), "--enforce-eager"]
    words += ["--functions", "fn_a", "--lengths", "12", "--num-trials", "50", "--answer", "score"]
    words += ["--train-size", "20", "--val-size", "20", "--test-size", "40", "--out-dir", "run"]
    words += ["--executor", "ray", "--ray-address", cluster.address]
    found = tmp_path / "run/answers.jsonl"
    with (tmp_path / "output.txt").open("wb") as output:
        driver = subprocess.Popen(words, cwd=tmp_path, stdout=output, stderr=output)
        while not (found.exists() and found.read_text().count("\n") >= 50):
            assert driver.poll() is None, (tmp_path / "output.txt").read_text()
            time.sleep(0.01)
        started = started_by(cluster)
        assert vllm_in(started)
        driver.send_signal(how)
        status = driver.wait()
    assert status == {signal.SIGKILL: -9, signal.SIGINT: 130}[how]
    wait_until_ended(started)
