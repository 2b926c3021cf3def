"""vLLM, for real: the published command, each way to answer, and its server.

`make test-vllm` runs this in an environment of its own; elsewhere it is skipped.
"""

import asyncio
import csv
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from llm_erm.llms.llm import Completion, Request
from llm_erm.llms.models import model as model_of
from llm_erm.synthesis.prompt import BLOCK_GRAMMAR

ROOT = Path(__file__).parents[2]
MODEL = "SmolLM2-135M-Instruct"

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed: make test-vllm"),
]


def run(folder: Path, *arguments: object, program: str = "python", **environment: str):
    """Runs a program of this environment."""
    return subprocess.run(
        [str(Path(sys.executable).with_name(program)), *map(str, arguments)],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=1500,
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """The embedded weights as a Hugging Face folder."""
    folder = tmp_path_factory.mktemp("models") / MODEL
    done = run(ROOT, ROOT / "tests/incontext/hugging_face.py", folder)
    assert done.returncode == 0, done.stderr
    return folder


def published(tmp_path: Path, model: Path, *arguments: object):
    """Runs the published command and returns its result, its row and its records."""
    folder = tmp_path / "in_context_learning"
    folder.mkdir()
    shutil.copy(ROOT / "in_context_learning/vllm_incontext.py", folder)
    done = run(
        tmp_path,
        *(folder / "vllm_incontext.py", "--model", model, "--functions", "fn_a"),
        *("--enforce-eager", "--json", *arguments),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with (folder / "vllm_results_summary.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    lines = (folder / "vllm_results_details.jsonl").read_text().splitlines()
    return json.loads(done.stdout), row, [json.loads(line) for line in lines]


def test_the_published_command(tmp_path, model):
    sizes = ("--lengths", 20, "--train-size", 40, "--test-size", 10, "--max-new-tokens", 16)
    result, row, records = published(tmp_path, model, *sizes)
    assert result["model"] == f"vllm:{MODEL}"
    assert (row["function"], row["length"]) == ("fn_a", "20")
    assert float(row["accuracy"]) == sum(record["is_correct"] for record in records) / 10
    assert [record["prompt"].count(" -> ") for record in records] == [40] * 10
    assert all(record["prompt"].startswith("<|im_start|>system") for record in records)
    assert all(0 < record["completion_tokens"] <= 16 for record in records)


def test_constrained_answers_always_state_a_label(tmp_path, model):
    sizes = ("--lengths", 20, "--train-size", 40, "--test-size", 10, "--max-new-tokens", 24)
    result, _, _ = published(tmp_path, model, *sizes, "--answer", "constrained")
    assert result["test"]["invalid"] == 0


def test_of_a_hundred_prompts_three_percent_are_computed(tmp_path, model):
    sizes = ("--lengths", 20, "--train-size", 200, "--test-size", 100)
    result, _, records = published(tmp_path, model, *sizes, "--answer", "score")
    assert result["test"]["invalid"] == 0
    assert result["cost"]["completion_tokens"] == 100
    assert result["cost"]["prompt_tokens"] > 480_000
    computed = result["facts"]["prompt_tokens_computed"]
    assert computed <= 0.03 * result["cost"]["prompt_tokens"]
    assert all(0 < record["probability_of_1"] < 1 for record in records)
    low, high = result["facts"]["accuracy_interval"]
    assert low < 0.5 < high  # parity: the negative result


def test_a_prompt_that_is_too_long_is_refused_before_the_model_is_loaded(tmp_path, model):
    done = run(
        tmp_path,
        *(ROOT / "in_context_learning/vllm_incontext.py", "--model", model, "--functions", "fn_a"),
        *("--lengths", 50, "--dataset-dir", tmp_path, "--out-csv", "o.csv"),
        *("--out-jsonl", "o.jsonl"),
    )
    assert done.returncode == 2
    assert "examples fit" in done.stderr
    assert "EngineCore" not in done.stderr


@pytest.fixture(scope="module")
def server(model: Path, tmp_path_factory) -> Iterator[str]:
    """The address of vLLM's own server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "vllm.entrypoints.openai.api_server"),
                *("--model", str(model), "--served-model-name", MODEL),
                *("--host", "127.0.0.1", "--port", str(port)),
                *("--dtype", "float32", "--block-size", "32", "--max-model-len", "4096"),
                *("--enforce-eager", "--enable-prompt-tokens-details"),
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 900
        while not _healthy(url):
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(1)
        yield f"{url}/v1"
    finally:
        process.terminate()
        process.wait(timeout=60)


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.mark.parametrize("raw", [(), ("--raw-prompt",)])
@pytest.mark.parametrize("answer", ["generate", "constrained", "score"])
def test_the_server_answers_as_the_engine_does(tmp_path, server, answer, raw):
    done = run(
        tmp_path,
        *("incontext", "--base-url", server, "--model", MODEL),
        *("--functions", "fn_a", "--lengths", 20, "--train-size", 40, "--test-size", 8, *raw),
        *("--answer", answer, "--max-new-tokens", 24, "--json"),
        program="llm-erm",
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["test"]["total"] == 8
    computed = result["facts"]["prompt_tokens_computed"]
    assert computed < 0.4 * result["cost"]["prompt_tokens"]
    if answer != "generate":
        assert result["test"]["invalid"] == 0


@pytest.mark.parametrize("provider", ["vllm", "openai"])  # chat completions, and responses
def test_the_server_proposes_programs(tmp_path, server, provider):
    done = run(
        tmp_path,
        *("synthesize", "--provider", provider, "--base-url", server, "--model", MODEL),
        *("--functions", "fn_a", "--lengths", 20, "--train-size", 10, "--val-size", 10),
        *("--test-size", 100, "--attempts", 2, "--max-output-tokens", 32),
        *("--reasoning-effort", "none", "--out-dir", "out", "--unsafe-no-isolation"),
        program="llm-erm",
        OPENAI_API_KEY="unused",
    )
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "out/answers.jsonl").read_text().splitlines()
    answers = [json.loads(line)["answer"] for line in lines]
    assert sorted(answer["index"] for answer in answers) == [1, 2]
    for completion in answers:
        assert completion["error"] is None
        assert completion["usage"]["prompt_tokens"] > 200
        assert 0 < completion["usage"]["completion_tokens"] <= 32
        assert completion["text"]


def answer(server: str, **asked) -> Completion:
    """Returns what the model says if its answer must match something."""

    async def first() -> Completion:
        llm = model_of(f"vllm:{MODEL}", base_url=server)
        try:
            request = Request("Write code.", max_tokens=64, **asked)
            (completion,) = [one async for one in llm.complete(request)]
            return completion
        finally:
            await llm.aclose()

    return asyncio.run(first())


def test_the_server_holds_answers_to_a_grammar_and_to_a_schema(server):
    grammar = 'root ::= "```python" [a-z]{3} "```"'
    assert re.fullmatch("```python[a-z]{3}```", answer(server, grammar=grammar).text)
    code = {"type": "string", "maxLength": 20}
    schema = {"type": "object", "properties": {"code": code}, "required": ["code"]}
    assert json.loads(answer(server, json_schema=schema).text).keys() == {"code"}
    block = answer(server, grammar=BLOCK_GRAMMAR)
    assert block.text.startswith("```python\n")
    assert block.text.count("```") == 1 + (block.finish_reason == "stop")
