"""Runs untrusted programs: inputs go in, predictions come out, labels never enter."""

from llm_erm.execution import (
    BINARY,
    FLOAT,
    INVALID,
    Execution,
    Input,
    Isolation,
    Limits,
    Outputs,
    Status,
)
from llm_erm.sandbox.execute import Sandbox

__all__ = [
    "BINARY",
    "FLOAT",
    "INVALID",
    "Execution",
    "Input",
    "Isolation",
    "Limits",
    "Outputs",
    "Sandbox",
    "Status",
]
