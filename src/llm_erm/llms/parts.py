"""Joins the parts in which llama.cpp sends an answer."""

import http.client
import json
from collections.abc import Callable, Iterable
from typing import Any

OnRead = Callable[[int, int], None]
"""Takes the number of a prompt's tokens that are read, and of those to read."""


def joined(lines: Iterable[bytes], on_read: OnRead) -> tuple[int, Any]:
    """Returns the status and the content of a response that comes in parts, as of one part."""
    text, likely = "", []
    part: dict[str, Any] = {}
    for line in lines:
        field, _, content = line.partition(b": ")
        if not content:
            continue
        part = json.loads(content)
        if field == b"error" or "error" in part:
            return http.client.INTERNAL_SERVER_ERROR, {"error": part.get("error", part)}
        if (read := part.get("prompt_progress")) is not None:
            on_read(read["processed"] - read["cache"], read["total"] - read["cache"])
        text += part["content"]
        likely += part.get("completion_probabilities", [])
    return http.client.OK, part | {"content": text, "completion_probabilities": likely}
