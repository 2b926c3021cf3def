"""What one process of the sandbox is given to run."""

from collections.abc import Sequence
from dataclasses import dataclass

from llm_erm.execution import Input, Limits, Outputs


@dataclass(frozen=True)
class SandboxJob:
    """A program and everything needed to run it.

    Attributes:
        source: The program.
        inputs: The inputs, in the order of the calls.
        limits: What the program may use.
        outputs: What counts as a prediction.
        seed: Seed of string hashes and of random numbers that the program does not seed.
    """

    source: str
    inputs: Sequence[Input]
    limits: Limits
    outputs: Outputs
    seed: int


def passed_limit(killer: str, cpu_seconds: float, limits: Limits) -> str | None:
    """Returns which time limit a candidate exceeded, as a sentence, or None.

    Args:
        killer: Why it was ended, one of ``protocol.KILLED_BY``.
        cpu_seconds: CPU time that it took.
        limits: The limits that it ran under.
    """
    match killer:
        case "call limit":
            return f"one call took more than {limits.seconds_per_call:g} CPU seconds"
        case "idle":
            return "it waited for something that never came"
        case "wall limit":
            return "it did not end in many times its CPU limit"
    total = limits.seconds_per_candidate
    return f"the program took more than {total:g} CPU seconds" if cpu_seconds > total else None
