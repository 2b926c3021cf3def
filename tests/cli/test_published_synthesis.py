"""`python program_synthesis/runner.py` as published, against a server that speaks the API."""

import csv
import json
import os
import runpy
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import get_type_hints

import pytest
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from pydantic import TypeAdapter

from canary import CANARY
from responses_server import Server, error, interpreter_call, refusal, response, serving, text

ROOT = Path(__file__).parents[2]
RIGHT = json.dumps({"code": "def f(x):\n    return x.count('1') % 2"})
WRONG = json.dumps({"code": "def f(x):\n    return 1"})
PUBLISHED = ("--functions", "fn_a", "--lengths", 50, "--attempts", 3, "--enable-code-interpreter")
SMALL = ("--train-size", 20, "--val-size", 20, "--test-size", 40)
COLUMNS = (
    "fn,length,attempt,prompt,text,duration_ms,cached_tokens,prompt_tokens,completion_tokens,"
    "reasoning_tokens,tool_uses,tool_results_chars,val_acc,test_acc,stopped_early,compile_error,"
    "error"
)

CUT_SHORT = response([], status="incomplete", incomplete_details={"reason": "max_output_tokens"})
FAILED = response([], status="failed", error={"code": "server_error", "message": "boom"})


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A copy of the script, so that its default folders are the test's own."""
    folder = tmp_path / "checkout" / "program_synthesis"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "program_synthesis" / "runner.py", folder)
    return folder / "runner.py"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Another folder than the script's, to run it from."""
    (tmp_path / "elsewhere").mkdir()
    return tmp_path / "elsewhere"


def environment_of(server: Server | None, more: dict[str, str]) -> dict[str, str]:
    """No more environment than given."""
    names = ("PATH", "HOME", "PYTHONPATH")
    base = {name: os.environ[name] for name in names if name in os.environ}
    if server is not None:
        base |= {"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": server.url}
    return base | more


@pytest.fixture
def run(script: Path, elsewhere: Path, in_process, monkeypatch):
    """Runs the script in this process."""

    def command(*arguments: object, server: Server | None = None, **environment: str):
        def call() -> None:
            monkeypatch.setattr(sys, "argv", [str(script), *map(str, arguments)])
            runpy.run_path(str(script), run_name="__main__")

        return in_process(call, elsewhere, environment_of(server, environment))

    return command


def records(script: Path) -> list[dict]:
    return [
        json.loads(line)
        for line in (script.parent / "results_attempts.jsonl").read_text().splitlines()
    ]


