"""Programs run on the nodes of a cluster, as far as that can be seen without one."""

import pickle
import threading
from dataclasses import dataclass, field
from typing import Any

import pytest

from canary import CANARY
from llm_erm import DataGrid, Synthesis
from llm_erm.errors import LLMERMError
from llm_erm.runs import cluster_worker
from llm_erm.runs.cluster_calls import MOST_LOSSES, StoppedError
from llm_erm.runs.cluster_room import Room
from llm_erm.runs.cluster_sandbox import ClusterSandbox
from llm_erm.runs.cluster_worker import Ran, SandboxSettings
from llm_erm.runs.events import Isolated, Noticed
from llm_erm.runs.executors import InProcess
from llm_erm.runs.run import plan, run
from llm_erm.sandbox import Sandbox
from llm_erm.settings import plain
from responses_server import response, serving, text

PARITY = "def f(x):\n    return x.count('1') % 2"


class TaskError(Exception):
    """As Ray raises what a task raised."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


@dataclass
class Nodes:
    """In place of Ray: tasks run here, from the bytes that a node would get."""

    answers: list[Ran | Exception] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    given: dict[str, Any] = field(default_factory=dict)
    cancelled: int = 0
    busy: bool = False

    class exceptions:  # noqa: N801 - as Ray's module
        RayTaskError = TaskError
        RayError = ConnectionError

    def remote(self, *, max_calls: int) -> Any:
        assert max_calls == 0

        def taken(function: Any) -> Nodes:
            self._function = function
            return self

        return taken

    def options(self, **given: Any) -> "Task":
        assert given.pop("max_retries") == 0  # Ray would repeat forever what lacks memory
        self.given = given
        return Task(self)

    def wait(self, refs: list[Any], *, timeout: float) -> tuple[list[Any], list[Any]]:
        if self.busy:
            threading.Event().wait(timeout)
            return [], refs
        return refs, []

    def get(self, ref: bytes) -> Any:
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        try:
            return pickle.loads(pickle.dumps(self._function(*pickle.loads(ref))))
        except LLMERMError as error:
            raise TaskError(error) from None

    def cancel(self, ref: bytes, *, force: bool) -> None:
        self.cancelled += force

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "NodeID": "a", "Resources": {"CPU": 4.0}}]


@dataclass
class Task:
    nodes: Nodes

    def remote(self, *arguments: Any) -> bytes:
        self.nodes.sent.append(pickle.dumps(arguments))
        return self.nodes.sent[-1]


@pytest.fixture(autouse=True)
def _no_sandbox_is_left():
    yield
    for sandbox in cluster_worker._sandboxes.values():
        sandbox.close()
    cluster_worker._sandboxes.clear()


def room(nodes: Nodes, cpus: float = 1.0) -> Room:
    return Room(nodes, cpus, 0.0, None, lambda job, event: None)


def test_nodes_return_what_a_sandbox_here_returns():
    nodes = Nodes()
    inputs = ["0110", "1000", ""]
    with ClusterSandbox(room(nodes, 2.5)) as there, Sandbox(workers=1) as here:
        assert nodes.given["num_cpus"] == 2.5
        assert [*cluster_worker._sandboxes] == [SandboxSettings(2, "auto", False)]
        assert (there.isolation, there.missing) == (here.isolation, here.missing)
        first, own = there.execute(PARITY, inputs), here.execute(PARITY, inputs)
        assert first.predictions.tolist() == own.predictions.tolist() == [0, 1, 0]
        assert there.replay(PARITY, inputs, first, alone=2).status == "ok"
        counting = "n = 0\ndef f(x):\n    global n\n    n += 1\n    return n % 2"
        first = there.execute(counting, inputs)
        assert there.replay(counting, inputs, first, alone=3).status == "nondeterministic"
        broken = there.execute("def f(x", inputs)
        assert there.replay("def f(x", inputs, broken) is broken


def test_neither_labels_nor_keys_are_sent(tmp_path):
    """A node gets programs and inputs."""
    nodes = Nodes()
    with serving(lambda number: (200, response([text(f"```python\n{PARITY}\n```")]))) as server:
        method = Synthesis.of(
            "openai:gpt-5",
            model_settings={"api_key": CANARY, "base_url": server.url},
            attempts=2,
        )
        data = DataGrid(
            functions=("fn_a",), lengths=(12,), test_size=40, dataset_dir=tmp_path / "data"
        )
        there = method.with_sandbox(lambda **how: ClusterSandbox(room(nodes), **how))
        planned = plan(there, data, tmp_path / "run")
        (result,) = run(planned, executor=InProcess())
    assert result.exact
    asked = [pickle.loads(sent)[2:] for sent in nodes.sent]
    assert {method for method, *_ in asked} == {None, "execute", "replay"}
    train = planned.data[0].train
    for _, *arguments in asked[1:]:
        source, inputs, *rest = arguments
        assert isinstance(source, str)
        assert all(isinstance(x, str) for x in inputs)
        assert not any(isinstance(one, type(train)) for one in rest)
    assert any(set(train.inputs) <= set(arguments[2]) for arguments in asked[1:])
    assert not any(CANARY.encode() in sent for sent in nodes.sent)


def test_where_programs_run_does_not_shape_results(tmp_path):
    (tmp_path / "answers.json").write_text('["a"]')
    method = Synthesis.of(f"scripted:{tmp_path / 'answers.json'}")
    assert plain(method.with_sandbox(ClusterSandbox)) == plain(method)


def test_the_weakest_isolation_counts():
    nodes = Nodes(
        [
            Ran(None, "strong", (), ()),
            Ran(None, "basic", ("no namespaces",), ("a lower limit",)),
            Ran(None, "standard", ("no cgroup",), ()),
        ]
    )
    with ClusterSandbox(room(nodes)) as sandbox:
        assert sandbox.isolation == "strong"
        sandbox.execute(PARITY, ["0"])
        sandbox.execute(PARITY, ["0"])
        assert sandbox.isolation == "basic"
        assert sandbox.missing == ("no namespaces",)
        assert sandbox.notices == ("a lower limit",)


def test_closing_waits_until_nothing_calls_ray_any_more():
    """A call after this process has left the cluster would start another one."""
    nodes = Nodes()
    sandbox = ClusterSandbox(room(nodes))
    nodes.busy = True
    under_way = threading.Event()
    stopped: list[int] = []

    def wait() -> None:
        under_way.set()
        with pytest.raises(StoppedError):
            sandbox.execute(PARITY, ["0"])
        stopped.append(nodes.cancelled)

    waiting = threading.Thread(target=wait)
    waiting.start()
    under_way.wait()
    sandbox.close()
    asked = len(nodes.sent)
    waiting.join()
    with pytest.raises(StoppedError):
        sandbox.execute(PARITY, ["0"])
    assert (len(nodes.sent), nodes.cancelled) == (asked, asked - 1)


def test_a_weaker_node_is_announced():
    nodes = Nodes(
        [Ran(None, "strong", (), ()), Ran(None, "basic", ("no namespaces",), ("a lower limit",))]
    )
    events: list = []
    where = Room(nodes, 1.0, 0.0, None, lambda job, event: events.append(event))
    with ClusterSandbox(where) as sandbox:
        assert events == []
        sandbox.execute(PARITY, ["0"])
    assert events == [Isolated("basic", ("no namespaces",)), Noticed("a lower limit")]


def test_a_program_whose_process_is_lost_runs_again():
    nodes = Nodes()
    with ClusterSandbox(room(nodes)) as sandbox:
        nodes.answers += [ConnectionError("gone")] * MOST_LOSSES
        assert sandbox.execute(PARITY, ["01"]).predictions.tolist() == [1]


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (TaskError(LLMERMError("Programs would not be isolated.")), "^Programs would not be"),
        (TaskError(ModuleNotFoundError("No module named 'llm_erm'")), "cannot load llm-erm"),
        (ConnectionError("gone"), f"was lost {MOST_LOSSES + 1} times"),
    ],
)
def test_what_keeps_nodes_from_running_programs_is_said(failure, message):
    nodes = Nodes()
    with ClusterSandbox(room(nodes)) as sandbox:
        nodes.answers += [failure] * (MOST_LOSSES + 1)
        with pytest.raises(LLMERMError, match=message):
            sandbox.execute(PARITY, ["0"])
