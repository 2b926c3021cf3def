"""What a process of a cluster sends, and what the driver makes of it, without a cluster."""

import pickle

import pytest

import fake_method
from fake_method import SPEC, Fake
from llm_erm.errors import InputError, LLMERMError
from llm_erm.llms.llm import Completion
from llm_erm.runs.cluster import RayCluster, _Running, _write
from llm_erm.runs.cluster_worker import CHUNK_BYTES, Wrote, _send, serve
from llm_erm.runs.events import Answered, Attempted, Finished
from llm_erm.runs.executors import method_to_send
from llm_erm.runs.jobs import Work
from llm_erm.runs.run import plan
from llm_erm.synthesis.method import Synthesis
from llm_erm.version import VERSION


def test_a_node_with_another_version_is_named():
    with pytest.raises(LLMERMError, match=r"has llm-erm .*, but the run was started with 0\.0"):
        list(serve("0.0", b"", None))


def test_large_files_come_in_parts(tmp_path):
    data = bytes(range(256)) * (2 * CHUNK_BYTES // 256) + b"end"
    (tmp_path / "weights").write_bytes(data)
    (tmp_path / "empty").touch()
    parts: list[Wrote] = []
    for name in ("weights", "empty"):
        _send(tmp_path / name, f"sub/{name}", None, lambda job, part: parts.append(part))
    assert [(len(part.data), part.last) for part in parts] == [
        *((CHUNK_BYTES, False), (CHUNK_BYTES, False), (3, True)),
        (0, True),
    ]
    for part in [*parts[:2], *parts]:  # the first process was lost half way
        _write(tmp_path / "run", part)
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
    batches = list(serve(VERSION, method_to_send(method), work))
    events = [event for batch in batches for _, event in batch]
    assert [type(event) for event in events[-3:]] == [Wrote, Wrote, Finished]
    assert {event.name for event in events if isinstance(event, Wrote)} == {"weights"}
    assert all(sum(isinstance(one, Wrote) for _, one in batch) <= 1 for batch in batches)
    assert sum(isinstance(event, Attempted) for event in events) == 3


def test_a_lost_job_goes_on_from_its_answers_and_attempts(tmp_path):
    method = Fake(variants=("fine-a",), notes=tmp_path)
    planned = plan(method, [SPEC], dataset_dir=tmp_path)
    running = _Running(Work(planned.jobs[0], planned.data[0]))
    for completion in (
        Completion(2, "two"),
        Completion(1, "", finish_reason="cancelled"),
        Completion(3, "", finish_reason="unanswered"),
    ):
        running.take(Answered(completion))
    assert [*running.work.answers] == [2]
    assert not running.finished


def test_methods_that_call_a_server_are_refused_before_anything_is_drawn(tmp_path):
    method = Synthesis.of("openai:gpt-5", model_settings={"api_key": "sk-0123456789abcdef"})
    with pytest.raises(InputError, match="calls a server, whose budget and limit of calls"):
        RayCluster().check(method)


def test_a_local_model_can_be_sent():
    method = Synthesis.of("local", model_settings={"threads": 3})
    again = pickle.loads(method_to_send(method))
    assert again.llm.threads == 3
    assert again.llm.described == method.llm.described


@pytest.mark.parametrize("name", ["../out", "a/../../out", "/tmp/llm-erm-out"])
def test_no_node_writes_outside_the_folder(tmp_path, name):
    with pytest.raises(LLMERMError, match="outside the run's folder"):
        _write(tmp_path / "run", Wrote(name, b"x", 0, last=True))
    assert not list(tmp_path.iterdir())
