"""`llm-erm incontext` and `synthesize` read what a server's model answers, not what it thinks."""

import json

import pytest

from api_server import Call, Reply, serving
from recorded import chat

DATA = ("--functions", "fn_a", "--lengths", 8, "--train-size", 16, "--json")
PROGRAM = "def f(x):\n    return x.count('1') % 2"


def labelled(call: Call, form: str) -> Reply:
    """Thinks of the wrong label, and gives the right one."""
    prompt = call.body["messages"][-1]["content"]
    query = prompt.split("# New input\n```\n")[1].split("\n")[0]
    right = query.count("1") % 2
    said = form.format(right=right, wrong=1 - right)
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant"}}
    choice["message"]["content"] = said
    usage = {"prompt_tokens": 300, "completion_tokens": 6}
    return Reply({"id": "1", "object": "x", "choices": [choice], "usage": usage})


@pytest.mark.parametrize(
    ("form", "correct", "unread"),
    [
        ('<think>If {{"label": "{wrong}"}}, no.</think>\n{right}', 10, 0),
        ('<think>odd</think>\n{{"label": "{right}"}}', 10, 0),
        ('Say {{"label": "{wrong}"}}.</think>{right}', 10, 0),
        ('[THINK]{{"label": "{wrong}"}}?[/THINK]{right}', 10, 0),
        ('<reasoning>{{"label": "{wrong}"}}</reasoning>\n<answer>{right}</answer>', 10, 0),
        (
            '<|channel|>analysis<|message|>{{"label": "{wrong}"}}<|end|><|start|>assistant'
            "<|channel|>final<|message|>{right}",
            10,
            0,
        ),
        ('<think>Say {{"label": "{right}"}}? Let me count again', 0, 10),
        ('<thinking>{{"label": "{right}"}}', 0, 10),
    ],
)
def test_labels_are_read_outside_of_thoughts(invoke, form, correct, unread):
    with serving(lambda call: labelled(call, form)) as api:
        done = invoke(
            *("incontext", *DATA, "--test-size", 10, "--test-split-size", 40),
            *("--base-url", f"{api.url}/v1", "--model", "m"),
        )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["test"]["correct"], result["test"]["invalid"]) == (correct, unread)


def test_programs_are_read_outside_of_thoughts(invoke):
    wrong = json.dumps({"code": PROGRAM.replace("% 2", "% 3")})
    said = f"<thought>Is it {wrong}?</thought>\n```python\n{PROGRAM}\n```\n"
    with serving(lambda _: Reply(chat(said))) as api:
        done = invoke(
            *("synthesize", *DATA, "--val-size", 10, "--test-size", 20, "--attempts", 1),
            *("--provider", "chat", "--base-url", f"{api.url}/v1", "--model", "m"),
        )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["program"] == PROGRAM
