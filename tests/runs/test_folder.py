"""The run folder keeps every attempt through kills, refuses mix-ups and names what is wrong."""

import errno
import json
import os
import resource
import runpy
import signal
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from llm_erm.errors import InputError
from llm_erm.facts import SynthesisFacts
from llm_erm.llms.llm import Completion, ToolCall, Usage
from llm_erm.records import Attempt, Candidate, Result, Verdict
from llm_erm.runs import journal, journal_file, kept
from llm_erm.runs.events import Answered, Attempted, Finished, Prompted
from llm_erm.runs.fingerprint import DataRecord, Fingerprint
from llm_erm.runs.folder import RunFolder
from llm_erm.runs.jobs import JobKey
from llm_erm.runs.journal import Journal
from llm_erm.runs.programs import write_program
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.task import DataKey
from run_folders import reseal

JOB = JobKey("fn_a", 20, 42)
JOBS = {JobKey("fn_a", length, 42, trial) for length in range(100) for trial in (1, 2)}
DATA = DataRecord(DataSpec(function="fn_a", length=20), "abc", "abc")


def attempt(index: int) -> Attempt:
    return Attempt(
        index,
        Candidate("def f(x):\n    return 1"),
        Verdict("ok", 50, 1, 100, "ValueError: no", 0.1),
        Verdict("ok", 51, 0, 100),
        duplicate_of=1 if index > 1 else None,
    )


def answer(index: int, text: str = "{}") -> Completion:
    return Completion(
        index, text, Usage(10, 5, 3, 1), 0.5, "stop", 0.01, (ToolCall("python", "1", "1"),)
    )


def result(length: int = 20, **facts) -> Result:
    return Result(
        method="synthesis",
        model="scripted:answers",
        data=DataKey("fn_a", length, 42, 1, "abc"),
        examples=200,
        seconds=1.0,
        facts=SynthesisFacts(**facts),
    )


@pytest.fixture
def open_folder(tmp_path):
    opened = []

    def make(settings=None, data=(DATA,), **keywords):
        fingerprint = Fingerprint("0", "synthesis", settings or {"attempts": 5}, data)
        opened.append(RunFolder(tmp_path / "run", fingerprint, JOBS, **keywords))
        return opened[-1]

    yield make
    for folder in opened:
        folder.close()


def test_everything_comes_back_as_it_was(open_folder):
    text = "naïve \ud800 ✓\n\u2028"
    folder = open_folder()
    measured = result(test_accuracies=(0.5, None), exact_attempts=0, pass_at={1: 0.25})
    for event in (
        Prompted("prompt \ud800"),
        Answered(answer(1)),
        Answered(answer(2, text)),
        Attempted(attempt(1)),
        Attempted(attempt(2)),
        Finished(measured),
    ):
        folder(JOB, event)
    folder.close()
    again = open_folder()
    assert again.prompt(JOB) == "prompt \ud800"
    assert again.answers(JOB) == {1: answer(1), 2: answer(2, text)}
    assert again.attempts(JOB) == [attempt(1), attempt(2)]
    assert again.results == {JOB: measured}


def test_memory_does_not_grow_with_the_attempts_of_finished_jobs(open_folder):
    """20,000 attempts of 100 jobs; what a job held is read again if somebody asks for it."""
    folder = open_folder()
    jobs = sorted(JOBS)[:100]
    tracemalloc.start()
    for number, job in enumerate(jobs):
        if number == 10:
            before = tracemalloc.get_traced_memory()[0]
        for index in range(1, 201):
            folder(job, Answered(answer(index, f"{job.name} {index} {'x' * 500}")))
            folder(job, Attempted(attempt(index)))
        done = result(job.length)
        folder(job, Finished(replace(done, data=replace(done.data, trial=job.trial))))
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 500_000  # bytes; all that they hold takes 30 million
    assert len(folder.attempts(jobs[3])) == 200
    assert folder.answers(jobs[50])[7].text.startswith(f"{jobs[50].name} 7 x")
    assert len(folder.completions()) == 20_000


