"""Models behind a server on a Ray cluster: the driver calls, the nodes run programs."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from llm_erm import DataGrid, Synthesis
from llm_erm.api import run
from llm_erm.errors import UnfinishedError
from llm_erm.incontext.method import InContext
from llm_erm.incontext.server import ServerEngine
from llm_erm.llms.budget import Budget
from llm_erm.runs.cluster import NOTHING_TO_DO, RayCluster
from llm_erm.runs.events import Attempted, Noticed
from llm_erm.sandbox import Sandbox
from recorded import chat
from responses_server import USAGE, response, serving, text
from timeless import in_any_order

pytestmark = pytest.mark.ray
TOKENS = USAGE["total_tokens"]


@pytest.fixture
def cluster(monkeypatch):
    """A cluster of a head without CPUs and of two nodes with one."""
    pytest.importorskip("ray", reason="needs Ray: make test-ray")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[1]), *sys.path]))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    made.lost, _ = (made.add_node(num_cpus=1) for _ in range(2))
    yield made
    made.shutdown()


class Proposer:
    """Answers the k-th call with a prompt by its k-th program, whoever else calls meanwhile."""

    def __init__(self) -> None:
        self.server: Any = None
        self.calls: Counter[str] = Counter()
        self.most = 0
        self._in_flight = 0
        self._lock = threading.Lock()

    def __call__(self, number: int) -> tuple[int, dict[str, Any]]:
        prompt = json.dumps(self.server.requests[number]["input"])
        with self._lock:
            self.calls[prompt] += 1
            count = self.calls[prompt]
            self._in_flight += 1
            self.most = max(self.most, self._in_flight)
        threading.Event().wait(0.02)  # calls overlap
        with self._lock:
            self._in_flight -= 1
        program = f"def f(x):\n    return (x.count('1') + {count}) % 3 % 2"
        return 200, response([text(f"```python\n{program}\n```")])


def grid(folder: Path) -> DataGrid:
    sizes = {"train_size": 20, "val_size": 20, "test_size": 40}
    return DataGrid(
        functions=("fn_a", "fn_b"), lengths=(12, 14), num_trials=2, dataset_dir=folder, **sizes
    )


def method(url: str, **more: Any) -> Synthesis:
    settings = {"api_key": "sk-0123456789abcdef", "base_url": url, "concurrency": 3, **more}
    return Synthesis.of("openai:gpt-5", model_settings=settings, attempts=6)


def test_a_node_that_is_killed_costs_no_call(cluster, tmp_path, capfd, monkeypatch):
    """Every answer is asked for once, three calls at a time, and the files are a local run's."""
    done: list[int] = []

    def no_sandbox(*_, **__):
        raise AssertionError("programs run on the nodes")

    def watch(job, event):
        if isinstance(event, Attempted):
            done.append(event.attempt.index)
            if len(done) == 10:
                cluster.remove_node(cluster.lost, allow_graceful=False)

    propose = Proposer()
    with serving(propose) as server:
        propose.server = server
        for folder, how in (
            ("ray", {"executor": RayCluster(cluster.address), "observers": [watch]}),
            ("local", {}),
        ):
            propose.calls.clear()
            data = grid(tmp_path / f"data-{folder}")  # one's looks do not count for the other
            with monkeypatch.context() as patch:
                if folder == "ray":
                    patch.setattr(Sandbox, "__init__", no_sandbox)  # in this process
                results = run(method(server.url), data, tmp_path / folder, **how)
            assert len(results) == 8
            assert set(propose.calls.values()) == {6}
            assert propose.most <= 3
    assert len(done) == 48
    assert capfd.readouterr().out == ""
    assert in_any_order(tmp_path / "ray") == in_any_order(tmp_path / "local")


def test_one_budget_holds_for_all_searches(cluster, tmp_path):
    """And what a run has spent counts when it is continued."""
    propose = Proposer()
    with serving(propose) as server:
        propose.server = server
        for limit, finished in ((20 * TOKENS, False), (10**9, True)):
            budget = Budget(max_tokens=limit)
            searches = method(server.url, budget=budget)
            data, folder = grid(tmp_path / "data"), tmp_path / "run"
            executor = RayCluster(cluster.address)
            if finished:
                assert len(run(searches, data, folder, executor=executor)) == 8
            else:
                with pytest.raises(UnfinishedError, match="of the limit of"):
                    run(searches, data, folder, executor=executor)
                assert 0 < propose.calls.total() <= 20
    assert set(propose.calls.values()) == {6}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_driver_that_is_ended_asks_for_no_answer_twice(cluster, executable, tmp_path, how):
    propose = Proposer()
    with serving(propose) as server:
        propose.server = server
        words = [str(executable), "synthesize", "--provider", "openai", "--base-url", server.url]
        words += ["--functions", "fn_a", "fn_b", "--lengths", "12", "14", "--num-trials", "2"]
        words += ["--train-size", "20", "--val-size", "20", "--test-size", "40"]
        words += ["--attempts", "6", "--concurrency", "2", "--out-dir", "run"]
        words += ["--executor", "ray", "--ray-address", cluster.address]
        environment = os.environ | {"OPENAI_API_KEY": "sk-0123456789abcdef"}
        attempts = tmp_path / "run/attempts.jsonl"
        with (tmp_path / "output.txt").open("wb") as output:
            driver = subprocess.Popen(
                words, cwd=tmp_path, env=environment, stdout=output, stderr=output
            )
            while not (attempts.exists() and attempts.read_text().count("\n") >= 10):
                assert driver.poll() is None, (tmp_path / "output.txt").read_text()
                threading.Event().wait(0.01)
            driver.send_signal(how)
            assert driver.wait() == {signal.SIGKILL: -9, signal.SIGINT: 130}[how]
        before = propose.calls.total()
        lines = (tmp_path / "run/answers.jsonl").read_text().splitlines()
        kept = sum(json.loads(line)["answer"]["finish_reason"] == "stop" for line in lines)
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert before - kept <= 2  # those in flight
    assert propose.calls.total() == 48 + before - kept


def test_in_context_learning_with_a_server_leaves_nothing_to_the_nodes(cluster, tmp_path):
    notices: list[str] = []
    with serving(lambda number: (200, chat("1"))) as server:
        asking = InContext(engine=ServerEngine("m", server.url, "k"), queries=4)
        results = run(
            asking,
            grid(tmp_path / "data"),
            tmp_path / "run",
            executor=RayCluster(cluster.address),
            observers=[
                lambda job, event: (
                    notices.append(getattr(event, "text", ""))
                    if isinstance(event, Noticed)
                    else None
                )
            ],
        )
    assert [one.test.correct for one in results] == [2] * 8
    assert NOTHING_TO_DO in notices


def test_the_driver_starts_the_program_of_a_model_that_is_a_command(cluster, tmp_path, monkeypatch):
    log = tmp_path / "log"
    script = tmp_path / "model.py"
    script.write_text(
        "import os, sys\n"
        f"open({str(log)!r}, 'a').write(f'{{os.getppid()}}\\n')\n"
        "print(f'```python\\ndef f(x):\\n    return (len(x) + {sys.argv[1]}) % 2\\n```')\n"
    )

    def no_sandbox(*_, **__):
        raise AssertionError("programs run on the nodes")

    monkeypatch.setattr(Sandbox, "__init__", no_sandbox)  # in this process
    asking = Synthesis.of(f"command:{sys.executable} -S {script} {{index}}", attempts=2)
    results = run(asking, grid(tmp_path / "data"), executor=RayCluster(cluster.address))
    assert len(results) == 8
    assert Counter(log.read_text().split()) == {str(os.getpid()): 16}
