"""`llm-erm incontext` and the published command, from flags to files."""

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from api_server import Call, Reply, serving

ROOT = Path(__file__).parents[2]
SMALL = (
    *("incontext", "--functions", "fn_a", "--lengths", 8, "--train-size", 16),
    *("--test-size", 6, "--test-split-size", 40),
)
LOCAL = (*SMALL, "--threads", 1)
COLUMNS = (
    "function,length,accuracy,shots,seed,trial,queries,correct,parse_failures,"
    "accuracy_low,accuracy_high,accuracy_parsed,differs_from_chance"
)


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def answered(call: Call) -> Reply:
    choice = {"message": {"content": '{"label": "1"}'}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 100, "completion_tokens": 6}
    return Reply({"choices": [choice], "usage": usage})


def test_the_embedded_model_labels_for_real(command, tmp_path):
    done = command(
        *(*LOCAL, "--answer", "score", "--shots", 4, 16, "--out-dir", "out"),
        *("--out-csv", "results/o.csv", "--out-jsonl", "results/o.jsonl", "--json"),
    )
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [result["shots"] for result in results] == [4, 16]
    for result in results:
        assert (result["method"], result["model"]) == ("incontext", "local:SmolLM2-135M-Instruct")
        assert result["queries"] == result["completion_tokens"] == 6
        assert result["prompt_tokens_computed"] < 0.6 * result["prompt_tokens"]
        low, high = result["accuracy_interval"]
        assert low <= result["test_accuracy"] <= high
    journal = lines(tmp_path / "out/queries.jsonl")
    assert len(journal) == 12
    records = lines(tmp_path / "results/o.jsonl")
    assert [record["is_correct"] for record in records] == [
        record["true_label"] == record["predicted_label"] for record in records
    ]
    assert [record["prompt"].count(" -> ") for record in records] == [4] * 6 + [16] * 6
    with (tmp_path / "results/o.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert ",".join(rows[0]) == COLUMNS
    for row, part in zip(rows, (records[:6], records[6:]), strict=True):
        assert float(row["accuracy"]) == sum(record["is_correct"] for record in part) / 6


def test_queries_and_examples_are_those_of_the_data_every_method_uses(command, tmp_path):
    command(
        *("data", "--functions", "fn_a", "--lengths", 8, "--train-size", 8, "--val-size", 8),
        *("--test-size", 40),
    )
    (folder,) = tmp_path.glob("datasets/parity_all/L8/*")
    done = command(*SMALL, "--dry-run")
    assert done.returncode == 0, done.stderr
    stored = [(folder / name).read_text() for name in ("train.txt", "val.txt", "test.txt")]
    shown = [line for line in done.stdout.splitlines() if " -> " in line]
    assert sorted(shown) == sorted((stored[0] + stored[1]).splitlines())
    query = done.stdout.split("# New input\n```\n")[1][:8]
    assert f"{query} -> " in stored[2]
    assert not (tmp_path / "runs").exists()


def test_a_killed_run_keeps_its_queries_and_goes_on(command, executable, tmp_path):
    arguments = (*LOCAL, "--answer", "constrained", "--max-new-tokens", 16, "--out-dir", "out")
    running = subprocess.Popen(
        [str(executable), *map(str, arguments)], cwd=tmp_path, stderr=subprocess.PIPE
    )
    journal = tmp_path / "out/queries.jsonl"
    deadline = time.monotonic() + 100
    while not (journal.exists() and journal.read_bytes().count(b"\n") >= 2):
        assert time.monotonic() < deadline
        assert running.poll() is None
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.communicate(timeout=60)
    kept = journal.read_bytes()
    assert kept.count(b"\n") < 6
    done = command(*arguments)
    assert done.returncode == 0, done.stderr
    assert "0 of 6" in done.stdout  # all parsed
    whole = journal.read_bytes()
    assert whole.startswith(kept[: kept.rfind(b"\n") + 1])
    assert [line["index"] for line in lines(journal)] == [1, 2, 3, 4, 5, 6]
    assert command(*arguments).stdout == done.stdout
    assert journal.read_bytes() == whole


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--functions", "fn_z"), "fn_z"),
        (("--test-size", 7), "even"),
        (("--test-size", 42), "ask for fewer"),
        (("--shots", 18), "--shots"),
        (("--shots", 3), "even"),
        (("--max-new-tokens", 0), "--max-new-tokens"),
        (("--temperature", -1), "--temperature"),
        (("--top-p", 0), "--top-p"),
        (("--max-model-len", 9000), "8192"),
        (("--max-model-len", 200, "--answer", "score"), "examples fit"),
        (("--lengths", 100, "--train-size", 200, "--test-split-size", 40), "examples fit"),
        (("--model", "missing.gguf"), "missing.gguf"),
        (("--model", "Qwen/none"), "vllm"),
        (("--base-url", "localhost", "--model", "m"), "http://"),
        (("--base-url", "http://localhost"), "--model"),
        (("--base-url", "http://127.0.0.1:9/v1", "--model", "m", "--retries", 0), "reached"),
        (("--concurrency", 0), "--concurrency"),
        (("--concurrency", 2), "--concurrency would have no effect"),
        (("--tensor-parallel-size", 2), "--tensor-parallel-size would have no effect"),
        (("--model", "m", "--threads", 1), "--threads would have no effect: vLLM answers"),
        (
            ("--base-url", "http://h", "--model", "m", "--max-model-len", 9, "--enforce-eager"),
            "--max-model-len and --enforce-eager would have no effect: a server answers",
        ),
        (("--out-csv", "."), "--out-csv"),
        (("--answer", "guess"), "guess"),
    ],
)
def test_a_wrong_turn_is_one_sentence_and_exit_2(command, tmp_path, arguments, said):
    done = command(*SMALL, *arguments)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not any(path.stat().st_size for path in tmp_path.glob("runs/*/queries.jsonl"))


