"""`llm-erm mcp`, driven by the protocol's own client, and by one that is up to no good."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llm_erm.synthesis import served
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.splits import load

pytest.importorskip("mcp", reason="needs the extra mcp")

SIZES = {"train_size": 20, "val_size": 20, "test_size": 40}
TASK = ("--functions", "fn_a", "--lengths", "20", "--attempts", "3", "--out-dir", "run")
FLAGS = (*TASK, *(f"--{name.replace('_', '-')}={n}" for name, n in SIZES.items()))
COMMAND = [sys.executable, "-m", "llm_erm", "mcp"]
PARITY = "def f(x):\n    return x.count('1') % 2"
ONES = "def f(x):\n    return 1"


def held_out(folder: Path) -> list[str]:
    """Inputs of the length of the task that no message may hold."""
    splits = load(DataSpec(function="fn_a", length=20, **SIZES), folder / "datasets")
    return [*splits.validation.inputs, *splits.reveal().test.inputs]


class Client:
    """Writes lines to the server, whatever is in them, and keeps all bytes that it answers."""

    def __init__(self, folder: Path, *flags: str) -> None:
        with (folder / "stderr").open("ab") as errors:
            self.server = subprocess.Popen(
                [*COMMAND, *FLAGS, *flags],
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        self.output = b""
        self._answers: dict[object, dict] = {}
        self._asked = 0

    def write(self, line: bytes) -> None:
        self.server.stdin.write(line + b"\n")
        self.server.stdin.flush()

    def send(self, method: str, **params: object) -> int:
        self._asked += 1
        message = {"jsonrpc": "2.0", "id": self._asked, "method": method, "params": params}
        self.write(json.dumps(message).encode())
        return self._asked

    def answer(self, number: int) -> dict:
        while number not in self._answers:
            line = self.server.stdout.readline()
            assert line, "the server has gone"
            self.output += line
            message = json.loads(line)
            self._answers[message.get("id")] = message
        return self._answers[number]

    def ask(self, method: str, **params: object) -> dict:
        return self.answer(self.send(method, **params))

    def begin(self) -> None:
        client = {"name": "tests", "version": "1"}
        version = "2025-06-18"
        self.ask("initialize", protocolVersion=version, capabilities={}, clientInfo=client)
        self.write(b'{"jsonrpc": "2.0", "method": "notifications/initialized"}')

    def call(self, tool: str, **arguments: object) -> str:
        result = self.ask("tools/call", name=tool, arguments=arguments)["result"]
        (content,) = result["content"]
        return content["text"]

    def leave(self) -> int:
        self.server.stdin.close()
        self.output += self.server.stdout.read()
        return self.server.wait(60)


@contextmanager
def connected(folder: Path, *flags: str) -> Iterator[Client]:
    client = Client(folder, *flags)
    try:
        client.begin()
        yield client
    finally:
        client.server.kill()
        client.server.wait()
        client.server.stdin.close()
        client.server.stdout.close()


def test_the_official_client_plays_a_task_to_its_end(tmp_path, invoke):
    from mcp import Client as OfficialClient
    from mcp import StdioServerParameters
    from mcp.client.stdio import stdio_client

    tee = ("-c", 'f="$1"; shift; "$@" | tee "$f"', "sh", str(tmp_path / "stdout"))
    parameters = StdioServerParameters(
        command="sh", args=[*tee, *COMMAND, *FLAGS], env=dict(os.environ), cwd=tmp_path
    )
    said: dict[str, str] = {}

    async def play() -> None:
        with (tmp_path / "stderr").open("w") as errors:
            async with OfficialClient(stdio_client(parameters, errors)) as client:

                async def call(tool: str, step: str, **arguments: str) -> None:
                    result = await client.call_tool(tool, arguments)
                    assert not result.is_error
                    said[step] = result.content[0].text

                tools = (await client.list_tools()).tools
                assert [tool.name for tool in tools] == [
                    *("describe_task", "run_python", "submit", "finish")
                ]
                await call("describe_task", "task")
                await call("run_python", "code", code="print(len(examples))")
                await call("submit", "wrong", program=ONES)
                await call("submit", "right", program=PARITY)
                await call("finish", "end")

    asyncio.run(play())
    assert "binary digits" in said["task"]
    assert said["code"] == "20\n"
    assert "Submission 1 is right on 10 of 20 examples." in said["wrong"]
    assert "Submission 2 is right on 20 of 20 examples." in said["right"]
    assert "Submission 2 is selected" in said["end"]
    assert "Its error is at most" in said["end"]
    assert "the budget of 3 candidates was fixed before the search" in said["end"]

    output = (tmp_path / "stdout").read_text()
    assert output.count("\n") == len([json.loads(line) for line in output.splitlines()])
    assert not [x for x in held_out(tmp_path) if x in output]
    # What comes after the folder is that of any run.
    (line,) = (tmp_path / "run/results.jsonl").read_text().splitlines()
    result = json.loads(line)
    assert (result["model"], result["program"]) == ("agent:agent", PARITY)
    assert "agent:agent could read the files" in result["notices"][0]
    assert "agent:agent" in invoke("compare", "run").stdout
    assert "fn_a" in invoke("watch", "run", "--once").stdout
    assert invoke("report", "run", "--out", "report.html").returncode == 0
    replayed = invoke("synthesize", "--provider", "replay", "--from", "run", "--json")
    again = json.loads(replayed.stdout)
    for same in ("program", "attempts", "selected_attempt", "facts", "notices"):
        assert again[same] == result[same]
    assert again["certificate"]["validation"] == result["certificate"]["validation"]


SLOW = "n = sum(range(2_000_000))\ndef f(x):\n    return 1"
"""Takes some time to load, and so a hundred times that to run on inputs one by one."""


def test_hidden_data_are_in_no_file_while_the_agent_works(tmp_path):
    with connected(tmp_path, "--hide-data") as client:
        client.call("submit", program=ONES)
        held = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
        assert "Submission 2 is right on 20 of 20" in client.call("submit", program=PARITY)
        assert "Submission 2 is selected" in client.call("finish")
        assert client.leave() == 0
        output = client.output.decode()
    files = [*tmp_path.rglob("val*.txt"), *tmp_path.rglob("test.txt")]
    inputs = [line.split(" ")[0] for path in files for line in path.read_text().splitlines()]
    assert len(inputs) == 60
    assert [path for path, text in held.items() for x in inputs if x in text] == []
    assert not [x for x in inputs if x in output]
    assert "could read the files" not in (tmp_path / "run/results.jsonl").read_text()
    with connected(tmp_path, "--hide-data") as client:
        assert all(path.exists() for path in files)
        assert "Submission 2 is selected" in client.call("finish")


@pytest.mark.parametrize("end", ["leave", "terminate", "kill"])
def test_an_agent_that_has_not_finished_loses_hidden_data(tmp_path, invoke, end):
    with connected(tmp_path, "--hide-data") as client:
        client.call("submit", program=ONES)
        if end == "leave":
            assert client.leave() == 3
            assert (
                "The client left before finish had a result, so the hidden data are lost, and this "
                "run cannot go on. What was submitted is kept in run; --fresh begins anew."
            ) in (tmp_path / "stderr").read_text()
        else:
            getattr(client.server, end)()
            client.server.wait(60)
    assert {path.name for path in (tmp_path / "run").rglob("*.txt")} == set()
    refused = invoke("mcp", *FLAGS, "--hide-data")
    assert refused.returncode == 2
    assert "cannot go on" in refused.stderr
    with connected(tmp_path, "--hide-data", "--fresh") as client:
        assert client.call("describe_task").endswith("3 submissions of 3 are left.")


def test_a_client_that_only_looks_costs_no_run_with_hidden_data(tmp_path):
    """Many clients start each of their servers and end it again without a call of a tool."""
    for _ in range(2):
        with connected(tmp_path, "--hide-data") as client:
            assert client.call("describe_task").endswith("3 submissions of 3 are left.")
            assert client.leave() == 3
    said = (tmp_path / "stderr").read_text()
    assert said.count("The client left without a submission; the same command begins anew.") == 2
    with connected(tmp_path, "--hide-data") as client:
        client.call("submit", program=PARITY)
        assert "This is result" not in client.call("finish")
        assert client.leave() == 0


def test_a_finish_that_fails_writes_no_hidden_data(tmp_path):
    with connected(tmp_path, "--hide-data") as client:
        client.call("submit", program=SLOW)
        client.send("tools/call", name="finish", arguments={})
        while "The task is over" not in client.call("describe_task"):
            pass  # until it has begun
        client.server.send_signal(signal.SIGTERM)
        assert client.server.wait(60) == 143
    assert {path.name for path in (tmp_path / "run").rglob("*.txt")} == set()


HOSTILE = (
    b"not JSON",
    b"{}",
    b"[" * 100_000,
    b"\xff\xfe\x00",
    b'{"jsonrpc": "2.0", "id": 900, "method": "tools/call", "params": {"name": "submit", '
    b'"arguments": {"program": "\\ud800"}}}',
    b'{"jsonrpc": "2.0", "id": {}, "method": "tools/call"}',
    b'{"jsonrpc": "2.0", "id": null, "method": "ping"}',
)
"""Lines that are no requests; whether they are answered is up to the protocol's package."""


