"""Killed at any moment, the same command goes on: nothing is asked for twice, nothing differs.

The number of kills is that of the environment variable LLM_ERM_KILLS, 10 unless it is set.
"""

import csv
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api_server import Api, Call, Reply, serving
from canary import CANARY
from responses_server import response, text

KILLS = int(os.environ.get("LLM_ERM_KILLS", "10"))
LATENCY = 0.05 if KILLS <= 10 else 0.3
ATTEMPTS = max(20, 3 * KILLS) if KILLS > 10 else 20
GRID = (
    *("--functions", "fn_a", "fn_g", "--lengths", 20, 22, 24),
    *("--train-size", 20, "--val-size", 20, "--test-size", 100),
)

DRIVER = """
import json, os, sys
from llm_erm.cli.main import main
import llm_erm.llms.remote, pydantic_ai.direct, pydantic_ai.models.openai, tenacity
import pydantic_ai.providers.openai, genai_prices.data, openai.resources.responses
import openai.lib.streaming.responses, llm_erm.cli.parsing, llm_erm.cli.synthesize

for line in sys.stdin:
    child = os.fork()
    if not child:
        said = os.open("said.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(said, 1), os.dup2(said, 2)
        main(json.loads(line))
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Starts commands in children of a process that has read all libraries: starting is most of it."""


class Commands:
    """Runs `llm-erm` again and again."""

    def __init__(self, folder: Path) -> None:
        handed_on = {
            name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ
        }
        self._folder = folder
        self._driver = subprocess.Popen(
            [sys.executable, "-c", DRIVER],
            cwd=folder,
            env=handed_on | {"OPENAI_API_KEY": CANARY},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, *arguments: object) -> int:
        assert self._driver.stdin is not None
        self._driver.stdin.write(json.dumps([str(one) for one in arguments]) + "\n")
        self._driver.stdin.flush()
        return self._read()

    def status(self) -> int:
        return self._read()

    def said(self) -> str:
        return (self._folder / "said.txt").read_text()

    def _read(self) -> int:
        assert self._driver.stdout is not None
        return int(self._driver.stdout.readline())

    def close(self) -> None:
        self._driver.communicate()


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    opened = Commands(tmp_path)
    yield opened
    opened.close()


class Model:
    """A model behind a server: sample n of a prompt is always the same text.

    All samples of a prompt are asked for by the same request, so which one it is is told by the
    journal of the client: that of the first sample that is not in it.
    """

    def __init__(self) -> None:
        self.folder = Path()
        self.asked: Counter[str] = Counter()

    def lines(self) -> list[bytes]:
        path = self.folder / "answers.jsonl"
        return path.read_bytes().split(b"\n")[:-1] if path.exists() else []

    def journaled(self) -> Counter[str]:
        jobs = (json.loads(line)["job"] for line in self.lines())
        return Counter("L={length} {function}".format(**job) for job in jobs)

    def answer(self, call: Call) -> Reply:
        prompt = call.body["input"][0]["content"]
        point = self.points[hashlib.sha256(prompt.encode()).hexdigest()]
        self.asked[point] += 1
        number = self.journaled()[point] + 1
        return Reply(response([text(self.sample(point, number))]), after=LATENCY)

    def learn_points(self, folder: Path) -> None:
        from llm_erm.synthesis.learn import prompt_for
        from llm_erm.synthesis.settings import SynthesisSettings
        from llm_erm.tasks.spec import DataSpec
        from llm_erm.tasks.splits import load

        self.points: dict[str, str] = {}
        for function in ("fn_a", "fn_g"):
            for length in (20, 22, 24):
                spec = DataSpec(
                    function=function, length=length, train_size=20, val_size=20, test_size=100
                )
                prompt = prompt_for(load(spec, folder), SynthesisSettings(1))
                digest = hashlib.sha256(prompt.encode()).hexdigest()
                self.points[digest] = f"L={length} {function}"

    def sample(self, point: str, number: int) -> str:
        """Mostly wrong, sometimes no program or one that was there before, right in the end."""
        draw = random.Random(f"{point} {number}")
        if draw.random() < 0.1:
            return "It looks random."
        body = draw.choice(["1", "0", f"int(x[{number % 20}])", "x.count('11') % 2"])
        if number == ATTEMPTS - 3 and point.endswith("fn_a"):
            body = "x.count('1') % 2"
        return json.dumps({"code": f"def f(x):\n    return {body}"})


