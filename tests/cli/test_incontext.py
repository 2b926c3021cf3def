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
from incontext.engines import ScriptedEngine
from llm_erm.cli.incontext import Options
from llm_erm.cli.runs import results_of
from llm_erm.errors import BudgetSpentError
from llm_erm.incontext.engine import Prompt
from llm_erm.runs.jobs import key_of
from run_folders import plain_lines

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


def test_the_embedded_model_labels_for_real(invoke, tmp_path):
    done = invoke(
        *(*LOCAL, "--answer", "score", "--shots", 4, 8, "--out-dir", "out"),
        *("--out-csv", "results/o.csv", "--out-jsonl", "results/o.jsonl", "--json"),
    )
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [result["variant"] for result in results] == ["shots=4", "shots=8"]
    for result, shots in zip(results, (4, 8), strict=True):
        assert (result["method"], result["model"]) == ("incontext", "local:SmolLM2-135M-Instruct")
        facts, cost = result["facts"], result["cost"]
        assert result["examples"] == facts["shots"] == shots
        assert result["test"]["total"] == cost["completion_tokens"] == 6
        assert facts["prompt_tokens_computed"] < 0.6 * cost["prompt_tokens"]
        low, high = facts["accuracy_interval"]
        assert low <= result["test"]["accuracy"] <= high
    assert results == plain_lines(tmp_path / "out/results.jsonl")
    journal = lines(tmp_path / "out/answers.jsonl")
    assert [line["job"]["variant"] for line in journal] == ["shots=4"] * 6 + ["shots=8"] * 6
    records = lines(tmp_path / "results/o.jsonl")
    assert [record["probability_of_1"] for record in records] == [
        line["answer"]["probability"] for line in journal
    ]
    assert [record["is_correct"] for record in records] == [
        record["true_label"] == record["predicted_label"] for record in records
    ]
    assert [record["prompt"].count(" -> ") for record in records] == [4] * 6 + [8] * 6
    with (tmp_path / "results/o.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert ",".join(rows[0]) == COLUMNS
    for row, part in zip(rows, (records[:6], records[6:]), strict=True):
        assert float(row["accuracy"]) == sum(record["is_correct"] for record in part) / 6


def test_queries_and_examples_are_those_of_the_data_every_method_uses(invoke, tmp_path):
    invoke(
        *("data", "--functions", "fn_a", "--lengths", 8, "--train-size", 8, "--val-size", 8),
        *("--test-size", 40),
    )
    (folder,) = tmp_path.glob("datasets/parity_all/L8/*")
    done = invoke(*SMALL, "--dry-run")
    assert done.returncode == 0, done.stderr
    stored = [(folder / name).read_text() for name in ("train.txt", "val.txt", "test.txt")]
    shown = [line for line in done.stdout.splitlines() if " -> " in line]
    assert sorted(shown) == sorted((stored[0] + stored[1]).splitlines())
    query = done.stdout.split("# New input\n```\n")[1][:8]
    assert f"{query} -> " in stored[2]
    assert not (tmp_path / "runs").exists()


def test_a_killed_run_keeps_its_queries_and_goes_on(invoke, executable, tmp_path):
    flags = ("--answer", "constrained", "--max-new-tokens", 16, "--shots", 4)
    arguments = (*LOCAL, *flags, "--out-dir", "out")
    running = subprocess.Popen(
        [str(executable), *map(str, arguments)], cwd=tmp_path, stderr=subprocess.PIPE
    )
    journal = tmp_path / "out/answers.jsonl"
    deadline = time.monotonic() + 100
    while not (journal.exists() and journal.read_bytes().count(b"\n") >= 2):
        assert time.monotonic() < deadline
        assert running.poll() is None
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.communicate(timeout=60)
    kept = journal.read_bytes()
    assert kept.count(b"\n") < 6
    done = invoke(*arguments)
    assert done.returncode == 0, done.stderr
    assert "0 of 6" in done.stdout  # all parsed
    whole = journal.read_bytes()
    assert whole.startswith(kept[: kept.rfind(b"\n") + 1])
    assert [line["answer"]["index"] for line in lines(journal)] == [1, 2, 3, 4, 5, 6]
    assert invoke(*arguments).stdout == done.stdout
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
        (
            ("--model", "m", "--threads", 1),
            "--threads would have no effect because vLLM answers; omit it",
        ),
        (
            ("--base-url", "http://h", "--model", "m", "--max-model-len", 9, "--enforce-eager"),
            "--max-model-len and --enforce-eager would have no effect because a server answers",
        ),
        (("--out-csv", "."), "--out-csv"),
        (("--answer", "guess"), "guess"),
    ],
)
def test_a_wrong_turn_is_one_sentence_and_exit_2(invoke, tmp_path, arguments, said):
    done = invoke(*SMALL, *arguments)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("runs/*/answers.jsonl"))