@pytest.fixture
def published(tmp_path: Path):
    """Runs a copy of the published script, so that its default folders are the test's own."""
    folder = tmp_path / "checkout" / "in_context_learning"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "in_context_learning" / "vllm_incontext.py", folder)

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(folder / "vllm_incontext.py"), *map(str, arguments)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run, folder


PUBLISHED = (
    *("--model", "Qwen/Qwen3-30B-A3B-Instruct-2507", "--functions", "fn_a", "--lengths", 50),
    *("--train-size", 200, "--test-size", 100),
)


def test_the_published_command_asks_a_server_with_every_flag_in_effect(published):
    run, folder = published
    flags = (*("--seed", 0, "--temperature", 0.7, "--top-p", 0.9), *("--max-new-tokens", 33))
    with serving(answered) as api:
        done = run(*PUBLISHED, *flags, "--base-url", f"{api.url}/v1")
    assert done.returncode == 0, done.stderr
    assert len(api.calls) == 100
    for call in api.calls:
        body = call.body
        assert body["model"] == "Qwen/Qwen3-30B-A3B-Instruct-2507"
        assert (body["temperature"], body["top_p"], body["max_tokens"]) == (0.7, 0.9, 33)
        assert body["messages"][0]["content"].count(" -> ") == 200
    records = lines(folder / "vllm_results_details.jsonl")
    assert len(records) == 100
    assert {(r["fn"], r["length"], r["predicted_label"]) for r in records} == {("fn_a", 50, "1")}
    with (folder / "vllm_results_summary.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["function"], row["length"], row["accuracy"]) == ("fn_a", "50", "0.5")
    assert (row["parse_failures"], row["differs_from_chance"]) == ("0", "False")
    (meta,) = folder.glob("datasets/parity_all/L50/*/meta.json")
    assert json.loads(meta.read_text())["base_seed"] == 0


def test_without_vllm_the_published_command_says_what_to_install(published):
    run, _ = published
    done = run(*PUBLISHED)
    assert done.returncode == 2
    assert "pip install 'llm-erm[vllm]'" in done.stderr
