"""A function is called for all pieces, wherever that is, and a stopped call leaves nothing."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from llm_erm.errors import InputError, LLMERMError
from llm_erm.runs.cluster import RayCluster
from llm_erm.runs.executors import InProcess, Processes
from llm_erm.runs.mapping import _called, check_mapping, mapped
from llm_erm.runs.stopping import stopping_at_sigterm
from mapped_pieces import Notes, act


@pytest.fixture
def notes(tmp_path) -> Notes:
    return Notes(tmp_path)


def test_results_come_in_the_order_of_the_pieces_whichever_ends_first(notes):
    pieces = ["after-b", "b"]
    assert mapped(Processes(2), act, notes, pieces) == pieces


def test_processes_load_what_calls_share_once_each_and_are_no_more_than_the_pieces(notes):
    pieces = [f"{index}" for index in range(8)]
    assert mapped(Processes(2), act, notes, pieces) == pieces
    loads = [name.partition("-")[0] for name in notes.noted("loaded-")]
    assert 1 <= len(loads) == len(set(loads)) <= 2
    assert str(os.getpid()) not in loads


@pytest.mark.parametrize("executor", [InProcess(), Processes(1), Processes(4)])
def test_one_piece_needs_no_other_process(notes, executor):
    assert mapped(executor, act, notes, ["a"]) == ["a"]
    assert mapped(executor, act, notes, []) == []
    assert notes.noted("loaded-") == []


def test_processes_use_the_threads_that_they_are_given(notes):
    pieces = ["environment-OMP_NUM_THREADS"] * 2
    assert mapped(Processes(2, threads=3), act, notes, pieces) == ["3", "3"]


def test_the_error_of_a_call_is_raised_and_ends_the_others(notes):
    with pytest.raises(InputError, match="a wrong setting") as raised:
        mapped(Processes(2), act, notes, ["refused-late", "asleep"])
    assert raised.value.setting == "looks"
    assert gone(notes.noted("asleep-"))


def test_a_killed_process_is_one_sentence(notes):
    with pytest.raises(LLMERMError, match="killed, perhaps for lack of memory; use fewer"):
        mapped(Processes(2), act, notes, ["asleep", "killed-late"])
    assert gone(notes.noted("asleep-"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_search_that_is_stopped_leaves_no_process(notes, number):
    def stop() -> None:
        notes.wait_for("asleep-", 2)
        os.kill(os.getpid(), number)

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(KeyboardInterrupt), stopping_at_sigterm():
        mapped(Processes(2), act, notes, ["asleep-1", "asleep-2", "c"])
    stopper.join()
    assert gone(notes.noted("asleep-"))
    assert notes.noted("ended-") == []


@pytest.mark.parametrize(
    ("executor", "said"),
    [
        ("processes", r"The executor is 'processes'; give InProcess\(\), Processes"),
        (RayCluster(gpus=0.5), "No search for rules uses a GPU, but each would take 0.5; leave"),
    ],
)
def test_what_cannot_call_is_refused(notes, executor, said):
    with pytest.raises(InputError, match=said):
        check_mapping(executor)
    with pytest.raises(InputError, match=said):
        mapped(executor, act, notes, ["a"])


def test_a_cluster_that_is_not_there_is_named_before_anything_is_sent():
    pytest.importorskip("ray", reason="needs Ray: pip install 'llm-erm[distributed]'")
    with pytest.raises(InputError, match="Cannot connect to Ray at '127.0.0.1:1'"):
        check_mapping(RayCluster("127.0.0.1:1"))


def test_a_node_with_another_version_is_named_before_anything_is_loaded():
    with pytest.raises(LLMERMError, match=r"has llm-erm .*, but the driver has 0\.0"):
        _called("0.0", b"of another version", "a")


def gone(pids: list[str]) -> bool:
    """Whether processes end within seconds."""
    deadline = time.monotonic() + 20
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(map(alive, pids))


def alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
