"""`llm-erm synthesize` asks for a form of answers, and finds the right program in every form."""

import json

import pytest

from api_server import Reply, serving
from llm_erm.synthesis.prompt import ANSWER_SCHEMA, BLOCK_GRAMMAR
from recorded import chat
from responses_server import response, text
from synthesis.answer_forms import FORMS


def test_a_right_program_scores_in_full_in_whatever_form_it_is_answered(invoke, tmp_path):
    """Forms that hold the same program are one attempt and its duplicates."""
    (tmp_path / "answers.json").write_text(json.dumps(list(FORMS.values())))
    done = invoke(
        *("synthesize", "--functions", "fn_a", "--lengths", 20, "--attempts", len(FORMS)),
        *("--train-size", 20, "--val-size", 4, "--test-size", 20, "--no-early-stop"),
        *("--provider", "scripted", "--answers", tmp_path / "answers.json"),
        *("--out-jsonl", tmp_path / "attempts.jsonl"),
    )
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "attempts.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    accuracies = {
        name: (record["train_acc"], record["val_acc"], record["error"])
        for name, record in zip(FORMS, records, strict=True)
    }
    assert accuracies == dict.fromkeys(FORMS, (1.0, 1.0, None))


BLOCK, JSON = "Reply with one fenced block of Python code", "Reply with one JSON object"


@pytest.mark.parametrize(
    ("provider", "constraint", "asked", "held"),
    [
        ("chat", None, BLOCK, None),
        ("chat", "free-block", BLOCK, None),
        ("chat", "block", BLOCK, ("grammar", BLOCK_GRAMMAR)),
        ("chat", "schema", JSON, ("response_format", ANSWER_SCHEMA)),
        ("chat", "none", JSON, None),
        ("vllm", None, BLOCK, None),
        ("vllm", "block", BLOCK, ("structured_outputs", BLOCK_GRAMMAR)),
        ("ollama", None, BLOCK, None),
        ("ollama", "schema", JSON, ("response_format", ANSWER_SCHEMA)),
        ("openai", None, JSON, None),
        ("openai", "free-block", BLOCK, None),
    ],
)
def test_a_server_is_asked_for_the_form_and_held_to_it(invoke, provider, constraint, asked, held):
    reply = response([text("no idea")]) if provider == "openai" else chat("no idea")
    with serving(lambda _: Reply(reply)) as api:
        done = invoke(
            *("synthesize", "--model", f"{provider}:m", "--base-url", f"{api.url}/v1"),
            *("--functions", "fn_a", "--lengths", 8, "--train-size", 4, "--val-size", 4),
            *(
                "--test-size",
                8,
                "--attempts",
                1,
                *(("--constraint", constraint) * bool(constraint)),
            ),
            OPENAI_API_KEY="key",
        )
    assert done.returncode == 0, done.stderr
    (call,) = api.calls
    assert asked in json.dumps(call.body)
    parameters = {"grammar", "structured_outputs", "response_format"} & call.body.keys()
    assert parameters == ({held[0]} if held else set())
    if held:
        assert json.dumps(held[1]) in json.dumps(call.body)