def test_a_hostile_client_gets_sentences_and_nothing_held_out(tmp_path):
    with connected(tmp_path) as client:
        for line in HOSTILE:
            client.write(line)
        for tool, arguments, sentence in (
            ("validation", {}, "There is no tool 'validation'; there are only the tools"),
            ("submit", {}, "submit takes one argument, the text 'program', but got none."),
            ("submit", {"program": 3}, "but got 'program' (int)."),
            ("submit", {"program": None}, "but got 'program' (NoneType)."),
            ("submit", {"program": ONES, "split": "test"}, "'split' (str)."),
            ("describe_task", {"split": "test"}, "describe_task takes no arguments, but got"),
            ("submit", {"program": "x" * 2**20}, "It was not read and does not count."),
            ("run_python", {"code": "open('datasets')"}, "Error"),
            ("run_python", {"code": "import os; os.listdir('/')"}, "Error"),
            ("run_python", {"code": "x" * 2**20}, "200,000 are the most."),
            ("finish", {}, "Nothing was submitted yet"),
        ):
            assert sentence in client.call(tool, **arguments)
        for method, params in (
            ("resources/read", {"uri": f"file://{tmp_path}/datasets"}),
            ("resources/list", {}),
            ("prompts/get", {"name": "x"}),
            ("completion/complete", {"ref": {"type": "ref/prompt", "name": "x"}, "argument": {}}),
            ("llm-erm/validation", {}),
        ):
            assert "error" in client.ask(method, **params)
        wanted = client.ask("resources/read", uri="file:///etc/passwd")["error"]["message"]
        assert wanted == (
            "This server has no 'resources/read'; there are only the tools describe_task, "
            "run_python, submit and finish."
        )
        quoting = "seen = []\ndef f(x):\n    seen.append(x)\n    raise ValueError(seen)"
        assert "right on 0 of 20" in client.call("submit", program=quoting)
        before = client.output.decode()
        client.call("submit", program=ONES)
        assert "Submission 2 is selected" in client.call("finish")
        assert "is over" in client.call("submit", program=PARITY)
        assert client.leave() == 0
    inputs = held_out(tmp_path)
    assert len(inputs) == 60
    assert not [x for x in inputs if x in client.output.decode()]
    assert "validation" not in before.replace("'validation'", "").replace("/validation", "")
    assert "Traceback" not in client.output.decode()
    for line in client.output.splitlines():
        assert json.loads(line)["jsonrpc"] == "2.0"