def test_the_published_command_runs_as_printed_from_any_folder(script, elsewhere):
    answers = [response([text(WRONG)]), response([interpreter_call("1+1", "2\n"), text(RIGHT)])]
    with serving(lambda n: (200, answers[n])) as server:
        done = subprocess.run(
            [sys.executable, str(script), *map(str, PUBLISHED)],
            cwd=elsewhere,
            env=environment_of(server, {}),
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    assert server.paths == ["/v1/responses"] * 2
    assert server.keys == [f"Bearer {CANARY}"] * 2
    first, second = records(script)
    assert (first["fn"], first["length"], first["attempt"]) == ("fn_a", 50, 1)
    assert (first["val_acc"], first["test_acc"], first["stopped_early"]) == (0.5, 0.5, False)
    assert (second["val_acc"], second["test_acc"], second["stopped_early"]) == (1.0, 1.0, True)
    assert (second["tool_uses"], second["tool_results_chars"]) == (1, 2)
    assert (second["prompt_tokens"], second["cached_tokens"]) == (1200, 1024)
    assert (second["completion_tokens"], second["reasoning_tokens"]) == (300, 256)
    assert second["text"] == RIGHT
    assert second["prompt"] == server.requests[1]["input"][0]["content"]
    with (script.parent / "results_attempts.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert ",".join(rows[0]) == COLUMNS
    assert [row["test_acc"] for row in rows] == ["0.5", "1.0"]
    events = [json.loads(line) for line in (script.parent / "runner.log").read_text().splitlines()]
    assert [event["msg"] for event in events] == [
        *("attempt", "attempt", "search_finished", "artifacts_written")
    ]
    assert (script.parent / "datasets" / "parity_all+published-erm" / "L50").is_dir()


def test_the_payload_has_every_documented_field_right(run):
    with serving(lambda _: (200, response([text(RIGHT)]))) as server:
        done = run(*PUBLISHED, *SMALL, server=server)
    assert done.returncode == 0, done.stderr
    (body,) = server.requests
    documented = TypeAdapter(ResponseCreateParamsNonStreaming)
    assert body.keys() <= get_type_hints(ResponseCreateParamsNonStreaming).keys()
    assert documented.validate_python(body).keys() == body.keys()
    assert body["model"] == "gpt-5"
    assert body["reasoning"] == {"effort": "high"}
    assert body["text"] == {"verbosity": "low"}
    assert body["max_output_tokens"] == 20_000
    assert body["tool_choice"] == "auto"
    assert body["tools"] == [{"type": "code_interpreter", "container": {"type": "auto"}}]
    (message,) = body["input"]
    assert message["role"] == "user"
    assert message["content"].count(" -> ") == 20


def test_flags_and_environment_reach_the_payload_and_flags_win(run):
    environment = {
        "OPENAI_MODEL": "gpt-5-mini",
        "MAX_OUTPUT_TOKENS": "3000",
        "REASONING_EFFORT": "low",
        "TEXT_VERBOSITY": "high",
        "TOOL_CHOICE": "none",
        "TRAIN_SIZE": "10",
        "VAL_SIZE": "10",
        "TEST_SIZE": "20",
        "ATTEMPTS": "1",
    }
    with serving(lambda _: (200, response([text(WRONG)]))) as server:
        arguments = ("--functions", "fn_a", "--lengths", 20)
        assert run(*arguments, server=server, **environment).returncode == 0
        assert run(*arguments, "--model", "o3", server=server, **environment).returncode == 0
    first, second = server.requests
    assert (first["model"], second["model"]) == ("gpt-5-mini", "o3")
    assert first["max_output_tokens"] == 3000
    assert first["reasoning"] == {"effort": "low"}
    assert first["text"] == {"verbosity": "high"}
    assert first["tool_choice"] == "none"
    assert "tools" not in first
    assert first["input"][0]["content"].count(" -> ") == 10


def test_the_successors_variables_reach_the_payload(run):
    environment = {
        "TEMPERATURE": "0.3",
        "TOP_P": "0.9",
        "THINKING_LEVEL": "minimal",
        "NUM_TRIALS": "2",
        "OPENAI_MODEL": "gpt-4.1",
        "ATTEMPTS": "1",
    }
    grid = ("--functions", "fn_a", "--lengths", 20, "--test-size", 20)
    with serving(lambda _: (200, response([text(WRONG)]))) as server:
        for allowed in ("0", "1"):
            found = run(*grid, "--fresh", server=server, ALLOW_TOOLS=allowed, **environment)
            assert found.returncode == 0, found.stderr
    off, on = server.requests[0], server.requests[-1]
    assert len(server.requests) == 4  # two trials each
    assert (off["temperature"], off["top_p"]) == (0.3, 0.9)
    assert off["reasoning"] == {"effort": "minimal"}
    assert off["tool_choice"] == "none"
    assert [tool["type"] for tool in on["tools"]] == ["code_interpreter"]
    assert on["tool_choice"] == "auto"


def test_the_successors_variable_names_the_provider(run):
    with serving(lambda _: (200, response([text(WRONG)]))) as server:
        found = run("--functions", "fn_a", server=server, PROVIDER="openrouter")
    assert found.returncode == 2
    assert "There is no provider 'openrouter'" in found.stderr


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (
            response([], status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
            "truncated",
        ),
        (response([refusal("I cannot help")]), "refusal: I cannot help"),
        (response([text("")]), "empty"),
        (response([text("It looks random.")]), "no code"),
        ({"output": None}, "error: the answer is not in the API's form"),
    ],
)
def test_an_answer_without_a_program_says_why(run, script, reply, said):
    with serving(lambda _: (200, reply)) as server:
        done = run(
            *("--functions", "fn_a", "--lengths", 20, "--attempts", 2),
            *SMALL,
            server=server,
        )
    assert done.returncode == (3 if "error" in said else 0), done.stderr
    assert len(server.requests) == 2
    assert all(record["compile_error"] == "no_code_found" for record in records(script))
    assert all(record["error"].startswith(said) for record in records(script))
    assert all(record["val_acc"] is None for record in records(script))


@pytest.mark.parametrize(
    ("status", "reply", "said"),
    [
        (
            401,
            error(f"Incorrect API key provided: {CANARY}.", "invalid_api_key"),
            "Incorrect API key",
        ),
        (404, error("The model `gpt-99` does not exist.", "model_not_found"), "does not exist"),
        (
            429,
            error("You exceeded your current quota.", "insufficient_quota", "insufficient_quota"),
            "quota",
        ),
        (
            400,
            error("Unsupported parameter: 'include'.", "unsupported_parameter"),
            "Unsupported",
        ),
    ],
)
def test_what_no_call_can_mend_stops_the_run_with_the_providers_sentence(
    run, script, status, reply, said
):
    with serving(lambda _: (status, reply)) as server:
        done = run(*PUBLISHED, *SMALL, server=server)
    assert done.returncode == 2
    assert len(server.requests) == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (script.parent / "results_attempts.jsonl").exists()


def test_a_call_that_takes_too_long_is_a_failed_attempt_and_not_sent_again(run, script):
    given_up = threading.Event()

    def slow(_: int):
        given_up.wait(100)
        return 200, response([text(RIGHT)])

    with serving(slow) as server:
        done = run(
            *("--functions", "fn_a", "--lengths", 20, "--attempts", 1, "--timeout", 2),
            *SMALL,
            server=server,
        )
        given_up.set()
    assert done.returncode == 3, done.stderr
    assert len(server.requests) == 1
    assert records(script)[0]["error"] == "error: no answer within 2 seconds"


def test_a_refused_call_is_sent_again_and_counts_once(run, script):
    busy = (429, error("Slow down.", "rate_limit_exceeded", "rate_limit"))
    replies = [busy, (503, "<html>later</html>"), (200, response([text(RIGHT)]))]
    with serving(lambda n: replies[n]) as server:
        done = run("--functions", "fn_a", "--lengths", 20, *SMALL, server=server)
    assert done.returncode == 0, done.stderr
    assert len(server.requests) == 3
    assert [record["val_acc"] for record in records(script)] == [1.0]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/v1", "nowhere"])
def test_an_address_where_nobody_answers_is_one_sentence_and_spends_no_attempt(run, script, url):
    environment = {"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": url}
    done = run("--functions", "fn_a", "--lengths", 20, *SMALL, **environment)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "cannot be reached" in done.stderr or "http://" in done.stderr
    assert not list(script.parents[2].glob("**/attempts.jsonl")) or not any(
        path.stat().st_size for path in script.parents[2].glob("**/attempts.jsonl")
    )


@pytest.mark.parametrize("arguments", [PUBLISHED, PUBLISHED[:-1], ()])
def test_without_a_key_it_stops_and_names_the_local_model(run, arguments):
    done = run(*arguments)
    assert done.returncode == 2
    assert "OPENAI_API_KEY" in done.stderr
    assert "--provider local" in done.stderr


def test_the_code_interpreter_is_never_given_up_silently(invoke):
    done = invoke(
        *("synthesize", "--functions", "fn_a", "--lengths", 20, "--enable-code-interpreter")
    )
    assert done.returncode == 2
    assert "name its --provider" in done.stderr


def test_a_dry_run_prints_the_prompt_sends_nothing_and_writes_nothing(run, script):
    done = run("--functions", "fn_a", "--lengths", 20, 25, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("# Examples") == 2
    assert done.stdout.count(" -> ") == 200
    assert [path.name for path in script.parent.iterdir()] == ["runner.py"]
    by_variable = run("--functions", "fn_a", "--lengths", 20, 25, DRY_RUN="1")
    assert by_variable.stdout == done.stdout
    assert run("--functions", "fn_a", DRY_RUN="true").returncode == 0
    unclear = run("--functions", "fn_a", DRY_RUN="maybe")
    assert unclear.returncode == 2
    assert "DRY_RUN" in unclear.stderr


def test_grid_points_run_at_the_same_time(run):
    barrier = threading.Barrier(3, timeout=60)

    def together(_: int):
        barrier.wait()
        return 200, response([text(RIGHT)])

    with serving(together) as server:
        done = run(
            *("--functions", "fn_a", "--lengths", 20, 25, 30, "--concurrency", 3),
            *SMALL,
            server=server,
        )
    assert done.returncode == 0, done.stderr
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--functions", "fn_zz"), "fn_zz"),
        (("--val-size", 7), "7"),
        (("--out-csv", "/proc/no/results.csv"), "/proc/no"),
        (("--dataset-dir", "/proc/no"), "/proc/no"),
        (("--reasoning-effort", "enormous"), "enormous"),
        (("--concurrency", 0), "--concurrency"),
    ],
)
def test_a_wrong_turn_pays_for_nothing(run, arguments, said):
    with serving(lambda _: (200, response([text(RIGHT)]))) as server:
        done = run("--functions", "fn_a", "--lengths", 20, *SMALL, *arguments, server=server)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert server.requests == []


def test_the_default_grid_is_the_published_one(run):
    done = run("--dry-run", "--train-size", 2, "--val-size", 2, "--test-size", 2)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("# Examples") == 60
