"""Runs untrusted programs: inputs go in, predictions come out, labels never enter."""

from llm_erm.sandbox.execute import Isolation, Sandbox
from llm_erm.sandbox.execution import (
    BINARY,
    FLOAT,
    INVALID,
    Execution,
    Input,
    Limits,
    Outputs,
    Status,
)

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