def test_a_prompt_is_stored_once_per_search(open_folder):
    folder = open_folder()
    for _ in range(2):
        folder(JOB, Prompted("the same"))
    folder.close()
    open_folder()(JOB, Prompted("the same"))
    lines = (folder.path / "prompts.jsonl").read_text().splitlines()
    assert len(lines) == 1


def test_an_attempt_is_on_disk_before_the_run_ends(open_folder):
    folder = open_folder()
    folder(JOB, Attempted(attempt(1)))
    lines = (folder.path / "attempts.jsonl").read_text().splitlines()
    assert [json.loads(line)["attempt"]["index"] for line in lines] == [1]


def test_a_line_cut_off_by_a_kill_is_removed_and_the_rest_kept(open_folder):
    folder = open_folder()
    folder(JOB, Attempted(attempt(1)))
    folder(JOB, Attempted(attempt(2)))
    folder.close()
    path = folder.path / "attempts.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    folder = open_folder()
    assert [each.index for each in folder.attempts(JOB)] == [1]
    folder(JOB, Attempted(attempt(2)))
    folder.close()
    assert [each.index for each in open_folder().attempts(JOB)] == [1, 2]


def test_other_settings_are_refused_and_named(open_folder):
    folder = open_folder({"attempts": 5, "seed": 1})
    folder(JOB, Attempted(attempt(1)))
    folder.close()
    with pytest.raises(InputError, match=r"other settings \(different: seed\); name another"):
        open_folder({"attempts": 5, "seed": 2})


def test_fresh_starts_over(open_folder):
    folder = open_folder({"seed": 1})
    folder(JOB, Attempted(attempt(1)))
    folder.close()
    folder = open_folder({"seed": 2}, fresh=True)
    assert folder.attempts(JOB) == []
    assert json.loads((folder.path / "settings.json").read_text())["settings"] == {"seed": 2}


def test_settings_without_attempts_are_replaced(open_folder):
    open_folder({"seed": 1}).close()
    folder = open_folder({"seed": 2})
    assert json.loads((folder.path / "settings.json").read_text())["settings"] == {"seed": 2}


def test_fresh_deletes_nothing_that_no_run_wrote(open_folder, tmp_path):
    own = tmp_path / "run" / "programs" / "mine.py"
    own.parent.mkdir(parents=True)
    own.write_text("x = 1")
    folder = open_folder(fresh=True)
    folder(JOB, Attempted(attempt(1)))
    folder.close()
    open_folder(fresh=True).close()
    assert own.read_text() == "x = 1"


def test_fresh_refuses_a_folder_that_holds_no_run(open_folder, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "results.jsonl").write_text("my own results\n")
    with pytest.raises(InputError, match="does not hold a run that could be deleted"):
        open_folder(fresh=True)
    assert (tmp_path / "run" / "results.jsonl").read_text() == "my own results\n"


def test_a_later_line_of_an_attempt_takes_the_place_of_the_first(open_folder):
    again = replace(attempt(1), candidate=Candidate(None, "nondeterministic"))
    folder = open_folder()
    for each in (attempt(1), attempt(2), again):
        folder(JOB, Attempted(each))
    assert folder.attempts(JOB) == [again, attempt(2)]
    folder.close()
    assert open_folder().attempts(JOB) == [again, attempt(2)]


def test_an_attempt_that_is_missing_leaves_the_others_in_their_places(open_folder):
    folder = open_folder()
    for index in (3, 1):
        folder(JOB, Attempted(attempt(index)))
    folder.close()
    assert [each.index for each in open_folder().attempts(JOB)] == [1, 3]


def test_a_call_that_was_given_up_stays_in_the_account_when_its_sample_is_asked_for_again(
    open_folder,
):
    """So that a run that is stopped and resumed twice forgets no call that may be billed."""
    given_up = replace(answer(2), finish_reason="cancelled", cost_usd=None)
    folder = open_folder()
    for news in (given_up, given_up, answer(2)):
        folder(JOB, Answered(news))
    folder.close()
    again = open_folder()
    assert again.answers(JOB) == {2: answer(2)}
    assert again.given_up() == 2
    reasons = [one.finish_reason for one in again.completions()]
    assert sorted(reasons) == ["cancelled", "cancelled", "stop"]


