"""Whoever waits for a long prompt sees how much of it is read, and how long the rest takes."""

import time

import pytest

from llm_erm.cli import progress
from llm_erm.cli.observers import Shown
from llm_erm.cli.reading import Reading
from llm_erm.llms.llm import PromptRead
from llm_erm.runs.events import Started, Underway
from llm_erm.runs.jobs import JobKey

JOB = JobKey("fn_a", 100, 42, 1, "shots=200")


def seconds_for(tokens: int) -> float:
    """A model with attention: twice the tokens take more than twice the time."""
    return 0.01 * tokens + 1e-6 * tokens**2


def test_the_time_left_counts_with_attention():
    reading = Reading(100.0)
    lefts = {}
    for tokens in range(0, 5000, 500):
        lefts[tokens] = reading.seconds_left(tokens, 4800, 100.0 + seconds_for(tokens))
    assert lefts.pop(0) is None
    for tokens in (500, 1000):  # a line through one or two parts
        assert 0.5 < lefts.pop(tokens) / (seconds_for(4800) - seconds_for(tokens)) < 1
    for tokens, left in lefts.items():
        assert left == pytest.approx(seconds_for(4800) - seconds_for(tokens))


def test_a_slow_first_part_and_a_machine_that_gets_faster_do_not_spoil_the_estimate():
    reading = Reading(0.0)
    times = {512: 60.0, 1024: 70.0, 1536: 79.0, 2048: 87.0}
    for tokens, now in times.items():
        left = reading.seconds_left(tokens, 4096, now)
    assert left == pytest.approx(2048 * 27 / 1536)


def test_an_estimate_is_at_most_that_of_attention_alone():
    reading = Reading(0.0)
    for tokens, now in {1000: 10.0, 2000: 11.0, 3000: 31.0}.items():
        left = reading.seconds_left(tokens, 6000, now)
    assert left == pytest.approx(3000 * 10.5e-3 * 4500 / 2000)


def test_a_pipe_is_told_how_much_of_the_prompt_is_read(monkeypatch, capsys):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.05)

    def line() -> str:
        capsys.readouterr()
        ends, said = time.monotonic() + 20, ""
        while said.count("\n") < 2:  # the first may have been begun before
            assert time.monotonic() < ends
            time.sleep(0.02)
            said += capsys.readouterr().err
        return said.splitlines()[-1]

    with Shown(1) as shown:
        shown(JOB, Started(100))
        shown(JOB, Underway(PromptRead(0, 4096)))
        assert "; reading the prompt: 0% done after 0:0" in line()
        shown(JOB, Underway(PromptRead(1024, 4096)))
        said = line()
        assert said.startswith("fn_a L=100 shots=200: 0 of 100 done after 0:0")
        assert "; reading the prompt: 25% done after 0:0" in said
        assert said.endswith(" left.")
        shown(JOB, Underway(PromptRead(4096, 4096)))
        assert "reading" not in line()
        shown(JOB, Underway(PromptRead(10, 40)))
        assert "reading" not in line()
