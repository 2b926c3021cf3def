"""What a fault of the provider leaves behind: in the journal, in the CSV, in the exit status."""

import csv
import json
import threading
import time
from pathlib import Path

import pytest

from api_server import Reply, serving
from canary import CANARY
from llm_erm.cli.output import note
from responses_server import error, refusal, response, text

WRONG = json.dumps({"code": "def f(x):\n    return 1"})
RIGHT = json.dumps({"code": "def f(x):\n    return x.count('1') % 2"})
SMALL = ("--train-size", 20, "--val-size", 20, "--test-size", 40)
ONE_POINT = ("--functions", "fn_a", "--lengths", 20, *SMALL)


@pytest.fixture
def synthesize(invoke):
    def run(api, *arguments):
        return invoke(
            *("synthesize", "--provider", "openai", "--base-url", f"{api.url}/v1"),
            *("--out-dir", "out", *arguments),
            OPENAI_API_KEY=CANARY,
        )

    return run


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def answer(value: str) -> Reply:
    return Reply(response([text(value)]))


FAULTS = [
    ([Reply(error("Slow down.", "rate_limit"), 429, (("retry-after", "0"),)), answer(WRONG)], ""),
    ([Reply(response([text(RIGHT)]), stall=50)], "error: no answer within 5 seconds"),
    ([Reply(b"busy")], "error: the answer is not in the API's form (it is not valid JSON"),
    ([Reply(b'{"id": "resp_', headers=(("content-type", "application/json"),))], "error: "),
    ([Reply({"hello": 1})], "error: the answer is not in the API's form"),
    ([Reply(response([refusal("I cannot help.")]))], "refusal: I cannot help."),
    (
        [
            Reply(
                response(
                    [text('{"code": "def f')],
                    status="incomplete",
                    incomplete_details={"reason": "max_output_tokens"},
                )
            )
        ],
        "truncated: ",
    ),
    ([Reply(response([]))], "empty: the answer holds no text"),
    ([answer("It looks random.")], "no code: "),
    ([answer("```python\ndef f(x):\n    return 1 / 0\n```")], "ZeroDivisionError: "),
]


def test_the_journal_and_the_csv_say_of_each_attempt_what_failed(synthesize, tmp_path):
    replies = [reply for several, _ in FAULTS for reply in several]
    said = [said for _, said in FAULTS]
    with serving(lambda call: replies[call.number]) as api:
        done = synthesize(
            api,
            *(*ONE_POINT, "--attempts", len(FAULTS), "--timeout", 5, "--out-csv", "all.csv"),
        )
    assert done.returncode == 0, done.stderr
    assert len(api.calls) == len(replies)
    attempts = [line["attempt"] for line in lines(tmp_path / "out/attempts.jsonl")]
    reasons = [a["candidate"]["reason"] or a["validation"]["message"] or "" for a in attempts]
    assert all(reason.startswith(start) for reason, start in zip(reasons, said, strict=True))
    with (tmp_path / "all.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["error"] for row in rows] == reasons
    assert [row["attempt"] for row in rows] == [str(i + 1) for i in range(len(FAULTS))]
    assert {row["compile_error"] for row in rows[1:-1]} == {"no_code_found"}
    answers = [line["answer"] for line in lines(tmp_path / "out/answers.jsonl")]
    assert [one["index"] for one in answers] == [one["index"] for one in attempts]
    failed = answers[1:5]
    assert {one["finish_reason"] for one in failed} == {"error"}
    assert all(one["error"] and one["cost_usd"] is None for one in failed)
    assert "of unknown cost" in done.stderr


def test_a_quota_that_runs_out_stops_at_once_and_the_same_command_goes_on(synthesize, tmp_path):
    gone = Reply(error("You exceeded your current quota.", "insufficient_quota", "quota"), 429)
    arguments = (*ONE_POINT, "--attempts", 4, "--json")
    replies = [answer(WRONG), answer(WRONG), gone, answer(RIGHT)]
    with serving(lambda call: replies[call.number]) as api:
        done = synthesize(api, *arguments)
        assert done.returncode == 2
        assert "You exceeded your current quota." in done.stderr
        assert "Traceback" not in done.stderr
        assert len(api.calls) == 3
        attempts = [line["attempt"] for line in lines(tmp_path / "out/attempts.jsonl")]
        assert [one["index"] for one in attempts] == [1, 2]
        done = synthesize(api, *arguments)
    assert done.returncode == 0, done.stderr
    assert len(api.calls) == 4
    assert json.loads(done.stdout)["selected_attempt"] == 3


def test_what_a_server_says_cannot_control_the_terminal(synthesize):
    hostile = "no \x1b[2J\x1b]0;owned\x07\x9b31m key"
    with serving(lambda _: Reply(error(hostile, "invalid_api_key"), 401)) as api:
        done = synthesize(api, *ONE_POINT)
    assert done.returncode == 2
    assert "no \N{REPLACEMENT CHARACTER}[2J" in done.stderr
    assert all(c.isprintable() or c == "\n" for c in done.stderr), done.stderr


def test_a_notice_cannot_control_the_terminal(capsys):
    note("one\x1b[2J\ntwo")
    assert capsys.readouterr().err == "one\N{REPLACEMENT CHARACTER}[2J\ntwo\n"


def test_a_wrong_key_stops_all_grid_points_after_what_was_in_flight(synthesize, tmp_path):
    wrong = Reply(error("Incorrect API key provided.", "invalid_api_key"), 401, after=0.2)
    with serving(lambda _: wrong) as api:
        done = synthesize(
            api,
            *("--functions", "fn_a", "--lengths", *range(20, 40), *SMALL, "--concurrency", 4),
        )
    assert done.returncode == 2
    assert done.stderr.count("Incorrect API key") == 1
    assert 1 <= len(api.calls) <= 4
    assert not (tmp_path / "out/attempts.jsonl").exists()


def test_calls_in_flight_when_the_key_is_refused_are_said(synthesize):
    wrong = Reply(error("Incorrect API key provided.", "invalid_api_key"), 401, after=0.3)
    replies = [Reply(response([]), after=60)] * 2 + [wrong]
    with serving(lambda call: replies[call.number]) as api:
        grid = ("--functions", "fn_a", "--lengths", 20, 21, 22, *SMALL)
        done = synthesize(api, *grid, "--concurrency", 3)
    assert done.returncode == 2
    assert "Incorrect API key" in done.stderr
    assert "Cancelled 2 calls in flight" in done.stderr


def test_verification_holds_up_no_call_of_another_task_and_no_answers_way_to_the_disk(
    synthesize, tmp_path
):
    slow = json.dumps({"code": "import time\ntime.sleep(1)\nraise ValueError"})
    verified = []

    def watch() -> None:
        answers, attempts = (tmp_path / f"out/{name}.jsonl" for name in ("answers", "attempts"))
        while not answers.exists() or answers.read_bytes().count(b"\n") < 12:
            time.sleep(0.01)
        verified.append(attempts.read_bytes().count(b"\n") if attempts.exists() else 0)

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    with serving(lambda _: Reply(response([text(slow)]))) as api:
        done = synthesize(
            api,
            *("--functions", "fn_a", "--lengths", *range(20, 32), *SMALL, "--attempts", 1),
            *("--concurrency", 1),
        )
    assert done.returncode == 0, done.stderr
    watching.join(10)
    times = [call.at for call in api.calls]
    assert len(times) == 12
    # Each waited for the one before it to be verified, this would take 12 seconds.
    assert max(times) - min(times) < 8
    assert verified[0] < 10
