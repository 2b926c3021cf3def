"""What a process of a cluster sends, and what the driver makes of it, without a cluster."""

import pickle

import pytest

import fake_method
from fake_method import SPEC, Fake
from llm_erm.errors import InputError, LLMERMError
from llm_erm.llms.llm import Completion
from llm_erm.runs.cluster_dispatch import Running
from llm_erm.runs.cluster_files import CHUNK_BYTES, Wrote, send_file, write_part
from llm_erm.runs.cluster_worker import Worker, in_sandbox
from llm_erm.runs.events import Answered, Attempted, Finished
from llm_erm.runs.executors import method_to_send
from llm_erm.runs.jobs import Work
from llm_erm.runs.run import plan
from llm_erm.synthesis.method import Synthesis


def test_a_node_with_another_version_is_named():
    with pytest.raises(LLMERMError, match=r"has llm-erm .*, but the run was started with 0\.0"):
        Worker(b"").begin("0.0")
    with pytest.raises(LLMERMError, match=r"has llm-erm .*, but the run was started with 0\.0"):
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
    assert [*running.work.answers] == [2]
    assert not running.finished


def test_a_local_model_can_be_sent():
    method = Synthesis.of("local", model_settings={"threads": 3})
    again = pickle.loads(method_to_send(method))
    assert again.llm.threads == 3
    assert again.llm.described == method.llm.described


@pytest.mark.parametrize(
    "name",
    [
        *("../out", "a/../../out", "/tmp/llm-erm-out", "", "."),
        *("results.jsonl", "answers.jsonl.part", "settings.json", ".lock", "log.jsonl"),
        *("programs/fn_a-L8-seed0.py", "programs"),
    ],
)
def test_no_node_writes_what_no_job_writes(tmp_path, name):
    with pytest.raises(LLMERMError, match="which no job writes"):
        write_part(tmp_path / "run", Wrote(name, b"x", 0, last=True))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("link", ["model", "model/weights", "model/weights.part"])
def test_no_node_writes_through_a_link(tmp_path, link):
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "run" / link).parent.mkdir(parents=True)
    (tmp_path / "run" / link).symlink_to(outside if link == "model" else outside / "file")
    with pytest.raises(InputError, match="is a link, and a run writes nothing outside its folder"):
        write_part(tmp_path / "run", Wrote("model/weights", b"x", 0, last=True))
    assert not list(outside.iterdir())


def test_a_run_may_be_in_a_folder_that_is_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "disk")
    write_part(tmp_path / "run", Wrote("model/weights", b"x", 0, last=True))
    assert (tmp_path / "disk/model/weights").read_bytes() == b"x"
