"""`llm-erm synthesize --command`: a program as the model, from flags to files."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from canary import CANARY

SMALL = ("--train-size", 20, "--val-size", 20, "--test-size", 40)
ONE = ("--functions", "fn_a", "--lengths", 20, *SMALL)
RIGHT = "```python\ndef f(x):\n    return x.count('1') % 2\n```"

Program = Callable[..., str]


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def answers_in(folder: Path) -> list[dict]:
    return [line["answer"] for line in lines(folder / "answers.jsonl")]


def attempts_in(folder: Path) -> list[dict]:
    return [line["attempt"] for line in lines(folder / "attempts.jsonl")]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Writes a Python program; returns the command that runs it with some arguments."""

    def written(source: str, *arguments: str) -> str:
        path = tmp_path / f"program{len(list(tmp_path.glob('program*')))}.py"
        path.write_text(f"import os, sys, time\n{source}\n")
        return shlex.join([sys.executable, "-S", "-E", str(path), *arguments])

    return written


def test_a_command_learns_and_every_call_is_journaled(invoke, program, tmp_path):
    source = f"""
prompt, index = sys.stdin.read(), int(sys.argv[1])
assert 'Data Examples' in prompt or '->' in prompt
if index == 1: sys.exit('out of credits')
if index == 2: print('<think>it may be parity</think>')
if index == 3: print({RIGHT!r})
"""
    done = invoke(
        *("synthesize", "--command", program(source, "{index}"), *ONE, "--out-dir", "out"),
        *("--json",),
    )
    assert done.returncode == 0, done.stderr
    (result,) = map(json.loads, done.stdout.splitlines())
    name = f"command:{Path(sys.executable).name}"
    assert (result["model"], result["attempts"], result["selected_attempt"]) == (name, 3, 3)
    assert result["cost"]["usd"] is None
    assert result["validation"]["accuracy"] == 1.0
    answers = {one["index"]: one for one in answers_in(tmp_path / "out")}
    assert [answers[n]["finish_reason"] for n in (1, 2, 3)] == ["error", "stop", "stop"]
    assert answers[1]["error"] == f"{name} ended with status 1 (out of credits)"
    reasons = [one["candidate"]["reason"] for one in attempts_in(tmp_path / "out")]
    assert reasons[0] == f"error: {name} ended with status 1 (out of credits)"
    assert reasons[1] is not None  # thoughts are no program
    assert "Up to 5 calls" in done.stderr
    assert "at an unknown price" in done.stderr


def test_the_cost_of_a_command_is_unknown(invoke, program):
    done = invoke("synthesize", "--command", program(f"print({RIGHT!r})"), *ONE)
    assert "1 answer, of unknown size and cost." in done.stderr


def test_a_command_can_be_named_in_three_ways(invoke, program, tmp_path):
    source = f"open({str(tmp_path / 'log')!r}, 'a').write('x'); print({RIGHT!r})"
    line = program(source)
    for words in (
        ("--command", line),
        ("--provider", "command", "--model", line),
        ("--model", f"command:{line}"),
        ("--provider", "command", "--command", line),
    ):
        done = invoke("synthesize", *words, *ONE, "--out-dir", "out")
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "log").read_text() == "x"  # all of them are one run


