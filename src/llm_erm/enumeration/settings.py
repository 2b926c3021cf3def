"""What shapes one search without a language model; the command line adds what shapes its data."""

from dataclasses import dataclass
from typing import Literal

from llm_erm.sandbox import Limits

Order = Literal["length-first", "uniform", "prior"]
"""How programs come: cheapest first, drawn at random, or cheapest first by a model's weights."""


@dataclass(frozen=True)
class Settings:
    """Settings of a search.

    Attributes:
        attempts: The budget K: programs that meet validation data at most, fixed beforehand.
        order: How programs come.
        max_seconds: Wall time at most.
        max_memory_bytes: Memory of this process at most.
        max_programs: Programs considered at most; None for no limit.
        max_bits: Price of the dearest programs.
        tie_bits: How much dearer than the first exact program another may be to be looked for.
        more_cpu_seconds: CPU time to look for such, and for a shorter one, once one is exact.
        seed: Seed of the drawn programs, and of the inputs that tell programs apart.
        confidence: Confidence of the certificate.
        limits: What one execution of a program may use.
    """

    attempts: int = 64
    order: Order = "length-first"
    max_seconds: float = 30.0
    max_memory_bytes: int = 2 * 2**30
    max_programs: int | None = None
    max_bits: float = 64.0
    tie_bits: float = 2.0
    more_cpu_seconds: float = 2.0
    seed: int = 0
    confidence: float = 0.95
    limits: Limits = Limits()