def test_requests_at_the_same_time_keep_the_budget(tmp_path):
    with connected(tmp_path, "--attempts=7") as client:
        asked = [
            client.send("tools/call", name="submit", arguments={"program": f"{ONES}  # {number}"})
            for number in range(30)
        ]
        said = [client.answer(number)["result"]["content"][0]["text"] for number in asked]
    accepted = [text for text in said if "not accepted" not in text]
    numbers = sorted(int(re.match(r"Submission (\d+)", text)[1]) for text in accepted)
    assert numbers == [1, 2, 3, 4, 5, 6, 7]
    assert (tmp_path / "run/answers.jsonl").read_text().count("\n") == 7


def test_a_killed_server_goes_on_where_it_was(tmp_path):
    with connected(tmp_path) as client:
        assert "2 submissions of 3 are left" in client.call("submit", program=ONES)
        assert "1 submission of 3 is left" in client.call("submit", program=PARITY)
        client.server.kill()
    with connected(tmp_path) as client:
        assert client.call("describe_task").endswith("1 submission of 3 is left.")
        assert "All 3 submissions are made" in client.call("submit", program=ONES)
        assert "not accepted" in client.call("submit", program=ONES)
        first = client.call("finish")
        assert "Submission 2 is selected" in first
        assert client.leave() == 0
    with connected(tmp_path) as client:
        assert client.call("finish") == first
        assert "not accepted" in client.call("submit", program=ONES)


def test_a_client_that_leaves_early_can_come_back(tmp_path):
    with connected(tmp_path) as client:
        client.call("submit", program=ONES)
        assert client.leave() == 3
    assert (
        "The client left before finish had a result. What was submitted is kept in run and counts; "
        "the same command continues."
    ) in (tmp_path / "stderr").read_text()


def test_sigterm_ends_a_server_whose_client_says_nothing(tmp_path):
    with connected(tmp_path) as client:
        client.call("submit", program=ONES)
        client.server.send_signal(signal.SIGTERM)
        assert client.server.wait(60) == 143
    said = (tmp_path / "stderr").read_text()
    assert said.endswith("llm-erm: Stopped.\n")
    assert "Traceback" not in said


