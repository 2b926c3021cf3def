"""What a process of a cluster sends, and what the driver makes of it, without a cluster."""

import pickle
import time

import pytest

import fake_method
from fake_method import SPEC, Fake
from llm_erm.errors import LLMERMError
from llm_erm.llms.llm import Completion
from llm_erm.records import Attempt, Candidate, Verdict
from llm_erm.runs.cluster_calls import MOST_LOSSES
from llm_erm.runs.cluster_dispatch import Running
from llm_erm.runs.cluster_files import CHUNK_BYTES, Wrote, send_file, write_part
from llm_erm.runs.cluster_room import RECOUNT_SECONDS, Room
from llm_erm.runs.cluster_worker import Worker, in_sandbox
from llm_erm.runs.events import Answered, Attempted, Finished
from llm_erm.runs.executors import method_to_send
from llm_erm.runs.jobs import Work
from llm_erm.runs.run import plan
from llm_erm.synthesis.method import Synthesis


def test_a_node_with_another_version_is_named():
    with pytest.raises(LLMERMError, match=r"has llm-erm .*, but the driver has 0\.0"):
        Worker(b"").begin("0.0")
    with pytest.raises(LLMERMError, match=r"has llm-erm .*, but the driver has 0\.0"):
        in_sandbox("0.0", None, None)


def test_large_files_come_in_parts(tmp_path):
    data = bytes(range(256)) * (2 * CHUNK_BYTES // 256) + b"end"
    (tmp_path / "weights").write_bytes(data)
    (tmp_path / "empty").touch()
    parts: list[Wrote] = []
    for name in ("weights", "empty"):
        send_file(tmp_path / name, f"sub/{name}", parts.append)
    assert [(len(part.data), part.last) for part in parts] == [
        *((CHUNK_BYTES, False), (CHUNK_BYTES, False), (3, True)),
        (0, True),
    ]
    for part in [*parts[:2], *parts]:  # the first process was lost half way
        write_part(tmp_path / "run", part)
    assert (tmp_path / "run/sub/weights").read_bytes() == data
    assert (tmp_path / "run/sub/empty").read_bytes() == b""
    assert len(list((tmp_path / "run/sub").iterdir())) == 2


def test_events_come_in_batches_and_the_result_after_the_files(tmp_path, monkeypatch):
    method = Fake(variants=("fine-a",), notes=tmp_path)
    planned = plan(method, [SPEC], tmp_path / "run", dataset_dir=tmp_path)
    work = Work(planned.jobs[0], planned.data[0], folder=tmp_path / "run")
    learn = fake_method.FakeSession.learn

    def writing(session, given, observe):
        (given.folder / "weights").write_bytes(b"x" * (CHUNK_BYTES + 1))
        (given.folder / "checkpoint.pt").write_bytes(b"x")
        return learn(session, given, observe)

    monkeypatch.setattr(fake_method.FakeSession, "learn", writing)
    batches = list(Worker(method_to_send(method)).do(work))
    events = [event for batch in batches for _, event in batch]
    assert [type(event) for event in events[-3:]] == [Wrote, Wrote, Finished]
    assert {event.name for event in events if isinstance(event, Wrote)} == {"weights"}
    assert all(sum(isinstance(one, Wrote) for _, one in batch) <= 1 for batch in batches)
    assert sum(isinstance(event, Attempted) for event in events) == 3


def test_a_lost_job_goes_on_from_its_answers_and_attempts(tmp_path):
    method = Fake(variants=("fine-a",), notes=tmp_path)
    planned = plan(method, [SPEC], dataset_dir=tmp_path)
    running = Running(Work(planned.jobs[0], planned.data[0]))
    for completion in (
        Completion(2, "two"),
        Completion(1, "", finish_reason="cancelled"),
        Completion(3, "", finish_reason="unanswered"),
    ):
        running.take(Answered(completion))
    verdict = Verdict("ok", 1, 0, 2)
    for index in (3, 1, 3):
        running.take(Attempted(Attempt(index, Candidate(f"p{index}"), verdict, verdict)))
    assert [*running.work.answers] == [2]
    assert [one.index for one in running.work.attempts] == [1, 3]
    assert not running.finished


def test_a_local_model_can_be_sent():
    method = Synthesis.of("local", model_settings={"threads": 3})
    again = pickle.loads(method_to_send(method))
    assert again.llm.threads == 3
    assert again.llm.described == method.llm.described


def test_only_a_process_that_is_lost_without_its_node_counts_against_its_job(tmp_path):
    """Nodes may be taken away at any time; a job that takes all memory ends the run."""
    method = Fake(variants=("fine-a",), notes=tmp_path)
    planned = plan(method, [SPEC], dataset_dir=tmp_path)
    job = Running(Work(planned.jobs[0], planned.data[0]))
    there = {"a", "b"}
    for node in "abcde":
        job.lose(RuntimeError(), node, there.__contains__)
    there -= {"a", "b"}  # as the cluster finds out a while later
    there.add("f")
    for _ in range(MOST_LOSSES - 1):
        job.lose(RuntimeError(), "f", there.__contains__)
    with pytest.raises(LLMERMError, match="fn_a L=8 fine-a was lost 3 times"):
        job.lose(RuntimeError(), "f", there.__contains__)


class Cluster:
    """What Ray says about a cluster's nodes."""

    def __init__(self, *nodes: dict[str, float]) -> None:
        self.them = [
            {"Alive": True, "NodeID": str(i), "Resources": node} for i, node in enumerate(nodes)
        ]

    def nodes(self) -> list[dict]:
        return self.them


def test_the_room_of_a_cluster_is_counted_again_as_nodes_come_and_go(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    ray, said = Cluster({"CPU": 4.0, "GPU": 1.0}, {"CPU": 8.0}), []
    room = Room(ray, 1.0, 0.25, None, lambda job, event: said.append(event.text))
    assert (room.jobs(), room.is_alive("0"), room.is_alive("2")) == (4, True, False)
    ray.them[0]["Alive"] = False
    assert (room.jobs(), room.is_alive("0")) == (4, False)
    now[0] += RECOUNT_SECONDS
    assert room.jobs() == 0
    ray.them.append({"Alive": True, "NodeID": "2", "Resources": {"CPU": 3.0, "GPU": 8.0}})
    now[0] += RECOUNT_SECONDS
    assert room.jobs() == 3
    (text,) = said
    assert text.startswith("No node of the cluster has what a job takes (1 CPU, 0.25 GPUs);")


@pytest.mark.parametrize("name", ["../out", "a/../../out", "/tmp/llm-erm-out"])
def test_no_file_is_written_outside_the_folder(tmp_path, name):
    with pytest.raises(LLMERMError, match="outside the run's folder"):
        write_part(tmp_path / "run", Wrote(name, b"x", 0, last=True))
    assert not list(tmp_path.iterdir())
