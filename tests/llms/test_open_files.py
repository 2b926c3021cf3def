"""Connections need open files: too many calls at a time wait for each other and are not lost."""

import json
import subprocess
import sys

import pytest

from api_server import Reply, serving
from canary import CANARY
from llm_erm.llms import files
from recorded import chat
from responses_server import response, text

resource = pytest.importorskip("resource")

WRONG = json.dumps({"code": "def f(x):\n    return 1"})

ASK = """
import asyncio, json, resource, sys
from llm_erm.incontext.engine import Prompt
from llm_erm.incontext.server import ServerEngine
from llm_erm.incontext.settings import InContextSettings
from llm_erm.llms.llm import Request
from llm_erm.llms.models import model

track, url, hard = sys.argv[1:]
async def ask():
    llm = model("openai:m", api_key="k", base_url=url, concurrency=60, speculative=60, retries=0)
    answers = [one async for one in llm.complete(Request("hello", range(1, 81)))]
    await llm.aclose()
    return answers
def ask_engine():
    engine = ServerEngine("m", url, "k", concurrency=60, retries=0)
    prompts = [Prompt(i, "hello", i) for i in range(1, 81)]
    answers = list(engine.answer(prompts, InContextSettings()))
    engine.close()
    return answers
resource.setrlimit(resource.RLIMIT_NOFILE, (40, int(hard)))
answers = asyncio.run(ask()) if track == "remote" else ask_engine()
print(json.dumps([[one.index, one.finish_reason, one.error] for one in answers]))
"""


@pytest.mark.parametrize("track", ["remote", "server"])
def test_calls_beyond_the_limit_on_open_files_wait_and_none_is_lost(track):
    answer = response([text(WRONG)]) if track == "remote" else chat('{"label": "1"}')
    with serving(lambda _: Reply(answer, after=0.3)) as api:
        done = subprocess.run(
            [sys.executable, "-c", ASK, track, f"{api.url}/v1", "64"],
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    ended = json.loads(done.stdout)
    assert sorted(index for index, _, _ in ended) == list(range(1, 81))
    assert {(reason, error) for _, reason, error in ended} == {("stop", None)}
    assert len(api.calls) == 80, "no call was paid for twice"
    assert 1 < api.most_in_flight < 40


@pytest.fixture
def limits():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_limit_on_open_files_is_raised_where_that_is_permitted(limits):
    low = files._open_files() + 20
    resource.setrlimit(resource.RLIMIT_NOFILE, (low, limits[1]))
    assert files.calls_that_fit(100) == 100
    assert low + 100 < resource.getrlimit(resource.RLIMIT_NOFILE)[0] <= limits[1]


def test_a_command_takes_and_tells_the_concurrency_that_the_limit_allows(executable, tmp_path):
    grid = ("--functions", "fn_a", "--lengths", *map(str, range(20, 32)))
    grid += ("--train-size", "20", "--val-size", "20", "--test-size", "40")
    with serving(lambda _: Reply(response([text(WRONG)]), after=0.2)) as api:
        done = subprocess.run(
            [
                *("bash", "-c", 'ulimit -n 64; exec "$@"', "bash", executable, "synthesize"),
                *("--provider", "openai", "--base-url", f"{api.url}/v1", *grid, "--json"),
                *("--attempts", "4", "--speculative", "4", "--concurrency", "100"),
            ],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "OPENAI_API_KEY": CANARY} | _paths(),
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("limit on open files") == 1
    assert "not --concurrency 100" in done.stderr
    assert len(api.calls) == 12 * 4
    assert len(done.stdout.splitlines()) == 12


def _paths() -> dict[str, str]:
    import os

    return {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
