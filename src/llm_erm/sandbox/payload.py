"""Packs jobs into anonymous files for children, and reads the results they leave."""

import marshal
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from llm_erm.errors import InputError
from llm_erm.execution import INVALID, Input, Outputs, Predictions
from llm_erm.sandbox import protocol
from llm_erm.sandbox.job import SandboxJob

MESSAGE_CHARACTERS = 300
MARSHAL_VERSION = 4
"""Readable by all CPython versions since 3.4; a child in WebAssembly may run a different one."""
GROUP = 256
"""Inputs that a child decodes at a time: fewer take more time, and more take more memory."""


def pack_job(job: SandboxJob) -> bytes:
    """Returns a job serialized for a child, with the inputs in the order given."""
    inputs = job.inputs
    groups: list[tuple[int, int] | list[object]] = []
    texts: list[bytes] = []
    end = 0
    for i in range(0, len(inputs), GROUP):
        group = _encode(inputs[i : i + GROUP])
        if isinstance(group, bytes):
            texts.append(group)
            groups.append((end, end := end + len(group)))
        else:
            groups.append(group)
    code = job.source.encode("utf-8", "surrogatepass")
    content = (job.outputs.labels, len(inputs), job.seed, code, groups)
    described = marshal.dumps(content, MARSHAL_VERSION)
    return b"".join((protocol.JOB.pack(len(described)), described, *texts))


def empty_map(job: SandboxJob) -> bytes:
    """Returns the map of a job before it starts, with no predictions."""
    count = len(job.inputs)
    floats = count * 8 if job.outputs.labels is None else 0
    return bytes(protocol.HEADER_BYTES) + bytes([protocol.PENDING]) * count + bytes(floats)


def anonymous_file(name: str, content: bytes, *, sealable: bool = False) -> int:
    """Returns the descriptor of a file in memory that is not in any folder."""
    file = os.memfd_create(name, os.MFD_CLOEXEC | (os.MFD_ALLOW_SEALING if sealable else 0))
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(file, view) :]
    except BaseException:
        os.close(file)
        raise
    return file


def _encode(inputs: Sequence[Input]) -> bytes | list[object]:
    """Returns the inputs as lines of text if possible, else as values that marshal can write."""
    if set(map(type, inputs)) == {str}:
        text = "\n".join(cast("Sequence[str]", inputs))
        if text.count("\n") == len(inputs) - 1:
            return text.encode("utf-8", "surrogatepass")
    return [_plain(x) for x in inputs]


def _plain(x: Input) -> object:
    if isinstance(x, Mapping):
        return {str(column): _plain_cell(value) for column, value in x.items()}
    return _plain_cell(x)


def _plain_cell(value: object) -> object:
    """Returns the value as a built-in type, since subclasses cannot be sent."""
    plain = value.item() if isinstance(value, np.generic) else value
    if plain is None or isinstance(plain, bool):
        return plain
    for kind in (str, int, float):
        if isinstance(plain, kind):
            return kind(plain)
    raise InputError(
        f"An input of a program contains a {type(value).__name__}, which cannot be sent to it; use "
        "strings, or mappings of column names to strings, numbers, booleans and None."
    )


@dataclass(frozen=True)
class Leftover:
    """What a child left in the map: claims, checked only for shape and range.

    Attributes:
        outcome: The outcome that it claims.
        message: Printable text or None.
        predictions: Shape (count,), in the order that the inputs were sent in.
        load_seconds: CPU seconds of loading that it claims; at least 0.
    """

    outcome: "protocol.Outcome"
    message: str | None
    predictions: Predictions
    load_seconds: float


def read_map(file: int, count: int, outputs: Outputs) -> Leftover:
    """Returns what the child left, reading a fixed number of bytes once."""
    size = protocol.HEADER_BYTES + count * (9 if outputs.labels is None else 1)
    return parse_map(os.pread(file, size, 0), count, outputs)


def parse_map(content: bytes, count: int, outputs: Outputs) -> Leftover:
    """Returns the content of a map that still has its original length."""
    code, length, _, load_seconds = protocol.HEAD.unpack_from(content)
    outcome = protocol.OUTCOMES[code if code < len(protocol.OUTCOMES) else protocol.UNFINISHED]
    start = protocol.MESSAGE_OFFSET
    message = content[start : start + min(length, protocol.MESSAGE_BYTES)]
    codes = np.frombuffer(content, np.uint8, count, protocol.HEADER_BYTES).copy()
    predictions: Predictions
    if outputs.labels is None:
        values = np.frombuffer(content, "<f8", count, protocol.HEADER_BYTES + count)
        predictions = np.where((codes == 0) & np.isfinite(values), values, np.nan)
    else:
        predictions = np.where(codes < len(outputs.labels), codes, np.uint8(INVALID))
    if not (math.isfinite(load_seconds) and load_seconds > 0):
        load_seconds = 0.0
    text = printable(message.decode("utf-8", "replace")) or None
    if text is None and outputs.labels is not None:
        text = _stray_label(codes, len(outputs.labels))
    return Leftover(outcome, text, predictions, load_seconds)


def read_progress(file: int, count: int) -> tuple[int, float]:
    """Returns the inputs tried and the CPU seconds of loading, as a live child claims."""
    content = os.pread(file, protocol.HEADER_BYTES + count, 0)
    _, _, invalid, load_seconds = protocol.HEAD.unpack_from(content)
    if not (math.isfinite(load_seconds) and load_seconds > 0):
        return 0, 0.0
    pending = content.count(protocol.PENDING, protocol.HEADER_BYTES)
    return min(count, count - pending + invalid), load_seconds


def _stray_label(codes: NDArray[np.uint8], labels: int) -> str | None:
    """Returns a message for small returned numbers that are not labels, which children omit."""
    stray = codes[(codes >= labels) & (codes != protocol.PENDING)]
    return f"returned {stray[0]}, which is no label" if len(stray) else None


def printable(text: str) -> str:
    """Returns the text as one line of at most 300 printable characters."""
    line = "".join(c if c.isprintable() else " " for c in text[: 4 * MESSAGE_CHARACTERS])
    return " ".join(line.split())[:MESSAGE_CHARACTERS]
