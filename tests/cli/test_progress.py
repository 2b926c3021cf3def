"""How far a run is, where there is no terminal, and what a new user waits for."""

import threading
import time

import pytest

from llm_erm.cli import enumerate as enumerating
from llm_erm.cli import progress
from llm_erm.cli.progress import Bars


@pytest.fixture
def often(monkeypatch):
    """A line every twentieth of a second."""
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.05)


def lines_of(capsys, deadline=20.0):
    """What was said until there was a whole line."""
    said = ""
    ends = time.monotonic() + deadline
    while "\n" not in said:
        assert time.monotonic() < ends
        time.sleep(0.02)
        said += capsys.readouterr().err
    return said.splitlines()


@pytest.mark.usefixtures("often")
def test_a_pipe_gets_lines_with_what_is_done_and_the_time_left(capsys):
    with Bars() as bars:
        bar = bars.add("searches", 4)
        bars.advance(bar)
        time.sleep(0.01)
        bars.advance(bar)
        line = lines_of(capsys)[-1]
    assert line.startswith("searches: 2 of 4 done after 0:0")
    assert line.endswith(" left.")
    capsys.readouterr()
    time.sleep(0.2)
    assert capsys.readouterr().err == "", "it has ended"


@pytest.mark.usefixtures("often")
def test_a_job_with_a_time_limit_says_how_long_it_may_take(capsys):
    with Bars() as bars:
        bars.add("fn_a L=20", None, seconds=3600)
        bars.add("hidden", 3, shown=False)
        line = lines_of(capsys)[0]
    assert line.startswith("fn_a L=20: after 0:0")
    assert "at most 59:" in line or "at most 1:00:00" in line
    assert "hidden" not in line


@pytest.mark.parametrize(("seconds", "clock"), [(5, "0:05"), (65, "1:05"), (3723, "1:02:03")])
def test_times_read_as_on_a_clock(seconds, clock):
    assert progress._clock(seconds) == clock


def test_compiling_is_announced_while_it_lasts_and_told_afterwards(monkeypatch, capsys):
    monkeypatch.setattr(enumerating, "QUICK_SECONDS", 0.05)
    told = threading.Event()

    def compile_until_told():
        while not told.is_set():
            if "Compiling the search for this machine, once" in capsys.readouterr().err:
                told.set()

    monkeypatch.setattr(enumerating, "prepare", compile_until_told)
    enumerating._prepare()
    assert "Compiled it in 0 s; later runs load it." in capsys.readouterr().err


def test_what_is_loaded_at_once_is_not_announced(monkeypatch, capsys):
    monkeypatch.setattr(enumerating, "QUICK_SECONDS", 1000.0)
    monkeypatch.setattr(enumerating, "prepare", lambda: None)
    enumerating._prepare()
    assert capsys.readouterr().err == ""