def test_sigterm_ends_a_server_while_it_selects(tmp_path):
    with connected(tmp_path) as client:
        client.call("submit", program=SLOW)
        client.send("tools/call", name="finish", arguments={})
        while "The task is over" not in client.call("describe_task"):
            pass  # until it has begun
        client.server.send_signal(signal.SIGTERM)
        assert client.server.wait(60) == 143
    assert "Traceback" not in (tmp_path / "stderr").read_text()
    with connected(tmp_path) as client:
        assert "Submission 1 is selected" in client.call("finish")


def test_a_bug_is_told_to_whoever_started_the_server_alone():
    from mcp import Client as OfficialClient

    class Broken:
        def submit(self, program: str) -> str:
            raise ValueError("0101 is a held-out input")

        describe_task = run_python = submit

    async def finish() -> str:
        return "finished"

    crashed: list[BaseException] = []

    async def play() -> str:
        async with OfficialClient(served._server(Broken(), finish, crashed)) as client:
            result = await client.call_tool("submit", {"program": ONES})
            assert result.is_error
            assert (await client.call_tool("finish")).content[0].text == "finished"
            return result.content[0].text

    assert asyncio.run(play()) == ("The server failed; whoever started it finds out when it ends.")
    assert [str(one) for one in crashed] == ["0101 is a held-out input"]


def test_another_budget_is_refused_in_the_same_folder_whatever_it_is_called(tmp_path, invoke):
    task = ("--functions", "fn_a", "--lengths", "20", *FLAGS[len(TASK) :])
    with connected(tmp_path) as client:
        client.call("submit", program=ONES)
    refused = invoke("mcp", *task, "--attempts", 4, "--out-dir", "run")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "attempts" in refused.stderr
    assert "--out-dir or --fresh" in refused.stderr


def test_the_usual_folder_does_not_depend_on_the_budget(tmp_path):
    from llm_erm.cli.mcp import Options

    few = Options(functions=("palindrome",), lengths=(20,), attempts=2, agent="a")
    many = Options(functions=("fn_g",), lengths=(20,), attempts=99, agent="a")
    assert few.folder() == many.folder() == Path("runs/mcp-a-fn_g-L20-seed42")


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ((), "An agent is given one data set, but these flags name "),
        (("--functions", "fn_a", "fn_b", "--lengths", "20"), "these flags name 2; name one task"),
        (
            ("--functions", "fn_a", "--lengths", "20", "--num-trials", "2"),
            "and omit --num-trials",
        ),
        (("--functions", "fn_a", "--lengths", "20", "--attempts", "0"), "give 1 or more"),
        (("--functions", "fn_a", "--lengths", "20", "--agent", "a/b"), "(--agent)."),
    ],
)
def test_what_cannot_be_served_is_refused_and_stdout_stays_empty(invoke, flags, sentence):
    for more in ((), ("--manifest",)):
        refused = invoke("mcp", *flags, *more)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert sentence in refused.stderr


def test_the_manifest_starts_the_server_from_any_folder(tmp_path, invoke):
    printed = invoke("mcp", *TASK, "--val-size", 30, "--fresh", "--manifest")
    assert printed.returncode == 0, printed.stderr
    entry = json.loads(printed.stdout)["mcpServers"]["llm-erm"]
    assert entry["command"] == sys.executable
    assert entry["args"][:3] == ["-m", "llm_erm", "mcp"]
    assert sorted(entry["args"][3:]) == sorted(
        [
            *("--functions", "fn_a", "--lengths", "20", "--attempts", "3", "--val-size", "30"),
            *("--seed", "42", "--train-size", "100", "--test-size", "10000"),
            *("--dataset-dir", str(tmp_path / "datasets"), "--out-dir", str(tmp_path / "run")),
        ]
    )
    assert not (tmp_path / "run").exists()


def test_at_a_terminal_it_says_who_starts_it(tmp_path):
    terminal, typing = os.openpty()
    command, note = [*COMMAND, *FLAGS], "A client starts this server"
    with subprocess.Popen(
        command, cwd=tmp_path, stdin=typing, stderr=subprocess.PIPE, text=True
    ) as server:
        os.close(typing)
        said = server.stderr.readline()
        os.close(terminal)
        server.communicate(timeout=60)
    assert said.startswith(note)
    assert "--manifest" in said
    with connected(tmp_path) as client:
        client.call("describe_task")
    assert note not in (tmp_path / "stderr").read_text()


def test_without_its_package_the_command_says_what_to_install(invoke, monkeypatch):
    monkeypatch.setitem(sys.modules, "mcp.server.lowlevel", None)
    refused = invoke("mcp", *TASK)
    assert refused.returncode == 2
    assert "pip install 'llm-erm[mcp]'" in refused.stderr
