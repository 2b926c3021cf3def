"""The run folder keeps every attempt through kills, refuses mix-ups and names what is wrong."""

import json
import os
import resource
import runpy
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from llm_erm import journal
from llm_erm.errors import InputError
from llm_erm.llms.llm import Completion, ToolCall, Usage
from llm_erm.records import Attempt, Candidate, Verdict
from llm_erm.store import Point, Store

POINT = Point("fn_a", 20, 42)


def attempt(index: int, text: str = "{}") -> Attempt:
    completion = Completion(
        index, text, Usage(10, 5, 3, 1), 0.5, "stop", 0.01, (ToolCall("python", "1", "1"),)
    )
    return Attempt(
        index,
        Candidate("def f(x):\n    return 1", None, completion, "prompt"),
        Verdict("ok", 50, 1, 100, "ValueError: no", 0.1),
        Verdict("ok", 51, 0, 100),
        duplicate_of=1 if index > 1 else None,
    )


@pytest.fixture
def open_store(tmp_path):
    opened = []

    def make(settings=None, **kwargs):
        opened.append(Store(tmp_path / "run", settings or {"attempts": 5}, **kwargs))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


def test_attempts_come_back_as_they_were(open_store):
    written = [attempt(1), attempt(2, "naïve \ud800 ✓\n")]
    store = open_store()
    for each in written:
        store.append(POINT, each)
    store.close()
    assert open_store().attempts(POINT) == written


def test_an_attempt_is_on_disk_before_the_run_ends(open_store):
    store = open_store()
    store.append(POINT, attempt(1))
    lines = (store.folder / "attempts.jsonl").read_text().splitlines()
    assert [json.loads(line)["index"] for line in lines] == [1]


def test_a_line_cut_off_by_a_kill_is_removed_and_the_rest_kept(open_store):
    store = open_store()
    store.append(POINT, attempt(1))
    store.append(POINT, attempt(2))
    store.close()
    path = store.folder / "attempts.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    store = open_store()
    assert [each.index for each in store.attempts(POINT)] == [1]
    store.append(POINT, attempt(2))
    store.close()
    assert [each.index for each in open_store().attempts(POINT)] == [1, 2]


def test_other_settings_are_refused_and_named(open_store):
    store = open_store({"attempts": 5, "seed": 1})
    store.append(POINT, attempt(1))
    store.close()
    with pytest.raises(InputError, match=r"other settings \(different: seed\).*--fresh"):
        open_store({"attempts": 5, "seed": 2})


def test_fresh_starts_over(open_store):
    store = open_store({"seed": 1})
    store.append(POINT, attempt(1))
    store.close()
    store = open_store({"seed": 2}, fresh=True)
    assert store.attempts(POINT) == []
    assert json.loads((store.folder / "settings.json").read_text()) == {"seed": 2}


def test_settings_without_attempts_are_replaced(open_store):
    open_store({"seed": 1}).close()
    store = open_store({"seed": 2})
    assert json.loads((store.folder / "settings.json").read_text()) == {"seed": 2}


def test_fresh_deletes_nothing_that_no_run_wrote(open_store, tmp_path):
    own = tmp_path / "run" / "programs" / "mine.py"
    own.parent.mkdir(parents=True)
    own.write_text("x = 1")
    store = open_store(fresh=True)
    store.append(POINT, attempt(1))
    store.close()
    open_store(fresh=True).close()
    assert own.read_text() == "x = 1"


def test_fresh_refuses_a_folder_that_holds_no_run(open_store, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "results.jsonl").write_text("my own results\n")
    with pytest.raises(InputError, match="no run to start afresh"):
        open_store(fresh=True)
    assert (tmp_path / "run" / "results.jsonl").read_text() == "my own results\n"


def test_a_later_line_of_an_attempt_takes_the_place_of_the_first(open_store):
    store = open_store()
    for each in (attempt(1), attempt(2), attempt(1, "again")):
        store.append(POINT, each)
    assert [a.candidate.completion.text for a in store.attempts(POINT)] == ["again", "{}"]
    store.close()
    assert [a.candidate.completion.text for a in open_store().attempts(POINT)] == ["again", "{}"]


def test_an_attempt_that_is_missing_leaves_the_others_in_their_places(open_store):
    store = open_store()
    for index in (3, 1):
        store.append(POINT, attempt(index))
    store.close()
    assert [each.index for each in open_store().attempts(POINT)] == [1, 3]


def test_an_answer_waits_in_the_journal_until_an_attempt_is_made_of_it(open_store):
    store = open_store()
    for index in (2, 1):
        store.append(POINT, attempt(index).candidate.completion)
    store.append(POINT, attempt(2))
    store.close()
    again = open_store()
    assert again.answers(POINT) == [attempt(1).candidate.completion]
    assert sorted(one.index for one in again.completions()) == [1, 2]


