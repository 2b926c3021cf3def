"""`--max-cost-usd` and `--max-total-tokens`: exit status 3, nothing lost, and on with more."""

import asyncio
import csv
import json
import os
import re
import signal
from pathlib import Path

import pytest
from genai_prices import Usage as PricedUsage
from genai_prices import calc_price

from api_server import Api, Reply, serving
from canary import CANARY
from llm_erm.errors import BudgetSpentError
from llm_erm.incontext.labels import label_of
from llm_erm.llms.budget import Budget
from llm_erm.runs.fingerprint import read_fingerprint
from llm_erm.runs.folder import RunFolder
from recorded import chat
from responses_server import response, text

WRONG = json.dumps({"code": "def f(x):\n    return 1"})
GRID = (
    *("--functions", "fn_a", "--lengths", 20, 21, "--attempts", 3, "--max-output-tokens", 400),
    *("--train-size", 20, "--val-size", 20, "--test-size", 40, "--concurrency", 1),
)
CALLS = 6
USED = 1500
"""Tokens of every answer."""


@pytest.fixture
def api():
    with serving(lambda _: Reply(response([text(WRONG)]))) as serving_api:
        yield serving_api


@pytest.fixture
def synthesize(invoke, api: Api):
    def run(*arguments):
        return invoke(
            *("synthesize", "--provider", "openai", "--base-url", f"{api.url}/v1"),
            *("--out-dir", "out", *GRID, *arguments),
            OPENAI_API_KEY=CANARY,
        )

    return run


def test_before_the_first_call_the_most_that_all_may_cost_is_said(synthesize, api, tmp_path):
    done = synthesize()
    told = re.search(
        r"^Up to 6 calls to openai:gpt-5 at (.*), for at most \$([\d.]+)\.$", done.stderr, re.M
    )
    assert told is not None, done.stderr
    assert told[1] == f"{api.url}/v1"
    longest = max(len(call.body["input"][0]["content"].encode()) for call in api.calls)
    most = calc_price(
        PricedUsage(input_tokens=longest, output_tokens=400), "gpt-5", provider_id="openai"
    )
    assert float(told[2]) == pytest.approx(6 * float(most.total_price), abs=0.005)
    assert journaled(tmp_path, "cost_usd") < float(told[2])
    assert "Up to" not in synthesize().stderr  # all is there
    assert "for at most $0.001, the limit." in synthesize("--fresh", "--max-cost-usd", 0.001).stderr


def journaled(folder: Path, key: str) -> float:
    lines = (folder / "out/answers.jsonl").read_text().splitlines()
    answers = [json.loads(line)["answer"] for line in lines]
    if key == "cost_usd":
        return sum(answer[key] for answer in answers)
    return sum(a["usage"]["prompt_tokens"] + a["usage"]["completion_tokens"] for a in answers)


@pytest.mark.parametrize(
    ("flag", "limit", "more", "key"),
    [("--max-total-tokens", 8500, 14000, "tokens"), ("--max-cost-usd", 0.0205, 0.035, "cost_usd")],
)
def test_a_spent_budget_is_status_3_and_the_same_command_goes_on_with_more(
    synthesize, api, tmp_path, flag, limit, more, key
):
    done = synthesize(flag, limit, "--json")
    assert done.returncode == 3
    assert "The budget is spent" in done.stderr
    assert flag in done.stderr
    first = len(api.calls)
    assert first == 5  # in whichever order they came, one task has its three and the other two
    assert journaled(tmp_path, key) <= limit
    assert [json.loads(line)["attempts"] for line in done.stdout.splitlines()] == [3]
    again = synthesize(flag, limit, "--json")
    assert (again.returncode, len(api.calls)) == (3, first)
    assert again.stdout == done.stdout
    rest = synthesize(flag, more, "--json")
    assert rest.returncode == 0, rest.stderr
    assert len(api.calls) == CALLS
    assert journaled(tmp_path, key) <= more
    assert [json.loads(line)["attempts"] for line in rest.stdout.splitlines()] == [3, 3]


