"""What the parent, the zygote and the child agree on; standard library only, so it loads fast.

Everything that a child leaves in the shared map is untrusted: it may have been written by the
candidate itself. The parent reads it as a claim about that candidate and nothing else.
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

HEADER_BYTES = 4096
"""Head of the shared map; one byte an input follows, and then 8 bytes an input for floats."""

HEAD = struct.Struct("<BxxxIQd")
"""Outcome, length of the message, inputs without a prediction so far, CPU seconds of loading."""

INVALID_COUNT_OFFSET = 8
LOAD_SECONDS_OFFSET = 16
MESSAGE_OFFSET = HEAD.size
MESSAGE_BYTES = 1200
PENDING = 255
"""Byte of an input that has no prediction, yet or for good."""


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
"""Kind, inputs, CPU seconds a call, CPU seconds in total, wall seconds, memory in bytes."""

RUN = b"R"
STOP = b"S"

REPLY = struct.Struct("<iBd")
"""Wait status of the child, why the zygote killed it, its CPU seconds."""

KILLED_BY = ("nobody", "call limit", "candidate limit", "idle", "wall limit", "request")

JOB = struct.Struct("<Q")
"""Length of the description of a job, which follows; after it come the inputs that are lines."""

READY = b"ready"
FAILED = b"failed"


def progress(content: bytes, count: int) -> int:
    """Returns 0 before the first call and then 1 more than the inputs tried, as the map claims.

    Args:
        content: The map's head and its bytes of inputs at least.
        count: Number of inputs.
    """
    _, _, invalid, load_seconds = HEAD.unpack_from(content)
    if load_seconds == 0:
        return 0
    pending = content.count(PENDING, HEADER_BYTES, HEADER_BYTES + count)
    return 1 + count - pending + int(invalid)
