"""How far a run is, where there is no terminal, and what a new user waits for."""

import re
import time
from dataclasses import replace

import pytest

from llm_erm.cli import progress
from llm_erm.cli.compiling import load_compiled
from llm_erm.cli.loading import loading
from llm_erm.cli.observers import Shown
from llm_erm.cli.progress import Bars
from llm_erm.llms.llm import Written
from llm_erm.runs.events import Advanced, Finished, Judged, Started, Underway
from llm_erm.runs.jobs import JobKey
from llm_erm.tasks.drawing import seconds_to_draw
from llm_erm.tasks.spec import DataSpec

JOB = JobKey("fn_a", 20, 42)


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


def test_compiling_is_announced_while_it_lasts_and_told_afterwards(capsys):
    said: list[str] = []  # one reading may end in the middle of the sentence

    def compile_until_told():
        while "Compiling the search for this machine, once" not in "".join(said):
            said.append(capsys.readouterr().err)

    load_compiled(compile_until_told, 0.05)
    assert "Compiled it in 0 s; later runs load it." in capsys.readouterr().err


def test_what_is_loaded_at_once_is_not_announced(capsys):
    load_compiled(lambda: None, 1000.0)
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("often")
def test_one_step_is_enough_to_tell_the_time_left(capsys):
    with Bars() as bars:
        bar = bars.add("jobs", 4, 1)
        bars.advance(bar)
        line = lines_of(capsys)[-1]
    assert re.fullmatch(r"jobs: 2 of 4 done after 0:0\d, 0:[0-5]\d left\.", line)


@pytest.mark.usefixtures("often")
def test_the_bar_of_many_jobs_counts_those_that_have_not_ended_in_part(capsys):
    jobs = [JobKey("fn_a", 20, 42, trial) for trial in range(1, 31)]
    with Shown(len(jobs), "searches", done=2) as shown:
        shown(jobs[0], Started(10, 4))
        shown(jobs[0], Advanced(7))
        shown(jobs[1], Started(None, seconds=60))
        line = lines_of(capsys)[-1]
        assert re.fullmatch(r"searches: 2 of 30 done after 0:0\d, 0:[0-5]\d left\.", line)
        assert shown._bars._bars.tasks[0].completed == 2.5
        shown(jobs[0], Finished(None))
        assert shown._bars._bars.tasks[0].completed == 3


@pytest.mark.usefixtures("often")
def test_running_all_attempts_on_test_data_has_a_bar(capsys):
    with Shown(1) as shown:
        shown(JOB, Judged(1, 4))
        line = lines_of(capsys)[-1]
        assert line.startswith("running all attempts on test data: 1 of 4 done after 0:0")
        shown(JOB, Judged(4, 4))
        capsys.readouterr()
        time.sleep(0.2)
        assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("often")
def test_a_batch_of_samples_takes_at_most_as_long_as_all_its_tokens(capsys):
    with Shown(1) as shown:
        shown(JOB, Underway(Written(0, 4000)))
        time.sleep(0.01)
        shown(JOB, Underway(Written(1000, 4000)))
        capsys.readouterr()
        line = lines_of(capsys)[-1]
        assert re.fullmatch(
            r"drawing samples: 25% done after 0:0\d, at most 0:[0-5]\d left\.", line
        )
        shown(JOB, Finished(None))
        capsys.readouterr()
        time.sleep(0.2)
        assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("often")
def test_drawing_says_how_long_it_takes_before_the_first_data_set_is_there(capsys, tmp_path):
    spec = DataSpec(function="fn_i", length=20, train_size=20, val_size=20, test_size=10**6)
    with loading([spec], tmp_path, fresh=False):
        capsys.readouterr()  # before it was known
        line = lines_of(capsys)[-1]
    assert re.fullmatch(r"data: 0 of 1 done after 0:0\d, \d+:[\d:]+ left\.", line)
    assert list(tmp_path.iterdir()) == []
    assert 0 < seconds_to_draw(replace(spec, test_size=200)) < seconds_to_draw(spec)
    with loading([replace(spec, length=1)], tmp_path, fresh=False):
        assert " left" not in lines_of(capsys)[-1], "it will be refused"
