"""The settings of a search without a language model; those of its data are separate."""

from dataclasses import dataclass
from typing import Literal

from llm_erm.checks import Checked

Order = Literal["length-first", "uniform", "prior"]
"""The order of programs: shortest first, sampled at random, or cheapest first under a prior."""


@dataclass(frozen=True)
class EnumerationSettings(Checked):
    """Settings of a search.

    Attributes:
        attempts: The budget K: programs scored on validation data, at most, fixed beforehand.
        order: The order of programs.
        max_seconds: Wall time at most.
        max_memory_bytes: Memory of this process at most.
        max_programs: Programs considered at most; None for no limit.
        max_bits: Description length of the longest programs.
        tie_bits: How much longer than the first exact program others may be, in bits, for the
            search to look for them.
        more_cpu_seconds: CPU time to look for those, and for shorter ones, once a program is exact.
        seed: Seed of the sampled programs, and of the inputs that define observational equivalence.
        confidence: Confidence of the certificate.
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
