"""`llm-erm watch` shows a run that goes on, on a terminal again and again, else once."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from llm_erm.cli import watch
from llm_erm.errors import InputError
from llm_erm.reports.replicated import PartRecord, Replicated, Terms
from llm_erm.reports.watched import Watch
from llm_erm.tasks.spec import DataSpec
from made_runs import LATER, PALINDROME, PARITY, SPECS, begun, known, running, written_at
from regenerate_screens import Terminal


class Screen:
    """A terminal that shows one state after another, and what happens between them.

    Attributes:
        frames: The lines of each state.
    """

    def __init__(self, *events, width: int = 80, height: int = 24) -> None:
        self.frames: list[list[str]] = []
        self._events = list(events)
        self._size = width, height

    def follow(self, folder: Path) -> list[str]:
        """Watches a folder until that ends; returns the last lines."""
        watch.follow(Watch(folder), self.frames.append, lambda: self._size, self._wait)
        assert not self._events, "it ended before"
        return self.frames[-1]

    def _wait(self, seconds: float) -> None:
        assert seconds == watch.TICK_SECONDS
        self._events.pop(0)()


def said(lines: list[str]) -> str:
    """Lines as one, whatever the width at which they were folded."""
    return " ".join(line.strip() for line in lines)


def stop() -> None:
    raise KeyboardInterrupt


@pytest.fixture
def now(monkeypatch):
    """Sets the clock to some seconds after the last line was written."""

    def at(seconds: float) -> None:
        monkeypatch.setattr(watch.time, "time", lambda: LATER + seconds)

    at(5)
    return at


@pytest.mark.usefixtures("now")
def test_a_run_is_shown_from_before_it_begins_until_it_ends(tmp_path):
    folder, runs = tmp_path / "run", []

    def finish():
        runs[0].finish(PALINDROME, 21.0, 100)
        runs[0].close()

    screen = Screen(lambda: folder.mkdir(), lambda: runs.append(begun(folder)), finish)
    screen.follow(folder)
    first, second, going, done = screen.frames
    assert said(first) == f"Waiting: {folder} does not exist yet."
    assert said(second) == f"Waiting: {folder} holds no run yet."
    assert going[:4] == [
        "task  done    validation  tokens  cost     seconds  left  test",
        "fn_a  1 of 5  100.0%      100     $0.0100  8.0      –     99.0%",
        "fn_g  2 of 5  75.0%       300     $0.0300  10.0     15 s  –",
        "In all rows: length 20.",
    ]
    assert "1 of 2 results; 400 tokens, $0.0400; last written " in said(going)
    assert done[2] == "fn_g  2 of 5  75.0%       300     $0.0300  21.0     100.0%"
    assert said(done).endswith("2 of 2 results; 400 tokens, $0.0400.")


def test_a_run_that_writes_nothing_any_more_says_since_when(tmp_path, now):
    begun(tmp_path / "run").close()
    now(5)
    lines = said(Screen(stop).follow(tmp_path / "run"))
    assert "last written 5 s ago; at most about 10 s left." in lines
    assert "Nothing has been written" not in lines
    now(2 * 3600 + 180)
    lines = said(Screen(stop).follow(tmp_path / "run"))
    assert "Nothing has been written for 2 h 3 min: something takes long, or the run was" in lines
    assert "left." not in lines


@pytest.mark.usefixtures("now")
def test_ctrl_c_ends_it_without_an_error(tmp_path):
    begun(tmp_path / "run").close()
    screen = Screen(lambda: None, stop)
    screen.follow(tmp_path / "run")
    assert len(screen.frames) == 2


@pytest.mark.usefixtures("now")
def test_a_terminal_keeps_the_last_state(tmp_path, monkeypatch):
    run, folder = begun(tmp_path / "run"), tmp_path / "run"

    def finish(_):
        run.finish(PALINDROME, 21.0)
        run.close()

    monkeypatch.setattr(watch.time, "sleep", finish)
    for number in (1, 2):  # first it ends, then it has ended
        monkeypatch.setattr(sys, "stdout", Terminal())
        monkeypatch.setenv("TERM", "xterm")
        assert watch.watch(watch.Options(folder)) == 0
        printed = sys.stdout.getvalue()
        assert ("$0.0300  10.0     15 s" in printed) is (number == 1)
        assert "fn_g  2 of 5  75.0%       300     $0.0300  21.0     100.0%" in printed


def test_a_folder_that_vanishes_is_told_of(tmp_path):
    begun(tmp_path / "run").close()
    with pytest.raises(InputError, match="is gone: it was deleted or moved while it was watched"):
        Screen(lambda: shutil.rmtree(tmp_path / "run")).follow(tmp_path / "run")


@pytest.mark.usefixtures("now")
def test_a_low_terminal_shows_the_searches_that_run_first(tmp_path):
    specs = [DataSpec(function="fn_a", length=length) for length in range(20, 60)]
    with running(tmp_path / "run", known(specs=specs)) as run:
        for length in (21, 55):
            run.answer(replace(PARITY, length=length), 1)
        run.close()
        lines = Screen(stop, height=12, width=200).follow(tmp_path / "run")
    assert len(lines) < 12
    shown = [line.split()[1] for line in lines[1 : lines.index("")]]
    assert {"21", "55"} <= set(shown)
    assert shown == sorted(shown)
    assert f"{40 - len(shown)} more searches." in lines


@pytest.mark.usefixtures("now")
def test_a_sweep_names_the_folders_and_what_failed(tmp_path):
    for name in ("0", "1"):
        with running(tmp_path / name, known(specs=SPECS[:1])) as run:
            run.answer(PARITY, 1, usd=None)
        run.close()
    (tmp_path / "0" / "job.json").write_text(json.dumps({"arguments": [], "status": 3}))
    lines = Screen(stop, width=200).follow(tmp_path)
    assert lines[0].startswith("run  task  done")
    assert [line.split()[0] for line in lines[1:3]] == ["0", "1"]
    below = said(lines)
    assert f"{tmp_path / '0'} failed with exit status 3; see {tmp_path / '0/stderr.log'}." in below
    assert "200 tokens, at unknown cost" in below


def test_a_replication_is_followed_from_part_to_part(tmp_path, now):
    folders = [tmp_path / "table1" / name / "L20" for name in ("svm", "xgboost", "search")]
    terms = Terms(quick=False, seed=42, tests=100, trials=1)
    kept = Replicated(tmp_path, terms, folders)

    def end(folder: Path, reason: str = "") -> None:
        with running(folder, known(specs=SPECS[:1])) as run:
            if not reason:
                run.finish(PARITY, 1.0)
        name = kept.name(folder)
        digest = kept.digest(name)
        kept.keep(PartRecord(name, terms, (), "", "", (), reason, "", digest))
        written_at(tmp_path, LATER)

    def end_all() -> None:
        end(folders[1])
        end(folders[2], "the server is on fire")

    written_at(tmp_path, LATER)
    screen = Screen(lambda: end(folders[0]), lambda: now(180), end_all, width=200)
    screen.follow(tmp_path)
    first, between, silent, last = map(said, screen.frames)
    assert "Current part of the replication: table1/svm/L20; 2 more parts to come." in first
    assert "Current part of the replication: table1/xgboost/L20; 1 more part to come." in between
    assert "Nothing has been written for 3 min 0 s" in silent
    assert f"{folders[2]} ended without all results: the server is on fire." in last
    assert "Nothing has been written" not in last


def replicating(root: Path, *names: str) -> Replicated:
    """A replication whose first part goes on."""
    root.mkdir(exist_ok=True)
    kept = Replicated(
        root, Terms(quick=False, seed=42, tests=100, trials=1), [root / one for one in names]
    )
    begun(root / names[0]).close()
    written_at(root, LATER)
    return kept


@pytest.mark.usefixtures("now")
def test_the_time_left_is_that_of_the_last_part_only(tmp_path):
    replicating(tmp_path / "one", "svm")
    assert "at most about 10 s left" in said(Screen(stop, width=200).follow(tmp_path / "one"))
    replicating(tmp_path / "two", "svm", "xgboost")
    assert "at most about" not in said(Screen(stop, width=200).follow(tmp_path / "two"))


def test_a_stopped_replication_ends_the_watching(tmp_path, now):
    kept = replicating(tmp_path, "svm", "xgboost")

    def end():
        kept.stop()
        written_at(tmp_path, LATER)

    now(180)
    last = said(Screen(end, width=200).follow(tmp_path))
    assert (
        f"The replication in {tmp_path} was stopped with 2 parts to come; run the same command "
        "to continue." in last
    )
    assert "Current part" not in last
    assert "Nothing has been written" not in last
    assert f"{tmp_path / 'svm'} ended without all results: the command that ran it was" in last


@pytest.mark.usefixtures("now")
def test_a_replication_stopped_before_its_first_run_ends_the_watching(tmp_path):
    Replicated(tmp_path, Terms(quick=False, seed=42, tests=100, trials=1), [tmp_path / "a"]).stop()
    assert "was stopped with 1 part to come" in said(Screen(width=200).follow(tmp_path))


@pytest.mark.usefixtures("now")
def test_a_run_that_a_killed_command_left_is_not_waited_for(tmp_path):
    replicating(tmp_path, "svm")
    Replicated(tmp_path, Terms(quick=False, seed=42, tests=100, trials=1), [])
    last = said(Screen(width=200).follow(tmp_path))
    assert "ended without all results: the command that ran it was stopped or killed." in last


@pytest.mark.usefixtures("now")
def test_nothing_that_a_file_holds_controls_the_terminal(tmp_path):
    own = DataSpec(function="m\x1b[2J\u202eine\n[red]", length=20, task_file=Path("own.py"))
    folder = tmp_path / "r\x1b[31mun"
    with running(folder, known(specs=[own])) as run:
        run.close()
    lines = Screen(stop).follow(folder)
    text = "\n".join(lines)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "m�[2J�ine [red]" in text
    assert "r�[31mun" in text


def test_a_pipe_gets_one_table_with_every_column(invoke, tmp_path):
    begun(tmp_path / "run").close()
    done = invoke("watch", "run")
    assert done.returncode == 0
    heading, first, second = (line.split("\t") for line in done.stdout.splitlines())
    assert len(heading) == len(first) == len(second) == len(watch.COLUMNS)
    assert dict(zip(heading, second, strict=True)) == {
        **{"run": "–", "task": "fn_g", "length": "20", "trial": "1", "variant": "–"},
        **{"state": "running", "done": "2 of 5", "unverified": "1", "validation": "75.0%"},
        **{"train": "–", "tokens": "300", "cost": "$0.0300", "seconds": "10.0"},
        **{"left": "15 s", "test": "–"},
    }
    assert "run (synthesis): 1 of 2 results; 400 tokens, $0.0400;" in done.stderr
    assert invoke("watch", "run", "--once").stdout == done.stdout


def test_scripts_get_one_object_per_search(invoke, tmp_path):
    begun(tmp_path / "run").close()
    done, going = map(json.loads, invoke("watch", "run", "--json").stdout.splitlines())
    assert (done["state"], done["test_accuracy"], done["attempts"]) == ("done", 0.99, 1)
    assert going == {
        **{"run": "run", "method": "synthesis", "function": "fn_g", "length": 20, "trial": 1},
        **{"variant": "", "state": "running", "attempts": 2, "most": 5, "unverified": 1},
        **{"best_validation_accuracy": 0.75, "train_accuracy": None, "prompt_tokens": 270},
        **{"completion_tokens": 30, "cost_usd": 0.03, "seconds": 10.0, "seconds_left": 15.0},
        **{"test_accuracy": None, "last_written": LATER},
    }


def test_what_is_not_there_yet_is_no_error(invoke, tmp_path):
    waiting = invoke("watch", "nothing", "--once")
    assert (waiting.returncode, waiting.stdout.count("\n")) == (0, 1)
    assert "Waiting: nothing does not exist yet." in waiting.stderr
    assert invoke("watch", "nothing", "--json").stdout == ""
    (tmp_path / "file").write_text("")
    refused = invoke("watch", "file")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "file is no folder; name the folder of a run." in refused.stderr