def test_answers_come_back_in_the_order_in_which_they_came(open_folder):
    folder = open_folder()
    for index in (3, 1, 2):
        folder(JOB, Answered(answer(index)))
    later = replace(answer(3), more_drawn=True)
    folder(JOB, Answered(later))
    folder.close()
    again = open_folder().answers(JOB)
    assert list(again) == [3, 1, 2]
    assert again[3] == later


def test_the_trials_of_a_task_are_kept_apart(open_folder):
    folder = open_folder()
    folder(JOB, Attempted(attempt(1)))
    folder(replace(JOB, trial=2, seed=7), Attempted(attempt(2)))
    folder.close()
    again = open_folder()
    assert [one.index for one in again.attempts(JOB)] == [1]
    assert [one.index for one in again.attempts(replace(JOB, trial=2, seed=7))] == [2]


@pytest.fixture
def filled(open_folder):
    """The folder of a run with two attempts and a result, closed."""
    folder = open_folder()
    for event in (
        *(Prompted("prompt"), Answered(answer(1)), Attempted(attempt(1)), Answered(answer(2))),
        *(Attempted(attempt(2)), Finished(result())),
    ):
        folder(JOB, event)
    folder.close()
    return folder.path


def edited(path: Path, number: int, old: str, new: str) -> str:
    """Changes a line of a file, and returns what it was."""
    lines = path.read_text().splitlines(keepends=True)
    before = lines[number - 1]
    assert old in before
    lines[number - 1] = before.replace(old, new, 1)
    path.write_text("".join(lines))
    return before


@pytest.mark.parametrize(
    ("name", "old", "new", "lost"),
    [
        ("prompts", '"prompt"', '"promqt"', ({1, 2}, {1, 2})),
        ("answers", '"text": "{}"', '"text": "[]"', ({1}, {1})),
        ("attempts", '"correct": 51', '"correct": 91', ({1, 2}, {1})),
        ("attempts", "\n", "", ({1, 2}, set())),
        ("results", '"seconds": 1.0', '"seconds": 2.0', ({1, 2}, {1, 2})),
    ],
)
def test_a_line_that_changed_is_named_set_aside_and_not_believed(
    open_folder, filled, name, old, new, lost
):
    path = filled / f"{name}.jsonl"
    number = 1 if new == "" or name in ("prompts", "results") else 2
    before = path.read_bytes()
    edited(path, number, old, new)
    changed = path.read_bytes().splitlines(keepends=True)[number - 1]
    again = open_folder()
    (notice,) = again.notices
    assert f"{path}, line {number}: damaged, edited or of another run; " in notice
    assert (set(again.answers(JOB)), {one.index for one in again.attempts(JOB)}) == lost
    assert again.results == {}
    again.close()
    assert path.with_suffix(".jsonl.damaged").read_bytes().rstrip() == changed.rstrip()
    assert all(line in before for line in path.read_bytes().splitlines())
    assert not any("damaged" in notice for notice in open_folder().notices)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("attempts", lambda lines: lines[:1], "result of fn_a L=20 is not that of"),
        ("attempts", lambda lines: [*lines, lines[0]], "result of fn_a L=20 is not that of"),
        ("attempts", lambda lines: lines[::-1], "result of fn_a L=20 is not that of"),
        ("answers", lambda lines: lines[:1], "lacks the answer to attempt 2 of fn_a L=20; the mod"),
        ("prompts", lambda lines: [], "result of fn_a L=20 is not that of"),
    ],
)
def test_lines_that_are_gone_or_elsewhere_leave_no_result(open_folder, filled, name, change, said):
    path = filled / f"{name}.jsonl"
    replaced = (filled / "results.jsonl").read_text()
    path.write_text("".join(change(path.read_text().splitlines(keepends=True))))
    again = open_folder()
    (notice,) = again.notices
    assert said in notice
    assert again.results == {}
    again.close()
    assert open_folder().results == {}
    assert (filled / "results.jsonl.damaged").read_text() == replaced


