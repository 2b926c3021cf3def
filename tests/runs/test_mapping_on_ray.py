"""A Ray cluster of two nodes calls a function for all pieces, whatever is lost on the way."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llm_erm.errors import InputError, LLMERMError
from llm_erm.rulelists.learn import learn
from llm_erm.rulelists.settings import TableSettings
from llm_erm.runs.cluster import RayCluster
from llm_erm.runs.mapping import mapped
from llm_erm.runs.stopping import stopping_at_sigterm
from llm_erm.tables.reading import load
from mapped_pieces import Notes, act

pytestmark = pytest.mark.ray
TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module", autouse=True)
def _ray() -> Iterator[None]:
    """The processes of a cluster load what tests define."""
    pytest.importorskip("ray", reason="needs Ray: make test-ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), *sys.path]))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        yield


@pytest.fixture
def nodes() -> Iterator[Any]:
    """A cluster of a head without CPUs, and two nodes of one CPU."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    made.two = [made.add_node(num_cpus=1) for _ in range(2)]
    yield made
    made.shutdown()


@pytest.fixture
def notes(tmp_path) -> Notes:
    return Notes(tmp_path)


def test_results_come_in_the_order_of_the_pieces_from_both_nodes(nodes, notes):
    pieces = ["after-b", "b", "c"]
    assert mapped(RayCluster(nodes.address), act, notes, pieces) == pieces


def test_a_piece_whose_node_is_removed_is_done_on_another(nodes, notes, capsys):
    """Ray itself would print to stdout that a node was lost, into the JSON of a command."""

    def remove() -> None:
        (parent,) = notes.wait_for("once-")
        (lost,) = [node for node in nodes.two if raylet(node) == int(parent)]
        nodes.remove_node(lost, allow_graceful=False)

    remover = threading.Thread(target=remove)
    remover.start()
    assert mapped(RayCluster(nodes.address), act, notes, ["once", "b"]) == ["once", "b"]
    remover.join()
    assert capsys.readouterr().out == ""


def test_a_process_that_is_lost_each_time_is_one_sentence(nodes, notes):
    with pytest.raises(LLMERMError, match=r"a search was lost 4 times, .*; give each job more"):
        mapped(RayCluster(nodes.address), act, notes, ["killed", "b"])


def test_the_error_of_a_call_is_raised_and_ends_the_others(nodes, notes):
    with pytest.raises(InputError, match="a wrong setting") as raised:
        mapped(RayCluster(nodes.address), act, notes, ["refused-late", "asleep"])
    assert raised.value.setting == "looks"
    assert ended(notes.noted("asleep-"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_search_that_is_stopped_leaves_nothing_at_work(nodes, notes, number):
    def stop() -> None:
        notes.wait_for("asleep-", 2)
        os.kill(os.getpid(), number)

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(KeyboardInterrupt), stopping_at_sigterm():
        mapped(RayCluster(nodes.address), act, notes, ["asleep-1", "asleep-2", "c"])
    stopper.join()
    assert ended(notes.noted("asleep-"))


def test_a_search_that_no_node_has_room_for_is_refused(nodes, notes):
    with pytest.raises(InputError, match=r"what a job takes \(2 CPUs\); let a") as told:
        mapped(RayCluster(nodes.address, cpus=2), act, notes, ["a"])
    assert told.value.setting == "job_cpus or job_memory_mb"
    with pytest.raises(InputError, match=r"\(1 CPU, 1,048,576 MiB\)"):
        mapped(RayCluster(nodes.address, memory_bytes=2**40), act, notes, ["a"])


def test_a_rule_learned_on_a_cluster_is_the_one_learned_here(nodes):
    random = np.random.default_rng(5)
    columns: dict[str, Any] = {name: random.random(150).round(2) for name in "abc"}
    columns["kind"] = random.choice(["x", "y", "z"], 150)
    labels = (columns["a"] > 0.6) | (columns["kind"] == "x") & (columns["b"] < 0.4)
    columns["label"] = np.where(labels ^ (random.random(150) < 0.1), "yes", "no")
    data, settings = load(columns, "label"), TableSettings(looks=10**5)
    assert learn(data, settings, executor=RayCluster(nodes.address)) == learn(data, settings)


def raylet(node: Any) -> int:
    (info,) = node.all_processes["raylet"]
    return info.process.pid


def ended(pids: list[str]) -> bool:
    """Whether processes end; else the test does not."""
    while any(Path(f"/proc/{pid}/stat").exists() and not zombie(pid) for pid in pids):
        threading.Event().wait(0.05)
    return True


def zombie(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
