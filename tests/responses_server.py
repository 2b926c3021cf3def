"""A real HTTP server on loopback that speaks OpenAI's Responses API from a script."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {
    "input_tokens": 1200,
    "input_tokens_details": {"cached_tokens": 1024},
    "output_tokens": 300,
    "output_tokens_details": {"reasoning_tokens": 256},
    "total_tokens": 1500,
}


def response(output: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """A response object as the API documents it."""
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_760_000_000,
        "model": "gpt-5",
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": USAGE,
    } | changes


def message(*content: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": list(content),
    }


def text(value: str) -> dict[str, Any]:
    return message({"type": "output_text", "text": value, "annotations": []})


def refusal(value: str) -> dict[str, Any]:
    return message({"type": "refusal", "refusal": value})


def interpreter_call(code: str, logs: str) -> dict[str, Any]:
    return {
        "type": "code_interpreter_call",
        "id": "ci_1",
        "code": code,
        "container_id": "cntr_1",
        "status": "completed",
        "outputs": [{"type": "logs", "logs": logs}],
    }


def error(message: str, code: str, kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


Reply = tuple[int, dict[str, Any] | str]


@dataclass
class Server:
    """What the server got, and where it is."""

    url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)


@contextmanager
def serving(reply: Callable[[int], Reply]) -> Iterator[Server]:
    """Serves ``reply(n)`` to the n-th request, counted from 0."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            with lock:
                number = len(server.requests)
                server.requests.append(json.loads(body))
                server.paths.append(self.path)
                server.keys.append(self.headers["authorization"])
            status, content = reply(number)
            is_json = not isinstance(content, str)
            if status >= 400 and isinstance(content, dict):  # as a debugging proxy would
                content = {**content, "request_headers": dict(self.headers)}
            data = json.dumps(content).encode() if is_json else content.encode()
            self.send_response(status)
            self.send_header("content-type", "application/json" if is_json else "text/html")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    lock = threading.Lock()
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = Server(f"http://127.0.0.1:{http.server_port}/v1")
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