@pytest.fixture
def scripted(monkeypatch):
    """Has a scripted engine answer in place of the one that the flags name."""

    def use(reply) -> ScriptedEngine:
        engine = ScriptedEngine(reply)
        monkeypatch.setattr("llm_erm.cli.incontext.engine_of", lambda options, seed: engine)
        return engine

    return use


SCRIPTED = (*SMALL, "--shots", 4, 16, "--out-dir", "out")


def failing_at(number: int, error: BaseException):
    def reply(prompt: Prompt):
        if prompt.index == number and prompt.text.count(" -> ") == 16:
            raise error
        return '{"label": "1"}'

    return reply


def test_a_spent_budget_is_exit_3_with_what_is_done_and_a_higher_one_goes_on(
    invoke, scripted, tmp_path
):
    scripted(failing_at(3, BudgetSpentError("The next call is too dear.", setting="max_cost_usd")))
    files = ("--out-csv", "o.csv", "--out-jsonl", "o.jsonl")
    done = invoke(*SCRIPTED, *files, "--json")
    assert done.returncode == 3
    assert [json.loads(line)["variant"] for line in done.stdout.splitlines()] == ["shots=4"]
    assert "The budget is spent: The next call is too dear (--max-cost-usd). " in done.stderr
    assert "Answers are kept in out; run the same command" in done.stderr
    assert len(lines(tmp_path / "o.jsonl")) == 8
    assert len((tmp_path / "o.csv").read_text().splitlines()) == 2
    engine = scripted(failing_at(7, KeyboardInterrupt()))
    again = invoke(*SCRIPTED, *files, "--json")
    assert again.returncode == 0, again.stderr
    assert [prompt.index for prompt in engine.asked] == [3, 4, 5, 6]
    assert again.stdout.startswith(done.stdout)
    assert len(lines(tmp_path / "o.jsonl")) == 12
    assert len((tmp_path / "o.csv").read_text().splitlines()) == 3


def test_a_stopped_run_is_exit_130_and_says_where_it_goes_on(invoke, scripted, tmp_path):
    scripted(failing_at(3, KeyboardInterrupt()))
    done = invoke(*SCRIPTED)
    assert (done.returncode, done.stdout) == (130, "")
    assert "Stopped. Answers are kept in out; run the same command" in done.stderr
    assert len(lines(tmp_path / "out/answers.jsonl")) == 8


def test_the_table_has_a_row_per_number_of_shots(invoke, scripted):
    scripted(lambda prompt: "?" if prompt.index == 1 else '{"label": "1"}')
    done = invoke(*SCRIPTED)
    assert done.returncode == 0, done.stderr
    header, four, sixteen = (line.split("\t") for line in done.stdout.splitlines())
    assert header == [
        *("task", "length", "trial", "shots", "accuracy", "95% interval", "differs from chance"),
        *("accuracy of parsed", "not parsed", "prompt computed", "queries/s"),
    ]
    for shots, cells in (("4", four), ("16", sixteen)):
        assert cells[:4] == ["fn_a", "8", "1", shots]
        assert cells[6:10] == ["unclear", cells[7], "1 of 6", "10.0%"]
    assert done.stderr.splitlines()[-1] == "Prompts, answers and results: out"


def test_results_can_be_had_without_being_printed(scripted, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scripted(lambda _: '{"label": "1"}')
    options = Options(
        functions=("fn_a",), lengths=(8,), train_size=16, test_size=6, test_split_size=40
    )
    events = []
    results = results_of(options, [lambda job, event: events.append(type(event).__name__)])
    assert [(key_of(result).name, result.test.total) for result in results] == [
        ("fn_a L=8 shots=16", 6)
    ]
    assert results[0].test.correct == 3
    assert (events.count("Answered"), events[-1]) == (6, "Finished")
    assert capsys.readouterr().out == ""


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
    (meta,) = folder.glob("datasets/parity_all+published-erm/L50/*/meta.json")
    assert json.loads(meta.read_text())["base_seed"] == 0


def test_without_vllm_the_published_command_says_what_to_install(published):
    run, _ = published
    done = run(*PUBLISHED)
    assert done.returncode == 2
    assert "pip install 'llm-erm[vllm]'" in done.stderr
