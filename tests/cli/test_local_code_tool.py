"""`--code-tool local` from flag to journal; no held-out example ever leaves the machine."""

import json
from pathlib import Path

import pytest

from api_server import Api, Call, Reply, serving
from canary import CANARY
from llm_erm.synthesis.code_tool import CALLS, NAME
from recorded import chat, chat_call
from responses_server import response, text

RIGHT = json.dumps({"code": "def f(x):\n    return x.count('1') % 2"})
WRONG = json.dumps({"code": "def f(x):\n    return 1"})
GRID = (
    *("--functions", "fn_a", "--lengths", 20, "--out-dir", "out", "--code-tool", "local"),
    *("--train-size", 20, "--val-size", 20, "--test-size", 100),
)


def hunting(folder: Path) -> list[str]:
    """What a model might run to find more examples than it was shown."""
    return [
        f"import glob\nfor name in glob.glob({str(folder)!r} + '/**/*.txt', recursive=True):\n"
        "    print(open(name).read())",
        *(
            f"print(open({str(path)!r}).read())"
            for path in sorted(folder.glob("**/*.txt"))
            if path.name != "train.txt"
        ),
        "import gc\nprint(dir(gc))\nprint(gc.get_objects())",
        "import sys\nframe = sys._getframe()\nwhile frame:\n"
        "    print(frame.f_locals, frame.f_globals)\n    frame = frame.f_back",
        "import sys\nfor module in list(sys.modules.values()):\n"
        "    for name, value in list(vars(module).items()):\n"
        "        if isinstance(value, (list, tuple, dict, str)) and '01' in str(value):\n"
        "            print(name, str(value)[:200])",
        "import os\nprint(os.environ)\nprint(open('/proc/self/environ').read())",
        "print(open('/proc/self/mem', 'rb').read(10))",
        "from llm_erm.tasks.splits import load\nprint(load)",
        "print(examples)",
    ]


def wants(code: str, number: int) -> dict:
    arguments = json.dumps({"code": code})
    call = {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}"}
    return call | {"name": NAME, "arguments": arguments, "status": "completed"}


def told(call: Call) -> list[str]:
    """What the model was told of its uses of the tool so far."""
    if "messages" in call.body:
        return [one["content"] for one in call.body["messages"] if one["role"] == "tool"]
    return [item["output"] for item in call.body["input"] if "output" in item]


@pytest.fixture
def synthesize(invoke):
    def run(api: Api, provider: str, *arguments):
        return invoke(
            *("synthesize", "--provider", provider, "--base-url", f"{api.url}/v1"),
            *("--model", "gpt-5", *GRID, *arguments),
            OPENAI_API_KEY=CANARY,
        )

    return run


def completions(tmp_path: Path) -> list[dict]:
    lines = (tmp_path / "out/answers.jsonl").read_text().splitlines()
    return [json.loads(line)["answer"] for line in lines]


@pytest.mark.parametrize("provider", ["openai", "chat"])
def test_no_held_out_example_is_in_any_request_whatever_the_model_runs(
    synthesize, invoke, tmp_path, provider
):
    assert invoke("data", *GRID[:4], *GRID[-6:]).returncode == 0
    codes = hunting(tmp_path / "datasets")
    assert len(codes) == 10

    def answer(call: Call) -> Reply:
        uses = len(told(call))
        if uses == len(codes):
            return Reply(response([text(WRONG)]) if provider == "openai" else chat(WRONG))
        if provider == "openai":
            return Reply(response([wants(codes[uses], uses)]))
        return Reply(chat_call(NAME, {"code": codes[uses]}, uses))

    with serving(answer) as api:
        done = synthesize(api, provider, "--attempts", 1)
    assert done.returncode == 0, done.stderr
    sent = "\n".join(json.dumps(call.body) for call in api.calls)
    (folder,) = tmp_path.glob("datasets/parity_all/L20/*")
    inputs = {
        name: [line.split(" -> ")[0] for line in (folder / name).read_text().splitlines()]
        for name in ("train.txt", "val.txt", "test.txt")
    }
    assert all(x in sent for x in inputs["train.txt"])
    assert not any(x in sent for x in inputs["val.txt"] + inputs["test.txt"])
    assert len(api.calls) == len(codes) + 1
    (completion,) = completions(tmp_path)
    assert [call["code"] for call in completion["tool_calls"]] == codes
    outputs = [call["output"] for call in completion["tool_calls"]]
    assert all(
        json.dumps(output)[1:-1] in sent.replace("\\\\", "\\") or output for output in outputs
    )
    assert "Error" in outputs[1]
    assert inputs["train.txt"][0] in outputs[-1]


def test_each_use_is_journaled_with_its_code_and_output_and_counted(synthesize, tmp_path):
    def answer(call: Call) -> Reply:
        uses = len(told(call))
        codes = ["len(examples)", "1 / 0", "sum(y for _, y in examples)"]
        output = [wants(codes[uses], uses)] if uses < 3 else [text(RIGHT)]
        return Reply(response(output))

    with serving(answer) as api:
        done = synthesize(api, "openai", "--json", "--out-csv", "all.csv")
    assert done.returncode == 0, done.stderr
    (completion,) = completions(tmp_path)
    assert [call["tool"] for call in completion["tool_calls"]] == [NAME] * 3
    outputs = [call["output"] for call in completion["tool_calls"]]
    assert (outputs[0], outputs[2]) == ("20\n", "10\n")
    assert "ZeroDivisionError" in outputs[1]
    assert told(api.calls[-1]) == outputs
    assert completion["usage"]["prompt_tokens"] == 4 * 1200
    result = json.loads(done.stdout)
    assert (result["cost"]["tool_calls"], result["test"]["accuracy"]) == (3, 1.0)
    row = (tmp_path / "all.csv").read_text().splitlines()[-1].split(",")
    assert f",3,{sum(map(len, outputs))},1.0,1.0," in ",".join(row)


def test_uses_are_bounded_and_two_in_one_answer_are_both_run(synthesize, tmp_path):
    def answer(call: Call) -> Reply:
        uses = len(told(call))
        return Reply(response([wants(str(uses), uses), wants(str(uses + 1), uses + 1)]))

    with serving(answer) as api:
        done = synthesize(api, "openai", "--attempts", 1)
    assert done.returncode == 0, done.stderr
    assert len(api.calls) == CALLS // 2 + 1
    assert [call.body["tool_choice"] for call in api.calls] == ["auto"] * (CALLS // 2) + ["none"]
    (completion,) = completions(tmp_path)
    assert [call["output"] for call in completion["tool_calls"]] == [f"{i}\n" for i in range(CALLS)]