def test_a_call_that_was_given_up_stays_in_the_account_when_its_sample_is_asked_for_again(
    open_store,
):
    """So that a run that is stopped and resumed twice forgets no call that may be billed."""
    given_up = replace(attempt(2).candidate.completion, finish_reason="cancelled", cost_usd=None)
    store = open_store()
    for news in (given_up, given_up, attempt(2).candidate.completion, attempt(2)):
        store.append(POINT, news)
    store.close()
    again = open_store()
    assert again.answers(POINT) == []
    assert again.given_up() == 2
    reasons = [one.finish_reason for one in again.completions()]
    assert sorted(reasons) == ["cancelled", "cancelled", "stop"]


def test_answers_come_back_in_the_order_in_which_they_came(open_store):
    store = open_store()
    for index in (3, 1, 2):
        store.append(POINT, attempt(index).candidate.completion)
    store.append(POINT, replace(attempt(3).candidate.completion, more_drawn=True))
    store.close()
    assert [one.index for one in open_store().answers(POINT)] == [3, 1, 2]


def test_the_trials_of_a_task_are_kept_apart(open_store):
    store = open_store()
    store.append(POINT, attempt(1))
    store.append(POINT._replace(trial=2, seed=7), attempt(2))
    store.close()
    again = open_store()
    assert [one.index for one in again.attempts(POINT)] == [1]
    assert [one.index for one in again.attempts(POINT._replace(trial=2, seed=7))] == [2]


@pytest.mark.parametrize(
    ("name", "content"),
    [("settings.json", b"\xff\xfe"), ("results.jsonl", b"{}\n"), ("results.jsonl", b"\xff\n")],
)
def test_a_damaged_folder_is_one_sentence(open_store, name, content):
    store = open_store()
    store.append(POINT, attempt(1))
    store.close()
    (store.folder / name).write_bytes(content)
    with pytest.raises(InputError, match=name.partition(".")[0]):
        open_store()


@pytest.mark.parametrize("line", ["not json", "[1]", '{"function": "fn_a"}'])
def test_a_journal_that_is_none_is_named_by_line(open_store, line):
    store = open_store()
    store.append(POINT, attempt(1))
    store.close()
    with (store.folder / "attempts.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(InputError, match="line 2"):
        open_store()


def test_two_processes_cannot_write_to_one_folder(open_store):
    store = open_store()
    code = f"""
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from llm_erm.store import Point, Store
Store(Path({str(store.folder)!r}), {{"attempts": 5}})
"""
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert other.returncode != 0
    assert "Another process is writing" in other.stderr


def test_windows_locks_a_byte_that_no_journal_reaches(monkeypatch, tmp_path):
    locked = []

    def locking(file, mode, count):
        if locked:
            raise PermissionError
        locked.append((os.lseek(file, 0, os.SEEK_CUR), mode, count))

    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(LK_NBLCK=2, locking=locking))
    monkeypatch.setattr(sys, "platform", "win32")
    there = runpy.run_path(journal.__file__)["Journal"]
    first, second = (there(tmp_path / "attempts.jsonl") for _ in range(2))
    assert (first.lock(), second.lock()) == (True, False)
    assert locked == [(2**30, 2, 1)]
    first.append({"index": 1})
    assert (tmp_path / "attempts.jsonl").read_text() == '{"index": 1}\n'
    first.close()
    second.close()


def test_a_full_disk_is_one_sentence(open_store):
    store = open_store()
    store._run.journals["attempts"].close()
    full = Path("/dev/full").open("ab", buffering=0)  # noqa: SIM115 - the fixture closes it
    store._run.journals["attempts"].file = full
    with pytest.raises(InputError, match="Cannot write .*No space left"):
        store.append(POINT, attempt(1))


def test_a_disk_that_is_full_for_a_while_leaves_no_half_line_before_the_next(open_store):
    store = open_store()
    store.append(POINT, attempt(1))
    attempts = store._run.journals["attempts"]
    whole = attempts.path.stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (whole + 100, hard))
    try:
        with pytest.raises(InputError, match="Cannot write"):
            store.append(POINT, attempt(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    store.append(POINT, attempt(3))
    store.close()
    assert [one.index for one in open_store().attempts(POINT)] == [1, 3]


def test_a_file_in_the_way_is_one_sentence(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(InputError, match="Cannot write"):
        Store(tmp_path / "run", {})


def test_results_that_are_written_anew_from_several_threads_are_all_kept(open_store):
    store = open_store()

    def write(number: int) -> None:
        point = Point("fn_a", number, 42)
        line = {**point._asdict(), "text": "x" * 500}
        store.add_result(point, line)
        store.add_result(point, line | {"again": True})

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(write, range(200)))
    lines = (store.folder / "results.jsonl").read_text().splitlines()
    results = [json.loads(line) for line in lines]
    assert sorted(result["length"] for result in results) == list(range(200))
    assert all(result["again"] for result in results)
