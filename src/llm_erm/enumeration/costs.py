"""What productions cost: as the language states, or as a model's proposals suggest."""

from collections.abc import Mapping
from dataclasses import dataclass

from llm_erm.enumeration.language import InputKind, productions_for

Place = tuple[str, str]
"""A production as the argument of another: their names, the other first; ``root`` for programs."""

ROOT = "root"


@dataclass(frozen=True)
class Costs:
    """Prices in whole units.

    Attributes:
        unit: Units in a bit.
        base: The least that a production costs anywhere.
        extra: What it costs more as an argument of a certain production.
    """

    unit: int
    base: Mapping[str, int]
    extra: Mapping[Place, int]


def stated(kind: InputKind) -> Costs:
    """Returns the prices of the language, in bits, which are the same everywhere."""
    return Costs(1, {production.name: production.bits for production in productions_for(kind)}, {})