def test_a_dry_run_starts_nothing(invoke, program, tmp_path):
    source = f"open({str(tmp_path / 'log')!r}, 'a').write('x')"
    done = invoke("synthesize", "--command", program(source), *ONE, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "log").exists()
    assert "at an unknown price" in done.stderr
    assert "output tokens" not in done.stderr  # nothing limits them


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--command", ""), "--provider command needs a command line; give it with --command"),
        (("--provider", "command"), "--provider command needs a command line"),
        (("--command", "  "), "The command is empty; give a command line"),
        (("--command", "cat 'x"), "no closing quotation"),
        (("--command", "no-such-program-here"), "There is no program 'no-such-program-here'"),
        (("--command", "cat", "--model", "x"), "The command is the model; omit --model."),
        (("--command", "cat", "--provider", "openai"), "not of openai; omit one of the two."),
        (("--command", "cat", "--answers", "a.json"), "not of scripted; omit one of the two."),
        (("--command", "cat", "--model", "openai:x"), "not of openai; omit one of the two."),
        (("--command", "cat", "--max-cost-usd", "1"), "nobody counts what a command costs"),
        (("--command", "cat", "--max-total-tokens", "9"), "nobody counts the tokens"),
        (("--command", "cat", "--max-output-tokens", "9"), "nothing limits the tokens"),
        (("--command", "cat", "--base-url", "http://x/v1"), "--base-url is not for a command"),
        (("--command", "cat", "--reasoning-effort", "low"), "--reasoning-effort is not for"),
        (("--command", "cat", "--temperature", "1"), "--temperature is not for a command"),
        (("--command", "cat", "--top-p", "0.5"), "--top-p is not for a command"),
        (("--command", "cat", "--verbosity", "low"), "--verbosity is not for a command"),
        (("--command", "cat", "--code-tool", "local"), "--code-tool local needs a model that"),
        (("--command", "cat", "--enable-code-interpreter"), "no hosted code interpreter"),
        (("--command", "cat", "--threads", "2"), "does not take the setting threads"),
        (("--command", "cat", "--constraint", "grammar"), "cannot hold answers to the constraint"),
        (("--command", "cat", "--timeout", "0"), "timeout"),
        (("--command", "cat", "--hide-data"), "name one with --out-dir"),
        (
            ("--command", "cat", "--hide-data", "--out-dir", "out", "--shard", "1/1"),
            "cannot be hidden",
        ),
    ],
)
def test_flags_that_do_not_fit_a_command_are_a_sentence_each(invoke, tmp_path, flags, said):
    done = invoke("synthesize", *flags, *ONE)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "datasets").exists()  # refused before data are drawn


def test_keys_of_the_environment_are_in_no_message_and_no_journal(invoke, program, tmp_path):
    source = "print(os.environ['SOME_TOKEN']); sys.exit(os.environ['SOME_TOKEN'])"
    done = invoke(
        *("synthesize", "--command", program(source), *ONE, "--out-dir", "out"),
        SOME_TOKEN=CANARY,
    )
    assert done.returncode == 3
    assert "ended with status 1 (***)" in done.stderr
    texts = [one["text"] for one in answers_in(tmp_path / "out")]
    assert texts == ["***\n"] * 3


def test_a_model_that_could_read_the_data_is_noticed(invoke, program, tmp_path):
    line = program(f"print({RIGHT!r})")
    done = invoke("synthesize", "--command", line, *ONE, "--out-dir", "open")
    told = "could read the files of the data, and bounds hold only if"
    assert told in done.stderr
    (result,) = lines(tmp_path / "open/results.jsonl")
    assert any(told in notice for notice in result["notices"])
    assert "data_hidden" not in json.loads((tmp_path / "open/settings.json").read_text())

    replay = ("--provider", "replay", "--from", "open", "--out-dir", "replayed")
    invoke("synthesize", *replay)
    (result,) = lines(tmp_path / "replayed/results.jsonl")
    assert any(told in notice for notice in result["notices"])


def started(executable: Path, folder: Path, *arguments: object) -> "subprocess.Popen[bytes]":
    with (folder / "said.txt").open("ab") as said:
        words = [str(executable), *map(str, arguments)]
        return subprocess.Popen(words, cwd=folder, stdout=said, stderr=said)


