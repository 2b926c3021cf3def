"""Whatever an answer contains, it is at most one failed attempt of a run that goes on."""

import json
import random
import time

import pytest

from llm_erm.llms.llm import Completion
from llm_erm.sandbox import Limits, Sandbox
from llm_erm.source import LONGEST_PROGRAM
from llm_erm.synthesis.code_tool import code_tool
from llm_erm.synthesis.extract import extract_source
from llm_erm.tasks.task import Dataset
from odd_answers import IMPORTS, PROGRAM, RIGHT, SEEDS, as_json, faults, mutated

EVERY = [*SEEDS.values(), *IMPORTS.values()]


def extracted(text: str):
    return extract_source(Completion(1, text))


def judged(answers: list[str]) -> None:
    found, statuses = faults(answers)
    assert found == []
    assert statuses.total() == len(answers) + 1


def test_odd_answers_are_at_most_failed_attempts_from_the_model_to_every_output():
    judged([*EVERY[::9], IMPORTS["long names"], mutated(random.Random(2026))])


@pytest.mark.slow
def test_every_odd_answer_and_changes_of_them_are_at_most_failed_attempts():
    draw = random.Random(2027)
    judged([*EVERY, *(mutated(draw) for _ in range(200))])


@pytest.mark.parametrize("text", EVERY, ids=[*SEEDS, *IMPORTS])
def test_a_source_or_a_reason_is_found_soon(text):
    began = time.process_time()
    source, reason = extracted(text)
    assert time.process_time() - began < 0.5  # of this process
    assert (source is None) != (reason is None)
    assert len(source or "") <= LONGEST_PROGRAM


def test_a_program_that_is_too_long_is_a_failed_attempt_that_says_so():
    longest = PROGRAM + "\n" + "#" * (LONGEST_PROGRAM - len(PROGRAM) - 1)
    for wrapped in (lambda code: as_json(code), lambda code: f"```\n{code}\n```"):
        assert extracted(wrapped(longest)) == (longest, None)
        assert extracted(wrapped(longest + "#")) == (
            None,
            "too long: the program has 50,001 characters, and 50,000 are the most",
        )


def test_an_answer_that_cannot_be_read_is_a_failed_attempt_that_says_so(monkeypatch):
    def unreadable(*_):
        raise bounded.UnreadableError

    from llm_erm import bounded

    monkeypatch.setattr(bounded, "call", unreadable)
    reason = "too costly: the answer could not be read within 5 seconds and 1 GB"
    assert extracted(RIGHT) == (None, reason)


@pytest.mark.parametrize(
    "reply", [None, [], ["a"], [1, None], [None, None], ["a", "b"], ["a" * 50_001, None], {"a": 1}]
)
def test_a_reply_of_another_shape_is_no_program(monkeypatch, reply):
    monkeypatch.setattr("llm_erm.bounded.call", lambda *_: reply)
    assert extracted(RIGHT)[0] is None
    assert extracted(RIGHT)[1].startswith("too costly")


def test_the_code_tool_answers_whatever_the_code_is():
    with Sandbox() as sandbox:
        run = code_tool(Dataset(("01", "10"), (0, 1)), sandbox, Limits(1, 1)).run
        codes = [
            json.loads(IMPORTS["long names"])["code"],
            f"import {'a' * 150_000}",
            "\ud800",
            "\0",
        ]
        assert all(run(code) for code in codes)
        assert run("1 + 1") == "2\n"