@pytest.mark.parametrize(("source", "target"), [("answers", "attempts"), ("attempts", "answers")])
def test_a_line_moved_to_another_file_is_named_as_damaged(open_folder, filled, source, target):
    line = (filled / f"{source}.jsonl").read_text().splitlines(keepends=True)[0]
    with (filled / f"{target}.jsonl").open("a") as file:
        file.write(line)
    (notice,) = open_folder().notices
    assert f"{target}.jsonl, line 3: damaged, edited or of another run; " in notice


def test_a_folder_that_is_read_while_a_run_writes_to_it_is_not_called_damaged(
    open_folder, monkeypatch
):
    folder = open_folder()
    indices = iter(range(1, 20))
    read = journal_file.read_bytes

    def read_later(*arguments, **keywords):
        index = next(indices)
        for event in (
            *(Prompted(f"prompt {index}", index), Answered(answer(index))),
            Attempted(attempt(index)),
        ):
            folder(JOB, event)
        return read(*arguments, **keywords)

    monkeypatch.setattr(journal_file, "read_bytes", read_later)
    found = kept.read_contents(folder.path, folder._settings)
    assert found.faults == {}
    assert set(found.kept[JOB].attempts) == {1, 2}


def test_a_line_of_another_run_is_not_believed(open_folder, filled, tmp_path):
    path = filled / "attempts.jsonl"
    other = RunFolder(
        tmp_path / "other", Fingerprint("0", "synthesis", {"attempts": 6}, (DATA,)), JOBS
    )
    other(JOB, Attempted(attempt(3)))
    other.close()
    with path.open("a") as file:
        file.write((other.path / "attempts.jsonl").read_text())
    again = open_folder()
    assert [one.index for one in again.attempts(JOB)] == [1, 2]
    assert "attempts.jsonl, line 3: damaged, edited or of another run" in again.notices[0]
    assert again.results == {JOB: result()}


def test_an_answer_with_an_index_that_no_sample_has_is_refused(open_folder, filled):
    """Even if its checksum fits."""
    reseal(filled / "answers.jsonl", lambda line: line["answer"].update(index=0))
    with pytest.raises(InputError, match=r"answers.jsonl, line 1 .* index is 0, less than 1"):
        open_folder()


def test_an_attempt_is_that_of_the_answer_that_is_journaled(open_folder, filled):
    """Of two answers to a sample that are whole, it verified one."""
    with (filled / "answers.jsonl").open("r+") as file:
        lines = file.read().splitlines(keepends=True)
        folder = open_folder()
        folder(JOB, Answered(answer(2, "another")))
        folder.close()
        assert len(lines) == 2
    again = open_folder()
    assert again.answers(JOB)[2] == answer(2, "another")
    assert [one.index for one in again.attempts(JOB)] == [1]


def test_settings_that_changed_are_known_by_the_lines_written_with_them(open_folder, filled):
    path = filled / "settings.json"
    before = path.read_text()
    for text in (before.replace('"attempts": 5', '"attempts": 4'), "", "[" * 100_000, "\x00"):
        path.write_text(text)
        again = open_folder()
        assert again.notices == [f"{path} was damaged or edited; it is written again."]
        assert again.results == {JOB: result()}
        again.close()
        assert path.read_text() == before
    path.unlink()
    again = open_folder()
    assert again.notices == [f"{path} was missing; it is written again."]
    assert again.results == {JOB: result()}
    again.close()
    assert path.read_text() == before
    path.unlink()
    with pytest.raises(InputError, match=r"settings\.json is missing, and no line that shows"):
        open_folder({"attempts": 6})
    path.write_text("{")
    with pytest.raises(InputError, match=r"other settings \(settings\.json is damaged\)"):
        open_folder({"attempts": 6})