def timeless(value: Any) -> Any:
    """A JSON value without what measures time."""
    if isinstance(value, dict):
        times = (
            *("seconds", "cpu_seconds", "latency_seconds", "duration_ms"),
            *("seconds_to_selected", "sha256", "lines_sha256", "answer_sha256"),
        )
        return {key: timeless(one) for key, one in value.items() if key not in times}
    return [timeless(one) for one in value] if isinstance(value, list) else value


def artifacts(folder: Path) -> dict[str, Any]:
    """What a run leaves behind, times and the order of grid points aside."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.suffix == ".jsonl" and name != "log.jsonl":
            lines = [timeless(json.loads(line)) for line in path.read_text().splitlines()]
            found[name] = sorted(json.dumps(line, sort_keys=True) for line in lines)
        elif path.suffix == ".csv":
            with path.open(newline="") as file:
                found[name] = [timeless(dict(row)) for row in csv.DictReader(file)]
        elif path.is_file() and name != "log.jsonl":
            found[name] = path.read_text()
    return found


def command(api: Api, folder: str) -> tuple[object, ...]:
    return (
        *("synthesize", "--provider", "openai", "--base-url", f"{api.url}/v1", *GRID),
        *("--attempts", ATTEMPTS, "--concurrency", 3, "--out-dir", folder),
        *("--out-csv", f"{folder}/all.csv", "--out-jsonl", f"{folder}/all.jsonl"),
    )


def test_a_run_that_is_killed_again_and_again_ends_as_if_it_never_was(commands, tmp_path):
    model = Model()
    model.learn_points(tmp_path / "datasets")
    moments, killed_at_work = random.Random(KILLS), 0
    with serving(model.answer) as api:
        model.folder = tmp_path / "whole"
        commands.start(*command(api, "whole"))
        assert commands.status() == 0, commands.said()
        assert model.asked == model.journaled()

        model.folder = tmp_path / "killed"
        for path in (tmp_path / "datasets").rglob("ledger.jsonl"):
            path.unlink()  # or bounds would count the first run
        for kill in range(KILLS):
            model.asked.clear()
            before = model.journaled()
            process = commands.start(*command(api, "killed"))
            if kill % 3:
                wanted = before.total() + moments.randint(1, 4)
                while len(model.lines()) < wanted:
                    time.sleep(0.01)
                time.sleep(moments.uniform(0.0, 2 * LATENCY))
            else:  # mostly while it starts
                deadline = time.monotonic() + moments.uniform(0.0, 1.5)
                while time.monotonic() < deadline and len(model.lines()) < before.total() + 6:
                    time.sleep(0.01)
            os.kill(process, signal.SIGKILL)
            assert commands.status() == -signal.SIGKILL, commands.said()
            new = model.journaled() - before
            lost = model.asked - new
            assert new <= model.asked
            assert all(count == 1 for count in lost.values())
            assert lost.total() <= 4  # three in flight, and one that arrived at that very moment
            killed_at_work += new.total() > 0
        model.asked.clear()
        before = model.journaled()
        commands.start(*command(api, "killed"))
        assert commands.status() == 0, commands.said()
        assert model.asked == model.journaled() - before
    assert killed_at_work >= KILLS // 2
    whole, killed = (artifacts(tmp_path / name) for name in ("whole", "killed"))
    assert killed.keys() == whole.keys()
    for name in whole:
        assert killed[name] == whole[name], name
    indices = Counter(
        (line["job"]["function"], line["job"]["length"], line["attempt"]["index"])
        for line in map(json.loads, (tmp_path / "killed/attempts.jsonl").read_text().splitlines())
    )
    assert set(indices.values()) == {1}
    assert {length for _, length, _ in indices} == {20, 22, 24}
    assert sum(function == "fn_a" for function, _, _ in indices) == 3 * (ATTEMPTS - 3)
    assert sum(function == "fn_g" for function, _, _ in indices) == 3 * ATTEMPTS
