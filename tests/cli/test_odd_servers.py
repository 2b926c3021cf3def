"""What failures of a server leave on the screen, in the journal and in the exit status."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from api_server import Call, Reply, serving
from recorded import chat
from responses_server import error

DATA = ("--functions", "fn_a", "--lengths", 20, "--train-size", 20)
SEARCH = ("--provider", "chat", "--attempts", 3, "--val-size", 20, "--test-size", 40)
QUERIES = ("--test-size", 4, "--test-split-size", 40)
RIGHT = Reply(chat(json.dumps({"code": "def f(x):\n    return x.count('1') % 2"})))
WRONG = Reply(chat(json.dumps({"code": "def f(x):\n    return 1"})))
BUSY = Reply(error("Rate limit reached: 30000 TPM", "x"), 429, (("retry-after", "0"),))
SLOW = Reply(RIGHT.content, after=3600)


@dataclass(frozen=True)
class Left:
    """What a run leaves.

    Attributes:
        status: Its exit status.
        calls: How many calls it made.
        journal: How the calls in its journal ended.
    """

    status: int
    calls: int
    journal: tuple[str, ...] = ()


@pytest.fixture
def run(invoke, tmp_path) -> Iterator[Callable[..., tuple[Left, str]]]:
    """Runs a command once against the server; returns what it leaves and says."""
    answers: list[Callable[[Call], Reply]] = []
    with serving(lambda call: answers[-1](call)) as api:

        def once(track: str, answer: Callable[[Call], Reply], *flags: object) -> tuple[Left, str]:
            before = len(api.calls)
            answers.append(lambda call: answer(replace(call, number=call.number - before)))
            done = invoke(
                *(track, *DATA, *(SEARCH if track == "synthesize" else QUERIES), "--model", "m"),
                *("--base-url", f"{api.url}/v1", "--out-dir", track, "--retries", 1, *flags),
            )
            journal = tmp_path / track / "answers.jsonl"
            endings = endings_in(journal) if journal.exists() else ()
            left = Left(done.returncode, len(api.calls) - before, endings)
            return left, done.stdout + done.stderr

        yield once


def endings_in(journal: Path) -> tuple[str, ...]:
    lines = journal.read_text().splitlines()
    return tuple(json.loads(line)["answer"]["finish_reason"] for line in lines)


@dataclass(frozen=True)
class Case:
    """A server that always replies the same, and what comes of it in both tracks."""

    reply: Reply
    said: str
    search: Left
    queries: Left


UNANSWERED = Left(3, 6, ("unanswered",) * 3), Left(2, 2)
UNUSABLE = Left(3, 3, ("error",) * 3), Left(2, 1)
REFUSED = Left(2, 1), Left(2, 1)
CASES = {
    "a rate limit": Case(BUSY, "Rate limit reached: 30000 TPM", *UNANSWERED),
    "a rate limit with status 200": Case(
        Reply(error("Rate limit reached", "rate_limit_exceeded"), headers=(("retry-after", "0"),)),
        "Rate limit reached",
        *UNANSWERED,
    ),
    "a web page": Case(Reply(b"<title>Sign in</title>"), 'status 200, "Sign in"', *UNANSWERED),
    "nothing": Case(Reply(b""), "it is empty", *UNUSABLE),
    "no choices": Case(Reply(chat("") | {"choices": []}), "it has no choices", *UNUSABLE),
    "a time-out": Case(SLOW, "no answer within 1 second", *UNUSABLE),
    "a wrong key": Case(Reply(error("Incorrect key", "x"), 401), "Incorrect key", *REFUSED),
    "a pause of a day": Case(
        Reply(error("Per day.", "x"), 429, (("retry-after", "86400"),)), "24 h 00 min", *REFUSED
    ),
    "no such address": Case(Reply({"detail": "Not Found"}, 404), "Not Found", *REFUSED),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("track", ["synthesize", "incontext"])
def test_calls_without_an_answer_are_said_and_made_again_by_the_same_command(
    case, track, run, monkeypatch
):
    monkeypatch.setattr("llm_erm.llms.calls.LONGEST_WAIT_SECONDS", 0.01)
    expected = case.search if track == "synthesize" else case.queries
    left, screen = run(track, lambda _: case.reply, "--timeout", 1 if case.reply is SLOW else 60)
    assert left == expected
    assert case.said in screen
    assert ("3 of 3 calls failed: " in screen) == (left.status == 3)
    assert "--shots" not in screen
    assert re.search(r"Up to \d calls to (chat|server):m at http://127\S*/v1, at an unkn", screen)
    reply = RIGHT if track == "synthesize" else Reply(chat('{"label": "1"}'))
    again, _ = run(track, lambda _: reply)
    assert again.status == 0
    assert again.calls == (1 if track == "synthesize" else 4)
    assert again.journal == (*left.journal, *("stop",) * again.calls)


PAUSE = Reply(BUSY.content, 429, (("retry-after", "1"),))


@pytest.mark.parametrize(
    ("track", "answer"), [("synthesize", WRONG), ("incontext", Reply(chat('{"label": "1"}')))]
)
def test_a_pause_that_a_server_asks_for_is_said_once(track, answer, run, monkeypatch):
    monkeypatch.setattr("llm_erm.cli.observers.LONG_SECONDS", 1.0)
    left, screen = run(track, in_turn(PAUSE, answer, PAUSE, answer))
    assert left.status == 0
    assert re.findall("Waiting.*", screen) == ["Waiting 1 s: the server asked for a pause (429)."]


def in_turn(*replies: Reply) -> Callable[[Call], Reply]:
    return lambda call: replies[min(call.number, len(replies) - 1)]


def test_a_search_that_has_found_a_program_does_not_wait_for_open_calls(run):
    left, screen = run("synthesize", in_turn(BUSY, BUSY, RIGHT))
    assert left == Left(0, 3, ("unanswered", "stop"))
    assert "1 of 2 calls failed: Rate limit reached: 30000 TPM. This cost nothing.\n" in screen
    assert run("synthesize", in_turn(RIGHT))[0].calls == 0


def test_open_calls_alone_are_made_again(run):
    left, screen = run("synthesize", in_turn(WRONG, BUSY, BUSY, WRONG))
    assert left == Left(3, 4, ("stop", "unanswered", "stop"))
    assert "1 of 1 searches has no result" in screen
    left, screen = run("synthesize", in_turn(WRONG))
    assert left == Left(0, 1, ("stop", "unanswered", "stop", "stop"))
    assert "failed" not in screen


def test_a_call_that_may_be_billed_is_an_attempt_if_others_are_answered(run):
    left, screen = run("synthesize", in_turn(WRONG, SLOW, WRONG), "--timeout", 1)
    assert left == Left(0, 3, ("stop", "error", "stop"))
    assert "1 of 3 calls failed: no answer within 1 second. It may be billed; no call is" in screen
    assert run("synthesize", in_turn(RIGHT), "--timeout", 1)[0].calls == 0


def test_as_many_calls_are_announced_as_can_be_made(run):
    left, screen = run("synthesize", in_turn(WRONG, SLOW, BUSY, BUSY), "--timeout", 1)
    assert left == Left(3, 4, ("stop", "error", "unanswered"))
    assert "Up to 3 calls to " in screen
    left, screen = run("synthesize", in_turn(WRONG), "--timeout", 1)
    assert left.calls == 1
    assert "Up to 1 call to " in screen


def test_a_server_that_never_answers_is_asked_three_times_not_for_every_attempt(run):
    left, screen = run("synthesize", in_turn(BUSY), "--attempts", 50)
    assert left == Left(3, 6, ("unanswered",) * 3)
    assert "3 of 3 calls failed" in screen


def test_a_server_that_is_too_slow_is_not_paid_for_every_attempt(run):
    left, screen = run("synthesize", in_turn(SLOW), "--attempts", 50, "--timeout", 1)
    assert left == Left(3, 3, ("error",) * 3)
    assert "3 of 3 calls failed" in screen
    left, _ = run("synthesize", in_turn(SLOW, WRONG, SLOW, SLOW, SLOW, RIGHT), "--timeout", 1)
    assert left == Left(2, 0, ("error",) * 3)  # the budget is another
    flags = ("--attempts", 50, "--timeout", 1)
    left, _ = run("synthesize", in_turn(SLOW, WRONG, SLOW, SLOW, SLOW, RIGHT), *flags)
    assert left == Left(0, 6, (*("error",) * 4, "stop", *("error",) * 3, "stop"))


def test_a_prompt_that_was_cut_is_said_once_per_task(run):
    short = {"prompt_tokens": 30, "completion_tokens": 5, "total_tokens": 35}
    for track, answer in (("synthesize", WRONG), ("incontext", Reply(chat('{"label": "1"}')))):
        _, screen = run(track, lambda _, answer=answer: Reply(answer.content | {"usage": short}))
        assert screen.count("OLLAMA_CONTEXT_LENGTH") == 1
        _, screen = run(track, lambda _, answer=answer: answer, "--fresh")
        assert "OLLAMA_CONTEXT_LENGTH" not in screen


def test_answers_among_the_thoughts_are_said_and_are_no_labels(run, tmp_path):
    reply = Reply(chat(None, reasoning_content='{"label": "1"} or {"code": "def f(x): return 1"}'))
    left, screen = run("synthesize", lambda _: reply)
    assert left == Left(0, 3, ("stop",) * 3)
    assert "3 of 3 answers have no text besides thoughts (reasoning_content)" in screen
    assert (
        "all text of the answer is thoughts" in (tmp_path / "synthesize/attempts.jsonl").read_text()
    )
    assert "def f(x)" in (tmp_path / "synthesize/answers.jsonl").read_text()
    left, screen = run("incontext", lambda _: reply)
    assert "4 of 4" in screen  # not parsed
    assert "thoughts (reasoning_content)" in screen


def test_a_wrong_key_is_not_blamed_on_the_prompt_and_a_long_prompt_is(run):
    _, screen = run("incontext", lambda _: Reply(error("maximum context length is 9", "x"), 400))
    assert "use fewer examples: --shots" in screen
    _, screen = run("synthesize", lambda _: Reply(error("maximum context length is 9", "x"), 400))
    assert "(use fewer or shorter examples: --train-size or --lengths)" in screen
    _, screen = run("incontext", lambda _: Reply(error("no such thing", "x"), 400))
    assert "--shots" not in screen


@pytest.mark.parametrize("track", ["synthesize", "incontext"])
def test_an_address_without_v1_is_told_what_it_may_lack(track, invoke):
    own = SEARCH if track == "synthesize" else QUERIES
    with serving(lambda _: Reply({"detail": "Not Found"}, 404)) as api:
        done = invoke(track, *DATA, *own, "--model", "m", "--base-url", api.url)
    assert done.returncode == 2
    assert f"usually ends in /v1, as in {api.url}/v1" in done.stderr
    assert "--base-url" in done.stderr