def test_a_folder_without_checksums_is_that_of_an_earlier_version(open_folder, filled):
    path = filled / "settings.json"
    settings = json.loads(path.read_text())
    del settings["sha256"]
    path.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
    with pytest.raises(InputError, match=r"holds a run of llm-erm 0\.2\.0 or earlier, whose lines"):
        open_folder()
    assert open_folder(fresh=True).results == {}


def test_a_last_line_that_lost_only_its_end_is_kept(open_folder, filled):
    path = filled / "answers.jsonl"
    path.write_bytes(path.read_bytes()[:-1])
    again = open_folder()
    assert set(again.answers(JOB)) == {1, 2}
    assert again.notices == []
    again(JOB, Answered(answer(3)))
    again.close()
    assert set(open_folder().answers(JOB)) == {1, 2, 3}


def test_a_last_line_with_a_damaged_end_is_no_work_of_a_kill(open_folder, filled):
    path = filled / "answers.jsonl"
    path.write_bytes(path.read_bytes()[:-1] + b"\x0b")
    assert "answers.jsonl, line 2: damaged" in open_folder().notices[0]


@pytest.mark.parametrize("name", ["settings.json", "results.jsonl", "answers.jsonl"])
@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_one_sentence(open_folder, filled, name, kind):
    (filled / name).unlink()
    (filled / name).mkdir() if kind == "folder" else os.mkfifo(filled / name)
    with pytest.raises(InputError, match=rf"Cannot read .*{name}: ") as caught:
        open_folder()
    assert caught.value.setting == "out_dir"


@pytest.mark.parametrize(
    "line", ["", "not json", "[1]", "[" * 100_000, '{"a": NaN}', "\x00", '{"function": "fn_a"}']
)
def test_a_line_that_is_none_is_named_and_left_out(open_folder, filled, line):
    with (filled / "attempts.jsonl").open("a") as file:
        file.write(line + "\n")
    again = open_folder()
    assert "attempts.jsonl, line 3: damaged" in again.notices[0]
    assert again.results == {JOB: result()}


def with_program(**changes) -> Result:
    """A result with a program."""
    return replace(
        result(),
        program="def f(x):\n    return 1",
        train=Verdict("ok", 50, 1, 100),
        validation=Verdict("ok", 51, 0, 100),
        test=Verdict("ok", 51, 0, 100),
        **changes,
    )


@pytest.mark.parametrize("content", ["def f(x):\n    return 0\n", None])
def test_a_program_file_that_changed_or_is_missing_is_written_again(open_folder, content):
    folder = open_folder()
    folder(JOB, Finished(with_program()))
    folder.close()
    (path,) = (folder.path / "programs").iterdir()
    before = path.read_text()
    path.unlink()
    if content is not None:
        path.write_text(content)
    again = open_folder()
    assert again.notices == (
        [f"{path} was not the program of its result; it is written again."] if content else []
    )
    assert path.read_text() == before


def test_a_program_file_that_is_a_link_is_replaced_and_its_target_stays(open_folder, tmp_path):
    folder = open_folder()
    folder(JOB, Finished(with_program()))
    folder.close()
    (path,) = (folder.path / "programs").iterdir()
    before = path.read_text()
    (tmp_path / "mine.py").write_text("mine")
    draft = path.with_name(path.name + ".part")
    for text in ("mine", before):
        (tmp_path / "mine.py").write_text(text)
        path.unlink()
        path.symlink_to(tmp_path / "mine.py")
        draft.symlink_to(tmp_path / "draft.py")
        again = open_folder()
        again.close()
        assert again.notices == [f"{path} was not the program of its result; it is written again."]
        assert not path.is_symlink()
        assert path.read_text() == before
        assert (tmp_path / "mine.py").read_text() == text
        assert not (tmp_path / "draft.py").exists()
    path.unlink()
    path.symlink_to(tmp_path / "mine.py")
    folder = open_folder(fresh=True)
    folder(JOB, Finished(with_program(notices=("another",))))
    assert (tmp_path / "mine.py").read_text() == before


