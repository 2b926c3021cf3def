"""The protocol of parent, zygote and child; uses only the standard library, so that it loads fast.

Everything that a child leaves in the shared map is untrusted, since the candidate itself may have
written it. The parent treats it as a claim about that candidate and nothing else.
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

HEADER_BYTES = 4096
"""Size of the shared map's head, which one byte per input follows, and 8 more for floats."""

HEAD = struct.Struct("<BxxxIQd")
"""Outcome, length of the message, inputs tried without a prediction, CPU seconds of loading."""

INVALID_COUNT_OFFSET = 8
LOAD_SECONDS_OFFSET = 16
LEAST_LOAD_SECONDS = 1e-9
"""What a child writes at least, since 0 means that it is still loading."""
MESSAGE_OFFSET = HEAD.size
MESSAGE_BYTES = 1200
PENDING = 255
"""Byte of an input without a prediction."""


UNFINISHED = 0
if TYPE_CHECKING:
    Outcome = Literal[
        "unfinished", "ok", "syntax_error", "no_function", "load_error", "memory", "forbidden"
    ]
OUTCOMES: tuple[Outcome, ...] = (
    "unfinished",
    "ok",
    "syntax_error",
    "no_function",
    "load_error",
    "memory",
    "forbidden",
)
"""Outcomes a child can claim, by the number it writes at the head of the map."""

REQUEST = struct.Struct("<cQdddQ")
"""Kind, inputs, CPU seconds per call, CPU seconds in total, wall seconds, memory in bytes."""

RUN = b"R"
STOP = b"S"

REPLY = struct.Struct("<iBd")
"""Wait status of the child, why the watcher killed it, its CPU seconds."""

KILLED_BY = ("nobody", "call limit", "candidate limit", "idle", "wall limit", "request")

JOB = struct.Struct("<Q")
"""Length of the job's description, which follows; then come the inputs sent as lines."""

READY = b"ready"
FAILED = b"failed"


def progress(content: bytes, count: int) -> int:
    """Returns 0 before the first call, then 1 plus the number of inputs tried, as the map claims.

    Args:
        content: The map, at least its head and the bytes of its inputs.
        count: Number of inputs.
    """
    _, _, invalid, load_seconds = HEAD.unpack_from(content)
    if load_seconds == 0:
        return 0
    pending = content.count(PENDING, HEADER_BYTES, HEADER_BYTES + count)
    return 1 + count - pending + int(invalid)
