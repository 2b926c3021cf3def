"""Servers on loopback whose answers depend on what is asked alone, for commands on record."""

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from api_server import Answer, Call, Reply
from recorded import anthropic, chat, gemini
from responses_server import interpreter_call, response, text


def program(expression: str) -> str:
    return json.dumps({"code": f"def f(x):\n    return {expression}"})


PARITY = program("x.count('1') % 2")
PALINDROME = program("int(x == x[::-1])")
FIRST = program("int(x[0] == '1')")
ONE = program("1")


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
    # Which of three calls in flight arrives first is chance, so theirs are the same, and none is a
    # program that another could be the duplicate of.
    "three at once": lambda: answering((*["No idea."] * 3, PARITY), as_response, together=3),
    "labels": lambda: labels,
}