@pytest.mark.parametrize("dangling", [False, True])
@pytest.mark.parametrize(
    "name",
    [
        *("programs", ".lock", "settings.json", "results.jsonl", "answers.jsonl", "log.jsonl"),
        *("results.jsonl.part", "results.jsonl.damaged", "fn_a-L20-n20", "config.json", "logs.log"),
        *("fn_a-L20-n20/config.json", "model", "model/head.safetensors", "checkpoint.part"),
    ],
)
@pytest.mark.parametrize("fresh", [False, True])
def test_a_link_in_place_of_what_a_run_writes_is_refused(
    open_folder, filled, tmp_path, name, fresh, dangling
):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    if (filled / name).exists():
        (filled / name).unlink()
    (filled / name).parent.mkdir(exist_ok=True)
    target = elsewhere / "target"
    if not dangling:
        target.mkdir() if name in ("programs", "model", "fn_a-L20-n20") else target.touch()
    (filled / name).symlink_to(target)
    with pytest.raises(InputError, match=f"{name} is a link, and a run writes nothing outside"):
        open_folder(fresh=fresh)
    assert target.exists() != dangling
    assert (filled / name).is_symlink()


@pytest.mark.parametrize(
    ("where", "change"),
    [
        ("function", lambda line: line["data"].update(function="../../../evil/pwned")),
        ("function", lambda line: line["data"].update(function="fn_b")),
        ("variant", lambda line: line.update(variant="/../../../pwned")),
    ],
)
def test_a_result_of_no_job_of_the_run_is_named_set_aside_and_writes_nothing(
    open_folder, tmp_path, where, change
):
    folder = open_folder()
    folder(JOB, Finished(with_program()))
    folder.close()
    reseal(folder.path / "results.jsonl", change)
    forged = (folder.path / "results.jsonl").read_bytes()
    before = set(tmp_path.rglob("*.py"))
    again = open_folder()
    assert again.results == {}
    (notice,) = again.notices
    assert "results.jsonl: the run has no job '" in notice
    assert (folder.path / "results.jsonl.damaged").read_bytes() == forged
    assert (folder.path / "results.jsonl").read_bytes() == b""
    assert set(tmp_path.rglob("*.py")) == before


@pytest.mark.parametrize("function", ["../evil", "/evil", "a/b"])
def test_no_program_is_written_outside_its_folder(tmp_path, function):
    with pytest.raises(InputError, match="is no file name"):
        write_program(tmp_path / "run", JobKey(function, 20, 42), with_program())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("version", [1, 99])
def test_a_result_of_another_version_is_refused_whatever_else_it_holds(open_folder, version):
    folder = open_folder()
    folder(JOB, Finished(result()))
    folder.close()
    path = folder.path / "results.jsonl"
    reseal(path, lambda line: line.update(version=version, examples=None))

    with pytest.raises(InputError) as caught:
        open_folder()
    assert str(caught.value) == (
        f"{path}, line 1: The layout of this result has version {version}, and this llm-erm reads "
        "version 2; use the llm-erm that wrote it, or name another folder."
    )


