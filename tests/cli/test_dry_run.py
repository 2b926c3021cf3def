"""`--dry-run` says what the calls could take before any is made, and leaves nothing behind."""

import json
import re
import tempfile
from pathlib import Path

import pytest
from genai_prices import Usage, calc_price

from api_server import Reply, serving
from llm_erm.cli.estimate import CHARACTERS_PER_TOKEN

GRID = (
    *("--functions", "fn_a", "fn_b", "--lengths", 20, 30, "--attempts", 3, "--num-trials", 2),
    *("--train-size", 20, "--val-size", 20, "--test-size", 40, "--dry-run"),
)
POINTS = 8


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def dry_run(invoke, tmp_path, tmp_path_factory, monkeypatch):
    """Runs it, and makes sure that no file appeared or changed and nobody was called."""

    scratch = tmp_path_factory.mktemp("scratch")
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))

    def run(*arguments: object, **environment: str) -> tuple[str, str]:
        there = files(tmp_path)
        with serving(lambda _: Reply(status=500)) as api:
            address = ("--base-url", f"{api.url}/v1") if "--model" in arguments else ()
            done = invoke("synthesize", *GRID, *arguments, *address, **environment)
        assert done.returncode == 0, done.stderr
        assert api.calls == []
        assert files(tmp_path) == there
        assert list(scratch.iterdir()) == []
        return done.stdout, done.stderr

    return run


def price(model: str, provider: str, prompt_tokens: int, output_tokens: int) -> float:
    usage = Usage(input_tokens=prompt_tokens, output_tokens=output_tokens)
    return float(calc_price(usage, model, provider_id=provider).total_price)


@pytest.mark.parametrize(
    ("model", "provider"), [("openai:gpt-5", "openai"), ("anthropic:claude-opus-4-6", "anthropic")]
)
def test_calls_tokens_and_cost_are_told_and_nothing_is_written_or_sent(dry_run, model, provider):
    arguments = ("--out-dir", "out", "--out-csv", "a.csv", "--log-file", "l.jsonl", "--fresh")
    prompts, said = dry_run("--model", model, "--max-output-tokens", 1000, *arguments)
    assert prompts.count("# Examples") == POINTS
    calls = POINTS * 3
    tokens = sum(
        3 * round(len(f"# Task{prompt}".strip() + "\n") / CHARACTERS_PER_TOKEN)
        for prompt in prompts.split("# Task")[1:]
    )
    told = re.search(
        r"Up to (\d+) calls: about ([\d,]+) prompt tokens and at most ([\d,]+) output tokens, "
        r"at most about \$([\d.]+)\.",
        said,
    )
    assert told is not None, said
    numbers = [int(told[i].replace(",", "")) for i in (1, 2, 3)]
    assert numbers[0] == calls
    assert numbers[1] == pytest.approx(tokens, abs=calls)
    assert numbers[2] == calls * 1000
    dollars = price(model.split(":")[-1], provider, tokens, calls * 1000)
    assert float(told[4]) == pytest.approx(dollars, abs=0.01)


def test_a_price_that_depends_on_the_prompts_length_is_that_of_single_calls(dry_run):
    """Together these prompts are long enough for a dearer tier; none of them is alone."""
    said = dry_run("--model", "gemini:gemini-2.5-pro", "--attempts", 5000)[1]
    told = re.search(r"about ([\d,]+) prompt .* \$([\d.]+)\.", said)
    calls, tokens = POINTS * 5000, int(told[1].replace(",", ""))
    assert tokens > 200_000
    dollars = calls * price("gemini-2.5-pro", "google", tokens // calls, 20_000)
    assert float(told[2]) == pytest.approx(dollars, rel=0.01)
    assert dollars < 0.8 * price("gemini-2.5-pro", "google", tokens, calls * 20_000)


def test_only_the_data_sets_of_a_shard_are_counted(dry_run):
    prompts, said = dry_run("--model", "openai:gpt-5", "--shard", "2/4")
    assert prompts.count("# Examples") == POINTS // 4
    assert f"Up to {POINTS // 4 * 3} calls" in said


def test_it_needs_no_key_and_an_unknown_price_is_said(dry_run):
    assert "at an unknown price" in dry_run("--model", "vllm:m")[1]
    assert "$0.00" in dry_run("--provider", "local")[1]
    assert "plus any tool calls" in dry_run("--model", "openai:gpt-5", "--code-tool", "local")[1]


def test_data_that_are_there_are_used_and_stay_as_they_are(dry_run, invoke, tmp_path):
    assert invoke("data", *GRID[:6], *GRID[8:-1]).returncode == 0
    path = min(tmp_path.glob("datasets/parity_all/L20/*/train.txt"))
    lines = path.read_text().splitlines()
    path.write_text("\n".join(reversed(lines)) + "\n")
    prompts, _ = dry_run("--model", "openai:gpt-5")
    assert "\n".join(reversed(lines)) in prompts


def test_a_replay_can_be_looked_at_first(invoke, tmp_path):
    (tmp_path / "answers.json").write_text(json.dumps(["no idea"]))
    arguments = [one for one in GRID if one != "--dry-run"]
    invoke(
        *("synthesize", "--provider", "scripted", "--answers", "answers.json", *arguments),
        *("--out-dir", "first"),
    )
    there = files(tmp_path)
    done = invoke("synthesize", "--provider", "replay", "--from", "first", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("# Examples") == POINTS
    assert files(tmp_path) == there