def until(path: Path, text: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if path.exists() and text in path.read_text().split():
            return
        time.sleep(0.02)
    raise AssertionError(path.read_text() if path.exists() else path)


@pytest.fixture
def slow(program, tmp_path):
    """A command that logs the number of each attempt, and lets the fourth wait for a file."""
    source = f"""
folder, index = {str(tmp_path)!r}, sys.argv[1]
with open(folder + '/log', 'a') as log: log.write(index + '\\n')
for _ in range(10_000):
    if index != '4' or os.path.exists(folder + '/go'): break
    time.sleep(0.02)
seen = [name for _, _, names in os.walk(folder) for name in names if name.endswith('.txt')]
with open(folder + '/seen', 'a') as file: file.write(' '.join(seen) + '\\n')
if index == '6': print({RIGHT!r})
else: print('```python\\ndef f(x):\\n    return int(x[%d])\\n```' % int(index))
"""
    line = program(source, "{index}")
    return ("synthesize", "--command", line, *ONE, "--attempts", 6, "--out-dir", "out")


def test_a_killed_run_goes_on_and_asks_no_answered_attempt_again(executable, slow, tmp_path):
    process = started(executable, tmp_path, *slow)
    until(tmp_path / "log", "4")
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert len(lines(tmp_path / "out/answers.jsonl")) == 3
    (tmp_path / "go").touch()
    again = started(executable, tmp_path, *slow)
    assert again.wait(200) == 0, (tmp_path / "said.txt").read_text()
    asked = Counter((tmp_path / "log").read_text().split())
    assert asked == {"1": 1, "2": 1, "3": 1, "4": 2, "5": 1, "6": 1}
    answered = [one["index"] for one in answers_in(tmp_path / "out")]
    assert answered == [1, 2, 3, 4, 5, 6]
    assert len(lines(tmp_path / "out/results.jsonl")) == 1


def test_a_stopped_run_ends_its_programs_and_goes_on(executable, slow, tmp_path):
    process = started(executable, tmp_path, *slow)
    until(tmp_path / "log", "4")
    process.send_signal(signal.SIGTERM)
    assert process.wait(100) == 143
    said = (tmp_path / "said.txt").read_text()
    assert "Cancelled 1 call in flight" in said
    (tmp_path / "go").touch()
    assert started(executable, tmp_path, *slow).wait(200) == 0
    asked = Counter((tmp_path / "log").read_text().split())
    assert asked == {"1": 1, "2": 1, "3": 1, "4": 2, "5": 1, "6": 1}


def test_hidden_data_are_in_no_file_while_a_program_runs(executable, slow, tmp_path):
    """Stopped and resumed: it goes on with the same data, and then they are there."""
    process = started(executable, tmp_path, *slow, "--hide-data")
    until(tmp_path / "log", "4")
    process.send_signal(signal.SIGTERM)
    assert process.wait(100) == 143
    names = {"train.txt", "val.txt", "test.txt"}
    kept = {path.name: path.read_bytes() for path in (tmp_path / "out/data").rglob("*.txt")}
    assert kept.keys() == names
    (tmp_path / "go").touch()
    assert started(executable, tmp_path, *slow, "--hide-data").wait(200) == 0
    assert Counter((tmp_path / "log").read_text().split())["3"] == 1
    assert set((tmp_path / "seen").read_text().split()) == {"said.txt"}
    again = {path.name: path.read_bytes() for path in (tmp_path / "out/data").rglob("*.txt")}
    assert again == kept
    assert not (tmp_path / "datasets").exists()
    (result,) = lines(tmp_path / "out/results.jsonl")
    assert any("Hidden data" in notice for notice in result["notices"])
    told = "could read the run's folder, which tells how its earlier programs did on the validation"
    assert any(told in notice for notice in result["notices"])
    assert not any("could read the files of the data" in notice for notice in result["notices"])
    assert result["certificate"]["all_looks"]["number"] == 1
    assert json.loads((tmp_path / "out/settings.json").read_text())["data_hidden"] is True


def test_hidden_data_are_lost_with_a_killed_run(executable, slow, tmp_path):
    process = started(executable, tmp_path, *slow, "--hide-data")
    until(tmp_path / "log", "4")
    process.send_signal(signal.SIGKILL)
    process.wait()
    (tmp_path / "go").touch()
    assert started(executable, tmp_path, *slow, "--hide-data").wait(200) == 2
    said = (tmp_path / "said.txt").read_text()
    assert "The run in out was killed, or its agent left it unfinished, so its hidden data" in said
    assert started(executable, tmp_path, *slow, "--hide-data", "--fresh").wait(200) == 0
    asked = Counter((tmp_path / "log").read_text().split())
    assert asked["1"] == 2


def test_a_run_with_hidden_data_can_be_replayed(invoke, program, tmp_path):
    line = program(f"print({RIGHT!r})")
    hidden = ("synthesize", "--command", line, *ONE, "--out-dir", "out", "--hide-data")
    assert invoke(*hidden).returncode == 0
    done = invoke(*hidden)
    assert "Already finished" in done.stderr
    replay = ("--provider", "replay", "--from", "out", "--out-dir", "replayed")
    done = invoke("synthesize", *replay, "--dataset-dir", "out/data")
    assert done.returncode == 0, done.stderr
    first, second = (lines(tmp_path / name / "results.jsonl")[0] for name in ("out", "replayed"))
    assert first["data"] == second["data"]
    assert not any("could read" in notice for notice in second["notices"])
    done = invoke("synthesize", *replay, "--dataset-dir", "out/data", "--hide-data", "--fresh")
    assert "omit --hide-data" in done.stderr


EMBEDDED = """
import asyncio, sys
from llm_erm import grammar
from llm_erm.llms.llm import Request
from llm_erm.llms.local import LocalLLM

sys.stdin.read()

async def draw():
    llm = LocalLLM(threads=1, parallel=1)
    request = Request(
        grammar.PROMPT, seed=int(sys.argv[1]), max_tokens=64, grammar=grammar.gbnf(), continued=True
    )
    async for one in llm.complete(request):
        print(grammar.to_program(one.text) if one.finish_reason == "stop" else one.text)
    await llm.aclose()

asyncio.run(draw())
"""


def test_the_embedded_model_behind_a_program_proposes_for_real(invoke, tmp_path):
    pytest.importorskip("xllamacpp", reason="needs the extra local")
    (tmp_path / "embedded.py").write_text(EMBEDDED)
    line = shlex.join([sys.executable, str(tmp_path / "embedded.py"), "{seed}"])
    done = invoke(
        *("synthesize", "--command", line, *ONE, "--attempts", 3, "--speculative", 2),
        *("--no-early-stop", "--out-dir", "out"),
    )
    assert done.returncode == 0, done.stderr
    sources = [one["candidate"]["source"] for one in attempts_in(tmp_path / "out")]
    assert len(sources) == 3
    assert any(source is not None and "def f" in source for source in sources)
    answers = {one["text"] for one in answers_in(tmp_path / "out")}
    assert len(answers) > 1  # each has a seed of its own


LLM_PLUGIN = f"""
import llm

@llm.hookimpl
def register_models(register):
    register(Scripted())

class Scripted(llm.Model):
    model_id = "scripted-for-tests"
    can_stream = True

    def execute(self, prompt, stream, response, conversation=None):
        assert "->" in prompt.prompt
        yield "The label is the parity.\\n\\n"
        yield {RIGHT!r}
"""


def test_the_program_llm_is_a_model(invoke, tmp_path):
    """Simon Willison's `llm`, with a model of a plug-in that it finds by its entry point."""
    beside = Path(sys.executable).with_name("llm")
    found = str(beside) if beside.exists() else shutil.which("llm")
    if found is None:
        pytest.skip("needs the program llm")
    plugin = tmp_path / "plugin"
    about = plugin / "llm_scripted-1.0.dist-info"
    about.mkdir(parents=True)
    (plugin / "llm_scripted.py").write_text(LLM_PLUGIN)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: llm-scripted\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[llm]\nscripted = llm_scripted\n")
    paths = [str(plugin), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = invoke(
        *("synthesize", "--command", f"{shlex.quote(found)} -m scripted-for-tests", *ONE),
        *("--json",),
        PYTHONPATH=os.pathsep.join(paths),
        LLM_USER_PATH=str(tmp_path / "llm"),
        LLM_LOAD_PLUGINS="llm-scripted",  # not those that are installed beside it
    )
    assert done.returncode == 0, done.stderr
    (result,) = map(json.loads, done.stdout.splitlines())
    assert (result["model"], result["selected_attempt"]) == ("command:llm", 1)
    assert result["test"]["accuracy"] == 1.0


def test_no_more_programs_run_than_there_are_files_for(invoke, program, monkeypatch):
    monkeypatch.setattr("llm_erm.cli.models.calls_that_fit", lambda calls: min(calls, 12))
    line = program(f"print({RIGHT!r})")
    done = invoke("synthesize", "--command", line, *ONE, "--concurrency", 4)
    assert done.returncode == 0, done.stderr
    assert "allows 2 calls in flight, not --concurrency 4." in done.stderr