def test_two_processes_cannot_write_to_one_folder(open_folder):
    folder = open_folder()
    code = f"""
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from llm_erm.runs.fingerprint import Fingerprint
from llm_erm.runs.folder import RunFolder
RunFolder(Path({str(folder.path)!r}), Fingerprint("0", "synthesis", {{"attempts": 5}}, ()), ())
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
    first.append("a line\n")
    assert (tmp_path / "attempts.jsonl").read_text() == "a line\n"
    first.close()
    second.close()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_written_to_by_one_process(monkeypatch, tmp_path, number):
    """Of two, one notices the other: a network file system may grant the lock to both."""

    def flock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(journal.fcntl, "flock", flock)
    with closing(journal.lock(tmp_path)), closing(journal.lock(tmp_path)):
        first, second = (Journal(tmp_path / "attempts.jsonl") for _ in range(2))
        with closing(first), closing(second):
            first.append("a line\n")
            first.append("a linë\n")
            second.append("another's\n")
            with pytest.raises(InputError, match="Another process is writing to .*; stop one of"):
                first.append("a line\n")
            second.append("another's\n")
    assert (tmp_path / "attempts.jsonl").read_text() == "a line\na linë\n" + 2 * "another's\n"


def test_other_errors_of_locking_are_not_hidden(monkeypatch, tmp_path):
    def flock(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(journal.fcntl, "flock", flock)
    with pytest.raises(InputError, match=r"Cannot write .*Input/output error"):
        journal.lock(tmp_path)


def test_a_full_disk_is_one_sentence(tmp_path):
    journal_file = Journal(tmp_path / "attempts.jsonl")
    journal_file.close()
    journal_file.file = Path("/dev/full").open("ab", buffering=0)  # noqa: SIM115 - closed below
    try:
        with pytest.raises(InputError, match=r"Cannot write .*No space left"):
            journal_file.append("a line\n")
    finally:
        journal_file.close()


def test_a_disk_that_is_full_for_a_while_leaves_no_half_line_before_the_next(open_folder):
    folder = open_folder()
    folder(JOB, Attempted(attempt(1)))
    whole = (folder.path / "attempts.jsonl").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (whole + 100, hard))
    try:
        with pytest.raises(InputError, match="Cannot write"):
            folder(JOB, Attempted(attempt(2)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    folder(JOB, Attempted(attempt(3)))
    folder.close()
    assert [one.index for one in open_folder().attempts(JOB)] == [1, 3]


def test_a_file_in_the_way_is_one_sentence(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(InputError, match="Cannot write"):
        RunFolder(tmp_path / "run", Fingerprint("0", "synthesis", {}, ()), ())


def test_results_that_are_written_anew_from_several_threads_are_all_kept(open_folder):
    folder = open_folder()

    def write(number: int) -> None:
        job = JobKey("fn_a", number, 42)
        folder(job, Finished(result(number)))
        folder(job, Finished(result(number, exact_attempts=3)))

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(write, range(100)))
    folder.close()
    results = open_folder().results
    assert sorted(job.length for job in results) == list(range(100))
    assert {one.facts.exact_attempts for one in results.values()} == {3}


def test_other_data_are_refused_and_named(open_folder):
    folder = open_folder()
    folder(JOB, Attempted(attempt(1)))
    folder.close()
    with pytest.raises(InputError, match=r"different: data\)"):
        open_folder(data=(replace(DATA, sha256="def"),))
    with pytest.raises(InputError, match=r"different: test_size\)"):
        open_folder(data=(replace(DATA, spec=replace(DATA.spec, test_size=10)),))


def test_answers_to_another_prompt_are_not_continued(open_folder):
    folder = open_folder()
    folder(JOB, Prompted("one"))
    folder(JOB, Prompted("two"))  # nothing was answered yet
    folder(JOB, Answered(answer(1)))
    with pytest.raises(InputError, match="prompt of fn_a L=20 is not the one whose answers are"):
        folder(JOB, Prompted("three"))
    folder(JOB, Prompted("for later samples", index=4))
    folder.close()
    again = open_folder()
    assert [again.prompt(JOB, index) for index in (1, 3, 4, 9)] == [
        "two",
        "two",
        "for later samples",
        "for later samples",
    ]


def test_the_folder_stays_locked_when_a_result_is_written_anew(open_folder):
    folder = open_folder()
    folder(JOB, Finished(result()))
    folder(JOB, Finished(result(exact_attempts=1)))
    with pytest.raises(InputError, match="Another process is writing"):
        open_folder()
    folder.close()
    assert open_folder().results[JOB].facts.exact_attempts == 1


def test_other_order_of_the_training_examples_is_other_data(open_folder):
    folder = open_folder()
    folder(JOB, Attempted(attempt(1)))
    folder.close()
    with pytest.raises(InputError, match=r"different: data\)"):
        open_folder(data=(replace(DATA, learning_sha256="other"),))