def test_what_a_spent_budget_left_is_in_the_published_files(synthesize, tmp_path):
    done = synthesize("--max-total-tokens", 8500, "--out-csv", "o.csv", "--out-jsonl", "o.jsonl")
    assert done.returncode == 3
    journal = (tmp_path / "out/attempts.jsonl").read_text().splitlines()
    with (tmp_path / "o.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    records = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert len(rows) == len(records) == len(journal) == 5
    tested = [bool(row["test_acc"]) for row in rows]
    assert sorted(tested) == [False] * 2 + [True] * 3  # one task has all its attempts, so a choice
    assert all(record["val_acc"] is not None for record in records)


def test_a_run_without_an_attempt_leaves_earlier_files_as_they_were(synthesize, tmp_path):
    (tmp_path / "o.csv").write_text("mine")
    done = synthesize("--max-total-tokens", 1000, "--out-csv", "o.csv")
    assert done.returncode == 3
    assert (tmp_path / "o.csv").read_text() == "mine"


def test_calls_that_are_given_up_are_said_and_count_at_worst(invoke, tmp_path):
    right = json.dumps({"code": "def f(x):\n    return x.count('1') % 2"})

    def answer(call):
        return Reply(response([text(right)]), after=0.2 if call.number == 0 else 60, together=3)

    def run(*more):
        return invoke(
            *("synthesize", "--provider", "openai", "--base-url", f"{api.url}/v1"),
            *("--out-dir", "out", *GRID[:3], 20, *GRID[5:], "--concurrency", 3),
            *("--speculative", 3, *more),
            OPENAI_API_KEY=CANARY,
        )

    with serving(answer) as api:
        done = run()
        assert done.returncode == 0, done.stderr
        assert "Cancelled 2 calls in flight" in done.stderr
        assert run("--max-total-tokens", 10**6).returncode == 0
        assert len(api.calls) == 3
    folder = RunFolder(tmp_path / "out", read_fingerprint(tmp_path / "out"), ())
    budget = Budget(max_tokens=10**6)
    budget.begin(folder.completions(), prompt_bytes=1000, max_output_tokens=400)
    folder.close()
    with pytest.raises(BudgetSpentError, match=f"{USED + 2 * 1400:,} of"):
        asyncio.run(budget.reserve(10**6, 400))


def test_calls_given_up_on_ctrl_c_are_said_and_stay_in_the_account_for_good(invoke, tmp_path):
    def answer(call):
        if call.number == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return Reply(response([text(WRONG)]), after=60 if call.number in (1, 2) else 0)

    def run(*more):
        return invoke(
            *("synthesize", "--provider", "openai", "--base-url", f"{api.url}/v1"),
            *("--out-dir", "out", *GRID[:-2], "--concurrency", 2, *more),
            OPENAI_API_KEY=CANARY,
        )

    with serving(answer) as api:
        stopped = run()
        assert (stopped.returncode, len(api.calls)) == (130, 3)
        assert "Cancelled 2 calls in flight" in stopped.stderr
        assert run().returncode == 0
        assert len(api.calls) == 2 + CALLS
    folder = RunFolder(tmp_path / "out", read_fingerprint(tmp_path / "out"), ())
    assert len(folder.completions()) == CALLS + 2
    folder.close()


def test_a_budget_below_one_call_sends_nothing(synthesize, api):
    done = synthesize("--max-total-tokens", 1000)
    assert done.returncode == 3
    assert "may take" in done.stderr
    assert api.calls == []


def test_an_unknown_price_is_said_and_never_fatal(synthesize, api):
    done = synthesize("--model", "nobody-knows-it", "--max-cost-usd", 0.000001)
    assert done.returncode == 0, done.stderr
    assert len(api.calls) == CALLS
    assert "the price of openai:nobody-knows-it is unknown" in done.stderr
    assert "--max-total-tokens" in done.stderr


def test_what_a_hosted_tool_adds_is_said_to_be_outside(synthesize):
    done = synthesize("--max-total-tokens", 10**6, "--enable-code-interpreter")
    assert done.returncode == 0, done.stderr
    assert "budget does not cover" in done.stderr


@pytest.mark.parametrize("flag", ["--max-cost-usd", "--max-total-tokens"])
def test_a_budget_that_is_no_budget_is_refused(synthesize, api, flag):
    done = synthesize(flag, 0)
    assert done.returncode == 2
    assert flag in done.stderr
    assert api.calls == []


LABELS = chat('{"label": "1"}')
QUERIES = 6
TOKENS = 1500
"""Of every label that is answered."""


def ask_labels(invoke, api: Api, *arguments, model: str = "gpt-5"):
    return invoke(
        *("incontext", "--functions", "fn_a", "--lengths", 8, "--train-size", 16, "--json"),
        *("--test-size", QUERIES, "--test-split-size", 40, "--max-new-tokens", 1400),
        *("--base-url", f"{api.url}/v1", "--model", model, "--out-dir", "out", *arguments),
    )


@pytest.mark.parametrize(
    ("flag", "limit", "more", "each"),
    [
        ("--max-total-tokens", 3 * TOKENS + 2000, 9 * TOKENS, TOKENS),
        ("--max-cost-usd", 0.03, 0.06, 0.003348),
    ],
)
def test_in_context_learning_keeps_its_budget_and_goes_on_with_more(
    invoke, tmp_path, flag, limit, more, each
):
    with serving(lambda _: Reply(LABELS)) as api:
        done = ask_labels(invoke, api, flag, limit)
        assert done.returncode == 3, done.stderr
        assert "The budget is spent" in done.stderr
        assert flag in done.stderr
        assert done.stdout == ""
        first = len(api.calls)
        assert 2 <= first < QUERIES
        assert first * each <= limit
        assert len((tmp_path / "out/answers.jsonl").read_text().splitlines()) == first
        assert ask_labels(invoke, api, flag, limit).returncode == 3
        assert len(api.calls) == first  # what the earlier part took is counted
        rest = ask_labels(invoke, api, flag, more)
        assert rest.returncode == 0, rest.stderr
        assert len(api.calls) == QUERIES
    result = json.loads(rest.stdout)
    assert result["test"]["total"] == QUERIES
    assert result["cost"]["usd"] == pytest.approx(QUERIES * 0.003348)


def test_in_context_learning_says_that_a_price_is_unknown_and_refuses_what_is_no_budget(invoke):
    with serving(lambda _: Reply(LABELS)) as api:
        done = ask_labels(invoke, api, "--max-cost-usd", 0.000001, model="nobody-knows-it")
        assert done.returncode == 0, done.stderr
        assert "the price of chat:nobody-knows-it is unknown" in done.stderr
        made = len(api.calls)
        for flag in ("--max-cost-usd", "--max-total-tokens"):
            done = ask_labels(invoke, api, flag, 0)
            assert (done.returncode, flag in done.stderr) == (2, True)
        assert len(api.calls) == made


def test_a_budget_has_no_effect_on_a_model_in_this_process_and_that_is_said(invoke):
    done = invoke("incontext", "--functions", "fn_a", "--max-total-tokens", 1000)
    assert done.returncode == 2
    assert "--max-total-tokens would have no effect" in done.stderr


def test_a_call_that_fails_for_good_ends_in_context_learning_and_counts_no_wrong_label(
    invoke, tmp_path
):
    works = [True, True]
    with serving(lambda _: Reply(LABELS if works and works.pop() else b'{"id": ')) as api:
        done = ask_labels(invoke, api, "--concurrency", 1)
        assert done.returncode == 2
        assert "gave no usable answer" in done.stderr
        journal = (tmp_path / "out/answers.jsonl").read_text().splitlines()
        texts = [json.loads(line)["answer"]["text"] for line in journal]
        assert [label_of(text) for text in texts] == [1, 1]
        works, calls = [True] * QUERIES, len(api.calls)
        done = ask_labels(invoke, api)
    assert done.returncode == 0, done.stderr
    assert len(api.calls) - calls == QUERIES - 2
